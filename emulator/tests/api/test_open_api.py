from __future__ import annotations

import pytest


def test_version(start):
    assert start(product_version="8.6.0+66.2").json("/v4/open-api-spec")["info"]["version"] == "8.6.0+66.2"


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
