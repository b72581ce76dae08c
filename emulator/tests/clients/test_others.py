"""The calls of six more public clients, written again. What is not emulated gets the recorded 404
[P: AYX]."""

from __future__ import annotations

import io
import json
import zipfile

import client_table
from trifacta_emulator import PresetConnection, PresetFlow, PresetToken, RunOutcome

COMPOSER, CATALOG, RUN_API, AUTOLAUNCH, EXPLORER, SAAGIE = client_table.OTHERS
TOKEN = (PresetToken("secret", "admin@example.com"),)
TABLE = {
    "publications": [
        {"tableName": "clean", "path": ["sales"], "action": "create", "connectionId": 12001}
    ]
}


def missing(answer):
    return (answer.status_code, answer.json()["exception"]["name"]) == (
        404,
        "RouteNotFoundException",
    )


def by_token(api):
    api.session.auth = None
    api.session.headers["Authorization"] = "Bearer secret"
    return api


def test_composer(start, conforms):
    """It exports, imports, and looks for the recipe that reads the first input."""
    api = by_token(start(edition="Dataprep", flows=(PresetFlow("Daily"),), tokens=TOKEN))
    with conforms(COMPOSER, api.emulator):
        package = api.get("/v4/flows/1001/package").content
        made = api("POST", "/v4/flows/package", files={"data": package}).json()
        [flow_id] = made["primaryFlowIds"]
        assert missing(api.get(f"/v4/flows/{flow_id}/inputs"))
        edges = api.json(f"/v4/flows/{flow_id}", embed="flowEdges")["flowEdges"]["data"]
        # Asked in small letters, and read in camelCase.
        nodes = api.json(f"/v4/flows/{flow_id}", embed="flownodes")["flowNodes"]["data"]
        [input_node] = [node["id"] for node in nodes if node["recipe"] and not node["wrangled"]]
        [recipe] = [
            edge["outputFlowNode"]["id"]
            for edge in edges
            if edge["inputFlowNode"]["id"] == input_node
        ]
        body = {"importedDataset": {"id": 4001}}
        assert missing(api("PUT", f"/v4/wrangledDatasets/{recipe}/primaryInputDataset", json=body))


def test_data_catalog(start, clock, conforms):
    """It reads what a job group made, and by whom, for a table of BigQuery."""
    api = by_token(
        start(flows=(PresetFlow("Daily"),), connections=(PresetConnection("bq"),), tokens=TOKEN)
    )
    run = {"wrangledDataset": {"id": 2001}, "overrides": TABLE}
    group = api("POST", "/v4/jobGroups", json=run).json()["id"]
    clock.advance(60)
    embed = (
        "wrangledDataset.recipe,wrangledDataset.flow,creator,jobs,"
        "jobs.scriptResults.storageLocation,jobgroupdataflowoptions"
    )
    with conforms(CATALOG, api.emulator):
        job_group = api.json(f"/v4/jobGroups/{group}", embed=embed)
    [wrangle] = [job for job in job_group["jobs"]["data"] if job["jobType"] == "wrangle"]
    [result] = [one for one in wrangle["scriptResults"]["data"] if one["isPrimaryOutput"]]
    assert result["storageLocation"]["container"] == "clean"
    assert json.loads(result["storageLocation"]["path"])[0] == "sales"
    assert job_group["jobGroupDataflowOptions"] == {"data": []}
    assert job_group["creator"]["email"] == "admin@example.com"
    flow, recipe = job_group["wrangledDataset"]["flow"], job_group["wrangledDataset"]["recipe"]
    assert (flow["name"], flow["cpProject"], recipe["name"]) == ("Daily", None, "Daily recipe")


def test_run_api(start, clock, conforms):
    """With ``-d``, without it, and with a parameter; then it asks until the end."""
    api = start(flows=(PresetFlow("Daily"),))
    settings = {
        "execution": "photon",
        "writesettings": [{"path": "/o.csv", "action": "create", "format": "csv"}],
    }
    parameters = {"overrides": {"data": [{"key": "varRegion", "value": "02"}]}}
    with conforms(RUN_API, api.emulator):
        for more in (
            {"overrides": {}},
            {"overrides": settings},
            {"overrides": {}, "runParameters": parameters},
        ):
            body = {"wrangledDataset": {"id": 2001}, "ranfrom": "ui", **more}
            started = api("POST", "/v4/jobGroups", json=body)
            assert "JobStarted" in started.text
            clock.advance(60)
            path = f"/v4/jobGroups/{started.json()['id']}/status"
            assert api.get(path, headers={"Content-Type": "application/json"}).text == '"Complete"'


