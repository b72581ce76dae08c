"""The emulator alone in an empty environment: no Airflow, a server at once, and the fixture without
a conftest."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Install the project into an empty environment; return the folder of its programs."""
    home = tmp_path_factory.mktemp("empty") / "env"
    venv.create(home, with_pip=True)
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    run(
        [
            folder / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PROJECT,
            "pytest",
            "requests",
        ]
    )
    return folder


def run(command, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_airflow_comes_along(programs):
    listed = json.loads(run([programs / "python", "-m", "pip", "list", "--format", "json"]))
    names = {one["name"].lower() for one in listed}
    assert "trifacta-emulator" in names
    assert not [name for name in names if "airflow" in name]


def test_it_serves(programs, tmp_path, tell):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [programs / "trifacta-emulator", "--port", "0", "--url-file", tmp_path / "url"]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it served"
        seconds = time.monotonic() - started
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open((tmp_path / "url").read_text().strip(), timeout=30) as answer:
            assert answer.status == 200
        process.terminate()
        assert process.wait(30) == 0
    tell(f"served after {seconds:.2f} s")


def test_the_fixture_needs_no_conftest(programs, tmp_path):
    """Run the first example of the README, as it stands there."""
    example = README.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 5
    (tmp_path / "test_it.py").write_text(example)
    said = run(
        [programs / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."], cwd=tmp_path
    )
    assert "1 passed" in said


def test_it_runs_as_a_module(programs):
    assert "trifacta-emulator" in run([programs / "python", "-m", "trifacta_emulator", "--help"])
