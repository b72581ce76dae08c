from __future__ import annotations

import io
import json
import signal
from types import SimpleNamespace

import pytest
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    PresetConnection,
    PresetFlow,
    User,
    read_package,
)
from trifacta_emulator.__main__ import emulator_of

from airflow_provider_trifacta.probe import __main__ as command
from airflow_provider_trifacta.probe import instance

#: What a report must never hold: each word names something on the instance or is a secret.
CANARY = "canary"
LOGIN, PASSWORD = f"{CANARY}@example.com", f"{CANARY}-password"
#: An instance where everything can be tested. An administrator could always make tokens.
FURNISHED = {
    "users": (User(LOGIN, PASSWORD, ("deployment",)),),
    "flows": (PresetFlow(f"{CANARY} flow"), PresetFlow(f"{CANARY} flow 2")),
    "connections": (PresetConnection(f"{CANARY} connection"),),
}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """No clean-up waits in real time before it deletes something again."""
    monkeypatch.setattr(instance, "_PAUSE", 0)


@pytest.fixture
def furnished():
    """Return a function that starts an emulator with something of everything; it stops after the
    test."""
    started = []

    def start(**options) -> Emulator:
        emulator = Emulator(EmulatorOptions(**{**FURNISHED, **options}))
        past = emulator.store.create_deployment(f"{CANARY} past")
        exported = emulator.store.export_flow(emulator.store.flows()[0].id)
        emulator.store.create_release(past.id, read_package(io.BytesIO(exported)))
        emulator.store.run_deployment(past.id)
        emulator.store.delete_deployment(past.id)
        emulator.before = kept(emulator)
        started.append(emulator.start())
        return emulator

    yield start
    for one in started:
        one.stop()


@pytest.fixture(autouse=True)
def _handlers():
    """The command sets handlers for the rest of its process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(one) for one in numbers]
    yield
    for one, handler in zip(numbers, before, strict=True):
        signal.signal(one, handler)


@pytest.fixture
def probe(use_connection, capsys, tmp_path):
    """Return a function that probes an emulator: exit status, table, errors and JSON."""

    def run(url: str, *arguments: str, **fields) -> SimpleNamespace:
        use_connection(url, "probed", **{"login": LOGIN, "password": PASSWORD, **fields})
        file = tmp_path / "answers.json"
        file.unlink(missing_ok=True)
        capsys.readouterr()
        status = command.main(["probed", "--json", str(file), *arguments])
        told = capsys.readouterr()
        report = json.loads(file.read_text()) if file.exists() else None
        return SimpleNamespace(status=status, out=told.out, err=told.err, json=report, file=file)

    run.name = f"{CANARY} deployment"
    return run


@pytest.fixture
def during(monkeypatch):
    """Return a function that lets something happen when a call is made: before it is sent, or after
    its answer."""

    def let(key, happen, *, after=False):
        make, ask = instance.Probe._make, instance.Probe._ask

        def noted(self, call):
            self.present = call.key
            try:
                return make(self, call)
            finally:
                self.present = None

        def asked(self, *arguments, **keywords):
            if getattr(self, "present", None) != key:
                return ask(self, *arguments, **keywords)
            if not after:
                happen()
            answer = ask(self, *arguments, **keywords)
            if after:
                happen()
            return answer

        monkeypatch.setattr(instance.Probe, "_make", noted)
        monkeypatch.setattr(instance.Probe, "_ask", asked)

    return let


@pytest.fixture
def clean(probe):
    """Return a function that probes, and looks for what must not leave the instance."""

    def run(emulator, *arguments, **fields):
        report = probe(emulator.url, *arguments, **fields)
        host, port = emulator.url.removeprefix("http://").split(":")
        for text in (report.out, json.dumps(report.json)):
            assert not [one for one in (CANARY, host, port, "@", "password") if one in text.lower()]
        return report

    return run


@pytest.fixture
def like():
    """Return a function that starts an emulator like a report; it stops after the test."""
    started = []

    def start(report, *arguments: str) -> Emulator:
        started.append(emulator_of(["--port", "0", "--like", str(report.file), *arguments]).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def left_behind():
    """Return a function that tells what an emulator has that it had not before the probe, or has no
    longer."""
    return lambda emulator: set(kept(emulator)) ^ set(emulator.before)


def kept(emulator: Emulator) -> list[tuple[str, int]]:
    store = emulator.store
    every = (store.deployments, store.releases, store.job_groups, store.flows, store.connections)
    return [(kind.__qualname__, one.id) for kind in every for one in kind()]
