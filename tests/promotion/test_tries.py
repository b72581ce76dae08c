from __future__ import annotations

import pytest

from airflow_provider_trifacta.promotion.tries import Kind, TryFacts, kind_of

FIRST, RETRY, CLEAR = Kind.FIRST, Kind.RETRY, Kind.CLEAR


@pytest.mark.parametrize(
    ("number", "max_tries", "noted", "kind"),
    [
        pytest.param(1, 2, {}, FIRST, id="first-try"),
        pytest.param(2, 2, {1: 2}, RETRY, id="retry"),
        pytest.param(3, 2, {1: 2, 2: 2}, RETRY, id="second-retry"),
        pytest.param(2, 3, {1: 2}, CLEAR, id="cleared-after-the-first-try"),
        pytest.param(3, 3, {1: 2, 2: 3}, RETRY, id="retry-after-the-clear"),
        pytest.param(4, 5, {1: 2, 2: 2, 3: 2}, CLEAR, id="cleared-after-all-tries"),
        pytest.param(2, 2, {1: 2}, RETRY, id="cleared-while-it-ran"),
        pytest.param(3, 3, {1: 2}, CLEAR, id="the-first-try-after-the-clear-noted-nothing"),
        pytest.param(2, 2, {1: 2, 2: 2}, RETRY, id="resumed-after-a-deferral"),
        pytest.param(1, 2, {1: 2}, FIRST, id="the-first-try-resumed"),
    ],
)
@pytest.mark.parametrize("retries", [0, 1, 2, 9])
@pytest.mark.parametrize("run_was_cleared", [True, False])
def test_the_journal_decides_whatever_the_dag_file_says(
    number, max_tries, noted, kind, retries, run_was_cleared
):
    assert kind_of(TryFacts(number, max_tries, retries, run_was_cleared), noted) is kind


@pytest.mark.parametrize(
    ("number", "max_tries", "retries", "if_cleared", "if_not"),
    [
        (1, 0, 0, FIRST, FIRST),
        (1, 0, 3, FIRST, FIRST),
        (2, 2, 2, RETRY, RETRY),
        (3, 2, 2, RETRY, RETRY),
        pytest.param(2, 0, 0, RETRY, RETRY, id="an-executor-asks-again"),
        pytest.param(2, 0, 3, RETRY, RETRY, id="retries-raised"),
        pytest.param(2, 1, 0, CLEAR, RETRY, id="cleared-after-the-first-try-or-retries-lowered"),
        pytest.param(2, 3, 2, CLEAR, RETRY, id="cleared-with-retries"),
        pytest.param(3, 3, 2, RETRY, RETRY, id="the-first-retry-after-a-clear"),
        pytest.param(4, 5, 2, CLEAR, RETRY, id="cleared-after-all-tries"),
    ],
)
def test_without_a_note_a_clear_needs_two_signs(number, max_tries, retries, if_cleared, if_not):
    assert kind_of(TryFacts(number, max_tries, retries, True), {}) is if_cleared
    assert kind_of(TryFacts(number, max_tries, retries, False), {}) is if_not
