from __future__ import annotations

import pytest
from trifacta_emulator import Answer, Fault, LateActivation, LateCommit, PackageUuid
from trifacta_emulator.faults.matching import Faults, RequestLine


def line(text):
    method, _, target = text.partition(" ")
    path, _, query = target.partition("?")
    return RequestLine(method, path, query)


@pytest.mark.parametrize(
    ("matcher", "request_line", "expected"),
    [
        ({}, "GET /v4/people/current", True),
        ({"method": "get"}, "GET /v4/releases", True),
        ({"method": "POST"}, "GET /v4/releases", False),
        ({"path": "/v4/Releases/"}, "GET /v4/releases", True),
        ({"path": "/v4/releases"}, "GET /v4/releases/1", False),
        ({"path": "/v4/releases/*"}, "GET /v4/releases/1", True),
        ({"path": "/v4/releases/1*"}, "GET /v4/releases/101", True),
        ({"path": "/v4/*"}, "GET /v4/releases/1", False),
        ({"path": "/v4/**"}, "GET /v4/releases/1", True),
        ({"path": "/v4/deployments/*/releases"}, "POST /v4/deployments/7/releases", True),
        ({"path": "/v4/deployments/*/releases"}, "POST /v4/deployments/7/releases/dryrun", False),
        ({"path": "/v4/**/dryRun"}, "POST /v4/deployments/7/releases/dryrun", True),
        ({"path": "/v4/.*"}, "GET /v4/releases", False),
    ],
)
def test_matching(matcher, request_line, expected):
    assert Fault(Answer(503), **matcher).matches(line(request_line)) is expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("GET /v4/releases?deploymentId=1", "list"),
        ("GET /v4/deployments/1/releases", "list"),
        ("GET /v4/deployments/1?embed=releases(limit%3D1)", "list"),
        ("GET /v4/deployments/1", "deployment"),
        ("GET /v4/deployments", "deployment"),
        ("GET /v4/releases/101", "read"),
        ("POST /v4/deployments/1/releases", "create"),
        ("POST /v4/deployments/1/releases/dryrun", "other"),
        ("PATCH /v4/releases/101", "other"),
    ],
)
def test_kinds(text, kind):
    assert line(text).kind == kind
    expected = {"list": "list", "deployment": "list", "read": "read", "create": "create"}.get(kind)
    for answer in ("list", "read", "create"):
        assert Fault(PackageUuid(answers=(answer,))).matches(line(text)) == (answer == expected)
    for effect in (LateActivation(), LateCommit()):
        assert Fault(effect).matches(line(text)) == (kind == "create")


def test_first_match_is_used_up():
    faults = Faults()
    first = faults.add(Fault(Answer(500), method="POST"))
    second = faults.add(Fault(Answer(501), times=2))
    third = faults.add(Fault(Answer(502), times=None))
    get, post = line("GET /v4/releases"), line("POST /v4/releases")
    taken = [faults.take(request) for request in (get, post, post, get, post)]
    assert taken == [second, first, second, third, third]
    assert [(one.fired, one.left) for one in (first, second, third)] == [(1, 0), (2, 0), (2, None)]
    assert faults.all() == (first, second, third)
    faults.clear()
    assert faults.take(get) is None
    assert faults.add(Fault(Answer(500))).id == 4


def test_skip():
    faults = Faults()
    armed = faults.add(Fault(Answer(500), skip=2, times=2))
    other = faults.add(Fault(Answer(501)))
    request = line("GET /v4/releases")
    # What one fault lets pass is there for the next one.
    assert [faults.take(request) for _ in range(5)] == [other, None, armed, armed, None]
    assert (armed.seen, armed.fired) == (4, 2)


def test_nothing_waits():
    faults = Faults()
    armed = faults.add(Fault(LateCommit()))
    assert (
        armed.release()
        == faults.release_held()
        == faults.commit_late()
        == faults.activate_late()
        == 0
    )
    with pytest.raises(TimeoutError, match="0 of 1 wait at fault 1"):
        armed.wait_until_waiting(seconds=0)
