from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from trifacta_emulator import Answer, Emulator, Fault

RESET = {"effect": {"type": "reset", "when": "after_commit"}, "method": "POST"}


@pytest.fixture
def admin(api):
    """Call the administration, without a login."""

    def _admin(method, path, **kwargs):
        return requests.request(method, f"{api.emulator.url}/emulator/{path}", timeout=30, **kwargs)

    return _admin


def test_add_list_and_clear(api, admin):
    assert admin("GET", "faults").json() == {"data": []}
    response = admin(
        "POST", "faults", json={"effect": {"type": "answer", "status": 503}, "times": 2, "skip": 1}
    )
    assert response.status_code == 201
    fault = Fault(Answer(503), times=2, skip=1).to_json()
    expected = {
        "id": 1,
        "fault": fault,
        "seen": 0,
        "fired": 0,
        "left": 2,
        "waiting": 0,
        "outcomes": [],
    }
    assert response.json() == expected
    assert [api.get("/v4/deployments").status_code for _ in range(2)] == [200, 503]
    [row] = admin("GET", "faults").json()["data"]
    assert row == {**expected, "seen": 2, "fired": 1, "left": 1}
    assert admin("DELETE", "faults", json={}).status_code == 204
    assert admin("GET", "faults").json() == {"data": []}
    assert api.get("/v4/deployments").status_code == 200


def test_what_was_listed_can_be_added(api, admin):
    fault = admin("POST", "faults", json=RESET).json()["fault"]
    assert admin("POST", "faults", json=fault).json()["fault"] == fault
    assert api.emulator.faults.all()[0].fault == api.emulator.faults.all()[1].fault


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"effect": {"type": "answer"}}, "effect answer: status is required"),
        (
            {"effect": {"type": "hold"}, "wen": 1},
            "there is no 'wen'; there are: effect, method, path, skip, times",
        ),
        ([], "The body must be a JSON object"),
    ],
)
def test_wrong_faults(admin, body, details):
    response = admin("POST", "faults", json=body)
    assert response.status_code == 400
    assert response.json()["exception"]["details"] == details
    assert admin("GET", "faults").json() == {"data": []}


def test_wrong_requests(admin):
    assert admin("POST", "faults", data="{}").status_code == 415
    assert admin("PUT", "faults").status_code == 405
    assert admin("GET", "nothing").status_code == 404


