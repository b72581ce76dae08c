"""Facts that were found later, each with its mark. What they say is in the fact's own words."""

from __future__ import annotations

import io
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import pytest
import requests
from trifacta_emulator import (
    Answer,
    Fault,
    Hold,
    PresetConnection,
    PresetFlow,
    RunOutcome,
    build_package,
)
from trifacta_emulator.app import ENDPOINTS

RECIPE = {"wrangledDataset": {"id": 2001}}
TABLE = {
    "publications": [
        {"tableName": "clean", "path": ["sales"], "action": "create", "connectionId": 12001}
    ]
}
COUNTED = ("connections", "schedules", "wrangledDatasets", "outputObjects", "writeSettings")


def error_of(response):
    return response.status_code, response.json()["exception"]["name"]


@contextmanager
def sending(api, package):
    """Upload a package in a thread; its answer is in the list at the end."""
    url, answers = f"{api.emulator.url}/v4/deployments/1/releases", []
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(
            requests.post, url, files={"data": package}, auth=api.session.auth, timeout=60
        )
        yield answers
        answers.append(sent.result(60))


@pytest.fixture
def ended(start, clock):
    """Return a function that runs a recipe to its end, and returns how to read its job group."""

    def run(body=RECIPE, **options):
        api = start(flows=(PresetFlow("Daily"),), connections=(PresetConnection("bq"),), **options)
        group = api("POST", "/v4/jobGroups", json=body).json()["id"]
        clock.advance(60)
        return api, f"/v4/jobGroups/{group}"

    return run


@pytest.mark.parametrize(
    ("path", "embed", "key"),
    [
        ("/v4/flows/1001", "flownodes,FLOWEDGES", {"flowNodes", "flowEdges"}),
        ("/v4/flows", "flownodes.RECIPE", {"flowNodes"}),
        ("/v4/jobGroups/16001", "JOBS.scriptresults,wrangleddataset", {"jobs", "wrangledDataset"}),
        ("/v4/jobGroups/16001", "jobgroupdataflowoptions", {"jobGroupDataflowOptions"}),
        ("/v4/wrangledDatasets/2001", "outputobjects", {"outputObjects"}),
        ("/v4/deployments", "RELEASES", {"releases"}),
    ],
)
def test_embeds_in_any_case_are_answered_in_camel_case(ended, path, embed, key):
    """[P: CMP, VDC] Two independent clients."""
    api, _ = ended()
    api.deployment()
    answer = api.json(path, embed=embed)
    row = answer["data"][0] if "data" in answer else answer
    assert row.keys() >= key
    assert not {name for name in row if name.lower() in embed.lower()} - key


def test_the_message_of_a_job_is_an_embed(ended):
    """[P: CMP] Real DAGs ask for it."""
    api, path = ended()
    api.emulator.runs.add(RunOutcome(message="no such table"))
    group = api("POST", "/v4/jobGroups", json=RECIPE).json()["id"]
    api.emulator.options.clock.advance(60)
    jobs = api.json(f"/v4/jobGroups/{group}", embed="jobs.errorMessage")["jobs"]["data"]
    assert jobs[0]["errorMessage"] == "no such table"
    assert "jobs" not in api.json(path)


@pytest.mark.parametrize(
    ("overrides", "kind", "container", "path"),
    [
        ({}, "filewriter", None, "/trifacta/queryResults/orders_clean.csv"),
        (TABLE, "wrangle", "clean", '["sales"]'),
    ],
)
def test_where_a_result_is(ended, overrides, kind, container, path):
    """[P: VDC] ``isPrimaryOutput``, and ``storageLocation`` with container and path."""
    api, group = ended({**RECIPE, "overrides": overrides})
    jobs = api.json(group, embed="jobs.scriptResults.storageLocation")["jobs"]["data"]
    [(job_type, result)] = [
        (job["jobType"], one) for job in jobs for one in job["scriptResults"]["data"]
    ]
    place = result["storageLocation"]
    assert (job_type, result["isPrimaryOutput"]) == (kind, True)
    assert (place["container"], place["path"]) == (container, path)
    [plain] = [
        one
        for job in api.json(group, embed="jobs.scriptResults")["jobs"]["data"]
        for one in job["scriptResults"]["data"]
    ]
    assert "storageLocation" not in plain