def test_autolaunch(start, conforms):
    api = start()
    with conforms(AUTOLAUNCH, api.emulator):
        body = {"lifetimeSeconds": 86400, "description": "Autolaunch 1 day token"}
        token = api("POST", "/v4/apiAccessTokens", json=body).json()["tokenValue"]
        api.session.auth = None
        headers = {"Authorization": f"Bearer {token}"}
        assert missing(
            api("POST", "/v4/emrClusters", json={"emrClusterId": "j-1"}, headers=headers)
        )


def test_explorer(start, conforms):
    """It makes a flow with a recipe on a new dataset."""
    api = by_token(start(flows=(PresetFlow("Other"),), tokens=TOKEN))
    with conforms(EXPLORER, api.emulator):
        body = {"name": "Flow", "description": "made by a script", "folderId": 5}
        flow_id = api("POST", "/v4/flows", json=body).json()["id"]
        assert missing(
            api("POST", "/v4/importedDatasets", json={"uri": "gs://b/in.csv", "name": "Dataset"})
        )
        flow = {"flow": {"id": flow_id}}
        assert missing(api("POST", "/v4/importedDatasets/4001/addToFlow", json=flow))
        body = {"importedDataset": {"id": 4001}, "name": "Recipe", **flow}
        assert api("POST", "/v4/wrangledDatasets", json=body).status_code == 201


def test_saagie(start, clock, conforms):
    """Its forms, a run with an output of its own, a cancellation, and the logs."""
    api = start(
        product_version="7.1.0", flows=(PresetFlow("Daily"), PresetFlow("Bare", adhoc_output=False))
    )
    with conforms(SAAGIE, api.emulator):
        [flow] = [one for one in api.json("/v4/flows")["data"] if one["name"] == "Daily"]
        datasets = api.json("/v4/wrangledDatasets")["data"]
        [recipe] = [one["id"] for one in datasets if one["flow"]["id"] == flow["id"]]
        outputs = api.json("/v4/outputObjects")["data"]
        assert [one["id"] for one in outputs if one["flowNode"]["id"] == recipe] == [5001]
        settings = {"execution": "photon", "profiler": False, "isAdhoc": True, "writeSettings": []}
        assert missing(api("PUT", "/v4/outputObjects/5001", json=settings))
        assert missing(
            api("POST", "/v4/outputObjects", json={**settings, "flowNode": {"id": recipe}})
        )

        def run(recipe_id, overrides):
            body = {
                "wrangledDataset": {"id": recipe_id},
                "runParameters": {"overrides": {"data": []}},
            }
            return api("POST", "/v4/jobGroups", json={**body, "overrides": overrides})

        [bare] = [one["id"] for one in datasets if one["flow"]["id"] != flow["id"]]
        refused = run(bare, {})
        assert (refused.status_code, refused.json()["exception"]["name"]) == (
            400,
            "ValidationFailed",
        )
        api.emulator.runs.add(RunOutcome(message="no such table"))
        failed = run(recipe, {}).json()["id"]
        canceled = run(recipe, {"execution": "photon", "isAdhoc": True}).json()["id"]
        assert api("POST", f"/v4/jobGroups/{canceled}/cancel").status_code == 200
        clock.advance(60)
        assert [api.json(f"/v4/jobGroups/{one}/status") for one in (failed, canceled)] == [
            "Failed",
            "Canceled",
        ]
        logs = api.get(f"/v4/jobGroups/{failed}/logs").content
        with zipfile.ZipFile(io.BytesIO(logs)) as archive:
            names = [name for name in archive.namelist() if "job.log" in name]
            lines = [line for name in names for line in archive.read(name).decode().splitlines()]
        assert any(line[24:] == "ERROR no such table" for line in lines)
        assert missing(api("POST", "/v4/plans/1/run"))
        for path in ("plans", "plans/1/full?ensureOriginal=false", "planSnapshotRuns/1"):
            assert missing(api.get(f"/v4/{path}"))
