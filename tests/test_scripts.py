"""What the scripts for releases, audits and many promotions decide. The rest of them is tried by
running them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def load(name: str):
    pytest.importorskip("packaging")
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # A dataclass looks its module up.
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def release_script(tmp_path, monkeypatch):
    module = load("release")
    monkeypatch.setattr(module, "TREE", tmp_path)
    return module


@pytest.mark.parametrize(
    ("link", "folder", "absolute"),
    [
        ("[how](docs/howto.md#runbook)", "", "[how](https://h/o/p/blob/v1/docs/howto.md#runbook)"),
        ("![page](docs/images/a.png)", "", "![page](https://h/o/p/raw/v1/docs/images/a.png)"),
        ("[examples](example_dags)", "", "[examples](https://h/o/p/tree/v1/example_dags)"),
        (
            "[why](../docs/security.md)",
            "emulator/",
            "[why](https://h/o/p/blob/v1/docs/security.md)",
        ),
        ("[here](#runbook) [there](https://x/y)", "", "[here](#runbook) [there](https://x/y)"),
    ],
)
def test_links_become_absolute(release_script, tmp_path, link, folder, absolute):
    (tmp_path / "example_dags").mkdir()
    assert release_script._absolute(link, "https://h/o/p", "v1", folder) == absolute


@pytest.mark.parametrize("documentation", [None, "https://o.github.io/p/"])
def test_the_metadata_lead_to_the_documentation(release_script, tmp_path, documentation):
    """Airflow's Providers page takes its link from there."""
    for project in release_script.PROJECTS:
        folder = tmp_path / project.folder
        folder.mkdir(exist_ok=True)
        for name in ("README.md", "pyproject.toml"):
            shutil.copy(SCRIPTS.parent / project.folder / name, folder)
        addresses = release_script._addresses("https://h/o/p", "v1", documentation)
        release_script._write_addresses(project, "https://h/o/p", "v1", addresses)
        urls = release_script.tomllib.loads((folder / "pyproject.toml").read_text())["project"][
            "urls"
        ]
        assert urls["Documentation"] == (documentation or "https://h/o/p/blob/v1/docs/index.md")
        assert set(addresses) < set(urls)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--repository", "git@h:o/p"],
        ["--repository", "https://h/o/p", "--documentation", "docs"],
        ["--repository", "https://h/o/p", "--documentation", "http://o.github.io/p"],
    ],
)
def test_an_address_that_is_none_is_refused(release_script, monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["release", *arguments])
    with pytest.raises(SystemExit, check=lambda end: end.code == 2):
        release_script.main()
    assert f"{arguments[-2]} takes an https address" in capsys.readouterr().err


def test_what_does_not_belong_into_a_wheel_is_named(release_script, tmp_path):
    wheel = tmp_path / "trifacta_emulator-1-py3-none-any.whl"
    addresses = release_script._addresses("https://h/o/p", "v1", None)
    project_urls = [
        f"Project-URL: {name}, {addresses[name]}" for name in ("Repository", "Changelog")
    ]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("trifacta_emulator/py.typed", "")
        archive.writestr("trifacta_emulator/.env", f"HOME={release_script.ROOT}")
        archive.writestr("tests/test_a.py", "")
        archive.writestr(
            "trifacta_emulator-1.dist-info/METADATA", "\n".join([*project_urls, "", "[a](b.md)"])
        )
    found = [problem.partition(": ")[2] for problem in release_script._problems(wheel, addresses)]
    assert found == [
        "no /LICENSE in it",
        "stray file trifacta_emulator/.env",
        "stray file tests/test_a.py",
        "a path of this machine in trifacta_emulator/.env",
        "no 'Project-URL: Documentation, https://h/o/p/blob/v1/docs/index.md' in the metadata",
        "no 'Project-URL: Issues, https://h/o/p/issues' in the metadata",
        "relative link to b.md",
    ]


@pytest.mark.parametrize(
    ("fixes", "newest", "failed"),
    [(["2.33"], True, True), (["2.33"], False, False), ([], True, False)],
)
def test_an_audit_fails_where_something_can_be_done(capsys, fixes, newest, failed):
    vulnerable = {
        "name": "requests",
        "version": "2.32",
        "vulns": [{"id": "CVE-1", "fix_versions": fixes}],
    }
    rows = [
        vulnerable,
        {"name": "idna", "version": "3", "vulns": []},
        {"name": "x", "skip_reason": "not known"},
    ]
    assert load("audit")._report("3.3", rows, fail_on_fixable=newest) is failed
    out = capsys.readouterr().out
    assert (
        "Airflow 3.3: 3 dependencies, 1 known vulnerabilities, not known to the database: x" in out
    )
    assert "requests 2.32: CVE-1, " in out


