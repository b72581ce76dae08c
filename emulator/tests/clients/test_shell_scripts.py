"""The calls of the seven shell scripts of trifacta-api-flows, written again."""

from __future__ import annotations

import json

import pytest
from flow_calls import read
from trifacta_emulator import PresetFlow, build_package

DEV = PresetFlow("Daily", dataset_path="/development/in.csv")
DEPLOY = ("deploy@example.com", "deploy")


@pytest.fixture
def script(conforms):
    """Compare the block with the rows of one script."""
    return lambda name, *emulators: conforms(f"trifacta-api-flows: {name}", *emulators)


def upload(api, path, content, **kwargs):
    """As ``curl -F data=@flow.zip``."""
    return api(
        "POST", path, files={"data": ("flow.zip", content, "application/octet-stream")}, **kwargs
    )


def parameters(name, value):
    return {"runParameters": {"overrides": {"data": [{"key": name, "value": value}]}}}


def test_export_and_commit(start, script, tmp_path):
    api = start(flows=(DEV,))
    with script("flow_checkin.sh", api.emulator):
        answer = api.get("/v4/flows/1001/package")
    (tmp_path / "flow_1001.zip").write_bytes(answer.content)
    assert read((tmp_path / "flow_1001.zip").read_bytes()).primary_flow_name == "Daily"


def test_import_into_dev(start, script):
    api = start()
    with script("flow_checkout_dev.sh", api.emulator):
        # The path of the script ends in a slash.
        answer = upload(api, "/v4/flows/package/?folderId=5", build_package("Daily"))
    assert answer.status_code == 201
    assert answer.json()["flows"][0]["name"].endswith("] Daily")


def test_rules(start, script):
    api = start()
    api.deployment()
    rules = {
        "valueImportRules": [
            {"type": "fileLocation", "on": "//development//", "with": "/production/"}
        ],
        "objectImportRules": [
            {
                "tableName": "connections",
                "onCondition": {"uuid": "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab"},
                "withCondition": {"id": 11},
            }
        ],
    }
    with script("flow_import-rules_prod.sh", api.emulator):
        for kind, body in rules.items():
            # curl takes the body as text.
            headers = {"Content-type": "application/json"}
            answer = api(
                "PATCH", f"/v4/deployments/1/{kind}", data=json.dumps(body), headers=headers
            )
            assert (answer.status_code, answer.json()) == (200, {"deleted": {"data": []}})
    release = api.upload(1, build_package(dataset_path="/development/in.csv")).json()
    [change] = release["importRuleChanges"]["value"]
    assert change["newValue"] == "/production/in.csv"


@pytest.mark.parametrize("real", [False, True])
def test_release(start, script, read_real, real):
    content = read_real("flow_63__v6.8") if real else build_package(generation="6.8")
    api = start(product_version="6.8.0")
    api.deployment()
    with script("flow_checkout_prod.sh", api.emulator):
        answer = upload(api, "/v4/deployments/1/releases", content)
    assert (answer.status_code, answer.json()["release"]["active"]) == (201, True)


def test_run_with_parameters(start, script, package):
    api = start()
    api.deployment()
    api.release(1, package)
    with script("flow_run_prod.sh", api.emulator):
        answer = api(
            "POST", "/v4/deployments/1/run", json=parameters("Contracts_File", "Contracts_Prod.csv")
        )
    assert answer.json()["data"][0]["reason"] == "JobStarted"
    [group] = api.emulator.store.job_groups()
    assert group.overrides == {"Contracts_File": "Contracts_Prod.csv"}


def test_run_a_recipe(start, script):
    api = start(flows=(DEV,))
    with script("recipe_run_dev.sh", api.emulator):
        body = {"wrangledDataset": {"id": 2001}, **parameters("Contracts_File", "Contracts_Prod")}
        answer = api("POST", "/v4/jobGroups", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (201, "JobStarted")
    [group] = api.emulator.store.job_groups()
    assert group.overrides == {"Contracts_File": "Contracts_Prod"}


def test_migrate_all_flows(start, script):
    names = [f"flow {number}" for number in range(30)]
    dev, prod = start(flows=tuple(map(PresetFlow, names))), start()
    with script("AllFlows_Migration.sh", dev.emulator, prod.emulator):
        for flow in dev.json("/v4/flows", noLimit="true")["data"]:
            content = dev.get(f"/v4/flows/{flow['id']}/package").content
            assert upload(prod, "/v4/flows/package", content).status_code == 201
            # The script takes the first flow of the list for the one that it has just imported.
            [newest] = prod.json("/v4/flows", limit=1)["data"]
            assert (
                prod("PATCH", f"/v4/flows/{newest['id']}", json={"name": flow["name"]}).status_code
                == 200
            )
    assert sorted(one.name for one in prod.emulator.store.flows()) == sorted(names)
