"""The end of a promotion: green only for what is read back."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.operators.promotion import ConfirmPromotionOperator

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
