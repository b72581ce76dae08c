from __future__ import annotations

import pytest
from trifacta_emulator import Answer, Emulator, EmulatorOptions, Fault, ManualClock

from airflow_provider_trifacta.client.errors import NotFoundError, UnexpectedResponseError

pytestmark = pytest.mark.every_airflow

MAPPING = {"tableName": "connections", "onCondition": {"id": "24"}, "withCondition": {"id": 12001}}
BUCKET = {"type": "s3Bucket", "on": "dev", "with": "prod"}
RULES = {"object": MAPPING, "value": BUCKET}
PATHS = {
    "object": "/v4/deployments/1/objectImportRules",
    "value": "/v4/deployments/1/valueImportRules",
}
kinds = pytest.mark.parametrize("kind", ["object", "value"])


@pytest.fixture
def emulator():
    """An emulator whose clock stands still, with one deployment (id 1)."""
    with Emulator(EmulatorOptions(clock=ManualClock())) as emulator:
        emulator.store.create_deployment("Orders")
        yield emulator


@kinds
def test_rules_are_replaced_as_a_whole_and_read_back(client, emulator, kind):
    rule = RULES[kind]
    assert client.import_rules.list(1, kind) == []
    client.import_rules.replace(1, kind, [rule, rule])
    first, second = client.import_rules.list(1, kind)
    assert first.rule == second.rule == rule, "without the id and times that the server adds"
    assert [first.id, second.id] == [row.id for row in emulator.store.import_rules(1, kind)]
    assert first.created_at == emulator.store.import_rules(1, kind)[0].created_at
    client.import_rules.replace(1, kind, [])
    assert client.import_rules.list(1, kind) == []


@kinds
def test_more_rules_than_a_page_are_read_in_their_order(client, emulator, kind):
    rules = [{**BUCKET, "on": f"dev-{number}"} for number in range(120)]
    if kind == "object":
        rules = [{**MAPPING, "onCondition": {"id": str(number)}} for number in range(120)]
    emulator.store.replace_import_rules(1, kind, rules)
    assert [row.rule for row in client.import_rules.list(1, kind)] == rules


def test_the_kinds_are_apart(client):
    client.import_rules.replace(1, "object", [MAPPING])
    client.import_rules.replace(1, "value", [BUCKET])
    client.import_rules.replace(1, "value", [])
    assert [row.rule for row in client.import_rules.list(1, "object")] == [MAPPING]


@kinds
def test_a_deployment_that_is_not_there(client, kind):
    with pytest.raises(NotFoundError):
        client.import_rules.list(99, kind)
    with pytest.raises(NotFoundError):
        client.import_rules.replace(99, kind, [RULES[kind]])


@pytest.mark.parametrize(
    "body", [[], {"data": None}, {"data": {}}, {"data": [7]}, {"data": [{"id": "x"}]}]
)
@kinds
def test_another_answer_is_not_taken_for_rules(client, emulator, kind, body):
    emulator.faults.add(Fault(Answer(200, body=body), path=PATHS[kind]))
    with pytest.raises(UnexpectedResponseError):
        client.import_rules.list(1, kind)


@kinds
def test_a_rule_without_its_parts_is_not_taken_for_one(client, emulator, kind):
    """It could neither be compared nor put back."""
    partial = dict(list(RULES[kind].items())[:-1])
    emulator.faults.add(Fault(Answer(200, body={"data": [{"id": 1, **partial}]}), path=PATHS[kind]))
    with pytest.raises(UnexpectedResponseError, match=f"{PATHS[kind]} answered rules without "):
        client.import_rules.list(1, kind)
