"""The emulator answers as recorded. The first line of each test names its evidence; the last test
checks that."""

from __future__ import annotations

import re

import pytest
from trifacta_emulator import (
    EmulatorOptions,
    PresetConnection,
    PresetFlow,
    RunOutcome,
    User,
    build_package,
)
from trifacta_emulator.options import CLOUD_EDITIONS

ADMIN, OWNER, OTHER = (
    User("admin@x", "p", ("admin", "deployment")),
    User("owner@x", "p"),
    User("other@x", "p"),
)
USERS = {"users": (ADMIN, OWNER, OTHER)}
AS_OWNER, AS_OTHER, AS_ADMIN = ("owner@x", "p"), ("other@x", "p"), ("admin@x", "p")
ROUTE = "RouteNotFoundException"


def error_of(response):
    return response.status_code, response.json()["exception"]["name"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v4/Nothing/x"), ("DELETE", "/v4/people/current"), ("PUT", "/v4/Flows/7/")],
)
def test_unknown_routes_and_other_methods_are_the_same_404(api, method, path):
    """[P: AYX] There is no 405, and the path is repeated as it was asked."""
    answer = api(method, path, params={"a": 1})
    assert (answer.status_code, "allow" in answer.headers) == (404, False)
    assert answer.json() == {
        "exception": {
            "name": ROUTE,
            "message": "This route does not exist",
            "details": f"Cannot {method} {path}",
        }
    }


def test_what_is_not_permitted(start):
    """[P: AYX] ``AccessControlException``, with one of two messages."""
    api = start(**USERS, api_tokens_enabled=False)
    api.session.auth = AS_OWNER
    refused = api.get("/v4/deployments")
    assert error_of(refused) == (403, "AccessControlException")
    assert refused.json()["exception"]["message"] == "User is not authorised to access this API."
    refused = api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": 60})
    assert error_of(refused) == (403, "AccessControlException")
    assert refused.json()["exception"]["message"] == "Permission denied"
    assert (
        refused.json()["exception"]["details"]
        == "API access tokens are disabled for this workspace."
    )


@pytest.mark.parametrize(("version", "old"), [("6.0.1", True), ("6.4.2", False), ("9.7.0", False)])
def test_the_403_of_6_0(start, version, old):
    """[P: VC] In its history is one: without ``details``, as indented JSON."""
    api = start(**USERS, product_version=version)
    api.session.auth = AS_OWNER
    answer = api.get("/v4/deployments")
    assert ("details" in answer.json()["exception"]) is not old
    assert answer.text.startswith('{\n  "exception": {\n    "name"') is old


@pytest.mark.parametrize(
    ("options", "flow", "other"),
    [
        ({}, (403, "AccessControlException"), (404, "DataNotFoundException")),
        (
            {"unknown_id_status": 403},
            (403, "AccessControlException"),
            (403, "AccessControlException"),
        ),
        ({"unknown_id_status": 400}, (403, "AccessControlException"), (400, "ApiValidationFailed")),
        (
            {"unknown_flow_status": 404},
            (404, "DataNotFoundException"),
            (404, "DataNotFoundException"),
        ),
        (
            {"unknown_flow_status": 400},
            (400, "ApiValidationFailed"),
            (404, "DataNotFoundException"),
        ),
    ],
)
def test_unknown_ids(start, options, flow, other):
    """[P: AYX] The status depends on the endpoint. 400 is in the vendor's table too [P: AAC25]."""
    api = start(**options)
    assert error_of(api.get("/v4/flows/999999")) == flow
    for path in ("deployments", "releases", "connections", "jobGroups"):
        assert error_of(api.get(f"/v4/{path}/999999")) == other


def test_a_mistyped_id_looks_like_a_missing_permission(start):
    """[P: AYX] The status does not tell which of the two it is."""
    api = start(**USERS, flows=(PresetFlow("Orders", owner="owner@x"),))
    api.session.auth = AS_OTHER
    there, nowhere = (api.get(f"/v4/flows/{number}") for number in (1001, 1002))
    assert there.status_code == nowhere.status_code == 403
    assert there.text.replace("1001", "1002") == nowhere.text


