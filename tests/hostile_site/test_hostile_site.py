"""The main path where users are: behind proxies, on workers without room, with other options of
Airflow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
#: Nothing listens there: what goes to this proxy is lost.
DEAD = "http://127.0.0.1:9"
PROXIES = {
    name: DEAD for one in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (one, one.lower())
}
#: Python then falls back to another folder. A site without any has a test of its own in
#: ``main_path.py``.
NO_FOLDER = {"TMPDIR": "/nowhere/at/all"}
DEFERRABLE = {"AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True"}
#: What ``main_path.py`` does by itself.
INSIDE = ["native rendering", "no logical date", "IPv6"]


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory):
    """An Airflow home with an empty database, to be copied."""
    home = tmp_path_factory.mktemp("airflow")
    environment = environment_of(home)
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        check=True,
        capture_output=True,
    )
    return home


def environment_of(home: Path) -> dict[str, str]:
    """Return this process' environment without what is friendly, or ours, in it."""
    ours = ("AIRFLOW", "TEST_", "PYTEST_")
    unset = {"no_proxy", "http_proxy", "https_proxy", "all_proxy", "tmpdir"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and name.lower() not in unset
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hostile", "sites", "tests"),
    [
        pytest.param(
            {**PROXIES, **NO_FOLDER},
            [[]],
            "kept",
            marks=pytest.mark.system,
            id="proxies, no TMPDIR",
        ),
        pytest.param(
            DEFERRABLE,
            [[one] for one in INSIDE],
            "kept",
            marks=pytest.mark.system,
            id=f"deferrable by default, {', '.join(INSIDE)}",
        ),
        pytest.param({**PROXIES, **NO_FOLDER, **DEFERRABLE}, [INSIDE], "", id="all at once"),
    ],
)
def test_the_main_path_works(hostile, sites, tests, airflow_home, tmp_path):
    home = shutil.copytree(airflow_home, tmp_path / "airflow")
    plugin = ["-p", "no:cacheprovider", "--noconftest"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *plugin,
            f"--basetemp={tmp_path / 'tests'}",
            "-k",
            tests,
            HERE / "main_path.py",
        ],
        env={**environment_of(home), "TEST_SITES": json.dumps(sites), **hostile},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    if " passed" not in done.stdout:
        pytest.skip("no IPv6 loopback on this machine")
