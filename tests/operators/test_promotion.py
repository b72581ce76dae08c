"""The end of a promotion: green only for what is read back, and rolled back where it was not seen through."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta._compat import AirflowFailException, AirflowSkipException
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.operators.promotion import (
    ConfirmPromotionGroupOperator,
    ConfirmPromotionOperator,
    PromotionTasks,
    RollbackPromotionGroupOperator,
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
        "release_url": f"{emulator.url}/deployments/1",
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
    assert execute.ti.pushed["release_url"], "the link is wanted most now"
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


@pytest.fixture
def end(execute):
    """Return a function that runs one of the last two tasks of a group, after what the others returned."""

    def run(operator_class, **results):
        xcoms = {f"g.{name}": value for name, value in results.items()}
        return execute(operator_class(task_id="end", tasks=TASKS), xcoms=xcoms)

    return run


BASELINE = {"deployment_id": 1, "active_release_id": None, "latest_release_id": None}


@pytest.fixture
def returned(promotion):
    """What the tasks returned when all went well."""
    return {
        "baseline": BASELINE,
        "export": {"package_uuid": promotion["package_uuid"]},
        "dry_run": {"problems": []},
        "create_release": promotion,
        "smoke_run": {"release_id": promotion["release_id"], "outcome": "complete"},
    }


@pytest.mark.parametrize("proof", ["a dict", "an id"])
def test_what_was_seen_through_is_confirmed_and_kept(end, returned, promotion, emulator, proof):
    if proof == "an id":
        returned["smoke_run"] = promotion["release_id"]
    assert end(ConfirmPromotionGroupOperator, **returned)[0] == promotion
    with pytest.raises(AirflowSkipException, match=f"Release {promotion['release_id']} is kept"):
        end(RollbackPromotionGroupOperator, **returned)
    assert emulator.store.active_release(1).id == promotion["release_id"]


@pytest.mark.parametrize("proof", [None, {"release_id": 100}, 100])
def test_what_was_not_seen_through_is_rolled_back_and_not_confirmed(end, returned, promotion, emulator, proof):
    """The result may be missing, or of an earlier try of a task that was cleared and did not run again."""
    returned["smoke_run"] = proof
    with pytest.raises(AirflowFailException, match=r"PromotionNotProvenError: Release \d+ was promoted"):
        end(ConfirmPromotionGroupOperator, **returned)
    result, _ = end(RollbackPromotionGroupOperator, **returned)
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])
    assert emulator.store.active_release(1) is None


def test_a_promotion_that_told_nothing_is_rolled_back_too(end, returned, promotion, emulator):
    del returned["create_release"]
    # It may be left over from before this try of the promotion.
    assert returned["smoke_run"]
    result, _ = end(RollbackPromotionGroupOperator, **returned)
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])


def test_before_the_promotion_could_begin_there_is_no_upload_to_wait_for(end, emulator):
    results = {"baseline": BASELINE, "export": {"package_uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844"}}
    assert end(RollbackPromotionGroupOperator, **results)[0]["outcome"] == "unchanged"


def test_nothing_of_a_promotion_is_no_failure(end, emulator):
    for operator_class in (ConfirmPromotionGroupOperator, RollbackPromotionGroupOperator):
        with pytest.raises(AirflowSkipException, match="Nothing was promoted"):
            end(operator_class)
    assert list(emulator.calls) == []
