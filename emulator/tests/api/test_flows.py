from __future__ import annotations

import io
import re
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import requests
from flow_calls import export, post, read
from trifacta_emulator import (
    Answer,
    Fault,
    Hold,
    PresetConnection,
    PresetFlow,
    Reset,
    Truncate,
    build_package,
)

AUTHOR = ("author@example.com", "author-password")
ORDERS = PresetFlow("Daily Orders", dataset_path="s3://dev/in.csv", output_path="s3://dev/out.csv")


def test_list_and_read(start):
    api = start(
        flows=(
            PresetFlow("Daily Orders", description="every day"),
            PresetFlow("Stock", owner=AUTHOR[0]),
        )
    )
    [row] = api.json("/v4/flows")["data"]
    assert row == {
        "id": 1001,
        "name": "Daily Orders",
        "description": "every day",
        "folder": None,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
        "creator": {"id": 1},
        "updater": {"id": 1},
        "workspace": {"id": 1},
    }
    assert api.json("/v4/flows/1001") == row
    assert api.json("/v4/flows/1001", fields="name") == {"id": 1001, "name": "Daily Orders"}
    assert api.json("/v4/flows/1002")["creator"] == {"id": 2}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(None, ["Mine"]), ("owned", ["Mine"]), ("shared", ["Theirs"]), ("all", ["Theirs", "Mine"])],
)
def test_flows_filter(start, wanted, names):
    api = start(flows=(PresetFlow("Mine"), PresetFlow("Theirs", owner=AUTHOR[0])))
    params = {"flowsFilter": wanted} if wanted else {}
    assert [row["name"] for row in api.json("/v4/flows", **params)["data"]] == names


def test_list_parameters(api):
    for number in range(27):
        api.emulator.store.create_flow(f"flow {number}")
    assert len(api.json("/v4/flows")["data"]) == 25
    page = api.json("/v4/flows", limit=2, offset=25, includeCount="true", sort="-id", fields="id")
    assert page == {"data": [{"id": 1002}, {"id": 1001}], "count": 27}
    [row] = api.json("/v4/flows", filter="flow 7", filterType="exact")["data"]
    assert row["name"] == "flow 7"
    assert api.get("/v4/flows", params={"flowsFilter": "mine"}).status_code == 400


