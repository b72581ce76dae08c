"""A connection of the environment that Airflow cannot read: what is wrong with it, without a word
of its value."""

from __future__ import annotations

import json

import pytest

from airflow_provider_trifacta.check import main
from airflow_provider_trifacta.client.errors import ConfigurationError, MissingConnectionError
from airflow_provider_trifacta.hooks.environment import problem_of_variable
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

pytestmark = pytest.mark.every_airflow

GOOD = json.dumps(
    {"conn_type": "trifacta", "host": "a.example.com", "login": "me", "password": "hushhush"}
)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (
            GOOD[:-1],
            MissingConnectionError,
            "as JSON: Expecting ',' delimiter at line 1, column 89.",
        ),
        (GOOD.replace("}", ",}"), MissingConnectionError, "as JSON: "),
        (GOOD.replace('"', "'"), MissingConnectionError, "as JSON: Expecting property name"),
        (
            GOOD.replace("hushhush", "hush\nhush"),
            MissingConnectionError,
            "as JSON: Invalid control character at",
        ),
        (
            GOOD.replace("hushhush", "hush\\hush"),
            MissingConnectionError,
            "as JSON: Invalid \\escape",
        ),
        (GOOD + GOOD, MissingConnectionError, "as JSON: Extra data"),
        (GOOD.replace("login", "user"), MissingConnectionError, "Its keys must be among conn_type"),
        (GOOD.replace("}", ', "port": "http"}'), MissingConnectionError, "port must be a number"),
        (f"'{GOOD}'", ConfigurationError, "there are quotes around it"),
        (f'"{GOOD}"', ConfigurationError, "there are quotes around it"),
        (f"[{GOOD}]", ConfigurationError, "it is a list"),
        ("trifacta://me:hush/hush@a.example.com", MissingConnectionError, "Percent-encode"),
        ("trifacta://me:hushhush@a.example.com:port", MissingConnectionError, "Percent-encode"),
        (
            "trifacta://me:hushhush@https://a.example.com:3005",
            MissingConnectionError,
            "Percent-encode",
        ),
        ("", MissingConnectionError, "is empty"),
        ("  ", MissingConnectionError, "is empty"),
    ],
)
@pytest.mark.usefixtures("airflow_db")
def test_a_variable_that_cannot_be_read_is_named(monkeypatch, capsys, value, kind, words):
    monkeypatch.setenv("AIRFLOW_CONN_PROD", value)
    with pytest.raises(ConfigurationError) as caught:
        TrifactaHook("prod").get_conn()
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "AIRFLOW_CONN_PROD" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert TrifactaHook("prod").test_connection() == (False, str(caught.value))
    assert main(["prod"]) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert words in line
    assert "hush" not in line


def test_without_a_variable_there_is_no_word_of_one():
    assert problem_of_variable("no_such") is None
    with pytest.raises(MissingConnectionError) as caught:
        TrifactaHook("no_such").get_conn()
    assert "AIRFLOW_CONN" not in str(caught.value)


def test_a_connection_without_a_host_is_no_unreadable_one(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_PROD", json.dumps({"conn_type": "trifacta", "password": "hushhush"})
    )
    with pytest.raises(ConfigurationError, match="has no host"):
        TrifactaHook("prod").get_conn()
