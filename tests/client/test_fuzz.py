"""Answers that are wrong anywhere, to every call of the client: what leaves is a result or an error
of ours.

``--long`` makes 50 times the rounds. A failure names its seed, which makes the same answers again.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import random
import re
import resource
import time
from collections import Counter

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.calls import MultipartFile
from airflow_provider_trifacta.client.errors import TrifactaError
from airflow_provider_trifacta.client.imports import first_dropped
from airflow_provider_trifacta.client.models import parse_time
from airflow_provider_trifacta.client.retries import did_nothing, parse_retry_after
from airflow_provider_trifacta.client.transport import Transport

AT = "2026-11-25T14:00:00.000Z"
UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
RELEASE = {
    "id": 7,
    "notes": "n",
    "packageUuid": UUID,
    "active": True,
    "createdAt": AT,
    "updatedAt": AT,
    "deployment": {"id": 1},
}
RULE = {
    "id": 1,
    "createdAt": AT,
    "tableName": "connections",
    "onCondition": {},
    "withCondition": {},
}
VALUE_RULE = {"id": 1, "createdAt": AT, "type": "path", "on": "/a/", "with": "b"}
IMPORT = {
    "primaryFlowIds": [3],
    "release": RELEASE,
    "deletedObjects": {"flows": [{"id": 1, "why": ["x"]}]},
    "importRuleChanges": {"object": [], "value": [{"id": 4, "field": "path"}]},
    "flownodes": [{"id": 5, "wrangled": True}],
}
JOBS = {
    "data": [{"id": 1, "status": "Failed", "jobType": "wrangle", "errorMessage": {"message": "m"}}]
}


def package():
    return MultipartFile(io.BytesIO(b"PK" * 500), 1000, "p.zip")


def create(client):
    result = client.releases.create(1, package())
    json.dumps([result.dropped, first_dropped(result.dropped), result.rule_changes, result.counts])


REFUSAL = {"exception": {"name": "ValidationFailed", "message": "no", "details": [{"field": "x"}]}}

#: The calls, and what a server answers to each: status and body.
READS = [
    (lambda client: client.people.current(), 200, {"id": 1, "email": "me@example.com"}),
    (
        lambda client: client.deployments.list(),
        200,
        {"data": [{"id": 1, "name": "a", "createdAt": AT}], "count": 1},
    ),
    (
        lambda client: client.deployments.find("a"),
        200,
        {"data": [{"id": n, "name": "a"} for n in range(1, 31)]},
    ),
    (
        lambda client: client.deployments.get(1),
        200,
        {"id": 1, "name": "a", "createdAt": AT, "updatedAt": AT},
    ),
    (lambda client: client.deployments.probe(), 200, {"data": []}),
    (
        lambda client: client.connections.list(),
        200,
        {"data": [{"id": 1, "name": "s3", "uuid": UUID, "type": "s3"}]},
    ),
    (lambda client: client.releases.list(1), 200, {"data": [RELEASE]}),
    (
        lambda client: client.releases.list(1),
        200,
        {"data": [{**RELEASE, "id": 100 - n} for n in range(40)]},
    ),
    (lambda client: client.releases.get(7), 200, RELEASE),
    (lambda client: client.releases.dry_run(1, package()), 200, IMPORT),
    (lambda client: client.import_rules.list(1, "object"), 200, {"data": [RULE]}),
    (lambda client: client.import_rules.list(1, "value"), 200, {"data": [VALUE_RULE]}),
    (lambda client: client.job_groups.status(1), 200, "InProgress"),
    (
        lambda client: client.job_groups.newest(),
        200,
        {"data": [{"id": 1, "status": "Complete", "createdAt": AT}]},
    ),
    (
        lambda client: client.job_groups.newest_states(10),
        200,
        {"data": [{"id": 1, "status": "Complete"}]},
    ),
    (lambda client: client.job_groups.why_failed(1), 200, JOBS),
    (lambda client: client.flows.export(1, io.BytesIO()), 200, b"PK" * 500),
]
WRITES = [
    (create, 201, IMPORT),
    (
        lambda client: client.releases.activate(7),
        200,
        {"id": 7, "updatedAt": AT, "updater": {"id": 1}},
    ),
    (lambda client: client.releases.deactivate(7), 200, {"id": 7}),
    (lambda client: client.deployments.create("a"), 201, {"id": 1, "name": "a"}),
    (
        lambda client: client.deployments.run(1, {"a": "b"}),
        201,
        {"data": [{"reason": "JobStarted", "id": 3}]},
    ),
    (lambda client: client.import_rules.replace(1, "object", []), 200, {"deleted": {"data": []}}),
    (lambda client: client.job_groups.cancel(1), 200, {"jobIds": [1], "jobgroupId": 1}),
]
#: What stands in the place of any value of an answer.
VALUES = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        10**29,
        10**31,
        10**4000,
        float("nan"),
        float("inf"),
        "",
        " ",
        "x" * 5000,
    ),
    *(
        "\ud800",
        "\x00\x1b[31m\r\n",
        "7",
        "P1D",
        "9999-12-31T23:59:59.999Z",
        "0000-00-00",
        "2020-02-30T25:61:61+99:99",
    ),
    *(
        "00000000-0000-1000-8000-000000000000",
        "ffffffff-ffff-1fff-bfff-ffffffffffff",
        "{" * 50,
        [],
        {},
        [[]],
        [None],
    ),
    *([1, "a", {}], {"id": {}}, {"data": [{"id": []}]}, {"": {"": {"": [0]}}}),
]
STATUS_LINES = [
    *(
        "HTTP/1.1 {0}",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 200",
        "HTTP/1.1 099 x",
        "HTTP/1.1 1000 x",
    ),
    *(
        "HTTP/1.1 101 Switching",
        "HTTP/1.1 103 Early",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.1 302 Found",
        "HTTP/2 200 OK",
    ),
    *(
        "HTTP/1.1 500 Oops",
        "HTTP/1.1 503 Busy",
        "HTTP/1.1 599 x",
        "HTTP/1.1 -1 x",
        "HTTP/1.1 \u0662\u0660\u0660 OK",
        "",
        "\x00",
    ),
    *(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created",
        "HTTP/1.1 200 " + "x" * 70_000,
        "ICY 200 OK",
        "HTTP/1.1 207 x",
    ),
]
HEADERS = [
    *(
        "Content-Length: -1",
        "Content-Length: 3",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 1, 2",
    ),
    *(
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: \xff",
    ),
    *(
        "Content-Encoding: gzip",
        "Content-Encoding: gzip, gzip",
        "Content-Encoding: br",
        "Content-Encoding: \xff",
    ),
    *(
        "Content-Type: text/html; charset=\xff",
        "Content-Type: ;;;=",
        "Content-Type:",
        "Content-Type: application/json; charset",
    ),
    *(
        "Retry-After: " + "9" * 5000,
        "Retry-After: Fri, 99 Foo 99999 99:99:99 +9999",
        "x-retry-after: -1e9",
    ),
    *(
        "Location: http://{other}\\@{own}/",
        "Location: //{other}/",
        "Location: http://[::1/",
        "Location: /v4/x?a=\x01",
    ),
    *(
        "Location: /v4/again",
        "Location: http://{own}/v4/again",
        "Location: http://{own}:99999/",
        "Location: \xff\xfe",
    ),
    *(
        "Set-Cookie: a=b; Domain=\xff; Expires=x",
        "x-trifacta-request-id: \x1b[2J" + "y" * 5000,
        "Connection: close, \xff",
    ),
    *(
        "X",
        ": x",
        " folded",
        "\x00: \x00",
        "X: " + "y" * 70_000,
        "\r\n".join(["X: y"] * 120),
        "WWW-Authenticate: Digest x",
    ),
]
CHUNKS = ["-1", "-5", "0x5", "5;a=b", "zz", "", "+5", "1_0", "f" * 40, "5 ", "\xff", "5" * 5000]


def places(value, path=()):
    """Yield the paths of all values inside a value."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def replaced(rng, body):
    """Return a body with some of its values replaced."""
    body = copy.deepcopy(body)
    for _ in range(rng.randint(1, 2)):
        *path, last = rng.choice([one for one in places(body) if one] or [(None,)])
        value = copy.deepcopy(rng.choice(VALUES))
        if last is None or (not path and rng.random() < 0.05):
            return value
        inside = body
        for key in path:
            inside = inside[key]
        if isinstance(inside, dict) and rng.random() < 0.2:
            del inside[last]
        else:
            inside[last] = value
    return body


