from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import requests
from trifacta_emulator import PresetFlow

TEST = """
import requests

seen = []

def test_one(trifacta_emulator):
    seen.append(trifacta_emulator)
    trifacta_emulator.store.create_deployment("prod")
    user = ("admin@example.com", "admin-password")
    answer = requests.get(f"{trifacta_emulator.url}/v4/deployments", auth=user)
    assert len(answer.json()["data"]) == 1

def test_two_is_empty(trifacta_emulator):
    assert trifacta_emulator not in seen
    assert trifacta_emulator.store.deployments() == ()
"""


def test_dev_and_prod(trifacta_dev, trifacta_prod, make_trifacta_emulator):
    """Each has a first user with the rights of its place, and no more."""
    trifacta_prod.store.create_deployment("prod")
    answers = []
    for emulator in (
        trifacta_dev,
        trifacta_prod,
        make_trifacta_emulator(flows=(PresetFlow("Orders"),)),
    ):
        connection = json.loads(emulator.airflow_connection())
        assert connection["conn_type"] == "trifacta"
        login = (connection["login"], connection["password"])
        paths = ("deployments", "flows", "people/current")
        urls = [f"{connection['host']}/v4/{path}" for path in paths]
        answers.append([requests.get(url, auth=login, timeout=30).status_code for url in urls])
    assert answers == [[403, 200, 200], [200, 200, 200], [200, 200, 200]]
    assert [e.auth.people[0].user.roles for e in (trifacta_dev, trifacta_prod)] == [
        (),
        ("deployment",),
    ]
    assert (
        json.loads(trifacta_dev.airflow_connection("admin@example.com"))["password"]
        == "admin-password"
    )
    with pytest.raises(ValueError, match="nobody"):
        trifacta_dev.airflow_connection("nobody")


def test_jobs_of_dev_and_prod_end_at_once(trifacta_dev):
    trifacta_dev.store.create_flow("Orders")
    trifacta_dev.store.run_flow(1001)
    assert [group.status for group in trifacta_dev.store.job_groups()] == ["Complete"]


def test_fixture(tmp_path):
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
