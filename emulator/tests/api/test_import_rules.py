from __future__ import annotations

import pytest
from trifacta_emulator import MissingObjectError, ValidationError

OBJECT, VALUE = "/v4/deployments/1/objectImportRules", "/v4/deployments/1/valueImportRules"
CONNECTION = {
    "tableName": "connections",
    "onCondition": {"uuid": "d75255f0-a245-11e7-8618-adc1dbb4bed0"},
    "withCondition": {"id": 1},
}
BUCKET = {"type": "s3Bucket", "on": "wrangle-dev", "with": "wrangle-prod"}
PATH = {"type": "fileLocation", "on": "//dev//", "with": "/prod/"}


@pytest.mark.parametrize(
    ("path", "rules", "first_id"),
    [(OBJECT, [CONNECTION], 10001), (VALUE, [PATH, BUCKET, PATH], 11001)],
)
def test_replace_and_read(api, clock, path, rules, first_id):
    api.deployment()
    assert api.json(path) == {"data": []}
    response = api("PATCH", path, json=rules)
    assert response.status_code == 200
    assert response.json() == {"deleted": {"data": []}}
    rows = api.json(path)["data"]
    assert rows == [
        {
            **rule,
            "id": first_id + number,
            "createdAt": "2024-01-01T00:00:00.000Z",
            "updatedAt": "2024-01-01T00:00:00.000Z",
            "deployment": {"id": 1},
            "creator": {"id": 1},
            "updater": {"id": 1},
        }
        for number, rule in enumerate(rules)
    ]
    clock.advance(60)
    assert api("PATCH", path, json=rules[:1]).json() == {"deleted": {"data": rows}}
    [row] = api.json(path)["data"]
    assert (row["id"], row["createdAt"]) == (first_id + len(rules), "2024-01-01T00:01:00.000Z")
    assert api("PATCH", path, json=[]).json()["deleted"]["data"] == [row]
    assert api.json(path) == {"data": []}


def test_kinds_and_deployments_are_apart(api):
    api.deployment()
    api.deployment("other")
    api("PATCH", OBJECT, json=[CONNECTION])
    api("PATCH", VALUE, json=[BUCKET])
    assert [row["type"] for row in api.json(VALUE)["data"]] == ["s3Bucket"]
    assert [row["tableName"] for row in api.json(OBJECT)["data"]] == ["connections"]
    assert api.json("/v4/deployments/2/objectImportRules")["data"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (OBJECT, CONNECTION),
        (OBJECT, ["x"]),
        (OBJECT, [BUCKET]),
        (OBJECT, [{**CONNECTION, "tableName": "flows"}]),
        (OBJECT, [{**CONNECTION, "onCondition": {}}]),
        (OBJECT, [{**CONNECTION, "onCondition": {"uuid": None}}]),
        (OBJECT, [{**CONNECTION, "withCondition": 1}]),
        (OBJECT, [{**CONNECTION, "withCondition": {"id": True}}]),
        (OBJECT, [{**CONNECTION, "id": 10001}]),
        (VALUE, BUCKET),
        (VALUE, [CONNECTION]),
        (VALUE, [{**BUCKET, "type": "bucket"}]),
        (VALUE, [{**BUCKET, "type": []}]),
        (VALUE, [{**BUCKET, "on": ""}]),
        (VALUE, [{**BUCKET, "on": 1}]),
        (VALUE, [{**BUCKET, "on": "/(/"}]),
        (VALUE, [{**BUCKET, "with": None}]),
        (VALUE, [{"type": "s3Bucket", "on": "a"}]),
    ],
)
def test_wrong_rules(api, path, body):
    api.deployment()
    api("PATCH", path, json=[CONNECTION if path == OBJECT else BUCKET])
    good = [CONNECTION] if path == OBJECT else [PATH]
    response = api("PATCH", path, json=good + body if isinstance(body, list) else body)
    assert response.status_code == 400
    assert response.json()["exception"]["name"] == "ApiValidationFailed"
    # Nothing of a list with a wrong rule is kept.
    assert len(api.json(path)["data"]) == 1


@pytest.mark.parametrize("path", [OBJECT, VALUE])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_deployments_that_are_not_there(api, start, path, method):
    assert api(method, path, json=[]).status_code == 404
    api.deployment()
    api("DELETE", "/v4/deployments/1")
    assert api(method, path, json=[]).status_code == 410
    assert start(instance_type="dev")(method, path, json=[]).status_code == 403


def test_content_type(api):
    api.deployment()
    assert api("PATCH", OBJECT, data=b"[]").status_code == 415
    assert (
        api("PATCH", OBJECT, data=b"[", headers={"Content-Type": "application/json"}).status_code
        == 400
    )


def test_reading_switched_off(start):
    api = start(import_rules_readable=False)
    api.deployment()
    for path in (OBJECT, VALUE):
        assert api("PATCH", path, json=[]).status_code == 200
        response = api.get(path)
        assert response.status_code == 404
        assert response.json()["exception"]["details"].startswith("Cannot GET")


def test_store_and_history(api):
    store = api.emulator.store
    store.create_deployment("prod")
    assert store.replace_import_rules(1, "object", [CONNECTION]) == ()
    [rule] = store.import_rules(1, "object")
    assert (rule.rule, rule.kind, rule.creator) == (CONNECTION, "object", 1)
    assert store.replace_import_rules(1, "object", [], user_id=2) == (rule,)
    with pytest.raises(ValidationError):
        store.replace_import_rules(1, "value", [CONNECTION])
    with pytest.raises(MissingObjectError):
        store.replace_import_rules(2, "value", [])
    events = [(event.user_id, event.what) for event in store.events()[1:]]
    assert events == [
        (1, "object import rules changed: 1 in place of 0"),
        (2, "object import rules changed: 0 in place of 1"),
    ]
    text = api.get("/").text
    assert "object import rules changed: 1 in place of 0" in text
