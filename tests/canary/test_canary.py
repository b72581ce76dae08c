"""No secret leaves a task, also if the server echoes it in any encoding.

Each task runs at DEBUG. What is searched: its log, its error, its result, its XComs and what it
notes for later tries. ``tests/system/test_canary.py`` does the same with a whole Airflow, and
searches its database and processes too.
"""

from __future__ import annotations

import json
import logging
import traceback
from itertools import product

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow, read_package

from airflow_provider_trifacta._failures import in_short
from airflow_provider_trifacta.check import main as check
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from canary.echo import ENCODINGS, MODES, Echo
from canary.secrets import Canaries, canary, encodings
from canary.tasks import (
    BROKEN,
    IN_ARGUMENTS,
    IN_CONNECTIONS,
    as_json,
    connection,
    tasks,
)

CREDENTIALS = ("login", "token", "proxy")
CANARIES = Canaries(IN_CONNECTIONS + IN_ARGUMENTS)


@pytest.fixture
def echo(make_package, monkeypatch, virtual_time):  # noqa: ARG001
    """An echoing server before an instance with a release and a flow."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    options = EmulatorOptions(flows=(PresetFlow("Daily"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        server = Echo(emulator.url)
        server.emulator = emulator
        yield server
        server.close()


@pytest.fixture
def leaks_of(execute, store, caplog, make_package, tmp_path):
    """Return a function that runs all tasks of a connection, and returns the leaks."""
    package = str(make_package())

    def run():
        leaks = {}
        for name, (kind, arguments) in tasks("echo", package, str(tmp_path)).items():
            caplog.clear()
            caplog.set_level(logging.DEBUG)
            store.kept.clear()
            execute.ti = None
            end = ""
            try:
                end = repr(execute(kind(task_id=name, **arguments), store=store)[0])
            except Exception as error:
                end = "".join(traceback.format_exception(error)) + json.dumps(in_short(error))
            pushed = json.dumps(execute.ti.pushed if execute.ti else {}, ensure_ascii=False)
            places = {
                "log": caplog.text,
                "end": end,
                "XComs": pushed,
                "store": json.dumps(store.kept, ensure_ascii=False),
            }
            for place, text in places.items():
                for secret, around in CANARIES.found_in(text).items():
                    leaks[name, place, secret] = around
        return leaks

    return run


def test_each_encoding_is_found():
    for name in CANARIES.names:
        for secret in (canary(name), canary(name, plain=True)):
            for text in encodings(secret).values():
                assert set(CANARIES.found_in(f"({text})")) == {name}
    assert CANARIES.found_in("*** Can4ry") == {}


def cases():
    """Yield each server with each kind of credentials; most of them run every night only."""
    every = product(MODES, ENCODINGS, CREDENTIALS)
    for number, case in enumerate(every):
        marks = [pytest.mark.slow] + [pytest.mark.system] * bool(number % 7)
        yield pytest.param(*case, marks=marks, id="-".join(case))


@pytest.mark.parametrize(("mode", "encoding", "credentials"), cases())
def test_no_echo_of_a_secret_leaves_a_task(
    echo, leaks_of, monkeypatch, mode, encoding, credentials
):
    fields = connection(echo.host(mode, encoding), credentials)
    monkeypatch.setenv("AIRFLOW_CONN_ECHO", as_json(fields))
    leaks = leaks_of()
    heard = CANARIES.found_in("\n".join(echo.heard[mode.replace(" ", "_")]))
    assert heard, "the server has something to echo"
    assert leaks == {}


@pytest.mark.parametrize("broken", BROKEN)
def test_no_error_of_a_connection_shows_a_secret(monkeypatch, caplog, capsys, broken):
    caplog.set_level(logging.DEBUG)
    usable = {"host": "http://127.0.0.1:9", "login": "me", "password": canary("password")}
    monkeypatch.setenv("AIRFLOW_CONN_ECHO", as_json({**usable, **BROKEN[broken]}))
    _, words = TrifactaHook("echo").test_connection()
    check(["echo"])
    assert CANARIES.found_in(words + caplog.text + str(capsys.readouterr())) == {}
