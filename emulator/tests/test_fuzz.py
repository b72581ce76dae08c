"""Odd requests to the emulator: it answers every one, and never with a 500."""

from __future__ import annotations

import json
import random
from urllib.parse import quote

import pytest
import requests
from trifacta_emulator import Emulator, EmulatorOptions, PresetConnection, PresetFlow, build_package
from trifacta_emulator.app import ENDPOINTS

SEED = 12
IDS = [
    *["1", "1001", "2001", "12001"] * 3,
    "0",
    "-1",
    "9" * 18,
    "9" * 30,
    "a",
    "%00",
    "1%2F2",
    "é",
    "",
]
ODD = [
    None,
    True,
    0,
    -1,
    1,
    2**70,
    1.5,
    "",
    "a",
    "1",
    "\0",
    "é",
    "\ud83d",
    "x" * 10_000,
    [],
    {},
    [1],
    [{}],
    {"id": 1},
]
NAMES = [
    "name",
    "active",
    "deployment",
    "overrides",
    "runParameters",
    "data",
    "comment",
    "notes",
    "id",
    "onCondition",
]
QUERIES = [
    "limit",
    "offset",
    "sort",
    "filter",
    "fields",
    "embed",
    "includeDeleted",
    "noLimit",
    "comment",
    "flowsFilter",
]
ADMIN = [
    "calls",
    "reset",
    "state",
    "releases/101",
    "faults",
    "flows/1001",
    "runs",
    "release-held",
    "commit-late",
]
EFFECTS = [
    "status",
    "type",
    "seconds",
    "when",
    "bytes",
    "body",
    "headers",
    "times",
    "skip",
    "effect",
    "method",
    "path",
]


@pytest.fixture
def emulator():
    options = EmulatorOptions(
        connections=(PresetConnection("orders"),), flows=(PresetFlow("Daily"),)
    )
    with Emulator(options) as one:
        one.store.create_deployment("Orders")
        yield one


def value(chance: random.Random, depth: int = 0):
    if depth < 3 and chance.random() < 0.5:
        return {
            chance.choice([*NAMES, *EFFECTS]): value(chance, depth + 1)
            for _ in range(chance.randrange(4))
        }
    if depth < 3 and chance.random() < 0.2:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return chance.choice(ODD)


def request(chance: random.Random, package: bytes) -> dict:
    endpoint = chance.choice(ENDPOINTS)
    path, method = endpoint.path, endpoint.method
    if chance.random() < 0.1:
        path, method = (
            f"/emulator/{chance.choice(ADMIN)}",
            chance.choice(("GET", "POST", "PATCH", "PUT", "DELETE")),
        )
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(chance.choice(IDS), safe="%") + rest.partition("}")[2]
    made = {
        "method": method
        if chance.random() < 0.9
        else chance.choice(("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "X")),
        "path": path
        if chance.random() < 0.95
        else path + chance.choice(("/", "//", "/x", "%00", "/../..", "?")),
        "params": {chance.choice(QUERIES): str(chance.choice(ODD)).encode("utf-8", "replace")}
        if chance.random() < 0.4
        else None,
        "headers": {"Accept": chance.choice(("*/*", "application/json", "", ";", "text/html"))},
    }
    kind = chance.randrange(5)
    if kind == 0:
        cut = package[: chance.randrange(len(package))] if chance.random() < 0.5 else package
        made["files"] = {chance.choice(("data", "file", "x")): (chance.choice(("a.zip", "")), cut)}
    elif kind < 4:
        made["data"] = json.dumps(value(chance)).encode()
        made["headers"]["Content-Type"] = chance.choice(
            ("application/json", "application/json; charset=utf-16", "text/x")
        )
        if chance.random() < 0.2:
            place = chance.randrange(len(made["data"]))
            made["data"] = (
                made["data"][:place]
                + chance.choice((b"", b"\xff", b"[" * 5_000, b"NaN"))
                + made["data"][place:]
            )
    else:
        made["data"] = (
            b"--x\r\nContent-Disposition: form-data; name=data"
            + bytes([chance.randrange(256)]) * 20
        )
        made["headers"]["Content-Type"] = chance.choice(
            ("multipart/form-data; boundary=x", "multipart/form-data")
        )
    return made


def test_odd_requests(emulator, rounds, tell):
    count = rounds(600)
    chance, package, answers = random.Random(SEED), build_package("Orders"), {}
    with requests.Session() as session:
        for _ in range(count):
            made = request(chance, package)
            session.auth = (
                "admin@example.com",
                "admin-password" if chance.random() < 0.95 else "é",
            )
            url = f"{emulator.url}{made.pop('path')}"
            answer = session.request(
                made.pop("method"), url, timeout=30, allow_redirects=False, **made
            )
            # What was armed over /emulator/faults is what was asked for.
            emulator.faults.clear()
            answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (answer.request.method, url, made, answer.text)
    assert min(answers[400], answers[404], answers[200]) > 10
    tell(f"{count} tried: {dict(sorted(answers.items()))}")
