from __future__ import annotations

import pytest
from trifacta_emulator import build_package

# The objects of the example on the vendor's page "API Releases Create v4", level by level.
PAGE = {
    "": (
        "importRuleChanges deletedObjects primaryFlowIds flows datasources flownodes outputobjects"
        " release"
    ),
    "importRuleChanges": "object value",
    "flows": (
        "id name description deleted_at cpProject workspaceId createdAt updatedAt createdBy"
        " updatedBy folderId"
    ),
    "datasources": (
        "isDynamicOrConverted id dynamicPath cpProject workspaceId connectionId deleted_at"
        " isSchematized isDynamic isConverted disableTypeInference hasStructuring storageLocationId"
        " createdAt updatedAt createdBy updatedBy parsingScriptId size_deprecated path_deprecated"
    ),
    "flownodes": (
        "id scriptId flowId flowNodeId deleted_at wrangled referenceId createdAt updatedAt"
        " createdBy updatedBy activesampleId"
    ),
    "release": "id packageUuid notes active updatedAt createdAt deployment creator updater",
}

FLOWNODE_6_8 = (
    "id wrangled updatedAt createdAt referenceInfo activeSample creator updater recipe"
    " referencedFlowNode flow"
)
LATEST = (
    "deletedObjects createdObjectMapping importRuleChanges primaryFlowIds flows datasources"
    " flownodes flowedges recipes outputobjects webhookflowtasks release"
)


def levels(answer):
    yield "", answer
    for key in PAGE:
        for row in answer[key] if isinstance(answer.get(key), list) else [answer.get(key)]:
            if key:
                yield key, row


def upload(api, package):
    response = api.upload(api.deployment(), package)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.mark.parametrize("real", [False, True])
def test_6_x_is_the_page(start, real, read_real):
    version = "6.0.1+235.20190426172824.493d6f8"
    package = (
        read_real("flow_13__v6.0")
        if real
        else build_package(generation="6.0", product_version=version)
    )
    answer = upload(start(product_version=version), package)
    for key, row in levels(answer):
        assert row.keys() == set(PAGE[key].split()), key
    assert answer["importRuleChanges"] == {"object": [], "value": []}
    assert answer["deletedObjects"] == {}
    assert answer["primaryFlowIds"] == [answer["flows"][0]["id"]]
    for key in ("deployment", "creator", "updater"):
        assert answer["release"][key].keys() == {"id"}
    assert answer["release"]["active"] is True
    # As on the page, the flow keeps its own time of creation.
    assert (
        answer["flows"][0]["createdAt"]
        != answer["flows"][0]["updatedAt"]
        == answer["release"]["createdAt"]
    )


@pytest.mark.parametrize("version", ["6.8.0", "7.8.0"])
def test_6_8(start, version):
    answer = upload(start(product_version=version), build_package(generation="6.8"))
    # [R: D68 API Flows Package Post v4]
    assert answer["flows"][0].keys() == set(PAGE["flows"].split())
    assert answer["flownodes"][0].keys() == set(FLOWNODE_6_8.split())
    assert answer["flownodes"][0]["flow"] == {"id": answer["primaryFlowIds"][0]}
    assert "createdObjectMapping" not in answer


def test_latest(api):
    answer = upload(api, build_package())
    # [P: AAC25 importFlowPackageSuccessfulResponse]
    assert answer.keys() == set(LATEST.split())
    assert answer["flows"][0]["creator"] == {"id": 1}
    recipes = {row["id"] for row in answer["recipes"]}
    nodes = {row["id"] for row in answer["flownodes"]}
    assert {row["recipe"]["id"] for row in answer["flownodes"]} == recipes
    assert {row["flownode"]["id"] for row in answer["outputobjects"]} <= nodes
    assert list(answer["createdObjectMapping"]["flows"].values()) == answer["primaryFlowIds"]


@pytest.mark.parametrize(
    ("name", "version", "uuid"),
    [
        (
            "flow_13__v6.0",
            "6.0.1+235.20190426172824.493d6f8",
            "6d21a0c0-7f37-11e9-86eb-1bd94541d5a7",
        ),
        ("flow_63__v6.8", "6.8.0", "53399fb0-5253-11ea-8fec-9d890937dbb6"),
        ("flow_custom_calendars__v7.8", "7.8.0", "97d7cc90-2f30-11eb-8f3a-133e6698dc68"),
        ("flow_google_forms__v8.0_json5", "9.7.0", "f10b7550-75c1-11eb-971e-55dd858f4ddb"),
        ("flow_pricing__v8.6_json5_artifact", "9.7.0", "0c6ac080-00eb-11ec-874e-e19f319844ba"),
    ],
)
def test_real_packages(start, read_real, name, version, uuid):
    answer = upload(start(product_version=version), read_real(name))
    assert answer["release"]["packageUuid"] == uuid
    assert answer["flownodes"]
