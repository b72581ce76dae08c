"""Whether a package would be imported differently now, because import rules were changed after its
release."""

from __future__ import annotations

import logging

import pytest
from trifacta_emulator import Answer, Emulator, EmulatorOptions, Fault, ManualClock

from airflow_provider_trifacta.client.errors import ServerError
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.rules import rules_changed_since

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
def clock():
    return ManualClock()


@pytest.fixture
def emulator(clock):
    """An emulator whose clock stands still, with one deployment (id 1)."""
    with Emulator(EmulatorOptions(clock=clock)) as emulator:
        emulator.store.create_deployment("Orders")
        yield emulator


@pytest.fixture
def release(client, clock, make_package):
    """A release that was made at the clock's time; then a minute passes."""
    with open_package(make_package()) as package:
        release = client.releases.create(1, package.body()).release
    clock.advance(60)
    return release


@kinds
def test_a_rule_made_after_the_release_counts(client, release, kind, caplog):
    caplog.set_level(logging.INFO)
    client.import_rules.replace(1, kind, [RULES[kind]])
    assert rules_changed_since(client.import_rules, 1, release)
    (told,) = [one for one in caplog.records if one.name.endswith("promotion.rules")]
    assert told.args[1:] == (1, release.id)


@kinds
def test_a_rule_made_before_the_release_does_not(client, clock, make_package, kind):
    client.import_rules.replace(1, kind, [RULES[kind]])
    clock.advance(60)
    with open_package(make_package()) as package:
        release = client.releases.create(1, package.body()).release
    assert not rules_changed_since(client.import_rules, 1, release)


def test_no_rules_change_nothing(client, release, caplog):
    assert not rules_changed_since(client.import_rules, 1, release)
    assert caplog.text == ""


UNREADABLE = [Answer(404), Answer(403), Answer(200, body={"rules": []}), Answer(403, html="Closed")]


@pytest.mark.parametrize("effect", UNREADABLE)
@kinds
def test_unreadable_rules_are_warned_of_and_taken_as_unchanged(
    client, emulator, release, kind, effect, caplog
):
    client.import_rules.replace(1, kind, [RULES[kind]])
    emulator.faults.add(Fault(effect, path=PATHS[kind], method="GET", times=None))
    assert not rules_changed_since(client.import_rules, 1, release)
    (told,) = [one for one in caplog.records if one.name.endswith("promotion.rules")]
    assert (told.levelname, told.args[:2]) == ("WARNING", (1, release.id))


@pytest.mark.parametrize("effect", UNREADABLE)
@pytest.mark.parametrize(("unreadable", "kind"), [("object", "value"), ("value", "object")])
def test_a_newer_rule_counts_where_the_other_kind_is_unreadable(
    client, emulator, release, unreadable, kind, effect
):
    client.import_rules.replace(1, kind, [RULES[kind]])
    emulator.faults.add(Fault(effect, path=PATHS[unreadable], method="GET", times=None))
    assert rules_changed_since(client.import_rules, 1, release)


def test_rules_without_times_are_warned_of(client, emulator, release, caplog):
    emulator.faults.add(
        Fault(Answer(200, body={"data": [{"id": 1, **BUCKET}]}), path=PATHS["value"])
    )
    assert not rules_changed_since(client.import_rules, 1, release)
    (told,) = [one for one in caplog.records if one.name.endswith("promotion.rules")]
    assert (told.levelname, told.args[:2]) == ("WARNING", (1, release.id))


def test_a_failure_that_may_pass_is_no_answer(client, emulator, release):
    emulator.faults.add(Fault(Answer(500), path=PATHS["object"], times=None))
    with pytest.raises(ServerError):
        rules_changed_since(client.import_rules, 1, release)
