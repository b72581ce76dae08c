"""Answers that are wrong anywhere, to each operator and each sensor.

A task is green only if the instance is as a green task leaves it, and else ends with an error of
ours. A failure names its seed, which damages the same answers again.
"""

from __future__ import annotations

import json
import logging
import resource
import time
from collections import Counter

import pytest
from fuzz.damage import DamagingServer, Plan
from fuzz.works import LONGEST, LONGEST_ERROR, MOST_MEMORY, OPTIONS, WORKS, Site
from trifacta_emulator import Emulator

from airflow_provider_trifacta._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
)
from airflow_provider_trifacta.client.errors import TrifactaError

#: Bytes that all XComs of a task may have: less than any database refuses.
MOST_IN_XCOMS = 2 * 1024 * 1024


@pytest.fixture(autouse=True)
def quiet(monkeypatch, virtual_time):  # noqa: ARG001
    """Nothing is logged, because pytest would keep each record, and no retry waits in real time."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)


@pytest.fixture
def server():
    one = DamagingServer("")
    yield one
    one.close()


class Round:
    """One task at a site whose answers are damaged as a plan says."""

    def __init__(self, execute, server, use_connection, folder) -> None:
        self._execute, self._server, self._folder = execute, server, folder
        use_connection(server.url)
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def run(self, work, plan):
        """Run the task. Return how many answers it got."""
        for left in self._folder.iterdir():
            left.unlink()
        with Emulator(OPTIONS) as emulator:
            site = Site(emulator, self._folder)
            operator = work.make(site)
            self._server.begin(emulator.url, plan)
            self._execute.ti = None
            started = time.monotonic()
            result, error = self._end(operator)
            self.slowest = max(self.slowest, time.monotonic() - started)
            self._check(work, site, plan, result, error)
        return self._server.answers

    def _end(self, operator):
        try:
            return self._execute(operator)[0], None
        except (AirflowFailException, AirflowSensorTimeout, TrifactaError) as error:
            return None, error

    def _check(self, work, site, plan, result, error) -> None:
        kind = type(error.__cause__ or error).__name__ if error else "green"
        self.outcomes[kind] += 1
        if isinstance(error, AirflowFailException):
            assert isinstance(error.__cause__, TrifactaError), repr(error)
        text = str(error)
        text.encode()
        assert len(text) < LONGEST_ERROR, text[:400]
        if self._execute.ti:
            told = json.dumps(self._execute.ti.pushed, allow_nan=False, ensure_ascii=False)
            assert len(told.encode()) < MOST_IN_XCOMS
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
        assert work.made(site) <= 1
        if error is None and (plan is None or not plan.lies):
            assert work.reached(site, result), f"green, and it returned {result}"


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_a_damaged_answer_ends_no_task_wrongly(
    execute, server, use_connection, tmp_path, rounds, tell, name
):
    tasks, work = Round(execute, server, use_connection, tmp_path), WORKS[name]
    answers = tasks.run(work, None)
    assert tasks.outcomes == {"green": 1}, "without damage"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = rounds(6)
    for seed in range(count):
        plan = Plan.of(f"{name} {seed}", answers)
        try:
            tasks.run(work, plan)
        except BaseException as error:
            damaged = [body[:400] for body in server.damaged]
            raise AssertionError(f"{plan}: {error!r}, {damaged}") from error
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    tell(
        f"{count} tasks, slowest {tasks.slowest:.2f} s, {grown} MiB more,"
        f" {dict(tasks.outcomes.most_common())}"
    )
    assert tasks.slowest < LONGEST
    assert grown < MOST_MEMORY
