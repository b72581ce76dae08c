"""Events for asset aliases: one when a task made something live, none otherwise."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from trifacta_emulator import Fault, Reset

from airflow_provider_trifacta._compat import Asset, AssetAlias
from airflow_provider_trifacta.operators._base import Attempt
from airflow_provider_trifacta.operators.deployment import RollbackDeploymentOperator
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
)

pytestmark = [
    pytest.mark.every_airflow,
    pytest.mark.skipif(AssetAlias is None, reason="there are assets on Airflow 3"),
]

NOTHING_YET = {"deployment_id": 1, "active_release_id": None, "latest_release_id": None}
UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"


@pytest.fixture
def alias():
    return AssetAlias("releases")


@pytest.fixture
def events_of(alias, execute):
    """Return a function that runs an operator and returns the events that it adds, as
    (URI, extra).
    """
    from airflow.sdk.execution_time.context import OutletEventAccessors

    def run(operator, try_number=1):
        outlet_events = OutletEventAccessors()
        execute(
            operator, try_number=try_number, max_tries=operator.retries, outlet_events=outlet_events
        )
        return [
            (event.dest_asset_key.uri, event.extra)
            for event in outlet_events[alias].asset_alias_events
        ]

    return run


@pytest.fixture
def create(make_package, alias):
    """Return a function that makes the operator, for one package."""
    path = str(make_package(uuid=UUID))

    def make(**options):
        defaults = {
            "task_id": "create",
            "deployment_id": 1,
            "package_path": path,
            "outlets": [alias],
            "retries": 1,
        }
        return CreateReleaseOperator(**{**defaults, **options})

    return make


def uri(emulator):
    return f"trifacta://{emulator.url.partition('://')[2]}/deployments/1"


def test_a_new_release(events_of, create, emulator):
    ((at, extra),) = events_of(create())
    (release,) = emulator.store.releases(1)
    # Not a list: Airflow 3.0 could not register the event, and would fail the task.
    (flow_id,) = json.loads(extra.pop("primary_flow_ids"))
    assert isinstance(flow_id, int)
    assert at == uri(emulator)
    assert extra == {"deployment_id": 1, "release_id": release.id, "package_uuid": UUID}


def test_an_adopted_release_without_what_is_unknown(events_of, create, emulator):
    emulator.faults.add(
        Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases")
    )
    events = events_of(create())
    (release,) = emulator.store.releases(1)
    assert events == [
        (uri(emulator), {"deployment_id": 1, "release_id": release.id, "package_uuid": UUID})
    ]


def test_a_reused_release_on_a_retry_only(events_of, create, emulator):
    events_of(create())
    (release,) = emulator.store.releases(1)
    assert events_of(create()) == []
    # An earlier try may have made it live and died before it told Airflow.
    events = events_of(create(baseline=NOTHING_YET), try_number=2)
    assert events == [
        (uri(emulator), {"deployment_id": 1, "release_id": release.id, "package_uuid": UUID})
    ]


def test_none_for_a_staged_release(events_of, create, emulator):
    assert events_of(create(activate=False, baseline=NOTHING_YET)) == []
    assert emulator.store.releases(1)


def test_an_activated_release(events_of, create, alias, emulator):
    events_of(create(activate=False, baseline=NOTHING_YET))
    (release,) = emulator.store.releases(1)
    activate = ActivateReleaseOperator(task_id="activate", release_id=release.id, outlets=[alias])
    ((at, extra),) = events_of(activate)
    assert at == uri(emulator)
    assert extra.items() >= {"deployment_id": 1, "release_id": release.id}.items()
    # It is live now.
    assert events_of(activate) == []


def test_what_a_rollback_puts_back(events_of, create, make_package, alias, emulator):
    events_of(create(package_path=str(make_package())))
    (before,) = emulator.store.releases(1)
    baseline = {"deployment_id": 1, "active_release_id": before.id, "latest_release_id": before.id}
    events_of(create(baseline=baseline, allow_older=True))
    roll_back = RollbackDeploymentOperator(
        settle_timeout=0, task_id="back", baseline=baseline, package_uuid=UUID, outlets=[alias]
    )
    ((at, extra),) = events_of(roll_back)
    assert at == uri(emulator)
    assert extra.items() >= {"deployment_id": 1, "release_id": before.id}.items()
    assert events_of(roll_back) == []


def test_none_where_a_rollback_leaves_nothing_live(events_of, create, alias, emulator):
    events_of(create(baseline=NOTHING_YET))
    roll_back = RollbackDeploymentOperator(
        settle_timeout=0, task_id="back", baseline=NOTHING_YET, package_uuid=UUID, outlets=[alias]
    )
    assert events_of(roll_back) == []
    assert emulator.store.active_release(1) is None


@pytest.mark.usefixtures("emulator")
def test_only_aliases_get_one(events_of, create):
    assert events_of(create(outlets=[Asset("trifacta://host/deployments/1")])) == []
    assert events_of(create(outlets=[])) == []


def test_every_alias_gets_one(alias):
    from airflow.sdk.execution_time.context import OutletEventAccessors

    aliases = [alias, AssetAlias("another")]
    operator = CreateReleaseOperator(task_id="t", package_path="p", outlets=aliases)
    events = OutletEventAccessors()
    client = SimpleNamespace(config=SimpleNamespace(base_url="https://host:3005/sub"))
    attempt = Attempt(operator, {"ti": None, "outlet_events": events})
    attempt.announce_live(client, 4, release_id=5, primary_flow_ids=None)
    for one in aliases:
        (event,) = events[one].asset_alias_events
        assert event.dest_asset_key.uri == "trifacta://host:3005/sub/deployments/4"
        assert event.extra == {"deployment_id": 4, "release_id": 5}