CHANGES = [
    ("POST", "faults"),
    ("DELETE", "faults"),
    ("PATCH", "flows/1001"),
    ("POST", "runs"),
    ("DELETE", "runs"),
    ("POST", "release-held"),
    ("POST", "commit-late"),
    ("POST", "activate-late"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_page_of_a_browser_changes_anything(admin, method, path):
    """A form sends no JSON, and a page whose name was led to this machine says that name."""
    form = {"Content-Type": "text/plain"}
    assert admin(method, path).status_code == 415
    assert admin(method, path, data='{"effect": {"type": "hold"}}', headers=form).status_code == 415
    assert admin(method, path, json=[]).status_code == 400
    for name in (
        "evil.example.com",
        "evil.example.com:80",
        "10.0.0.1",
        "127.0.0.1.evil.example.com",
        "[::1",
        "a:b:c",
    ):
        assert admin(method, path, json={}, headers={"Host": name}).status_code == 403
    for name in ("localhost", "LOCALHOST:1", "[::1]:3005", "127.0.0.2"):
        assert admin(method, path, json={}, headers={"Host": name}).status_code != 403


def test_nothing_is_changed_from_another_machine():
    """Ask as another machine does: over an address that is not this machine's alone."""
    with (
        Emulator(host="0.0.0.0") as emulator,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only finds this machine's address
        except OSError:
            pytest.skip("this machine has no other address")
        address, port = probe.getsockname()[0], emulator.url.rpartition(":")[2]
        asked = requests.post(
            f"http://{address}:{port}/emulator/faults", json=RESET, headers={"Host": "localhost"}
        )
        assert asked.status_code == 403
        assert requests.get(f"http://{address}:{port}/emulator/faults").json() == {"data": []}


def test_calls_are_not_logged(api, admin):
    admin("GET", "faults")
    api.get("/v4/deployments")
    assert [call.path for call in api.emulator.calls] == ["/v4/deployments"]


def test_release_held(api, admin):
    admin("POST", "faults", json={"effect": {"type": "delay", "seconds": 3600}})
    with ThreadPoolExecutor(1) as pool:
        url = f"{api.emulator.url}/v4/deployments"
        answer = pool.submit(requests.get, url, auth=api.session.auth, timeout=60)
        while not admin("GET", "faults").json()["data"][0]["waiting"]:
            pass
        assert admin("POST", "release-held", json={}).json() == {"released": 1}
        assert answer.result(30).status_code == 200
    assert admin("POST", "release-held", json={}).json() == {"released": 0}


def test_late_ones(api, admin, package):
    api.deployment()
    admin("POST", "faults", json={"effect": {"type": "late_commit"}})
    admin("POST", "faults", json={"effect": {"type": "late_activation"}})
    assert api.upload(1, package).status_code == 504
    assert api.upload(1, package).json()["release"]["active"] is None
    assert admin("POST", "activate-late", json={}).json() == {"released": 1}
    assert api.emulator.store.active_release(1).id == 101
    assert admin("POST", "commit-late", json={}).json() == {"released": 1}
    assert api.emulator.store.active_release(1).id == 102
    assert admin("GET", "faults").json()["data"][0]["outcomes"] == [201]


def test_own_process(tmp_path, package):
    url_file = tmp_path / "url"
    command = [sys.executable, "-m", "trifacta_emulator", "--port", "0", "--deployment", "prod"]
    with subprocess.Popen(
        [*command, "--url-file", str(url_file)], stdout=subprocess.PIPE, text=True
    ) as process:
        while "Ctrl-C" not in process.stdout.readline():
            pass
        url = url_file.read_text().strip()
        session = requests.Session()
        session.auth = ("admin@example.com", "admin-password")
        assert session.post(f"{url}/emulator/faults", json=RESET, timeout=30).status_code == 201
        hold = {"effect": {"type": "hold"}, "path": "/v4/people/current"}
        assert session.post(f"{url}/emulator/faults", json=hold, timeout=30).status_code == 201
        with pytest.raises(requests.ConnectionError):
            session.post(f"{url}/v4/deployments/1/releases", files={"data": package}, timeout=30)
        assert len(session.get(f"{url}/v4/releases", timeout=30).json()["data"]) == 1
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(
                requests.get, f"{url}/v4/people/current", auth=session.auth, timeout=60
            )
            while not session.get(f"{url}/emulator/faults", timeout=30).json()["data"][1][
                "waiting"
            ]:
                pass
            # A held request does not keep the process from ending.
            process.terminate()
            assert process.wait(30) == 0
            with pytest.raises(requests.ConnectionError):
                held.result(30)
        session.close()


def test_edit_flow(api, admin, clock):
    flow = api.emulator.store.create_flow("Daily Orders", dataset_path="s3://dev/in.csv")
    clock.advance(60)
    changes = {
        "name": "Sales",
        "dataset_path": "/new.csv",
        "output_path": "/out.csv",
        "adhoc_output": False,
    }
    response = admin("PATCH", f"flows/{flow.id}", json=changes)
    assert response.status_code == 200
    assert response.json()["id"] == flow.id
    body = api.json(f"/v4/flows/{flow.id}")
    assert (body["name"], body["updatedAt"]) == ("Sales", "2024-01-01T00:01:00.000Z")
    tables = api.emulator.store.flow(flow.id).tables
    assert [row["path"] for row in tables["storagelocations"]] == ["/new.csv"]
    assert [row["path"] for row in tables["writesettings"]] == ["/out.csv"]
    assert [row["isAdhoc"] for row in tables["outputobjects"]] == [False]
    assert api.emulator.store.events()[-1].what == f"flow {flow.id} edited"
    assert not [call for call in api.emulator.calls if "emulator" in call.path]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("flows/1001", {"nme": "x"}, 400),
        ("flows/1001", {"name": 5}, 400),
        ("flows/1001", {"adhoc_output": "yes"}, 400),
        ("flows/1001", [], 400),
        ("flows/1002", {"name": "x"}, 404),
        ("flows/x", {"name": "x"}, 404),
    ],
)
def test_wrong_edits(api, admin, path, body, status):
    flow = api.emulator.store.create_flow("Daily Orders")
    response = admin("PATCH", path, json=body)
    assert response.status_code == status
    assert response.json()["exception"]["details"]
    assert api.emulator.store.flow(1001) == flow
