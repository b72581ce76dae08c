"""Whether an instance's own description names the header by which it takes a request once."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient

PATH = "/v4/flows/{}/run"
HEADER = {"name": "X-Execution-Id", "in": "header"}


def operation(*parameters):
    return {"paths": {"/v4/flows/{id}/run": {"post": {"parameters": list(parameters)}}}}


@pytest.mark.parametrize(
    ("body", "takes"),
    [
        (operation({"name": "id", "in": "path"}, HEADER), True),
        ({"paths": {"/v4/flows/{flowId}/run/": {"parameters": [HEADER], "post": {}}}}, True),
        (
            {
                **operation({"$ref": "#/components/parameters/x"}),
                "components": {"parameters": {"x": HEADER}},
            },
            True,
        ),
        (operation({"name": "x-execution-id", "in": "query"}), False),
        (operation({"$ref": "#/components/parameters/x"}), False),
        ({"paths": {"/v4/plans/{id}/run": {"post": {"parameters": [HEADER]}}}}, False),
        ({"paths": {"/v4/flows/{id}/run": {"get": {"parameters": [HEADER]}}}}, False),
        (operation(None, 7, "x"), False),
        ({"paths": [PATH]}, False),
        ({}, False),
        (None, False),
        ([], False),
        (b"<p>Hello</p>", False),
    ],
)
def test_only_the_header_of_this_call_counts(scripted, body, takes):
    server = scripted(lambda _: (200, {}, body))
    config = ClientConfig(base_url=server.url, login="me", password="a-password")
    with TrifactaClient(config) as client:
        assert client.description.takes_execution_id(PATH) is takes
    assert [one.path for one in server.seen] == ["/v4/open-api-spec"]