def test_a_refused_body_names_the_field(api):
    """[P: AYX] ``ApiValidationFailed``; the name ``ValidationFailed`` stays for embeds
    [P: AAC25].
    """
    refused = api("POST", "/v4/deployments", json={"name": 5})
    assert error_of(refused) == (400, "ApiValidationFailed")
    assert "name" in refused.json()["exception"]["details"]
    assert error_of(api.get("/v4/flows", params={"embed": "*"})) == (400, "ValidationFailed")


def test_what_was_deleted(api):
    """[P: AYX] 410 ``GoneException``."""
    api("DELETE", f"/v4/deployments/{api.deployment()}")
    assert error_of(api.get("/v4/deployments/1")) == (410, "GoneException")


@pytest.mark.parametrize("path", ["profile", "pdfResults"])
def test_a_job_group_without_a_profile(run, path):
    """[P: AYX] 400 ``ProfilingDataNotFoundException``."""
    api, started = run()
    url = f"/v4/jobGroups/{started['data'][0]['id']}/{path}"
    # Until the end a PDF is a 404 [P: SDK].
    assert api.get(url).status_code == (404 if path == "pdfResults" else 400)
    api.emulator.options.clock.advance(60)
    assert api.get(url, headers={"Accept": "*/*"}).status_code == 200
    api.emulator.runs.add(RunOutcome())
    failed = api("POST", "/v4/deployments/1/run").json()["data"][0]["id"]
    api.emulator.options.clock.advance(60)
    answer = api.get(f"/v4/jobGroups/{failed}/{path}")
    assert error_of(answer) == (400, "ProfilingDataNotFoundException")
    assert answer.json()["exception"]["message"] == "Profiling data not found"


def test_inputs_of_a_job_on_files(run):
    """[P: AYX] 400 ``DataServiceInvalidRequest``; by choice, since others show them [P: AAC25]."""
    package = build_package(dataset_path="s3://dev/in.csv")
    for choice, expected in (("serve", 200), ("refuse", 400)):
        api, started = run(package, file_inputs=choice)
        answer = api.get(f"/v4/jobGroups/{started['data'][0]['id']}/inputs")
        assert answer.status_code == expected
    assert answer.json()["exception"]["name"] == "DataServiceInvalidRequest"


def test_lists_are_newest_first(start):
    """[R: D60, D64] The examples of flows, connections and job groups."""
    flows, connections = (tuple(map(kind, "ab")) for kind in (PresetFlow, PresetConnection))
    api = start(flows=flows, connections=connections)
    for path in ("flows", "connections"):
        assert [row["name"] for row in api.json(f"/v4/{path}")["data"]] == ["b", "a"]
    # A public script takes this for the flow that it has just imported [P: VC].
    api("POST", "/v4/flows/package", files={"data": build_package("c")})
    [newest] = api.json("/v4/flows", limit=1)["data"]
    assert newest["name"].endswith(" c")


def test_flows_by_name(start):
    """[R: D64] ``filter`` ignores case, and may find several flows."""
    api = start(flows=tuple(map(PresetFlow, ("Daily Orders", "daily orders", "Stock"))))
    found = api.json("/v4/flows", filter="DAILY orders")["data"]
    assert [row["name"] for row in found] == ["daily orders", "Daily Orders"]


