from __future__ import annotations

import pytest


def test_version(start):
    assert (
        start(product_version="8.6.0+66.2").json("/v4/open-api-spec")["info"]["version"]
        == "8.6.0+66.2"
    )


@pytest.mark.parametrize("optional", [False, True])
def test_paths_are_those_served(start, optional):
    api = start(list_releases_route=optional)
    paths = api.json("/v4/open-api-spec")["paths"]
    assert ("get" in paths["/v4/deployments/{id}/releases"]) == optional
    for path, operations in paths.items():
        for method in operations:
            answer = api(method.upper(), path.replace("{id}", "987").replace("{tokenId}", "none"))
            # "No such object" shows that the call itself exists.
            assert answer.status_code in (403, 404) or "{" not in path
            assert answer.ok or answer.json()["exception"]["name"] != "RouteNotFoundException"


@pytest.mark.parametrize(("choice", "served"), [("both", True), ("embed", False), ("plain", True)])
def test_the_list_of_releases_is_named_where_it_is_served(start, choice, served):
    assert (
        "/v4/releases" in start(release_list=choice).json("/v4/open-api-spec")["paths"]
    ) is served


@pytest.mark.parametrize(
    ("choice", "named"), [("count", ["/v4/flows/{id}/run", "/v4/jobGroups"]), ("ignore", [])]
)
def test_it_names_the_header_of_the_calls_that_count_it(start, choice, named):
    paths = start(execution_ids=choice).json("/v4/open-api-spec")["paths"]
    found = [
        path
        for path, operations in paths.items()
        for one in operations.get("post", {}).get("parameters", [])
        if (one["name"], one["in"]) == ("x-execution-id", "header")
    ]
    assert sorted(found) == named


@pytest.mark.parametrize(
    ("options", "element", "whole"),
    [
        ({}, {"reason", "sessionId", "id"}, {"data"}),
        ({"run_answer": "jobs"}, {"reason", "sessionId", "id", "jobs"}, {"data"}),
        (
            {"run_answer": "flow_run"},
            {"reason", "sessionId", "id", "jobs", "flowRun"},
            {"data", "flowRunId"},
        ),
    ],
)
def test_the_answer_to_a_run(start, options, element, whole):
    operation = start(**options).json("/v4/open-api-spec")["paths"]["/v4/deployments/{id}/run"][
        "post"
    ]
    properties = operation["responses"]["201"]["content"]["application/json"]["schema"][
        "properties"
    ]
    assert set(properties) == whole
    assert set(properties["data"]["items"]["properties"]) == element


def test_words_and_shapes_of_job_groups(start):
    options = {"canceled_word": "Cancelled", "cancel_status": 202, "job_error_shape": "object"}
    paths = start(**options).json("/v4/open-api-spec")["paths"]

    def properties(path):
        return paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"][
            "properties"
        ]

    assert "Cancelled" in properties("/v4/jobGroups/{id}")["status"]["enum"]
    assert properties("/v4/jobGroups/{id}/jobs")["data"]["items"]["properties"]["errorMessage"] == {
        "type": "object"
    }
    assert set(paths["/v4/jobGroups/{id}/cancel"]["post"]["responses"]) == {"202"}
    assert "content" in paths["/v4/flows/{id}"]["patch"]["responses"]["200"]
    empty = start(flow_patch_body="empty").json("/v4/open-api-spec")["paths"]["/v4/flows/{id}"][
        "patch"
    ]
    assert "content" not in empty["responses"]["200"]
