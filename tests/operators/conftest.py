from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest
from trifacta_emulator import Emulator, EmulatorOptions

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors


@pytest.fixture
def memory():
    """Object storage in this process."""
    fsspec = pytest.importorskip("fsspec")
    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach

    system = fsspec.filesystem("memory")
    attach("memory", fs=system)
    yield system
    system.rm("/", recursive=True)


@pytest.fixture(autouse=True)
def no_real_waits(virtual_time):
    """Operators make their client by themselves: no test of theirs waits in real time."""


@pytest.fixture
def start(use_connection):
    """Return a function that starts another emulator with options, as the connection
    trifacta_default."""
    with ExitStack() as running:

        def run(**options):
            emulator = running.enter_context(Emulator(EmulatorOptions(**options)))
            use_connection(emulator.url)
            emulator.store.create_deployment("Orders")
            return emulator

        yield run


@pytest.fixture
def fails():
    """Return a context in which the task fails without retry, because of an error of just that
    class.

    It takes the class's name, after ``": "`` a value that the text must have (an argument, a path,
    a status), and the error's fields.
    """

    @contextmanager
    def expect(case, **fields):
        name, _, value = case.partition(": ")
        with pytest.raises(AirflowFailException) as caught:
            yield caught
        cause = caught.value.__cause__
        assert type(cause) is getattr(errors, name), cause
        assert str(caught.value) == f"{name}: {cause}"
        assert value in str(cause)
        assert {key: getattr(cause, key) for key in fields} == fields

    return expect
