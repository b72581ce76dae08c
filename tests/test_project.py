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
SCRIPTS = [ROOT / "scripts" / name for name in ("release", "test")]
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
        {
            text.partition(":")[0]
            for text in settings(folder)["tool"]["pytest"]["ini_options"]["markers"]
        }
        for folder in (".", "emulator")
    )
    assert {"fuzz", "slow", "system"} <= of_provider & of_emulator


TOOLS = sorted((ROOT / "constraints" / "tools").glob("*.txt"))


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_tools_are_pinned_by_their_hashes_and_name_no_index(path):
    requirements = path.read_text().replace("\\\n", "").splitlines()
    pinned = re.compile(r"[a-z0-9-]+==\S+(?: ; [^#]+?)?(?: +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in requirements if not pinned.fullmatch(line)] == []
    wanted = set(re.findall(r"^[a-z-]+$", path.with_suffix(".in").read_text(), re.M))
    assert wanted <= {line.partition("==")[0] for line in requirements}
    assert wanted


def test_the_scripts_install_tools_by_their_hashes_alone():
    """And nothing is built for them, because that would bring tools without a hash."""
    text = (ROOT / "scripts" / "_env.sh").read_text().partition("make_tools() {")[2]
    assert "--only-binary :all: --require-hashes" in text
    named = {
        name for script in SCRIPTS for name in re.findall(r"make_tools (\w+)", script.read_text())
    }
    assert named == {path.stem for path in TOOLS} - {"publish"}


def test_constraints_name_no_index():
    for path in (ROOT / "constraints").glob("*.txt"):
        lines = path.read_text().splitlines()
        assert [
            line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==\S+( ; .+)?", line)
        ] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_read_ask_for_little_and_pin_their_actions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    text = path.read_text()
    for action in [step["uses"] for step in steps if "uses" in step]:
        assert re.search(r"@[0-9a-f]{40}$", action)
        assert re.search(
            rf"{action} # v\d+\.\d+\.\d+$", text, re.M
        )  # the bot renews the version too
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "secrets." not in text
    help_text = (ROOT / "scripts" / "test").read_text()
    assert all(
        f"scripts/test {mode} " in help_text for mode in re.findall(r"scripts/test (--\w+)", text)
    )


def test_an_action_has_one_digest_in_all_workflows():
    text = "".join(path.read_text() for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w-]+/[\w-]+)@(\w+) # (\S+)", text))
    assert len(pins) == len({name for name, *_ in pins})
    (update,) = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert update["package-ecosystem"] == "github-actions"


@pytest.mark.parametrize("name", ["release", "site"])
def test_what_publishes_takes_nothing_from_a_cache(name):
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert not re.search(r"actions/cache|^ +cache:|enable-cache", text, re.M)


def test_a_release_is_of_main_and_is_attested():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    build, publish = jobs["build"], jobs["publish"]
    commands = [step.get("run") for step in build["steps"]]
    main = next(
        place
        for place, command in enumerate(commands)
        if "merge-base --is-ancestor" in str(command)
    )
    made = next(
        place for place, command in enumerate(commands) if "scripts/release" in str(command)
    )
    assert main < made
    assert build["steps"][0]["with"]["fetch-depth"] == 0  # without history nothing is an ancestor
    assert "permissions" not in build  # what runs the project's code may read alone
    assert publish["permissions"] == {
        "contents": "read",
        "id-token": "write",
        "attestations": "write",
    }
    done = [step.get("uses", step.get("run")).partition("@")[0] for step in publish["steps"]]
    provenance, signed, uploaded = (
        next(place for place, step in enumerate(done) if word in step)
        for word in ("attest-build-provenance", "pypi-attestations sign", "uv publish")
    )
    assert provenance < signed < uploaded
    assert any("--require-hashes" in step for step in done)


ACTORS = (
    *(
        "instance",
        "package's author",
        "DAG's author",
        "trigger a run",
        "edit XComs",
        "edit connections",
        "approver",
    ),
    *("tenant of a triggerer", "local user", "neighbour of the emulator"),
)


@pytest.mark.parametrize("actor", ACTORS)
def test_the_threats_are_written_down_by_actor(actor):
    """What each can do, what is held against it, and what is left."""
    lines = (ROOT / "SECURITY.md").read_text().splitlines()
    rows = [
        line.strip("|").split("|")
        for line in lines
        if line.startswith("|") and actor in line.split("|")[1]
    ]
    assert [[bool(cell.strip()) for cell in row] for row in rows] == [[True] * 4]


def test_no_snippet_writes_to_a_folder_that_all_users_share():
    snippets = [
        path
        for folder in ("docs/snippets", "example_dags")
        for path in (ROOT / folder).rglob("*.*")
    ]
    texts = {path.name: path.read_text() for path in snippets if path.suffix in (".py", ".sh")}
    assert texts
    assert [
        name for name, text in texts.items() if re.search(r"/(var/)?tmp\b|/dev/shm", text)
    ] == []


def test_hosted_tests_run_on_every_line():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    lines = {row["line"] for row in jobs["tests"]["strategy"]["matrix"]["include"]}
    pinned = {
        path.stem.partition("-")[2] for path in (ROOT / "constraints").glob("airflow-?.*.txt")
    }
    assert lines == pinned


def test_a_commit_is_checked_as_the_tests_check():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["scripts/test --style"]


def test_docstrings_of_both_projects_have_one_dialect():
    """A summary begins on the line of the quotes, and a field has no type and no period
    at its end.
    """
    wrong = []
    for folder in ("airflow_provider_trifacta", "emulator/trifacta_emulator"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(
                    node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
                ):
                    text = ast.get_docstring(node, clean=False) or ""
                    fields = re.findall(
                        r"^ *:(?:param \w+|returns|raises [\w.]+): (.+(?:\n(?! *:| *$).+)*)",
                        text,
                        re.M,
                    )
                    named = re.findall(r"^ *:(?!\w+:`)\w+.*", text, re.M)
                    right = not text.startswith("\n") and len(fields) == len(named)
                    if not right or any(field.endswith(".") for field in fields):
                        wrong.append(f"{path.name}: {text[:60]!r}")
    assert wrong == []
