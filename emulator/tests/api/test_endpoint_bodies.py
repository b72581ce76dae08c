"""How much of a body is read."""

from __future__ import annotations

import pytest
from trifacta_emulator import build_package
from trifacta_emulator.api.endpoint import MOST_JSON_BYTES

CALLS = [
    ("POST", "/v4/deployments"),
    ("POST", "/v4/deployments/1/run"),
    ("POST", "/v4/flows/1001/run"),
    ("PATCH", "/v4/deployments/1/objectImportRules"),
    ("POST", "/v4/jobGroups"),
    ("POST", "/emulator/faults"),
    ("PATCH", "/emulator/releases/101"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_json_body_has_a_bound(api, method, path):
    api.deployment()
    api.emulator.store.create_flow("Daily")
    headers = {"Content-Type": "application/json"}
    for length, refused in ((MOST_JSON_BYTES, False), (MOST_JSON_BYTES + 1, True)):
        chunks = (b" " * 65536 for _ in range(length // 65536))
        body = b"".join([*chunks, b" " * (length % 65536)])
        answer = api(method, path, data=body, headers=headers)
        assert (answer.status_code == 413) is refused
    assert answer.json()["exception"]["name"] == "PayloadTooLargeError"


def test_no_more_than_that_is_read(api):
    """A body without a length is read until the bound."""
    endless = (b" " * 65536 for _ in range(1000))
    answer = api(
        "POST", "/v4/deployments", data=endless, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert api.emulator.calls[-1].request_bytes < 2 * MOST_JSON_BYTES


def test_a_package_may_be_longer(api):
    api.deployment()
    package = build_package(artifacts={"artifact_1.data": bytes(range(256)) * 8192})
    assert api.upload(1, package).status_code == 201
