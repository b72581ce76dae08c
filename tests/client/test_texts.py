"""Texts from outside: none makes a line of its own, steers a terminal, or is longer than
people read."""

from __future__ import annotations

import json

import pytest

from airflow_provider_trifacta.client.texts import listed, quoted, shown, shown_json, shown_within


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Orders", "Orders"),
        ("Tägliche Aufträge 日本 😀", "Tägliche Aufträge 日本 😀"),
        ("a\nINFO all is well", "a INFO all is well"),
        ("a\r\n\tb\u2028c\x1dd", "a b c d"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\u202eb\u200bc", r"a\u202eb\u200bc"),
        ("\x9b31m\x7f\0", r"\x9b31m\x7f\x00"),
        ("half \ud83d", r"half \ud83d"),
        (7, "7"),
        ("", ""),
    ],
)
def test_a_text_is_one_line_without_control_characters(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text", ["x" * 201, "\x1b" * 201, "x y " * 100, " " * 10**6 + "x", "x\n" * 10**6, "é" * 10**7]
)
def test_a_text_is_cut(text):
    assert len(shown(text)) <= 203
    assert shown(text).endswith("...")
    assert shown(text).isprintable()


def test_what_is_short_enough_is_whole():
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 1000, 1000) == "x" * 1000


def test_a_name_is_quoted():
    assert (quoted("a\nb"), quoted(None)) == ("'a b'", "None")


def test_a_list_names_the_first():
    assert listed(["a", "b\n"]) == "a, b"
    assert listed(map(str, range(100)), 2, between="; ") == "0; 1 and 98 more"
    assert listed([]) == ""
    assert len(listed(["x" * 1000] * 1000)) < 20 * 206 + 20


def test_json_is_cut_as_a_whole_or_within():
    value = {"a\x1b": ["x" * 1000, 7, None, True], "b": list(range(100))}
    assert len(shown_json(value)) == 203
    kept = shown_within(value, 3)
    assert kept == {r"a\x1b": ["x" * 200 + "...", 7, None], "b": [0, 1, 2]}
    assert json.loads(json.dumps(kept)) == kept


def test_json_of_any_depth_is_shown():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert shown_json(deep) == "a list"
