from __future__ import annotations


def test_current(api):
    body = api.json("/v4/people/current")
    assert (body["id"], body["email"], body["isDisabled"], body["state"]) == (
        1,
        "admin@example.com",
        False,
        "active",
    )
    assert "maximalPrivileges" not in body


def test_privileges(api):
    body = api.json("/v4/people/current", includePrivileges="true")
    assert {"name": "deployment"} in body["authorizationRoles"]
    assert body["maximalPrivileges"][0].keys() == {"resourceType", "operations"}
