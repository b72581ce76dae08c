"""Foreign words at every place of answers, packages and arguments, checked by the medium that they
leave by.

``--long`` makes 50 times the rounds. A failure names its seed, which makes the same words again.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import random
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from foreign_words import media
from foreign_words.relay import Relay
from foreign_words.words import FORMS, PARAMETER, PASSWORD, WORDS, package_with_words, with_words
from trifacta_emulator import (
    Connection,
    Emulator,
    EmulatorOptions,
    PresetFlow,
    build_package,
    read_package,
)

from airflow_provider_trifacta._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AssetAlias,
)
from airflow_provider_trifacta.client.errors import TrifactaError
from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import (
    ExportFlowPackageOperator,
    ImportFlowPackageOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    ConfirmPromotionOperator,
    CreateReleaseOperator,
    DeactivateReleaseOperator,
    DryRunReleaseOperator,
)
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.package import main
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
DEV = Connection(24, "dev", "a0b1c2d3-0000-4000-8000-000000000001")
#: The errors by which a task ends. Any other one is a fault.
ENDS = (TrifactaError, AirflowFailException, AirflowSkipException, AirflowSensorTimeout)
RULES = [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
PARAMETERS = {"api_token": PARAMETER, "region": "eu"}
BASELINE = {
    "deployment_id": 1,
    "active_release_id": 1,
    "latest_release_id": 1,
    "active_updated_at": None,
    "read_at": "2026-01-01T00:00:00+00:00",
    "deployment_name": "Orders",
}
KNOW_PARAMETERS = ("run", "run flow", "run recipe")
REQUEST_ID = "x-trifacta-request-id"
WAIT = {"poke_interval": 0.001, "tolerated_outage": 0.01, "timeout": 1}


def _operators(site):
    """Return what makes each operator and sensor, by its name."""
    name = {"task_id": "t", "deployment_name": "Orders"}
    path = {"package_path": str(site.package)}
    wait = {"task_id": "t", **WAIT}
    run = {**wait, "run_parameters": PARAMETERS}
    return {
        "get": lambda: GetDeploymentOperator(**name),
        "create deployment": lambda: CreateDeploymentOperator(task_id="t", name="New"),
        "dry run": lambda: DryRunReleaseOperator(**name, **path),
        "create": lambda: CreateReleaseOperator(
            **name, **path, dry_run_first=True, outlets=site.outlets, settle_timeout=0.01
        ),
        "create staged": lambda: CreateReleaseOperator(
            **name, **path, activate=False, baseline=BASELINE, settle_timeout=0.01
        ),
        "rules": lambda: SetImportRulesOperator(**name, value_rules=RULES, object_rules=[]),
        "activate": lambda: ActivateReleaseOperator(task_id="t", release_id=1),
        "deactivate": lambda: DeactivateReleaseOperator(task_id="t", release_id=1),
        "roll back": lambda: RollbackDeploymentOperator(
            task_id="t",
            baseline=BASELINE,
            package_uuid=UUID,
            settle_timeout=0.01,
            tolerated_outage=0.01,
        ),
        "confirm": lambda: ConfirmPromotionOperator(
            task_id="t",
            promotion={"deployment_id": 1, "release_id": 1, "package_uuid": UUID},
        ),
        "export": lambda: ExportFlowPackageOperator(
            task_id="t", flow_name="Daily", package_path=str(site.folder / "made.zip")
        ),
        "import": lambda: ImportFlowPackageOperator(task_id="t", **path, dry_run_first=True),
        "run": lambda: RunDeploymentOperator(**run, deployment_name="Orders"),
        "run deferred": lambda: RunDeploymentOperator(**run, deployment_id=1, deferrable=True),
        "run flow": lambda: RunFlowOperator(**run, flow_name="Daily"),
        "run recipe": lambda: RunJobGroupOperator(
            **run, flow_name="Daily", recipe_name=site.recipe
        ),
        "wait for jobs": lambda: JobGroupSensor(**wait, job_group_ids=[1]),
        "wait for jobs deferred": lambda: JobGroupSensor(
            **wait, job_group_ids=[1], deferrable=True
        ),
        "wait for a release": lambda: ReleaseActiveSensor(**wait, release_id=1),
        "wait for a release deferred": lambda: ReleaseActiveSensor(
            **wait, release_id=1, deferrable=True
        ),
    }


def _known_secrets(where, name):
    """Return what a server may echo, and what the task knows as a secret then.

    A trigger does not know the parameters of the run: its arguments are in the database.
    """
    if where != "answers":
        return []
    return FORMS[PASSWORD] + (FORMS[PARAMETER] if name in KNOW_PARAMETERS else [])


class Site:
    """What an emulator has, and what is put into its answers."""

    def __init__(self, rng, emulator, folder) -> None:
        self.rng, self.folder = rng, folder
        self.package = folder / "flow.zip"
        self.outlets = [AssetAlias("made")] if AssetAlias else []
        self.share = 0.0
        emulator.store.create_deployment("Orders")
        emulator.store.create_release(1, read_package(io.BytesIO(build_package(uuid=UUID))))
        emulator.store.create_connection("dev", DEV.uuid)
        emulator.store.replace_import_rules(
            1, "value", [{"type": "s3Bucket", "on": "a", "with": "b"}]
        )
        self.recipe = "Example flow"

    def change(self, _request, answer):
        """Return a hostile answer in the place of some."""
        is_json = "json" in answer.headers.get("Content-Type", "")
        if not is_json or self.rng.random() >= self.share:
            return None
        return self._hostile(answer)

    def _hostile(self, answer):
        rng, kind = self.rng, self.rng.random()
        word = str(rng.choice(WORDS))
        if kind < 0.1:
            error = {"exception": {"name": "X", "message": word, "details": rng.choice(WORDS)}}
            request_id = " ".join(word[:500].encode("ascii", "replace").decode().split())
            return rng.choice([400, 403, 404, 409, 500]), {REQUEST_ID: request_id}, error
        if kind < 0.15:
            page = f"<html>{word}</html>".encode("utf-8", "replace")
            return rng.choice([200, 404, 502]), {"Content-Type": "text/html"}, page
        body = with_words(rng, answer.json(), rng.choice([1, 1, 2, 5]))
        ascii_only = rng.random() < 0.5
        text = json.dumps(body, ensure_ascii=ascii_only)
        return (
            answer.status_code,
            {"Content-Type": "application/json"},
            text.encode("utf-8", "surrogatepass"),
        )


class Events(dict):
    """Stands for the events of a task's outlets."""

    def __missing__(self, key):
        self[key] = SimpleNamespace(extras=[])
        self[key].add = lambda asset, extra: self[key].extras.append([asset.uri, extra])
        return self[key]


