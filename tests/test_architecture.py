"""The layers: imports go one way, and the expensive ones do not happen at DAG parsing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_trifacta

PACKAGE = Path(airflow_provider_trifacta.__file__).parent
NAME = PACKAGE.name

#: What each layer may import of the package; "airflow" stands for Airflow itself.
LAYERS = {
    "client": {"__version__", "client"},
    "packages": {"client", "packages"},
    "promotion": {"client", "packages", "promotion"},
    "waits": {"client", "waits"},
    "_compat": {"airflow"},
    "_failures": {"_compat", "client"},
    "hooks": {"_compat", "client", "hooks"},
    "links": {"_compat"},
    "triggers": {"airflow", "client", "hooks", "triggers", "waits"},
    "operators": {
        *("_compat", "_failures", "client", "hooks", "links"),
        *("operators", "packages", "promotion", "triggers", "waits"),
    },
    "sensors": {"_compat", "_failures", "client", "hooks", "links", "sensors", "triggers", "waits"},
    "task_groups": {"_compat", "operators", "sensors", "waits"},
    "get_provider_info": {"hooks"},
    "check": {"airflow", "client", "hooks"},
    "package": {"client", "packages"},
    "__init__": set(),
}


def imports_of(path: Path) -> set[str]:
    """Return the layers of this package, and "airflow" or "requests", that a module imports anywhere in it."""
    parts = [NAME, *path.relative_to(PACKAGE).parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: -node.level]
            names = [".".join([*base, *(node.module or alias.name).split(".")]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == NAME:
                found.add(rest.split(".")[0])
            elif top in ("airflow", "requests"):
                found.add(top)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = LAYERS[layer]
    found = imports_of(path)
    if layer == "client":
        found -= {"requests"}
    assert found <= allowed


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(out.stdout.splitlines()[-1]))


def test_the_client_works_without_airflow():
    loaded = modules_after(f"import {NAME}.client.client, {NAME}.waits, {NAME}.packages.flow_package")
    assert f"{NAME}.client.transport" in loaded
    assert not {name for name in loaded if name.split(".")[0] == "airflow"}


@pytest.mark.slow
def test_parsing_a_dag_loads_no_http_library_of_ours():
    base = modules_after("from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, TaskGroup")
    every = ("operators.activation", "sensors.release", "sensors.job_group", "hooks.trifacta", "task_groups")
    ours = modules_after("\n".join(f"import {NAME}.{module}" for module in every))
    added = {name.split(".")[0] for name in ours - base}
    assert NAME in added
    assert not added & {"requests", "urllib3", "httpx", "aiohttp", "http", "tenacity", "starlette", "uvicorn"}
