from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.errors import InvalidInputError
from airflow_provider_trifacta.client.models import Release
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.standing import Standing


def release(number, active=None):
    return Release.from_json({"id": number, "active": active, "deployment": {"id": 1}})


def test_it_records_the_live_and_the_latest_release():
    baseline = Baseline.of(Standing(1, [release(3), release(9), release(5, True)]))
    assert baseline.read_at
    assert baseline.as_dict() == {
        "read_at": baseline.read_at.isoformat(),
        "deployment_id": 1,
        "active_release_id": 5,
        "latest_release_id": 9,
        "active_updated_at": None,
        "deployment_name": None,
    }
    assert Baseline.parse(baseline.as_dict(), 1) == baseline


def test_a_deployment_without_releases_has_nulls():
    baseline = Baseline.of(Standing(1, []))
    assert baseline.read_at
    nothing = {
        "active_release_id": None,
        "latest_release_id": None,
        "active_updated_at": None,
        "deployment_name": None,
    }
    assert baseline.as_dict() == {
        "deployment_id": 1,
        "read_at": baseline.read_at.isoformat(),
        **nothing,
    }
    assert Baseline.parse(baseline.as_dict(), 1) == baseline


def test_a_baseline_of_an_earlier_version_keeps_its_form():
    """Its journal compares that form."""
    form = {
        "deployment_id": 1,
        "active_release_id": 5,
        "latest_release_id": 9,
        "active_updated_at": "2024-05-06T00:00:00+00:00",
        "deployment_name": "Orders",
    }
    assert Baseline.parse(form).as_dict() == form


@pytest.mark.parametrize(
    "value", ["text", 5, [], {}, {"deployment_id": 1}, {"release_id": 7, "deployment_id": 1}]
)
def test_another_shape_is_explained(value):
    with pytest.raises(InvalidInputError, match="GetDeploymentOperator"):
        Baseline.parse(value, 1)


def test_another_deployment_is_refused():
    with pytest.raises(InvalidInputError, check=lambda error: error.deployment_id == 1):
        Baseline.parse(
            {"deployment_id": 2, "active_release_id": None, "latest_release_id": None}, 1
        )


@pytest.mark.parametrize("field", ["deployment_id", "active_release_id", "latest_release_id"])
def test_unusable_ids_are_named(field):
    value = {"deployment_id": 1, "active_release_id": 1, "latest_release_id": 1, field: "x"}
    with pytest.raises(InvalidInputError, match=field):
        Baseline.parse(value, 1)


def test_the_live_release():
    assert Standing(1, [release(1), release(2, True)]).live.id == 2
    assert Standing(1, [release(1)]).live is None
