"""The log of each task: its first line says what the task will do, its last what it did, with the
deployment."""

from __future__ import annotations

import json
import logging
import zipfile

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow, RunOutcome

from airflow_provider_trifacta._compat import AirflowFailException, _masker
from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    ConfirmPromotionOperator,
    CreateReleaseOperator,
    DeactivateReleaseOperator,
    DryRunReleaseOperator,
)
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def instance(use_connection):
    options = EmulatorOptions(flows=(PresetFlow("Daily"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        yield emulator


@pytest.fixture
def lines_of(execute, caplog):
    """Return a function that runs an operator and returns what it result and its log."""

    def run(operator):
        caplog.clear()
        caplog.set_level(logging.INFO)
        try:
            result = execute(operator)[0]
        except AirflowFailException:
            result = None
        ours = [
            one
            for one in caplog.records
            if one.name == "task" or one.name.startswith("airflow_provider_trifacta")
        ]
        # Airflow 2.11 turns a tuple among them, also a named one, into a plain tuple.
        assert [
            one.args for one in ours if any(isinstance(argument, tuple) for argument in one.args)
        ] == []
        return result, [one.getMessage() for one in ours if one.levelno == logging.INFO]

    return run


def test_each_task_of_a_promotion(instance, lines_of, make_package, tmp_path):
    def check(operator, first, *last):
        result, lines = lines_of(operator)
        assert lines[0].startswith("Will ")
        assert [words for words in first if words not in lines[0]] == []
        assert [words for words in last if str(words) not in lines[-1]] == [], lines
        links = [line for line in lines if "/deployments/" in line or "/jobs/" in line]
        assert [line for line in links if not line.startswith("http")] == [], (
            "a link stands alone on its line"
        )
        return result

    path, name = str(make_package()), {"deployment_name": "Orders"}
    flow_id = instance.store.flows()[0].id
    check(
        ExportFlowPackageOperator(
            task_id="t", flow_id=flow_id, package_path=str(tmp_path / "made.zip")
        ),
        [f"flow {flow_id}", "made.zip", "trifacta_default"],
        f"Flow 'Daily' ({flow_id})",
        "made.zip",
    )
    check(
        CreateDeploymentOperator(task_id="t", name="Orders"),
        ["'Orders'"],
        "Deployment 'Orders' (1)",
        "reused",
    )
    baseline = check(
        GetDeploymentOperator(task_id="t", **name),
        ["'Orders'", "live"],
        "Deployment 'Orders' (1)",
        "live",
    )
    check(
        SetImportRulesOperator(task_id="t", value_rules=[], **name),
        ["'Orders'", "value rules"],
        "deployment 'Orders' (1)",
        "unchanged",
        "live",
    )
    check(
        DryRunReleaseOperator(task_id="t", package_path=path, **name),
        ["'Orders'", path],
        "deployment 'Orders' (1)",
        "live",
    )
    made = check(
        CreateReleaseOperator(task_id="t", package_path=path, baseline=baseline, **name),
        ["'Orders'", path, "live"],
        "deployment 'Orders' (1)",
        "live",
        "created",
    )
    check(
        ConfirmPromotionOperator(task_id="t", promotion=made),
        ["deployment 1", "live"],
        "deployment 1",
        "live",
    )
    check(
        RunDeploymentOperator(task_id="t", poke_interval=0.01, **name),
        ["'Orders'", "live"],
        "deployment 'Orders' (1)",
        "live",
    )
    release = {"task_id": "t", "release_id": made["release_id"]}
    named = f"release {made['release_id']}"
    check(DeactivateReleaseOperator(**release), [named, "live"], "deployment 1", "live")
    check(ActivateReleaseOperator(**release), [named, "live"], "deployment 1", "live")
    check(
        RollbackDeploymentOperator(
            task_id="t", baseline=baseline, package_uuid=made["package_uuid"]
        ),
        ["deployment 'Orders' (1)", "live"],
        "deployment 'Orders' (1)",
        "live",
    )


@pytest.mark.usefixtures("instance")
def test_a_sensor(lines_of, make_package):
    create = CreateReleaseOperator(task_id="t", package_path=str(make_package()), deployment_id=1)
    made, _ = lines_of(create)
    _, lines = lines_of(ReleaseActiveSensor(task_id="t", release_id=made["release_id"]))
    assert lines[0] == f"Will wait until release {made['release_id']} is live"
    assert len(lines) > 2


@pytest.mark.usefixtures("instance")
def test_a_staged_release_is_called_so(lines_of, make_package):
    baseline, _ = lines_of(GetDeploymentOperator(task_id="t", deployment_id=1))
    staged = CreateReleaseOperator(
        task_id="t",
        package_path=str(make_package()),
        deployment_id=1,
        baseline=baseline,
        activate=False,
    )
    _, lines = lines_of(staged)
    assert "staged" in lines[0]
    assert "not live" in lines[-1]


def test_a_failed_run_has_said_what_it_would_do(instance, lines_of, make_package):
    lines_of(CreateReleaseOperator(task_id="t", package_path=str(make_package()), deployment_id=1))
    instance.runs.add(RunOutcome(status="Failed", message="no"))
    result, lines = lines_of(
        RunDeploymentOperator(task_id="t", deployment_id=1, poke_interval=0.01)
    )
    assert result is None
    assert lines[0].startswith("Will run the live release of deployment 1")


LIE = "x\n[2026-01-01] INFO - Release 9 is live\x1b[2J\u202e"


def test_no_name_makes_a_line_of_its_own_or_a_long_one(instance, lines_of, tmp_path, caplog):
    """A name is its author's. It neither forges a log line, nor steers a terminal, nor
    fills a log.
    """
    deployment = instance.store.create_deployment(LIE + "y" * 10_000)
    metadata = {
        "uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844",
        "trifactaVersion": f"8.0.0{LIE}",
        "primaryFlowIds": [1],
    }
    names = [{"id": number, "name": f"{number} {LIE}"} for number in range(1, 5_000)]
    datasets = [
        {"id": number, "isDynamic": True, "dynamicPath": LIE * 100} for number in range(5_000)
    ]
    data = {"flows": names, "connections": names, "datasources": datasets}
    path = tmp_path / "flow.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"flow_{LIE}.json", json.dumps({"metadata": metadata, "data": data}))
    name = {"deployment_id": deployment.id}
    lines_of(GetDeploymentOperator(task_id="t", **name))
    lines = [one.getMessage() for one in caplog.records]
    lines_of(DryRunReleaseOperator(task_id="t", package_path=str(path), **name))
    lines += [one.getMessage() for one in caplog.records]
    lines_of(CreateReleaseOperator(task_id="t", package_path=str(path), dry_run_first=True, **name))
    lines += [one.getMessage() for one in caplog.records]
    assert [line for line in lines if not line.replace("\n", "").isprintable()] == []
    written = [line for message in lines for line in message.splitlines()]
    assert [line for line in written if line.startswith("[2026-01-01]")] == []
    assert max(map(len, written)) < 10_000
    assert sum(map(len, written)) < 500_000


@pytest.mark.usefixtures("instance")
def test_airflows_masker_leaves_the_name_of_a_deployment(lines_of, make_package, caplog):
    """It is a filter of the handlers. That of Airflow 2.11 makes a plain tuple of each tuple among
    the arguments."""
    masker = _masker("SecretsMasker")()
    masker.add_mask("long-secret")
    caplog.handler.addFilter(masker)
    path, name = str(make_package()), {"task_id": "t", "deployment_name": "Orders"}
    operators = [
        GetDeploymentOperator(**name),
        SetImportRulesOperator(value_rules=[], **name),
        DryRunReleaseOperator(package_path=path, **name),
        CreateReleaseOperator(package_path=path, **name),
        RunDeploymentOperator(poke_interval=0.01, **name),
    ]
    for operator in operators:
        _, lines = lines_of(operator)
        assert lines[0].startswith("Will ")
        assert "deployment 'Orders'" in lines[0]
        assert "None" not in lines[0]
    caplog.handler.removeFilter(masker)
