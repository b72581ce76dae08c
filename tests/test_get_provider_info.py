from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

import airflow_provider_trifacta

pytestmark = pytest.mark.every_airflow


def test_airflow_finds_the_provider():
    (entry,) = entry_points(group="apache_airflow_provider", name="provider_info").select(
        value="airflow_provider_trifacta.get_provider_info:get_provider_info"
    )
    info = entry.load()()
    assert info["package-name"] == "airflow-provider-trifacta"
    modules = [
        name
        for kind in ("hooks", "operators", "sensors")
        for row in info[kind]
        for name in row["python-modules"]
    ]
    assert [import_module(name).__name__ for name in modules] == modules
    path, _, cls = info["connection-types"][0]["hook-class-name"].rpartition(".")
    hook = getattr(import_module(path), cls)
    assert hook.conn_type == info["connection-types"][0]["connection-type"]
    assert hook.hook_name == info["connection-types"][0]["hook-name"]


@pytest.mark.usefixtures("airflow_db")
def test_airflows_command_shows_it():
    out = subprocess.run(
        [
            sys.executable,
            "-m",
            "airflow",
            "providers",
            "get",
            "airflow-provider-trifacta",
            "--output",
            "json",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    (row,) = json.loads(out.stdout[out.stdout.index("[") :])
    assert row["Version"] == airflow_provider_trifacta.__version__