def test_an_embedded_flow_has_its_project(ended):
    """[P: VDC] ``cpProject``, null where there is none."""
    api, path = ended()
    assert (
        api.json(path, embed="wrangledDataset.flow")["wrangledDataset"]["flow"]["cpProject"] is None
    )


@pytest.mark.parametrize(
    ("options", "name"), [({}, "flowrun"), ({"flow_run_name": "flowRun"}, "flowRun")]
)
def test_the_run_of_a_flow_in_a_job_group(ended, options, name):
    """[P: AAC25, SO] Both spellings occur."""
    api, path = ended(**options)
    api("POST", "/v4/flows/1001/run")
    assert api.json(path)[name] is None
    assert api.json("/v4/jobGroups")["data"][0][name] == {"id": 18001}
    assert [key for key in api.json(path) if key.lower() == "flowrun"] == [name]


@pytest.mark.parametrize("status", ["Complete", "Failed"])
def test_logs(ended, status):
    """[P: SAA] A ZIP; entries whose name has job.log; a line begins with a time of 23
    characters.
    """
    api, _ = ended()
    api.emulator.runs.add(RunOutcome(status=status, message="no such\ntable"))
    group = api("POST", "/v4/jobGroups", json=RECIPE).json()["id"]
    for seconds, words in ((0, "was created"), (60, f"ended: {status}")):
        api.emulator.options.clock.advance(seconds)
        answer = api.get(f"/v4/jobGroups/{group}/logs", headers={"Accept": "application/zip"})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            lines = [
                line
                for name in archive.namelist()
                for line in archive.read(name).decode().splitlines()
            ]
        assert all("job.log" in name for name in archive.namelist())
        assert all(
            re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} \S.*", line) for line in lines
        )
        assert any(words in line for line in lines)
    assert any("no such table" in line for line in lines) is (status == "Failed")
    assert error_of(api.get("/v4/jobGroups/9/logs")) == (404, "DataNotFoundException")


@pytest.mark.parametrize(("version", "name"), [("7.1.0", "flowNode"), ("9.7.0", "flownode")])
def test_outputs(start, version, name):
    """[P: SAA, AAC25] The id of each, and of its node."""
    api = start(
        product_version=version,
        flows=(PresetFlow("a"), PresetFlow("b"), PresetFlow("c", adhoc_output=False)),
    )
    rows = api.json("/v4/outputObjects")["data"]
    assert [(row["id"], row[name]["id"]) for row in rows] == [(5002, 2003), (5001, 2001)]
    api.emulator.store.delete_flow(1001)
    assert len(api.json("/v4/outputObjects")["data"]) == 1


@pytest.mark.parametrize("name", COUNTED)
def test_counts(start, name):
    """[P: AYX] The path exists for five lists; the body is [M]."""
    api = start(
        flows=(PresetFlow("a"), PresetFlow("b")),
        connections=(PresetConnection("a"), PresetConnection("b")),
    )
    assert api.json(f"/v4/{name}/count") == {"count": 0 if name == "schedules" else 2}
    assert error_of(api.get("/v4/flows/count")) == (404, "RouteNotFoundException")


def test_whether_a_connection_works(start):
    """[P: AYX] 200 "SUCCESS"."""
    api = start(connections=(PresetConnection("a"),))
    assert api.json("/v4/connections/12001/status") == "SUCCESS"
    assert error_of(api.get("/v4/connections/1/status")) == (404, "DataNotFoundException")


