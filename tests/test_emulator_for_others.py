"""The emulator in the tests of other people's DAGs: in one process, and with everything in
processes of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[1]
README = (ROOT / "emulator" / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Test a DAG\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```python\n(.*?)^```", SECTION, re.M | re.S)
DAG = ROOT / "docs" / "snippets" / "dags" / "promote_orders.py"
TOKEN = {"Authorization": "Bearer open-sesame"}
UPLOAD = "/v4/deployments/1/releases"

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path):
    """Variables of a process that has this Airflow and this code, and no other."""
    (tmp_path / "dags").mkdir()
    shutil.copy(DAG, tmp_path / "dags")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "PYTEST"))
    }
    local = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "TRIFACTA_PACKAGES": str(tmp_path)}
    return {**kept, **local, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def test_the_dag_tests_of_the_readme(tmp_path, environment):
    """Each needs no more than 20 lines, and they pass in an empty folder."""
    conftest, promote, tests = BLOCKS
    (tmp_path / "conftest.py").write_text(conftest + promote)
    (tmp_path / "test_dag.py").write_text(tests)
    functions = [node for node in ast.parse(tests).body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == 3
    assert max(node.end_lineno - node.lineno + 1 for node in functions) <= 20
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_dag.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def emulators(tmp_path, environment):
    """Start a Dev and a Prod instance, each in a process of its own, and connect
    Airflow to them.
    """
    flow = {"name": "Orders", "dataset_path": "/data/orders.csv"}
    states = {"dev": {"flows": [flow]}, "prod": {"deployments": [{"name": "Orders"}]}}
    processes, urls = [], {}
    for name, state in states.items():
        file, url_file = tmp_path / f"{name}.json", tmp_path / f"{name}-url"
        file.write_text(json.dumps(state))
        command = [
            sys.executable,
            "-m",
            "trifacta_emulator",
            "--port",
            "0",
            "--state",
            str(file),
            "--job-seconds",
            "0",
        ]
        command += ["--admin-token", "open-sesame", "--url-file", str(url_file)]
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        )
        while "Ctrl-C" not in processes[-1].stdout.readline():
            assert processes[-1].poll() is None
        urls[name] = url_file.read_text().strip()
        login = {"login": "admin@example.com", "password": "admin-password"}
        value = json.dumps({"conn_type": "trifacta", "host": urls[name], **login})
        environment[f"AIRFLOW_CONN_TRIFACTA_{name.upper()}"] = value
    yield urls
    for process in processes:
        process.terminate()
        process.wait(30)


@pytest.fixture
def call_prod(emulators):
    """Return a function that calls ``/emulator/...`` of Prod."""

    def call(method, path, body=None):
        url = f"{emulators['prod']}/emulator/{path}"
        answer = requests.request(method, url, json=body, headers=TOKEN, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    return call


@pytest.fixture
def promote(tmp_path, environment):
    """Return a function that runs the DAG in a process of its own, and returns the state of the
    run."""
    home = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run(
        [*airflow, "db", "migrate"], env={**environment, **home}, check=True, capture_output=True
    )

    def run():
        command = [*airflow, "dags", "test", "promote_orders"]
        done = subprocess.run(
            command,
            env={**environment, **home},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        ended = re.findall(r"DagRun Finished.*?state=(\w+)", done.stdout + done.stderr)
        assert len(ended) == 1, done.stdout + done.stderr
        return ended[0]

    return run


@pytest.mark.system
def test_the_same_over_http(call_prod, promote):
    """A happy promotion, a lost answer, and a failed run with its rollback; in between a reset."""
    assert promote() == "success"
    [release] = call_prod("GET", "state")["deployments"][0]["releases"]
    assert release["active"]
    assert [call["path"] for call in call_prod("GET", "calls")["data"]].count(UPLOAD) >= 1

    call_prod("POST", "reset")
    assert call_prod("GET", "state")["deployments"][0]["releases"] == []
    lost = {"type": "answer", "status": 504, "html": "<h1>504</h1>", "when": "after_commit"}
    call_prod("POST", "faults", {"effect": lost, "method": "POST", "path": UPLOAD})
    assert promote() == "success"
    [release] = call_prod("GET", "state")["deployments"][0]["releases"]
    assert (release["active"], call_prod("GET", "faults")["data"][0]["outcomes"]) == (True, [201])

    call_prod("POST", "runs", {"message": "no such table"})
    assert promote() == "failed"
    releases = call_prod("GET", "state")["deployments"][0]["releases"]
    assert [row["active"] for row in releases] == [True, False]
