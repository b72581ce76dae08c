from __future__ import annotations

import pytest

RECIPES = "/v4/wrangledDatasets"


def test_a_recipe_is_found_by_its_name_within_a_flow(start):
    """As a public client does it: there is no parameter for the flow."""
    api = start()
    for name in ("Orders", "Returns"):
        api.emulator.store.create_flow(name)
    listed = api.json(RECIPES)["data"]
    assert [(one["flow"]["id"], one["name"]) for one in listed] == [
        (1002, "Returns recipe"),
        (1001, "Orders recipe"),
    ]
    assert {one["wrangled"] for one in listed} == {True}
    [found] = api.json(RECIPES, filter="Orders recipe", filterType="exact")["data"]
    assert found == api.json(f"{RECIPES}/{found['id']}")
    # As the vendor's Python package does it.
    nodes = api.json("/v4/flows/1001", embed="flowNodes.recipe")["flowNodes"]["data"]
    assert {one["recipe"]["name"]: one["id"] for one in nodes if one["wrangled"]} == {
        "Orders recipe": found["id"]
    }


def test_one(dev):
    assert dev.json(f"{RECIPES}/2001", embed="flow,recipe,outputObjects") == {
        "id": 2001,
        "wrangled": True,
        "name": "Daily Orders recipe",
        **(stamp := dict.fromkeys(("createdAt", "updatedAt"), "2024-01-01T00:00:00.000Z")),
        **(people := {one: {"id": 1} for one in ("creator", "updater")}),
        "referenceInfo": None,
        "activeSample": None,
        "recipe": {
            "id": 3001,
            "name": "Daily Orders recipe",
            "description": None,
            "active": True,
            "nextPortId": 1,
            "currentEdit": None,
            "redoLeafEdit": None,
            **stamp,
            **people,
        },
        "referencedFlowNode": None,
        "flow": {"id": 1001, "name": "Daily Orders", "cpProject": None},
        "outputObjects": {
            "data": [
                {
                    "id": 5001,
                    "execution": "photon",
                    "profiler": True,
                    "isAdhoc": True,
                    "flownode": {"id": 2001},
                    **stamp,
                    **people,
                }
            ]
        },
    }
    plain = dev.json(f"{RECIPES}/2001")
    assert (plain["flow"], plain["recipe"], "outputObjects" in plain) == (
        {"id": 1001},
        {"id": 3001},
        False,
    )
    assert dev.get(f"{RECIPES}/2001", params={"embed": "*"}).status_code == 400


def test_edges_of_a_flow(dev):
    body = dev.json("/v4/flows/1001", embed="flowNodes,flowEdges")
    assert dev.json("/v4/flows/1001", embed="flownodes,FLOWEDGES") == body, (
        "clients write the names in any case"
    )
    shown = dev.json("/v4/flows/1001", embed="flownodes", fields="name")
    assert shown.keys() == {"id", "name", "flowNodes"}
    assert {one["recipe"].keys() == {"id"} for one in body["flowNodes"]["data"]} == {True}
    [edge] = body["flowEdges"]["data"]
    assert (edge["inputFlowNode"], edge["outputFlowNode"]) == ({"id": 2002}, {"id": 2001})
    assert "flowNodes" not in dev.json("/v4/flows/1001")


def test_what_is_not_there(dev):
    assert dev.get(f"{RECIPES}/9").status_code == 404
    dev("DELETE", "/v4/flows/1001")
    assert dev.get(f"{RECIPES}/2001").status_code == 410
    assert dev.json(RECIPES)["data"] == []


def test_recipes_of_releases_are_read_but_not_listed(start, package):
    api = start()
    api.deployment()
    api.release(1, package)
    assert api.json(RECIPES)["data"] == []
    assert api.json(f"{RECIPES}/2001")["flow"] == {"id": 1001}
    assert len(api.json("/v4/flows/1001", embed="flowNodes")["flowNodes"]["data"]) == 2


def test_a_new_recipe(dev):
    body = {"name": "Late", "flow": {"id": 1001}, "importedDataset": {"id": 4001}}
    made = dev("POST", RECIPES, json=body)
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["flow"], made.json()["wrangled"]) == (
        "Late",
        {"id": 1001},
        True,
    )
    after = {"name": "Later", "flow": {"id": 1001}, "wrangledDataset": {"id": made.json()["id"]}}
    assert dev("POST", RECIPES, json=after).status_code == 201
    edges = dev.json("/v4/flows/1001", embed="flowEdges")["flowEdges"]["data"]
    pairs = [(one["inputFlowNode"]["id"], one["outputFlowNode"]["id"]) for one in edges]
    assert pairs == [(2002, 2001), (2002, 2003), (2003, 2004)]


def test_a_dataset_of_another_flow_joins(dev):
    empty = dev("POST", "/v4/flows", json={"name": "New"}).json()["id"]
    body = {"name": "Late", "flow": {"id": empty}, "importedDataset": {"id": 4001}}
    recipe = dev("POST", RECIPES, json=body).json()
    nodes = dev.json(f"/v4/flows/{empty}", embed="flowNodes")["flowNodes"]["data"]
    assert [one["wrangled"] for one in nodes] == [False, True]
    settings = {"writesettings": [{"path": "/out.csv"}]}
    run = dev(
        "POST",
        "/v4/jobGroups",
        json={"wrangledDataset": {"id": recipe["id"]}, "overrides": settings},
    )
    assert run.status_code == 201
    assert dev.get(f"/v4/flows/{empty}/package").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": ""}, 400),
        ({"importedDataset": None}, 400),
        ({"wrangledDataset": {"id": 2001}}, 400),
        ({"flow": {"id": 9}}, 403),
        ({"importedDataset": {"id": 9}}, 404),
    ],
)
def test_what_is_refused(dev, change, status):
    body = {"name": "Late", "flow": {"id": 1001}, "importedDataset": {"id": 4001}, **change}
    assert dev("POST", RECIPES, json=body).status_code == status
    assert len(dev.json(RECIPES)["data"]) == 1
