"""Odd values of every argument of every operator and sensor: each task ends well, or in an error
that is meant.

Also with a journal and as a retry, because then more of the arguments is read.
"""

from __future__ import annotations

import inspect
import json
import logging
import random
import resource
import time
from collections import Counter

import pytest
from airflow.exceptions import AirflowException
from fuzz.odd import JSON, PYTHON
from fuzz.works import LONGEST, LONGEST_ERROR, MOST_MEMORY, OPTIONS, WORKS, Site
from trifacta_emulator import Emulator

from airflow_provider_trifacta.client.errors import TrifactaError

#: Arguments that Airflow checks, or that decide how the fuzzer runs the task.
_LEFT_ALONE = ("self", "task_id", "kwargs", "waiting", "deferrable")


def arguments_of(operator):
    """Return the names of the provider's own arguments of an operator."""
    found = []
    for kind in type(operator).__mro__:
        if kind.__module__.startswith("airflow_provider_trifacta"):
            found += list(inspect.signature(kind.__init__).parameters)
    return [name for name in dict.fromkeys(found) if name not in _LEFT_ALONE]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, virtual_time, tmp_path):  # noqa: ARG001
    """Nothing is logged, because pytest would keep each record, no retry waits in real time, and
    what a relative path exports goes into a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)


def end_of(execute, operator, **how):
    """Run a task; return its end in a word.

    Airflow itself may refuse a value too, such as the name of a connection.
    """
    execute.ti = None
    try:
        result = execute(operator, **how)[0]
    except (TrifactaError, AirflowException) as error:
        str(error).encode()
        return type(error.__cause__ or error).__name__
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    json.dumps(execute.ti.pushed, allow_nan=False, ensure_ascii=False).encode()
    return "green"


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_no_argument_ends_a_task_in_a_raw_error(
    execute, store, use_connection, tmp_path, rounds, tell, name
):
    outcomes: Counter[str] = Counter()
    wrong, slowest, count = [], 0.0, rounds(40)
    with Emulator(OPTIONS) as emulator:
        use_connection(emulator.url)
        site = Site(emulator, tmp_path)
        names = arguments_of(WORKS[name].make(site))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(count):
            rng = random.Random(f"{name} {seed}")
            argument, value = rng.choice(names), rng.choice(JSON + PYTHON)
            operator = WORKS[name].make(site)
            # Airflow itself goes down into what is set, and not as deep.
            object.__setattr__(operator, argument, value)
            how = {"store": store, "try_number": 2} if rng.random() < 0.2 else {}
            started = time.monotonic()
            try:
                outcomes[end_of(execute, operator, **how)] += 1
            except Exception as error:
                wrong.append(f"{argument}={str(value)[:60]!r}: {error!r:.200}")
            slowest = max(slowest, time.monotonic() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    tell(f"{count} tasks, slowest {slowest:.2f} s, {grown} MiB more, {dict(outcomes)}")
    assert wrong == []
    assert slowest < LONGEST
    assert grown < MOST_MEMORY


@pytest.mark.slow
def test_no_error_quotes_a_long_argument_whole(execute, use_connection, tmp_path):
    long = {}
    with Emulator(OPTIONS) as emulator:
        use_connection(emulator.url)
        site = Site(emulator, tmp_path)
        for name, work in WORKS.items():
            for argument in arguments_of(work.make(site)):
                operator = work.make(site)
                object.__setattr__(operator, argument, "x" * 100_000)
                try:
                    execute(operator)
                except (TrifactaError, AirflowException) as error:
                    if len(str(error)) > LONGEST_ERROR:
                        long[name, argument] = len(str(error))
    assert long == {}
