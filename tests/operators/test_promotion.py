"""The end of a promotion: green only for what is read back, and rolled back where it was not seen through."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta._compat import AirflowFailException, AirflowSkipException
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.operators.promotion import (
    ConfirmGroupOperator,
    ConfirmPromotionOperator,
    PromotionTasks,
    RollbackGroupOperator,
)

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def promotion(emulator, make_package):
    """What a CreateReleaseOperator returned of the live release."""
    with make_package().open("rb") as file:
        release = emulator.store.create_release(1, read_package(file))
    return {
        "release_id": release.id,
        "deployment_id": 1,
        "package_uuid": release.package_uuid,
        "primary_flow_ids": list(release.imported.primary_flow_ids),
        "previous_release_id": None,
        "outcome": "created",
        "deployment_url": f"{emulator.url}/deployments/1",
    }


@pytest.fixture
def confirm(execute):
    return lambda promotion: execute(ConfirmPromotionOperator(task_id="promoted", promotion=promotion))


def test_what_is_live_is_confirmed_with_all_its_ids(confirm, promotion, emulator):
    result, ti = confirm(promotion)
    assert result == promotion
    assert ti.pushed == {key: value for key, value in promotion.items() if value is not None}
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize("other", [True, False])
def test_what_is_not_live_any_more_is_not(confirm, promotion, emulator, make_package, execute, other):
    if other:
        with make_package().open("rb") as file:
            live = emulator.store.create_release(1, read_package(file)).id
    else:
        emulator.store.update_release(promotion["release_id"], active=False)
        live = "none"
    words = (
        f"UnexpectedLiveReleaseError: Release {live} of deployment 1 is live and not release {promotion['release_id']}"
    )
    with pytest.raises(AirflowFailException, match=words):
        confirm(promotion)
    assert execute.ti.pushed["deployment_url"], "the link is wanted most now"
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize(
    "promotion",
    [None, "None", 7, {}, {"release_id": None, "deployment_id": 1}, {"release_id": 1, "deployment_id": "x"}],
)
def test_bad_input_ends_before_any_request(emulator, confirm, promotion):
    with pytest.raises(AirflowFailException, match=r"InvalidInputError: promotion"):
        confirm(promotion)
    assert list(emulator.calls) == []


TASKS = PromotionTasks("g.baseline", "g.export", "g.dry_run", "g.create_release", "g.smoke_run")


#: Nothing was live before.
BASELINE = {"deployment_id": 1, "active_release_id": None, "latest_release_id": None}


@pytest.fixture
def end(execute, promotion):
    """Return a function that runs one of the last two tasks of a group, after all went well but for the keywords."""
    returned = {
        "baseline": BASELINE,
        "export": {"package_uuid": promotion["package_uuid"]},
        "dry_run": {"problems": []},
        "create_release": promotion,
        "smoke_run": {"outcome": "complete"},
    }

    def run(operator_class, **states):
        # What a task returned in an earlier try, which was cleared, is there until it begins again.
        others = {f"g.{name}": (states.get(name, "success"), value) for name, value in returned.items()}
        return execute(operator_class(task_id="end", tasks=TASKS), others=others)

    return run


def test_what_was_seen_through_is_confirmed_and_kept(end, promotion, emulator):
    assert end(ConfirmGroupOperator)[0] == promotion
    with pytest.raises(AirflowSkipException, match="The promotion is kept"):
        end(RollbackGroupOperator)
    assert emulator.store.active_release(1).id == promotion["release_id"]


@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_what_was_not_seen_through_is_rolled_back(end, promotion, emulator, state):
    result, _ = end(RollbackGroupOperator, smoke_run=state)
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])
    assert emulator.store.active_release(1) is None


def test_a_promotion_that_failed_after_it_promoted_is_rolled_back(end, promotion):
    result, _ = end(RollbackGroupOperator, create_release="failed", smoke_run="upstream_failed")
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])


@pytest.mark.parametrize("state", ["skipped", None])
def test_what_was_not_seen_through_is_not_confirmed(end, emulator, state):
    with pytest.raises(AirflowFailException, match=f"PromotionNotProvenError: .*g.smoke_run is {state}"):
        end(ConfirmGroupOperator, smoke_run=state)


def test_before_the_promotion_could_begin_there_is_no_upload_to_wait_for(end, emulator, promotion):
    emulator.store.update_release(promotion["release_id"], active=False)
    later = dict.fromkeys(("dry_run", "create_release", "smoke_run"), "upstream_failed")
    assert end(RollbackGroupOperator, **later)[0]["outcome"] == "unchanged"


def test_nothing_of_a_promotion_is_no_failure(end, emulator):
    with pytest.raises(AirflowSkipException, match="Nothing was promoted"):
        end(ConfirmGroupOperator, create_release="skipped", smoke_run="skipped")
    with pytest.raises(AirflowSkipException, match="Nothing was promoted"):
        end(RollbackGroupOperator, baseline="failed", smoke_run="upstream_failed")
    assert list(emulator.calls) == []