def test_the_airflow_of_the_demo_is_for_this_machine_alone(tmp_path, monkeypatch):
    local = load("local")
    monkeypatch.setattr(local, "HOME", tmp_path)
    monkeypatch.setattr(local, "_airflow", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(local.os, "environ", dict(local.os.environ))
        local.configure_airflow({"trifacta_dev": "http://127.0.0.1:1"})
        settings = local.os.environ
        assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
        assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith("http://127.0.0.1:")
    # The servers of logs have no setting for their address.
    parts = [
        part for part in local.PARTS.split("&") if " scheduler" in part or " triggerer" in part
    ]
    assert len(parts) == 2
    assert all("--skip-serve-logs" in part for part in parts)


@pytest.mark.parametrize(
    ("answers", "ended"),
    [
        (["no answer", "no answer"], 3),
        ([[], "no answer"], 3),
        ([[], []], 0),
        (["no answer", []], 3),
    ],
)
def test_an_audit_without_an_answer_does_not_end_as_a_good_one(monkeypatch, capsys, answers, ended):
    audit = load("audit")
    monkeypatch.setattr(audit, "_runtime_dependencies", lambda _environment: set())
    monkeypatch.setattr(audit, "_pins", lambda _line: [])
    replies = iter(answers)
    monkeypatch.setattr(audit, "_audit", lambda _pins: next(replies))
    assert audit.main(Path("."), "3.3", "3.2") == ended
    assert capsys.readouterr().out.count("NOT AUDITED") == answers.count("no answer")


def test_a_known_failure_of_one_line_survives_a_database_that_goes_away(monkeypatch):
    audit = load("audit")
    monkeypatch.setattr(audit, "_runtime_dependencies", lambda _environment: set())
    monkeypatch.setattr(audit, "_pins", lambda _line: [])
    vulnerable = {
        "name": "requests",
        "version": "1",
        "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}],
    }
    replies = iter([[vulnerable], "no answer"])
    monkeypatch.setattr(audit, "_audit", lambda _pins: next(replies))
    assert audit.main(Path("."), "3.3", "3.2") == 1


def test_missing_parts_of_a_site_are_named():
    """Nothing is installed or started then."""
    script, nowhere = SCRIPTS / "distributed", {"PATH": "/nowhere", "PG_BIN": "/nowhere"}
    done = subprocess.run(
        [shutil.which("bash"), script], env=nowhere, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "Missing programs: initdb postgres redis-server. " in done.stderr


@pytest.mark.parametrize(
    ("change", "outcome", "problems"),
    [
        ({}, "promoted", []),
        ({"state": "failed", "status": ("rolled_back", 1), "live": 1}, "rolled back", []),
        ({"state": "failed", "status": ("unchanged", 1), "made": [], "live": 1}, "red", []),
        ({"state": "failed", "status": ("rollback_owed", None)}, "red", []),
        ({"made": [2, 3]}, "promoted", ["duplicate: releases [2, 3]", "it says promoted; "]),
        ({"job_groups": 2}, "promoted", ["duplicate: 2 smoke runs"]),
        (
            {"state": "failed", "status": ("rolled_back", 1)},
            "rolled back",
            ["it says that ", "it says rolled back; "],
        ),
        (
            {"live": 1},
            "promoted",
            ["it says that release 2 is live, and 1 is", "it says promoted; "],
        ),
        (
            {"state": "success", "status": ("unproven", 2)},
            "red",
            ["'promoted' is success, and says unproven"],
        ),
        ({"state": None, "status": None}, "no word", ["no word of how it ended: "]),
    ],
)
def test_what_became_of_a_promotion_is_compared_with_production(change, outcome, problems):
    report, change = load("distributed_report"), dict(change)
    made, live = change.pop("made", [2]), change.pop("live", 2)
    state, says = change.pop("status", ("live", 2)) or (None, None)
    status = state and {
        "state": state,
        "live_release_id": says,
        "why": "A reason.",
        "text": "How it stands.",
    }
    one = report.Promotion(
        **{
            "name": "Orders",
            "deployment_id": 1,
            "before": 1,
            "releases": [
                {"id": release, "active": release == live or None} for release in [1, *made]
            ],
            "job_groups": 1,
            "state": "success",
            "status": status,
            **change,
        }
    )
    assert one.outcome == outcome
    assert [
        found.startswith(problem) for found, problem in zip(one.problems, problems, strict=True)
    ] == [True] * len(problems)
    table = report.summary([one])
    assert table.endswith(f"{'1' if problems else 'none'} wrong")
    assert ("A reason. How it stands." in table) == (outcome in ("rolled back", "red"))