def test_a_run_without_output_settings(start):
    """[P: SAA] 400 ``ValidationFailed``."""
    api = start(flows=(PresetFlow("a", adhoc_output=False),))
    assert error_of(api("POST", "/v4/jobGroups", json=RECIPE)) == (400, "ValidationFailed")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_a_path_that_is_not_emulated(start, endpoint):
    """[P: AYX] The recorded 404, also where a word stands in the place of an id."""
    api = start(list_releases_route=True)
    path = re.sub(r"\{\w+\}", "count-of-all", endpoint.path)
    for one in (
        f"{endpoint.path}/count-of-all/x".replace("{id}", "1").replace("{tokenId}", "1"),
        path,
    ):
        if one != endpoint.path and "{tokenId}" not in endpoint.path:
            assert error_of(api(endpoint.method, one)) == (404, "RouteNotFoundException")


def test_headers_of_answers(api):
    """[I] ``Date`` by the emulator's clock, and JSON with its charset."""
    api.emulator.faults.add(Fault(Answer(503, html="<h1>503</h1>"), path="/v4/flows"))
    for path, kind in (("people/current", "json"), ("nothing", "json"), ("flows", "html")):
        headers = api.get(f"/v4/{path}").headers
        assert parsedate_to_datetime(headers["date"]) == api.emulator.options.clock()
        assert headers["date"].endswith(" GMT")
        assert headers["content-type"].startswith(
            f"{'text/html' if kind == 'html' else 'application/json'}; charset=utf-8"
        )
    assert requests.get(api.emulator.url, timeout=30).headers["date"]


def test_a_release_that_is_listed_before_its_rows(start, package):
    """[?] By choice: the release row of an answer is older than the rows of its flows [P: SEED]."""
    api = start(release_row="before_import")
    api.deployment()
    first = api.release(1, package)
    held = api.emulator.faults.add(Fault(Hold("in_import"), path="/v4/deployments/*/releases"))
    with sending(api, package):
        held.wait_until_waiting()
        rows = api.json("/v4/releases", deploymentId=1)["data"]
        assert [(row["id"], row["active"]) for row in rows] == [(102, None), (first, True)]
        assert api.emulator.state()["deployments"][0]["releases"][0]["id"] == first
        held.release()
    rows = api.json("/v4/releases", deploymentId=1)["data"]
    assert [(row["id"], row["active"]) for row in rows] == [(102, True), (first, None)]
    assert len(api("POST", "/v4/deployments/1/run").json()["data"]) == 1


def test_a_release_that_vanishes(start, package):
    """[?] By choice: an import that is refused after its release was listed."""
    api = start(release_row="before_import", product_version="7.1.0")
    api.deployment()
    first = api.release(1, build_package(generation="6.8"))
    held = api.emulator.faults.add(Fault(Hold("in_import"), path="/v4/deployments/*/releases"))
    with sending(api, package) as answers:  # of a newer release of the product
        held.wait_until_waiting()
        assert [row["id"] for row in api.json("/v4/releases")["data"]] == [102, first]
        held.release()
    assert error_of(answers[0]) == (400, "ApiValidationFailed")
    rows = api.json("/v4/releases")["data"]
    assert [(row["id"], row["active"]) for row in rows] == [(first, True)]
    assert api.get("/v4/releases/102").status_code == 404


def test_without_the_choice_it_is_listed_with_its_rows(start, package):
    """[I] Our reading: one transaction."""
    api = start()
    api.deployment()
    held = api.emulator.faults.add(Fault(Hold("in_import"), path="/v4/deployments/*/releases"))
    with sending(api, package):
        held.wait_until_waiting()
        assert api.json("/v4/releases")["data"] == []
        held.release()
    assert [row["active"] for row in api.json("/v4/releases")["data"]] == [True]


def test_each_test_names_its_evidence():
    """[?] A rule of this file."""
    tests = {name: one.__doc__ for name, one in globals().items() if name.startswith("test_")}
    assert [
        name
        for name, words in tests.items()
        if not re.match(r"\[[RPIM?](: [\w, ]+)?\] ", words or "")
    ] == []
