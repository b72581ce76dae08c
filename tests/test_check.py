from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airflow_provider_trifacta.check import main
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

pytestmark = pytest.mark.every_airflow


@pytest.mark.usefixtures("emulator")
def test_a_good_connection(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("OK: Logged in to http://127.0.0.1")
    assert TrifactaHook().test_connection()[0] is True


def test_the_role_decides(emulator, use_connection):
    use_connection(emulator.url, "dev", login="author@example.com", password="author-password")
    assert [main(["dev", *role]) for role in ([], ["--role", "dev"], ["--role", "prod"])] == [
        0,
        0,
        1,
    ]
    assert TrifactaHook("dev").test_connection()[0] is True
    with pytest.raises(SystemExit, check=lambda end: end.code == 2):
        main(["dev", "--role", "test"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "wrong-password"}, "refuses the credentials"),
        ({"password": "***"}, "the mask that Airflow shows"),
    ],
)
def test_a_bad_connection(emulator, use_connection, capsys, fields, words):
    use_connection(emulator.url, "other", **fields)
    assert main(["other"]) == 1
    out = capsys.readouterr().out.splitlines()[-1]
    assert out.startswith("FAILED: ")
    assert words in out
    ok, by_the_hook = TrifactaHook("other").test_connection()
    assert not ok
    assert words in by_the_hook


@pytest.mark.usefixtures("airflow_db")
def test_an_unknown_connection(capsys):
    assert main(["none_such"]) == 1
    assert "none_such" in capsys.readouterr().out


@pytest.mark.usefixtures("airflow_db")
def test_a_stored_connection_is_found(emulator):
    """The database too, and not only what a task may see."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    extra = json.dumps({"read_timeout": 5})
    with create_session() as session:
        session.add(
            Connection(
                conn_id="stored",
                conn_type="trifacta",
                host=emulator.url,
                login="admin@example.com",
                password="admin-password",
                extra=extra,
            )
        )
    assert main(["stored"]) == 0


@pytest.fixture
def check_without_database(tmp_path):
    """Return a function that runs the command in a process of its own, as on a worker: (exit
    status, last line)."""

    def run(database, **environment):
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith("AIRFLOW_CONN_")
            },
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            **environment,
        }
        command = [sys.executable, "-W", "ignore", "-m", "airflow_provider_trifacta.check", "prod"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout.splitlines()[-1]

    return run


# Inside a task of Airflow 3; a file that is not there; a driver that is not installed.
NO_DATABASES = [
    "airflow-db-not-allowed:///",
    "sqlite:////no/such/folder/airflow.db",
    "mssql+none://me:db-secret@db/x",
]


@pytest.mark.slow
@pytest.mark.parametrize("database", NO_DATABASES)
def test_a_connection_of_the_environment_needs_no_database(
    emulator, check_without_database, database
):
    connection = json.dumps(
        {
            "conn_type": "trifacta",
            "host": emulator.url,
            "login": "admin@example.com",
            "password": "admin-password",
        }
    )
    status, line = check_without_database(database, AIRFLOW_CONN_PROD=connection)
    assert (status, line.partition(":")[0]) == (0, "OK")


@pytest.mark.slow
@pytest.mark.parametrize("database", NO_DATABASES)
def test_without_a_database_it_says_how_to(check_without_database, database):
    status, line = check_without_database(database)
    assert (status, line.partition(":")[0]) == (1, "FAILED")
    assert "AIRFLOW_CONN_PROD" in line
    assert "db-secret" not in line
