"""Everything public has a docstring, and each of its parameters has words of its own."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import Any

import pytest

from airflow_provider_trifacta._compat import KEEPS_STATE
from airflow_provider_trifacta.get_provider_info import get_provider_info

if not KEEPS_STATE:
    pytest.skip("an earlier Airflow cannot import all that is public", allow_module_level=True)

NAME = "airflow_provider_trifacta"
MODULES = [
    *(
        name
        for kind in ("operators", "sensors", "triggers", "hooks")
        for one in get_provider_info()[kind]
        for name in one["python-modules"]
    ),
    *(
        f"{NAME}.{name}"
        for name in ("links", "task_groups", "client", "packages", "promotion", "waits")
    ),
    "trifacta_emulator",
]
#: Parameters that only Python and Airflow fill in.
GIVEN = {"self", "cls", "context", "operator", "ti_key"}
#: What the client's attributes are: their classes are public by them.
RESOURCES = {
    "client.resources": ("Connections", "Deployments", "ImportRules", "People"),
    "client.releases": ("Releases",),
    "client.flows": ("Flows",),
    "client.job_groups": ("JobGroups",),
    "client.description": ("Description",),
}


def public() -> dict[str, Any]:
    """Return what is public, by its name: functions and classes, and methods that have a name of
    their own."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        names = getattr(module, "__all__", None) or [
            one
            for one, value in vars(module).items()
            if one[0] != "_" and str(getattr(value, "__module__", "")).startswith(name)
        ]
        # Constants and names of types have comments in place of docstrings.
        members = {f"{name}.{one}": getattr(module, one) for one in names}
        found |= {
            key: one
            for key, one in members.items()
            if inspect.isclass(one) or inspect.isfunction(one)
        }
    for name, names in RESOURCES.items():
        found |= {
            f"{name}.{one}": getattr(importlib.import_module(f"{NAME}.{name}"), one)
            for one in names
        }
    for name, one in list(found.items()):
        if inspect.isclass(one):
            found |= {
                f"{name}.{method}": value
                for method, value in vars(one).items()
                if method[0] != "_"
                and (inspect.isfunction(value) or isinstance(value, (property, classmethod)))
            }
    return found


PUBLIC = public()


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module):
    names = [
        name
        for name, one in PUBLIC.items()
        if name.startswith(f"{module}.") and not inspect.getdoc(one)
    ]
    assert names == []


def parameters_of(one: Any) -> set[str]:
    """Return the parameters that a caller of a function, or of a class's own
    constructor, may give.
    """
    if inspect.isclass(one):
        if dataclasses.is_dataclass(one) or "__init__" not in vars(one):
            return set()
        one = vars(one)["__init__"]
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        parameter.name
        for parameter in inspect.signature(one).parameters.values()
        if parameter.name not in GIVEN and parameter.kind not in kinds
    }


def test_each_parameter_has_words():
    silent = {}
    for name, one in PUBLIC.items():
        if isinstance(one, property):
            continue
        one = getattr(one, "__func__", one)
        missing = parameters_of(one) - set(re.findall(r":param (\w+):", inspect.getdoc(one) or ""))
        if missing:
            silent[name] = sorted(missing)
    assert silent == {}
