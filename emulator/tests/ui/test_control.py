from __future__ import annotations

import socket

import pytest
import requests
from trifacta_emulator import Answer, Emulator, Fault, ServerOptions, __version__

TOKEN = {"Authorization": "Bearer open-sesame"}


@pytest.fixture
def control(api):
    """Call the administration, without a login."""

    def call(method, path, **kwargs):
        return requests.request(method, f"{api.emulator.url}/emulator/{path}", timeout=30, **kwargs)

    return call


def other_address():
    """Return the address of this machine that other machines use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no other address")
        return probe.getsockname()[0]


def test_health(control):
    health = control("GET", "health").json()
    assert (health["status"], health["emulator_version"]) == ("ok", __version__)
    assert (health["product_version"], health["instance_type"], health["deployment_manager"]) == (
        "9.7.0",
        "both",
        True,
    )


def test_all_calls_are_kept_and_cleared(api, control):
    api.emulator.faults.add(Fault(Answer(503), path="/v4/flows"))
    asked = [
        ("/v4/people/current", 200),
        ("/v4/nothing", 404),
        ("/v4/flows", 503),
        ("/v4/deployments", 401),
    ]
    for path, status in asked:
        auth = ("admin@example.com", "wrong") if status == 401 else api.session.auth
        assert (
            requests.get(f"{api.emulator.url}{path}?limit=1", auth=auth, timeout=30).status_code
            == status
        )
    rows = control("GET", "calls").json()["data"]
    assert [(row["path"], row["query"], row["status"]) for row in rows] == [
        (path, "limit=1", s) for path, s in asked
    ]
    assert control("DELETE", "calls", json={}).status_code == 204
    assert control("GET", "calls").json() == {"data": []}


def test_reset_puts_the_start_back(api, control, package):
    """The start is what was there when it began to serve."""
    before = control("GET", "state").json()
    api.release(api.deployment(), package)
    api("POST", "/v4/deployments/1/run")
    token = api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": -1}).json()["tokenValue"]
    control("POST", "faults", json={"effect": {"type": "answer", "status": 503}})
    control("POST", "runs", json={"status": "Failed"})
    assert control("POST", "reset", json={}).status_code == 204
    assert control("GET", "state").json() == before
    for path in ("faults", "runs", "calls"):
        assert control("GET", path).json() == {"data": []}
    bearer = {"Authorization": f"Bearer {token}"}
    assert (
        requests.get(f"{api.emulator.url}/v4/flows", headers=bearer, timeout=30).status_code == 401
    )
    assert api.deployment() == 1


def test_a_fault_is_gone_after_a_reset(api):
    fault = api.emulator.faults.add(Fault(Answer(503), times=None))
    api.emulator.reset()
    assert api.get("/v4/flows").status_code == 200
    assert (fault.fired, api.emulator.faults.all()) == (0, ())


def test_state_over_http(api, control, package):
    api.release(api.deployment("Orders"), package)
    document = control("GET", "state").json()
    with Emulator() as other:
        url = f"{other.url}/emulator/state"
        assert requests.put(url, json=document, timeout=30).status_code == 204
        assert requests.get(url, timeout=30).json() == document
    wrong = control("PUT", "state", json={**document, "deployments": [{"id": 1}]})
    assert (wrong.status_code, wrong.json()["exception"]["name"]) == (400, "ApiValidationFailed")
    assert control("GET", "state").json() == document


@pytest.mark.parametrize("body", [{}, {"active": 1}, {"active": True, "notes": "x"}, []])
def test_a_release_is_changed_by_one_field(api, control, package, body):
    release = api.release(api.deployment(), package)
    assert control("PATCH", f"releases/{release}", json=body).status_code == 400
    assert control("PATCH", f"releases/{release}", json={"active": False}).json() == {
        "id": release,
        "active": False,
    }
    assert api.emulator.store.active_release(1) is None
    assert control("PATCH", "releases/7", json={"active": True}).status_code == 404


CHANGES = [
    ("DELETE", "calls"),
    ("POST", "reset"),
    ("GET", "state"),
    ("PUT", "state"),
    ("PATCH", "releases/1"),
    ("POST", "faults"),
    ("DELETE", "runs"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_changes_come_from_this_machine(method, path):
    with Emulator(host="0.0.0.0") as emulator:
        port = emulator.url.rpartition(":")[2]
        url = f"http://{other_address()}:{port}/emulator"
        assert requests.request(method, f"{url}/{path}", json={}, timeout=30).status_code == 403
        assert requests.get(f"{url}/health", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [*CHANGES, ("GET", "calls"), ("GET", "faults"), ("GET", "runs")]
)
def test_an_admin_token_takes_the_place_of_that_rule(method, path):
    server = ServerOptions(admin_token="open-sesame")
    with Emulator(host="0.0.0.0", server=server) as emulator:
        port = emulator.url.rpartition(":")[2]
        for address in ("127.0.0.1", other_address()):
            url = f"http://{address}:{port}/emulator/{path}"
            for headers in (
                {},
                {"Authorization": "Bearer open-sesam"},
                {"Authorization": "Bearer é"},
            ):
                asked = requests.request(method, url, json={}, headers=headers, timeout=30)
                assert asked.status_code == 401
            assert requests.request(
                method, url, json={}, headers=TOKEN, timeout=30
            ).status_code not in (401, 403)
        # With the token no web page can send it, and so a call with nothing to say needs no body.
        url = f"http://127.0.0.1:{port}/emulator"
        assert requests.delete(f"{url}/calls", headers=TOKEN, timeout=30).status_code == 204
        assert requests.get(f"{url}/health", timeout=30).status_code == 200


@pytest.mark.parametrize("token", ["", " x", "x\n", "é"])
def test_wrong_tokens(token):
    with pytest.raises(ValueError, match="token"):
        ServerOptions(admin_token=token)
