"""Values that a template, an XCom, a parameter of a run or an author's slip may put in an
argument's place."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

_DEEP_LIST: list[Any] = []
_DEEP_DICT: dict[str, Any] = {}
for _ in range(400):
    _DEEP_LIST = [_DEEP_LIST]
for _ in range(300):
    _DEEP_DICT = {"id": _DEEP_DICT, "value": None}

#: What JSON can hold, and so a template, an XCom or a stored trigger.
JSON: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    10**400,
    1.5,
    1e12,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "None",
    "1",
    "1 ",
    "\u0661",
    "9" * 5000,
    "-1",
    "1e3",
    "true",
    "Orders",
    "\ud83d",
    "\x00",
    "a\r\nb\x1b[31m",
    "\u202ex",
    "x" * 100_000,
    "../../../etc/passwd",
    "/",
    "/dev/stdin",
    "/dev/zero",
    "/proc/self/mem",
    "~/x",
    "file:///",
    "file:///etc/passwd",
    "s3://KEY:SECRET@bucket/x.zip?X-Amz-Signature=abc",
    "nothing://x/y",
    "http://[::1",
    "://",
    "a:/b",
    "%s%d{0}{x}",
    "{{ 1 }}",
    [],
    [None],
    ["x"],
    [[1]],
    [1, 1],
    list(range(1, 3000)),
    {},
    {"id": 1},
    {"": ""},
    {"\ud83d": "\ud83d"},
    {"a": {"b": [1]}},
    {"release_id": 1, "deployment_id": 1, "primary_flow_ids": "x"},
    {"deployment_id": 1, "active_release_id": "x", "latest_release_id": []},
    {"deployment_id": 1, "active_release_id": 1, "latest_release_id": 1, "read_at": 7},
    {"deployment_id": "\ud83d", "active_release_id": None, "latest_release_id": None},
    _DEEP_LIST,
    _DEEP_DICT,
]
#: What only an author of a DAG can write.
PYTHON: list[Any] = [
    {1: 2},
    (),
    (1,),
    {1, 2},
    b"1",
    b"\xff",
    timedelta(-1),
    timedelta(seconds=1),
    timedelta.max,
    datetime(2020, 1, 1, tzinfo=timezone.utc),
    object(),
    int,
]
