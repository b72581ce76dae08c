"""The floors of the emulator: imports go down only, and the pytest plug-in stays cheap."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trifacta_emulator

PACKAGE = Path(trifacta_emulator.__file__).parent
NAME = PACKAGE.name
MODULES = sorted(PACKAGE.rglob("*.py"))

#: From top to bottom. A module imports lower floors and, within its folder, modules beside it.
FLOORS = (
    {"__main__", "pytest_plugin", "server"},
    {"app", "like"},
    {"ui"},
    {"api"},
    {"faults", "state"},
    {"rules"},
    {"http", "records"},
    {"packages"},
    {"options", "errors", "clock", "checks"},
)
#: Modules of the lowest floor, in their own order: each may import earlier ones.
GROUND = ("checks", "clock", "errors", "options")

PUBLIC = {
    *(
        "Emulator",
        "EmulatorOptions",
        "User",
        "PresetConnection",
        "PresetFlow",
        "PresetToken",
        "ServerOptions",
    ),
    *("Fault", "ArmedFault", "Answer", "Delay", "Hold", "Reset", "Truncate", "PackageUuid"),
    *("LateActivation", "LateCommit", "RunOutcome", "Call"),
    *("build_package", "read_package", "Package", "Connection"),
    *("ManualClock", "iso", "utc_now", "MissingObjectError", "ValidationError"),
}
#: Packages outside the standard library.
ALLOWED = {"pyjson5", "python_multipart", "starlette", "uvicorn"}
#: One mark, with its sources if it names any.
MARK = re.compile(r"\[([RPIM?])(?:: ([A-Z][^;/\]]*))?\]")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def floor_of(module: str) -> int:
    [floor] = [number for number, names in enumerate(FLOORS) if module.split(".")[0] in names]
    return floor


def imports_of(path: Path) -> set[str]:
    """Return what a module imports anywhere in it: modules of the emulator by their names in it,
    and other packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            # ``from package import module`` names a module; ``from module import name`` does not.
            found |= {one if is_module(one) else node.module for one in whole}
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def inner_imports(path: Path) -> set[str]:
    return {one.removeprefix(f"{NAME}.") for one in imports_of(path) if one.startswith(f"{NAME}.")}


@pytest.mark.parametrize("path", [one for one in MODULES if one.stem != "__init__"], ids=name_of)
def test_imports_go_down(path):
    module = name_of(path)
    for other in inner_imports(path):
        folder = other.split(".")[0]
        if folder == module.split(".")[0]:
            continue
        if module in GROUND and other in GROUND:
            assert GROUND.index(other) < GROUND.index(module)
        else:
            assert floor_of(module) < floor_of(other), f"{module} imports {other}"


def test_there_are_few_floors():
    assert len(FLOORS) <= 9
    assert {name_of(one).split(".")[0] for one in MODULES} - {"__init__"} == set().union(*FLOORS)


def test_no_circle():
    graph = {name_of(one): inner_imports(one) for one in MODULES if one.stem != "__init__"}
    while leaves := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in leaves}
    assert graph == {}


def test_it_needs_neither_airflow_nor_the_provider():
    packages = {one.split(".")[0] for path in MODULES for one in imports_of(path)}
    assert packages - sys.stdlib_module_names - {NAME, "pytest"} == ALLOWED


def test_the_plugin_loads_no_server():
    code = f"import json, sys, {NAME}.pytest_plugin\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in json.loads(out.stdout)}
    assert NAME in loaded
    assert not loaded & {"starlette", "uvicorn", "python_multipart", "pyjson5", "asyncio"}


def test_public_names():
    assert set(trifacta_emulator.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(trifacta_emulator, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = trifacta_emulator.nothing


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_evidence_is_marked_in_one_way(path):
    sources = set(re.findall(r"\b[A-Z]+(?=[\d-]|\b)", trifacta_emulator.__doc__))
    # All that looks like a mark: [R, P], [M/I] or [R: page] too.
    for mark in re.findall(r"\[[RPIM?](?!\w)[^\]]*\]", path.read_text()):
        named = MARK.fullmatch(mark)
        assert named, f"{mark} is not one of [R] [P] [I] [M] [?], with or without sources"
        for source in (named[2] or "SEED").split(", "):
            assert re.match("[A-Z]+", source)[0] in sources, (
                f"the legend does not explain {source!r}"
            )


def test_tests_mirror_the_package():
    here = Path(__file__).parent
    extra = {"test_architecture", "test_fuzz", "test_install", "test_readme"}
    # The clients call everything.
    for path in set(here.rglob("test_*.py")) - set((here / "clients").iterdir()):
        module = (
            path.relative_to(here)
            .with_name(path.name.removeprefix("test_"))
            .with_suffix("")
            .as_posix()
        )
        homes = [one.relative_to(PACKAGE).with_suffix("").as_posix().strip("_") for one in MODULES]
        assert path.stem in extra or any(
            module == one or module.startswith(f"{one}_") for one in homes
        ), path


def test_the_readme_names_files_that_exist():
    project = Path(__file__).parents[1]
    named = set(re.findall(r"`([\w/]+\.py)`", (project / "README.md").read_text(encoding="utf-8")))
    # Those that the reader is asked to write.
    named -= {"tests/api/test_output_objects.py", "conftest.py"}
    assert len(named) > 15
    assert not [
        name for name in named if not ((PACKAGE / name).is_file() or (project / name).is_file())
    ]