@pytest.mark.parametrize(
    ("version", "params", "names"),
    [
        ("6.4.0", {}, ["Shared", "Mine"]),
        ("9.7.0", {}, ["Mine"]),
        *(
            (version, {name: "all"}, ["Shared", "Mine"])
            for version in ("6.4.0", "9.7.0")
            for name in ("flowFilter",)
        ),
        ("9.7.0", {"flowsFilter": "shared"}, ["Shared"]),
        ("6.4.0", {"flowFilter": "owned"}, ["Mine"]),
    ],
)
def test_whose_flows_are_listed(start, version, params, names):
    """[R: D64] ``flowFilter``, all accessible flows without it; later ``flowsFilter``, and the own
    ones [P: NZ]."""
    flows = (
        PresetFlow("Mine", owner="other@x"),
        PresetFlow("Shared", owner="owner@x", shared_with=("other@x",)),
        PresetFlow("Theirs", owner="owner@x"),
    )
    api = start(**USERS, product_version=version, flows=flows)
    api.session.auth = AS_OTHER
    assert [row["name"] for row in api.json("/v4/flows", **params)["data"]] == names


@pytest.mark.parametrize("path", ["", "/package", "/package/dryRun"])
def test_a_flow_that_is_not_shared_cannot_be_exported(start, path):
    """[R: D64] The user "must have access to the specified flow". That an administrator has it is
    [M]."""
    api = start(**USERS, flows=(PresetFlow("Orders", owner="owner@x"),))
    api.session.auth = AS_OTHER
    assert error_of(api.get(f"/v4/flows/1001{path}")) == (403, "AccessControlException")
    assert api.json("/v4/flows", flowsFilter="all")["data"] == []
    api.emulator.store.share_flow(1001, 3)
    assert api.get(f"/v4/flows/1001{path}").status_code == 200
    assert [row["id"] for row in api.json("/v4/flows", flowsFilter="shared")["data"]] == [1001]
    api.emulator.store.share_flow(1001)
    for login, status in ((AS_OTHER, 403), (AS_OWNER, 200), (AS_ADMIN, 200)):
        api.session.auth = login
        assert api.get(f"/v4/flows/1001{path}").status_code == status


@pytest.mark.parametrize("body", ["short", "empty"])
def test_a_flow_is_changed_by_its_owner_only(start, body):
    """[R: D64] PATCH answers 200, and the page's body of the answer is "None"."""
    flow = PresetFlow("Orders", description="old", owner="owner@x", shared_with=("other@x",))
    api = start(**USERS, flows=(flow,), flow_patch_body=body)
    api.session.auth = AS_OTHER
    assert error_of(api("PATCH", "/v4/flows/1001", json={"name": "Sales"})) == (
        403,
        "AccessControlException",
    )
    api.session.auth = AS_OWNER
    for wrong in ({}, {"name": ""}, {"name": 5}, {"folder": 1}):
        assert error_of(api("PATCH", "/v4/flows/1001", json=wrong)) == (400, "ApiValidationFailed")
    answer = api("PATCH", "/v4/flows/1001", json={"name": "Sales", "description": ""})
    assert answer.status_code == 200
    assert (answer.text == "") == (body == "empty")
    row = api.json("/v4/flows/1001")
    assert (row["name"], row["description"], row["updater"]) == ("Sales", "", {"id": 2})


def test_times_of_the_cloud(start, clock):
    """[P: AYX] They end in ``.000Z``."""
    api = start(whole_seconds=True)
    clock.advance(7.5)
    api.deployment()
    [row] = api.json("/v4/deployments")["data"]
    assert row["createdAt"] == "2024-01-01T00:00:07.000Z"


@pytest.mark.parametrize("edition", CLOUD_EDITIONS)
def test_a_cloud_edition_has_no_deployment_manager(start, edition):
    """[I] from the documents of the cloud editions. It answers as for an unknown path [P: AYX]."""
    api = start(edition=edition)
    assert error_of(api.get("/v4/deployments")) == (404, ROUTE)
    # The description lists the paths that the instance has.
    paths = api.json("/v4/open-api-spec")["paths"]
    assert "/v4/flows/package" in paths
    assert not [path for path in paths if "deployment" in path or "release" in path.lower()]