def nested(rng, text):
    """Return JSON text with something deep in the place of one of its values."""
    depth = rng.choice([50, 120, 900, 5000])
    deep = rng.choice(
        ["[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth]
    )
    at = [found.span() for found in re.finditer(r"(?<=: )(\d+|\"[^\"]*\"|null|true)", text)]
    begin, end = rng.choice(at) if at else (0, len(text))
    return text[:begin] + deep + text[end:]


def flipped(rng, data):
    """Return bytes with some of them changed, taken away or repeated."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 10)))
        else:
            data[at:at] = data[at : at + rng.randint(1, 200)]
    return bytes(data)


def answer_of(rng, status, body, names):
    """Return an answer, wrong in one or two ways."""
    kinds = set(
        rng.sample(
            ["status", "headers", "chunks", "body", "values", "deep", "bytes"],
            rng.choice([1, 1, 2]),
        )
    )
    if isinstance(body, bytes):
        content = body
    else:
        text = json.dumps(replaced(rng, body) if "values" in kinds else body)
        content = (nested(rng, text) if "deep" in kinds else text).encode("utf-8", "surrogatepass")
    if "body" in kinds:
        content = flipped(rng, content)
    line = (rng.choice(STATUS_LINES) if "status" in kinds else "HTTP/1.1 {0}").replace(
        "{0}", f"{status} OK"
    )
    kind = "application/zip" if isinstance(body, bytes) else "application/json"
    headers = [f"Content-Type: {kind}"]
    if "chunks" in kinds:
        headers.append("Transfer-Encoding: chunked")
        cuts = [content[at : at + 20] for at in range(0, min(len(content), 400), 20)]
        sizes = [rng.choice(CHUNKS) if rng.random() < 0.1 else f"{len(cut):x}" for cut in cuts]
        chunks = b"".join(
            s.encode("latin-1") + b"\r\n" + c + b"\r\n" for s, c in zip(sizes, cuts, strict=True)
        )
        content = chunks + rng.choice([b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"-0\r\n\r\n"])
    elif rng.random() < 0.9:
        headers.append(f"Content-Length: {len(content)}")
    if "headers" in kinds:
        for one in rng.sample(HEADERS, rng.randint(1, 2)):
            headers.insert(
                rng.randrange(len(headers) + 1),
                one.replace("{own}", names[0]).replace("{other}", names[1]),
            )
        if any(one.startswith("Location") for one in headers):
            line = f"HTTP/1.1 {rng.choice([301, 302, 307])} Moved"
    head = "\r\n".join([line, *headers, "", ""]).encode(
        "utf-8" if rng.random() < 0.5 else "latin-1", "replace"
    )
    return flipped(rng, head + content) if "bytes" in kinds else head + content


class Fuzzer:
    """A server whose answers a seed decides, and a client that asks it."""

    def __init__(self, raw) -> None:
        self._raw = raw
        self.other = raw(lambda _: None)
        self.server = raw(self._talk)
        self.names = (
            self.server.url.removeprefix("http://"),
            self.other.url.replace("http://127.0.0.1", "localhost"),
        )
        config = ClientConfig(
            base_url=self.server.url, login="me", password="very-long-secret", read_retries=1
        )
        self.client = TrifactaClient(config, transport=Transport(config, sleep=lambda _: None))
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def _talk(self, connection) -> None:
        self._raw.read_request(connection)
        self.answers.append(answer_of(self._rng, *self._honest, self.names))
        connection.sendall(self.answers[-1])

    def run(self, calls, seed):
        """Make one of the calls; return the error that it raised."""
        rng = random.Random(seed)
        call, *honest = rng.choice(calls)
        if rng.random() < 0.15:
            honest = [rng.choice([400, 403, 404, 409, 410, 429, 500, 502, 503]), REFUSAL]
        self._rng, self._honest, self.answers = rng, honest, []
        started = time.monotonic()
        try:
            call(self.client)
        except TrifactaError as error:
            str(error).encode()
            self.outcomes[type(error).__name__] += 1
            return error
        else:
            self.outcomes["a result"] += 1
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - started)


@pytest.mark.slow
@pytest.mark.parametrize("calls", [READS, WRITES], ids=["reads", "writes"])
def test_only_our_errors_leave_a_call(raw, rounds, tell, calls, monkeypatch):
    monkeypatch.setattr(
        logging.root.manager, "disable", logging.CRITICAL
    )  # pytest would keep each record
    fuzzer = Fuzzer(raw)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = rounds(700)
    for seed in range(count):
        try:
            error = fuzzer.run(calls, seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {fuzzer.answers}") from error
        status = getattr(error, "status", 0)
        refused = 400 <= status < 500 and any(
            f" {status}".encode() in answer for answer in fuzzer.answers
        )
        if calls is WRITES and error and fuzzer.answers and not refused:
            assert not did_nothing(error), f"seed {seed}: the server acted on it, {fuzzer.answers}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    tell(
        f"{count} answers, slowest {fuzzer.slowest:.2f} s, {grown} MiB more,"
        f" {dict(fuzzer.outcomes.most_common())}"
    )
    assert fuzzer.other.connections == 0, "nothing went to another server"
    assert fuzzer.slowest < 30, "a loaded machine may take seconds, an endless answer minutes"
    assert grown < 200
    assert len(fuzzer.outcomes) > 3


def test_no_time_and_no_pause_is_unreadable_to_the_client(rounds, tell):
    rng = random.Random(1)
    alphabet = "0123456789-:+TZWPYMDS. /,\u0662\x00" + "JanFriGMTnowto"
    count = rounds(4000)
    for _ in range(count):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 30)))
        if rng.random() < 0.5:
            text = flipped(rng, AT.encode()).decode("latin-1")
        found, pause = parse_time(text), parse_retry_after({"Retry-After": text})
        assert found is None or found.tzinfo
        assert pause is None or 0 <= pause <= 120
    tell(f"{count} texts")
