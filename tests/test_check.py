from __future__ import annotations

import json

import pytest

from airflow_provider_trifacta.check import main
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

pytestmark = pytest.mark.every_airflow


def test_a_good_connection(emulator, capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("OK: Logged in to http://127.0.0.1")
    assert TrifactaHook().test_connection()[0] is True


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"password": "wrong-password"}, "refuses the credentials"), ({"password": "***"}, "the mask that Airflow shows")],
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


def test_an_unknown_connection(airflow_db, capsys):
    assert main(["none_such"]) == 1
    assert "none_such" in capsys.readouterr().out


def test_a_stored_connection_is_found(airflow_db, emulator, capsys):
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