def test_embeds_of_a_flow(start):
    """[P: AAC25, NZ] Those that clients use are served."""
    api = start(**USERS, flows=(PresetFlow("Orders", owner="owner@x"),))
    api.session.auth = AS_OWNER
    embed = "creator,flowNodes.recipe,flowEdges"
    [listed] = api.json("/v4/flows", embed=embed, fields="id")["data"]
    read = api.json("/v4/flows/1001", embed=embed)
    assert {key: read[key] for key in listed} == listed
    assert read["creator"] == {"id": 2, "email": "owner@x", "name": "owner"}
    nodes, [edge] = read["flowNodes"]["data"], read["flowEdges"]["data"]
    assert {edge["inputFlowNode"]["id"], edge["outputFlowNode"]["id"]} <= {
        node["id"] for node in nodes
    }
    assert all("name" in node["recipe"] for node in nodes if node["recipe"])
    assert "flowNodes" not in api.json("/v4/flows/1001")


@pytest.mark.parametrize(
    ("path", "embed", "row"),
    [
        (
            "/v4/connections",
            "creator",
            {"creator": {"id": 1, "email": "admin@example.com", "name": "admin"}},
        ),
        (
            "/v4/connections/12001",
            "updater",
            {"updater": {"id": 1, "email": "admin@example.com", "name": "admin"}},
        ),
        ("/v4/deployments", "releases", {"releases": {"data": []}}),
        ("/v4/releases", "creator", None),
    ],
)
def test_embeds_are_served_or_refused(start, path, embed, row):
    """[P: AAC25] Another one is a 400 ``ValidationFailed``; none is accepted and left out."""
    api = start(connections=(PresetConnection("a"),))
    api.deployment()
    answer = api.json(path, embed=embed)
    found = answer["data"][0] if answer.get("data") else answer
    assert not row or found.items() >= row.items()
    assert error_of(api.get(path, params={"embed": "snapshots"})) == (400, "ValidationFailed")


def test_a_list_can_lag_behind(start, clock, package):
    """[P: AYX] A deleted object can go on being served for a moment. That lists lag is a choice
    [?]."""
    api = start(
        list_lag_seconds=10, flows=(PresetFlow("Orders"),), connections=(PresetConnection("a"),)
    )
    assert len(api.json("/v4/flows")["data"]) == len(api.json("/v4/connections")["data"]) == 1
    api.deployment()
    api.release(1, package)
    clock.advance(5)
    second = api.release(1, package)
    releases = {"params": {"deploymentId": 1}}
    assert (
        api.get("/v4/releases", **releases).json()["data"]
        == api.json("/v4/deployments")["data"]
        == []
    )
    assert api.json(f"/v4/releases/{second}")["active"] is True
    clock.advance(5)
    assert [
        (row["id"], row["active"]) for row in api.get("/v4/releases", **releases).json()["data"]
    ] == [(101, True)]
    clock.advance(5)
    found = [
        (row["id"], row["active"]) for row in api.get("/v4/releases", **releases).json()["data"]
    ]
    assert found == [(second, True), (101, None)]
    api("DELETE", f"/v4/releases/{second}")
    clock.advance(9)
    assert len(api.get("/v4/releases", **releases).json()["data"]) == 2
    assert api.get(f"/v4/releases/{second}").status_code == 200
    clock.advance(1)
    assert len(api.get("/v4/releases", **releases).json()["data"]) == 1
    assert error_of(api.get(f"/v4/releases/{second}")) == (410, "GoneException")


def test_each_test_names_its_evidence():
    """[?] A rule of this file."""
    tests = {name: one.__doc__ for name, one in globals().items() if name.startswith("test_")}
    assert [
        name
        for name, words in tests.items()
        if not re.match(r"\[[RPIM?](: [\w, ]+)?\] ", words or "")
    ] == []


def test_a_flow_is_shared_with_users_only():
    """[?] A wrong option is an error."""
    with pytest.raises(ValueError, match="unknown user"):
        EmulatorOptions(flows=(PresetFlow("a", shared_with=("x",)),))
