from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_trifacta._compat import BaseOperator
from airflow_provider_trifacta.client.errors import AmbiguousNameError, InvalidInputError
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators._base import Attempt, Target, check_name

pytestmark = pytest.mark.every_airflow


@pytest.mark.parametrize(
    ("deployment_id", "deployment_name", "target"),
    [
        (4, None, (4, None)),
        ("4", None, (4, None)),
        (None, "Orders", (None, "Orders")),
        (None, " Orders ", (None, " Orders ")),
    ],
)
def test_one_of_the_two_is_enough(deployment_id, deployment_name, target):
    assert Target.of(deployment_id, deployment_name) == Target(*target)


@pytest.mark.parametrize(
    ("deployment_id", "deployment_name", "words"),
    [
        (None, None, "deployment_id must be a positive whole number"),
        ("None", None, "deployment_id must be"),
        (0, None, "deployment_id must be"),
        (4, "Orders", "not both"),
        ("None", "Orders", "not both"),
        (None, "", "deployment_name must be a name, not ''"),
        (None, " None ", "deployment_name must be a name"),
        (None, 4, "deployment_name must be a name, not '4'"),
        (None, {"name": "Orders"}, "deployment_name must be a name"),
    ],
)
def test_anything_else_is_named(deployment_id, deployment_name, words):
    with pytest.raises(InvalidInputError, match=words):
        Target.of(deployment_id, deployment_name)


def test_a_name_is_named_by_its_own_argument():
    assert check_name("Orders", "name") == "Orders"
    with pytest.raises(InvalidInputError, match=r"^name must be a name"):
        check_name(None, "name")


@pytest.fixture
def find():
    def run(deployment_id, name):
        with TrifactaHook().client as client:
            return Target(deployment_id, name).find(client)

    return run


def test_an_id_needs_no_request(find, emulator):
    assert find(99, None) == 99
    assert emulator.calls == []


def test_a_name_is_found_exactly(find, emulator):
    wanted = emulator.store.create_deployment("Orders 2").id
    emulator.store.create_deployment("orders 2")
    assert find(None, "Orders 2") == wanted


def test_names_are_found_beyond_the_first_page(find, emulator):
    for number in range(130):
        emulator.store.create_deployment(f"Other {number}")
    assert find(None, "Orders") == 1


@pytest.mark.parametrize("name", ["Order", "orders", "Orders ", "*"])
@pytest.mark.usefixtures("emulator")
def test_a_similar_name_is_none(find, name):
    with pytest.raises(AmbiguousNameError, match=r"0 deployments are called .* Check the name"):
        find(None, name)


def test_a_name_that_several_have_is_none(find, emulator):
    second = emulator.store.create_deployment("Orders").id
    with pytest.raises(
        AmbiguousNameError, match=f"2 deployments are called 'Orders': {second}, 1. Give the"
    ):
        find(None, "Orders")


def test_a_deleted_deployment_has_no_name(find, emulator):
    second = emulator.store.create_deployment("Orders").id
    emulator.store.delete_deployment(1)
    assert find(None, "Orders") == second


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "automatic"),
    [
        (1, 0, 0, False),
        (1, 2, 2, False),
        (2, 2, 2, True),
        (3, 2, 2, True),
        (2, 0, 0, True),  # an executor that lost the task asks again by itself
        (2, 1, 0, False),  # cleared after the first try
        (2, 3, 2, False),
        (3, 3, 2, True),  # the first retry after that
        (4, 5, 2, False),  # cleared after all three attempts
        (5, 5, 2, True),
        (1, None, None, False),
        (1, 0, 3, False),  # the run began when the task had no retries
        (2, 0, 3, True),
    ],
)
def test_a_clear_is_not_an_automatic_retry(try_number, max_tries, retries, automatic):
    operator = BaseOperator(task_id="t")
    operator.retries = retries
    ids = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    ti = SimpleNamespace(try_number=try_number, max_tries=max_tries, get_task_states=None, **ids)
    for clear_number in (0, 1):
        context = {"ti": ti, "dag_run": SimpleNamespace(start_date=None, clear_number=clear_number)}
        is_retry = Attempt(operator, context).begin().is_retry
        # A clear needs both signs: a raised max_tries alone is what lowered retries look like.
        assert is_retry is (automatic or (clear_number == 0 and try_number > 1))
