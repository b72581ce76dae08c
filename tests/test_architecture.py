"""The floors: imports go one way, and the expensive imports do not happen at DAG parsing."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_trifacta

PACKAGE = Path(airflow_provider_trifacta.__file__).parent
ROOT = Path(__file__).resolve().parent.parent
NAME = PACKAGE.name
PATHS = sorted(PACKAGE.rglob("*.py"))
every_module = pytest.mark.parametrize(
    "path", PATHS, ids=lambda path: str(path.relative_to(PACKAGE))
)

#: What each floor may import of the package, from the ground up; "airflow" stands for Airflow
#: itself, and a floor may always import itself.
FLOORS = {
    "__init__": set(),
    "client": {"__init__"},
    "packages": {"client"},
    "promotion": {"client", "packages"},
    "waits": {"client"},
    "_compat": {"airflow"},
    "_failures": {"_compat", "client"},
    "_job_log": {"_compat", "client"},
    "_logs": {"client"},
    "assets": {"_compat", "client"},
    "hooks": {"_compat", "client"},
    "links": {"_compat"},
    "triggers": {"_compat", "airflow", "client", "hooks", "waits"},
    "sensors": {
        *("_compat", "_failures", "_job_log", "_logs", "client"),
        *("hooks", "links", "triggers", "waits"),
    },
    "operators": {
        *("_compat", "_failures", "_job_log", "_logs", "assets"),
        *("client", "hooks", "links"),
        *("packages", "promotion", "triggers", "waits"),
    },
    "task_groups": {"_compat", "operators", "sensors", "waits"},
    "get_provider_info": {"hooks"},
    "check": {"airflow", "client", "hooks"},
    "package": {"client", "packages"},
    "probe": {"__init__", "check", "client", "packages"},
}


def module_of(path: Path) -> str:
    """Return the dotted name of a module within the package; a folder stands for its
    ``__init__``.
    """
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(path): path for path in PATHS}


def floor_of(module: str) -> str:
    return module.split(".")[0]


def imports_of(path: Path, *, types: bool = True) -> Iterator[str]:
    """Find what a module imports anywhere in it: modules of this package, "airflow" and "requests".

    :param types: whether imports that only a type checker sees count too
    """
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and not types and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            parts = path.relative_to(PACKAGE).parts[: -node.level]
            within = ".".join([*parts, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{within}.{alias.name}".strip(".")
                yield inner if inner in MODULES else within or "__init__"
            continue
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (
            name.split(".")[0]
            for name in names
            if name.split(".")[0] in ("airflow", "requests", NAME)
        )


@every_module
def test_imports_go_one_way(path):
    floor = floor_of(module_of(path))
    found = {floor_of(one) for one in imports_of(path)} - {floor}
    assert found <= FLOORS[floor] | ({"requests"} if floor == "client" else set())


@every_module
def test_every_logger_makes_foreign_words_safe(path):
    """``check`` quiets a logger of Airflow, and ``package`` gives its own a handler."""
    if module_of(path) in ("client.foreign_words", "check", "package"):
        return
    assert "getLogger" not in path.read_text()


def test_the_floors_themselves_go_one_way():
    assert list(TopologicalSorter(FLOORS).static_order())


def test_no_modules_import_each_other():
    graph = {
        module: {one for one in imports_of(path, types=False) if one in MODULES and one != module}
        for module, path in MODULES.items()
    }
    assert list(TopologicalSorter(graph).static_order())
    assert graph["task_groups"] > {"operators._group", "sensors.release"}, "the graph is of modules"


@every_module
def test_neighbours_are_imported_by_relative_names(path):
    assert NAME not in set(imports_of(path))


@pytest.mark.parametrize("floor", ["client", "packages", "promotion"])
def test_what_users_may_import_is_listed(floor):
    public = importlib.import_module(f"{NAME}.{floor}")
    members = [
        one
        for one in vars(public).values()
        if getattr(one, "__module__", "").startswith(f"{NAME}.")
    ]
    assert members
    assert [one for one in members if not one.__doc__] == []


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(out.stdout.splitlines()[-1]))


def test_the_client_works_without_airflow():
    loaded = modules_after(
        f"import {NAME}.client.client, {NAME}.waits, {NAME}.packages.flow_package"
    )
    assert f"{NAME}.client.transport" in loaded
    assert not {name for name in loaded if name.split(".")[0] == "airflow"}


@pytest.mark.slow
def test_parsing_a_dag_loads_no_http_library_of_ours():
    base = modules_after(
        "from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, TaskGroup"
    )
    every = (
        "operators.activation",
        "sensors.release",
        "sensors.job_group",
        "hooks.trifacta",
        "task_groups",
    )
    ours = modules_after("\n".join(f"import {NAME}.{module}" for module in every))
    added = {name.split(".")[0] for name in ours - base}
    assert NAME in added
    assert not added & {
        "requests",
        "urllib3",
        "httpx",
        "aiohttp",
        "http",
        "tenacity",
        "starlette",
        "uvicorn",
    }


#: A question as heading, and the file and the function that answer it.
ANSWER = re.compile(
    r"^## (?P<question>.+\?)\n\n(?:In|See) \[`(?P<file>[^`]+)`\]\(.+?\), [^`]*?`(?P<name>[\w.]+)`",
    re.MULTILINE,
)
QUESTIONS = {
    "Where is retry decided?",
    "Where is a lost upload settled?",
    "Where would a new endpoint go?",
    "What may I import?",
}


def test_the_page_answers_each_question_with_a_function_that_exists():
    answers = {
        found["question"]: found
        for found in ANSWER.finditer((ROOT / "ARCHITECTURE.md").read_text())
    }
    assert answers.keys() >= QUESTIONS
    for found in answers.values():
        place = ast.parse((ROOT / found["file"]).read_text())
        for part in found["name"].split("."):
            inside = {
                one.name: one
                for one in place.body
                if isinstance(one, (ast.ClassDef, ast.FunctionDef))
            }
            assert part in inside, found[0]
            place = inside[part]