@pytest.mark.parametrize(
    ("version", "name", "comment"),
    [
        ("6.0.1+235.20190426172824.493d6f8", r"flow_1001_[0-9a-f-]+\.json", ""),
        ("6.8.0", r"flow_1001_[0-9a-f-]+\.json", ""),
        ("7.1.0", r"flow_1001_[0-9a-f-]+\.json", "why"),
        ("7.6.0", r"flow_Daily Orders\.json", "why"),
        ("7.8.0", r"flow_Daily Orders\.json", "why"),
        ("8.0.0", r"flow_Daily_Orders\.json5", "why"),
        ("9.7.0", r"flow_Daily_Orders\.json5", "why"),
    ],
)
def test_export(start, version, name, comment):
    api = start(flows=(ORDERS,), product_version=version, edition="Premium")
    response = api.get("/v4/flows/1001/package", params={"comment": "why"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="flow_Daily_Orders.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        [member] = archive.namelist()
        assert re.fullmatch(name, member)
        assert "2024-01-01T00:00:00.000Z" in archive.read(member).decode()
    package = read(response.content)
    assert (str(package.version), package.edition, package.comment) == (version, "Premium", comment)
    assert (package.primary_flow_ids, package.primary_flow_name) == ((1001,), "Daily Orders")
    # What was exported imports into an instance of the same version, as it is.
    answer = api.upload(api.deployment(), response.content)
    assert answer.status_code == 201, answer.text
    assert answer.json()["release"]["packageUuid"] == package.uuid
    assert answer.json()["importRuleChanges"] == {"object": [], "value": []}


def test_every_export_has_a_uuid_of_its_time(dev, clock):
    found = [read(export(dev)).uuid for _ in range(3)]
    clock.advance(90)
    found.append(read(export(dev)).uuid)
    assert len(set(found)) == 4
    for text, seconds in zip(found, (0, 0, 0, 90), strict=True):
        one = uuid.UUID(text)
        moment = datetime(1582, 10, 15, tzinfo=timezone.utc) + timedelta(
            microseconds=one.time // 10
        )
        assert (one.version, moment) == (
            1,
            datetime(2024, 1, 1, 0, 0, tzinfo=timezone.utc) + timedelta(seconds=seconds),
        )
    events = [event.what for event in dev.emulator.store.events() if "exported" in event.what]
    assert events == [f"flow 1001 exported as package {one}" for one in found]


def test_exports_at_once(dev):
    with ThreadPoolExecutor(8) as pool:
        # Sessions are not for several threads.
        url, auth = f"{dev.emulator.url}/v4/flows/1001/package", dev.session.auth
        found = pool.map(
            lambda _: read(requests.get(url, auth=auth, timeout=30).content).uuid, range(40)
        )
        assert len(set(found)) == 40
    assert dev.emulator.store.flow(1001).exports == 40


def test_connections(start):
    flow = PresetFlow("Daily Orders", connections=("orders",))
    api = start(
        connections=(PresetConnection("stock"), PresetConnection("orders", "u-1", vendor="oracle")),
        flows=(flow,),
    )
    tables = read(export(api)).tables
    [described] = tables["connections"]
    assert (described["id"], described["uuid"], described["name"]) == (12002, "u-1", "orders")
    assert (described["type"], described["vendor"]) == ("jdbc", "oracle")
    assert [row["connectionId"] for row in tables["datasources"]] == [12002]
    assert [row["tableName"] for row in tables["relationalsources"]] == ["orders"]


@pytest.mark.parametrize("accept", ["*/*", "application/zip", "application/json", "application/*"])
def test_accept(dev, accept):
    assert dev.get("/v4/flows/1001/package", headers={"Accept": accept}).status_code == 200


def test_accept_of_something_else(dev):
    assert dev.get("/v4/flows/1001/package", headers={"Accept": "text/html"}).status_code == 415
    assert dev.get("/v4/flows/1001", headers={"Accept": "application/zip"}).status_code == 415


@pytest.mark.parametrize("path", ["package", "package/dryRun"])
def test_refused_exports(start, path):
    api = start(flows=(ORDERS, PresetFlow("old")), export_enabled=False)
    api.emulator.store.delete_flow(1002)
    for flow_id, status in ((1001, 403), (1002, 410), (1003, 403), ("x", 404)):
        assert api.get(f"/v4/flows/{flow_id}/{path}").status_code == status
    assert "exported" not in str(api.emulator.store.events())
    assert api.get("/v4/flows/1002").status_code == 410
    assert [row["id"] for row in api.json("/v4/flows", flowsFilter="all")["data"]] == [1001]
    api.session.auth = None
    assert api.get(f"/v4/flows/1001/{path}").status_code == 401


def test_deleted_flows_on_demand(dev, clock):
    clock.advance(60)
    dev.emulator.store.delete_flow(1001)
    body = dev.json("/v4/flows/1001", includeDeleted="true")
    assert (body["id"], body["deleted_at"]) == (1001, "2024-01-01T00:01:00.000Z")
    assert dev.json("/v4/flows", includeDeleted="true")["data"] == [body]
    assert dev.json("/v4/flows") == {"data": []}


def test_export_dry_run(dev):
    assert dev.json("/v4/flows/1001/package/dryRun") == {}
    assert dev.emulator.store.flow(1001).exports == 0


REQUESTS = {
    "listFlows": ("GET", "/v4/flows"),
    "getFlow": ("GET", "/v4/flows/1001"),
    "getFlowPackage": ("GET", "/v4/flows/1001/package"),
    "getFlowPackageDryRun": ("GET", "/v4/flows/1001/package/dryRun"),
    "importFlowPackage": ("POST", "/v4/flows/package"),
    "importFlowPackageDryRun": ("POST", "/v4/flows/package/dryRun"),
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_faults(dev, operation):
    method, path = REQUESTS[operation]
    [found] = [
        one for one in dev.json("/v4/open-api-spec")["paths"].items() if described(one, operation)
    ]
    # The path of the description is the pattern, with * for the ids.
    fault = dev.emulator.faults.add(
        Fault(Answer(503), method=method, path=re.sub(r"\{\w+\}", "*", found[0]))
    )
    files = {"data": ("flow.zip", build_package())} if method == "POST" else None
    assert dev(method, path, files=files).status_code == 503
    assert dev(method, path, files=files).status_code in (200, 201)
    assert fault.fired == 1


def described(item, operation):
    return operation in {one["operationId"] for one in item[1].values()}


@pytest.mark.parametrize("send_bytes", [None, 0, 100])
def test_cut_download(dev, send_bytes):
    dev.emulator.faults.add(Fault(Truncate(send_bytes), method="GET", path="/v4/flows/*/package"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead") as caught:
        dev.get("/v4/flows/1001/package")
    got, missing = map(
        int, re.search(r"(\d+) bytes read, (\d+) more expected", str(caught.value)).groups()
    )
    declared = dev.emulator.calls[-1].response_bytes
    assert (got, got + missing) == (declared // 2 if send_bytes is None else send_bytes, declared)
    # It was an export all the same.
    assert dev.emulator.store.flow(1001).exports == 1
    read(export(dev))


def test_lost_download(dev):
    fault = dev.emulator.faults.add(Fault(Reset("after_commit"), path="/v4/flows/*/package"))
    with pytest.raises(requests.exceptions.ConnectionError):
        dev.get("/v4/flows/1001/package")
    assert (fault.outcomes, dev.emulator.store.flow(1001).exports) == ([200], 1)


def test_lost_import(dev):
    fault = dev.emulator.faults.add(
        Fault(Answer.gateway_timeout(), method="POST", path="/v4/flows/package")
    )
    assert post(dev, build_package("Stock")).status_code == 504
    assert fault.outcomes == [201]
    assert len(dev.json("/v4/flows")["data"]) == 2


def test_held_download_shows_the_flow_as_it_was(dev):
    fault = dev.emulator.faults.add(Fault(Hold("after_commit"), path="/v4/flows/*/package"))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(export, dev)
        fault.wait_until_waiting()
        dev.emulator.store.edit_flow(1001, name="Renamed")
        fault.release()
        assert read(answer.result(30)).primary_flow_name == "Daily Orders"
