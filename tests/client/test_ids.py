"""Ids that a user or a template gave."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.errors import InvalidInputError
from airflow_provider_trifacta.client.ids import parse_id


@pytest.mark.parametrize(("value", "expected"), [(7, 7), ("7", 7), (" 42 ", 42), ("0012", 12)])
def test_accepts_ints_and_digits(value, expected):
    assert parse_id(value, "deployment_id") == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "None",
        True,
        0,
        -1,
        "-1",
        "1.0",
        1.5,
        "abc",
        "٣",
        {"release_id": 1},
        [1],
        "{{ x }}",
        "1" * 400 + "x",
        "1" * 5000,
    ],
)
def test_refuses_everything_else_naming_field_and_value(value):
    with pytest.raises(InvalidInputError) as caught:
        parse_id(value, "deployment_id")
    message = str(caught.value)
    assert message.startswith("deployment_id must be")
    assert repr(value)[:70] in message
    assert len(message) < 300


@pytest.mark.parametrize("value", [None, "None", ""])
def test_a_missing_xcom_is_explained(value):
    with pytest.raises(InvalidInputError, match="upstream XCom"):
        parse_id(value, "release_id")


def test_a_whole_return_value_is_explained():
    with pytest.raises(InvalidInputError, match=r"output\['release_id'\]"):
        parse_id({"release_id": 3}, "release_id")
