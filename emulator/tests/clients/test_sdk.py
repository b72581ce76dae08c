"""The calls of the vendor's Python package, written again: it needs an older Python than the
emulator."""

from __future__ import annotations

import client_table


def test_a_session(start, clock, conforms):
    api = start(job_start_seconds=10, job_run_seconds=50)
    made, empty = (
        api.emulator.store.create_flow(name, adhoc_output=adhoc)
        for name, adhoc in (("a", True), ("b", False))
    )
    with conforms(client_table.SDK, api.emulator):
        assert api.json("/v4/people/current")["outputHomeDir"]
        # Any other status than 200 means: write to the user's folder.
        assert missing(api.get("/v4/awsConfigs/current", params={"limit": 1}))
        new = api(
            "POST", "/v4/flows/", json={"name": "daily", "description": "made by a script"}
        ).json()
        assert new["name"] == "daily"
        assert missing(api("POST", f"/v4/flows/{new['id']}/importAndAddDatasetToFlow"))
        assert api.json(f"/v4/flows/{made.id}")["name"] == "a"
        recipe = recipe_of(api, made.id)
        assert output_of(api, recipe)
        assert not output_of(api, recipe_of(api, empty.id))
        output = {"profiler": True, "execution": "photon", "flowNodeId": recipe, "isAdhoc": True}
        assert missing(api("POST", "/v4/outputObjects/", json=output))
        assert missing(api("POST", "/v4/writeSettings", json={"path": "file:///x.csv"}))
        assert missing(api("POST", f"/v4/outputObjects/{recipe}/wrangleToPython", json={}))

        overrides = {"execution": "photon", "profiler": True}
        body = {"wrangledDataset": {"id": recipe}, "overrides": overrides}
        group = api("POST", "/v4/jobGroups/", json=body).json()
        path = f"/v4/jobgroups/{group['id']}"
        assert api.get(f"{path}/pdfResults").status_code == 404, (
            "it asks until it is no longer a 404"
        )
        assert wait(api, f"{path}/status", clock) == ["Created", "InProgress", "Complete"]
        profile = api.json(f"{path}/profile")
        assert profile.keys() >= {
            "profilerTypeCheckHistograms",
            "profilerValidValueHistograms",
            "columnTypes",
        }
        assert api.get(f"{path}/pdfResults").content.startswith(b"%PDF")
        jobs = api.json(f"/v4/jobGroups/{group['id']}", embed="jobs.scriptResults")["jobs"]["data"]
        [writer] = [one for one in jobs if one["jobType"] == "filewriter"]
        [result] = writer["scriptResults"]["data"]
        assert missing(api.get(f"/v4/scriptResults/{result['id']}/download"))
        assert api("DELETE", f"/v4/flows/{made.id}").status_code == 204


def missing(answer):
    return (answer.status_code, answer.json()["exception"]["name"]) == (
        404,
        "RouteNotFoundException",
    )


def recipe_of(api, flow_id):
    nodes = api.json(f"/v4/flows/{flow_id}", embed="flowNodes.recipe")["flowNodes"]["data"]
    [(name, recipe)] = {
        one["recipe"]["name"]: one["id"] for one in nodes if one["wrangled"]
    }.items()
    assert name.endswith("recipe")
    return recipe


def output_of(api, recipe):
    return api.json(f"/v4/wrangledDatasets/{recipe}", embed="outputObjects")["outputObjects"][
        "data"
    ]


def wait(api, path, clock):
    seen = [api.json(path)]
    while seen[-1] != "Complete":
        assert len(seen) < 5
        clock.advance(30)
        seen.append(api.json(path))
    return seen
