from __future__ import annotations

import pytest
from trifacta_emulator import ValidationError
from trifacta_emulator.api.query import embeds, list_answer

NAMES = ["Orders", "orders EU", "Reorder", "Stock"]
ROWS = [{"id": number, "name": name, "note": None} for number, name in enumerate(NAMES, 1)]


def ids(**params):
    return [row["id"] for row in list_answer(ROWS, params)["data"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"limit": "2"}, [1, 2]),
        # The page's example: offset 2 starts with the third.
        ({"limit": "2", "offset": "2"}, [3, 4]),
        ({"offset": "9"}, []),
        ({"sort": "-id"}, [4, 3, 2, 1]),
        ({"sort": "name", "limit": "1"}, [1]),
        ({"sort": "note"}, [1, 2, 3, 4]),
        ({"filter": ""}, [1, 2, 3, 4]),
        ({"filter": "Orders", "filterType": "exact"}, [1]),
        ({"filter": "orders", "filterType": "exactIgnoreCase"}, [1]),
        ({"filter": "order", "filterType": "contains"}, [1, 2, 3]),
        ({"filter": "oru"}, [2]),
        ({"filter": "4", "filterFields": "id,name", "filterType": "exact"}, [4]),
    ],
)
def test_rows(params, expected):
    assert ids(**params) == expected


def test_default_limit_and_no_limit():
    rows = [{"id": number} for number in range(40)]
    assert len(list_answer(rows, {})["data"]) == 25
    assert len(list_answer(rows, {"noLimit": "true"})["data"]) == 40
    assert list_answer(rows, {"limit": "3", "includeCount": "true"})["count"] == 40
    assert "count" not in list_answer(rows, {"includeCount": "false"})


def test_fields():
    assert list_answer(ROWS, {"fields": "name;nothing", "limit": "1"})["data"] == [
        {"id": 1, "name": "Orders"}
    ]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": ""},
        {"limit": "9" * 5000},
        {"limit": "\u0663"},
        {"offset": "-1"},
        {"sort": "nothing"},
        {"filter": "a", "filterType": "like"},
        {"filter": "a", "filterFields": "nothing"},
    ],
)
def test_wrong_values(params):
    with pytest.raises(ValidationError):
        list_answer(ROWS, params)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("releases", {"releases": {}}),
        ("releases,creator", {"releases": {}, "creator": {}}),
        ("Releases(limit=1),CREATOR", {"releases": {"limit": "1"}, "creator": {}}),
        (
            "releases(limit=1,fields=id;notes,sort=-id),creator",
            {"releases": {"limit": "1", "fields": "id;notes", "sort": "-id"}, "creator": {}},
        ),
    ],
)
def test_embeds(text, expected):
    assert embeds({"embed": text}, "deployments", ("releases", "creator")) == expected


@pytest.mark.parametrize(
    "text", ["*", "releases(", "releases)", ",", "flows", "releases(limit=1)x"]
)
def test_bad_embeds(text):
    with pytest.raises(
        ValidationError, match=r"cannot be read|Valid associations are releases, creator"
    ):
        embeds({"embed": text}, "deployments", ("releases", "creator"))
