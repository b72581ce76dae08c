"""What the two projects, the scripts and the hosted workflows say of each other."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import trifacta_emulator
import yaml

import airflow_provider_trifacta

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def settings(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def test_both_projects_have_one_version_and_the_extra_asks_for_it():
    version = airflow_provider_trifacta.__version__
    assert trifacta_emulator.__version__ == version
    major, minor = map(int, version.split(".")[:2])
    extra = settings(".")["project"]["optional-dependencies"]["emulator"]
    assert extra == [f"trifacta-emulator>={major}.{minor},<{major}.{minor + 1}"]


def test_both_projects_know_the_same_markers_of_a_mode():
    of_provider, of_emulator = (
        {text.partition(":")[0] for text in settings(folder)["tool"]["pytest"]["ini_options"]["markers"]}
        for folder in (".", "emulator")
    )
    assert {"fuzz", "slow", "system"} <= of_provider & of_emulator


def test_constraints_name_no_index():
    for path in (ROOT / "constraints").glob("*.txt"):
        lines = path.read_text().splitlines()
        assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==\S+( ; .+)?", line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_read_ask_for_little_and_pin_their_actions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for action in [step["uses"] for step in steps if "uses" in step]:
        assert re.search(r"@(v\d+|release/v\d+)$", action)
    text = path.read_text()
    assert "secrets." not in text
    help_text = (ROOT / "scripts" / "test").read_text()
    assert all(f"scripts/test {mode} " in help_text for mode in re.findall(r"scripts/test (--\w+)", text))


def test_hosted_tests_run_on_every_line():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    lines = {row["line"] for row in jobs["tests"]["strategy"]["matrix"]["include"]}
    pinned = {path.stem.partition("-")[2] for path in (ROOT / "constraints").glob("airflow-?.*.txt")}
    assert lines == pinned


def test_a_commit_is_checked_as_the_tests_check():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["scripts/test --style"]


def test_docstrings_of_both_projects_have_one_dialect():
    """A summary begins on the line of the quotes, and a field has no type and no period at its end."""
    wrong = []
    for folder in ("airflow_provider_trifacta", "emulator/trifacta_emulator"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    text = ast.get_docstring(node, clean=False) or ""
                    fields = re.findall(
                        r"^ *:(?:param \w+|returns|raises [\w.]+): (.+(?:\n(?! *:| *$).+)*)", text, re.M
                    )
                    named = re.findall(r"^ *:(?!\w+:`)\w+.*", text, re.M)
                    right = not text.startswith("\n") and len(fields) == len(named)
                    if not right or any(field.endswith(".") for field in fields):
                        wrong.append(f"{path.name}: {text[:60]!r}")
    assert wrong == []