@pytest.fixture
def play(scripted, use_connection, execute, store, caplog, tmp_path, monkeypatch):
    """Return a function that plays one round, checks each medium, and says how the task ended."""
    caplog.set_level(logging.DEBUG)

    def go(seed):
        print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)  # a word may be the path of a file to write
        caplog.clear()
        store.kept.clear()
        flows = (PresetFlow("Daily"),)
        with Emulator(EmulatorOptions(flows=flows, job_start_seconds=0, job_run_seconds=0)) as one:
            site = Site(rng, one, folder)
            server = scripted(Relay(one, site.change))
            use_connection(server.url, login="me", password=PASSWORD)
            try:
                return attempt(rng, site)
            finally:
                server.close()

    def attempt(rng, site):
        where = rng.choice(["answers", "answers", "package", "argument"])
        package = build_package(generation="6.8", uuid=UUID, connections=[DEV])
        if where == "package":
            package = package_with_words(rng, package, rng.choice([1, 3, 10]))
        site.package.write_bytes(package)
        site.share = rng.choice([0.1, 0.5, 1.0]) if where == "answers" else 0.0
        name, make = rng.choice(list(_operators(site).items()))
        operator = make()
        if where == "argument":
            field = rng.choice(operator.template_fields)
            setattr(operator, field, argument(rng, getattr(operator, field)))
        secrets = _known_secrets(where, name)
        events, execute.deferred = Events(), None
        end, result = "done", None
        try:
            result, _ = execute(operator, store=store, outlet_events=events)
        except ENDS as error:
            media.raised(error, secrets)
            end = type(error.__cause__ or error).__name__
        ti = execute.ti
        for value in [result, *ti.pushed.values(), *map(json.loads, store.kept.values())]:
            media.stored(value, secrets)
        for event in events.values():
            media.stored(event.extras, secrets)
        if execute.deferred:
            media.stored(execute.deferred.kwargs or {}, secrets)
            media.stored(execute.deferred.trigger.serialize()[1] if where != "argument" else None)
        media.logged(caplog.records, secrets)
        if where == "package":
            for options in ([], ["--json"]):
                media.printed(printed_of([*options, str(site.package)]))
        if "report_text" in ti.pushed:
            media.markdown(ti.pushed["report_text"], secrets)
        return where, name, end

    def printed_of(arguments):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            main(arguments)
        return printed.getvalue()

    def argument(rng, value):
        if isinstance(value, (dict, list)) and rng.random() < 0.7:
            return with_words(rng, value, 1)
        return copy.deepcopy(rng.choice(WORDS))

    return go


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_time")
def test_no_foreign_word_steers_what_reads_it(play, rounds, tell):
    base = random.SystemRandom().randrange(10**9) if rounds(1) > 1 else 0
    ends, slowest = Counter(), 0.0
    for number in range(rounds(60)):
        began = time.perf_counter()
        where, name, end = play(base + number)
        slowest = max(slowest, time.perf_counter() - began)
        ends[where, end == "done"] += 1
        ends[name] += 1
    told = {key: count for key, count in ends.items() if isinstance(key, tuple)}
    tell(f"foreign words: {rounds(60)} tasks, at most {slowest:.2f} s; {told}")
    assert len(ends) > 15
