from __future__ import annotations

import pytest

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def get(execute):
    return lambda **options: execute(GetDeploymentOperator(**{"task_id": "get", "deployment_id": 1, **options}))


def test_an_empty_deployment(get, emulator):
    result, ti = get(deployment_id="1")
    assert result == {"deployment_id": 1, "active_release_id": None, "latest_release_id": None}
    assert ti.pushed == {"release_url": f"{emulator.url}/deployments/1"}


def test_the_live_and_the_latest_release(get, execute, emulator, make_package):
    ids = []
    for _ in range(2):
        operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=str(make_package()))
        ids.append(execute(operator)[0]["release_id"])
    emulator.store.update_release(ids[0], active=True)
    assert get()[0] == {"deployment_id": 1, "active_release_id": ids[0], "latest_release_id": ids[1]}


@pytest.mark.parametrize(
    ("deployment_id", "words"),
    [("None", "InvalidInputError"), (99, "NotFoundError: GET /v4/deployments/99 answered 404")],
)
def test_failures_end_without_retry(get, emulator, deployment_id, words):
    with pytest.raises(AirflowFailException, match=words):
        get(deployment_id=deployment_id)
    assert {call.method for call in emulator.calls} <= {"GET"}
