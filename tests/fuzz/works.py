"""What a fuzzer runs: each operator and sensor at an instance of its own, and what a green end must
have reached."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifacta_emulator import (
    Connection,
    Emulator,
    EmulatorOptions,
    PresetConnection,
    PresetFlow,
    build_package,
    read_package,
)

from airflow_provider_trifacta.operators._group import GroupBaselineOperator
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
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

DEV = Connection(24, "dev", "d75255f0-a245-11e7-8618-adc1dbb4bed0")
BUCKET = {"type": "s3Bucket", "on": "dev", "with": "prod"}
#: Characters of an error, seconds of a task, and MiB that all tasks of a fuzzer may take.
LONGEST_ERROR, LONGEST, MOST_MEMORY = 64 * 1024, 30.0, 200
#: No wait of a fuzzer is longer.
SHORT = {"poke_interval": 0.002, "tolerated_outage": 0.02, "timeout": 0.2}
CONTENT = build_package(flow_name="Orders", connections=[DEV])
OPTIONS = EmulatorOptions(
    flows=(PresetFlow("Nightly"), PresetFlow("Weekly")),
    connections=(PresetConnection("dev", DEV.uuid),),
    job_start_seconds=0,
    job_run_seconds=0,
)


class Site:
    """An instance with a deployment that has two releases, the newer of which is live."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.emulator, self.store, self.folder = emulator, emulator.store, folder
        self.deployment = self.store.create_deployment("Orders")
        self.older, self.newer = self._release(), self._release()
        self.package = folder / "ours.zip"
        self.package.write_bytes(CONTENT)
        self.uuid = read_package(io.BytesIO(CONTENT)).uuid

    def _release(self, content: bytes | None = None) -> Any:
        package = read_package(io.BytesIO(content or build_package()))
        return self.store.create_release(self.deployment.id, package)

    def promote(self) -> Any:
        """Make the release that a promotion of the package makes."""
        return self._release(CONTENT)

    @property
    def baseline(self) -> dict[str, Any]:
        """What a ``GetDeploymentOperator`` returned before the promotion."""
        return {
            "deployment_id": self.deployment.id,
            "active_release_id": self.newer.id,
            "latest_release_id": self.newer.id,
        }

    @property
    def live(self) -> int | None:
        release = self.store.active_release(self.deployment.id)
        return release.id if release else None

    @property
    def made(self) -> list[Any]:
        """The releases of the package."""
        every = self.store.releases(self.deployment.id, include_deleted=True)
        return [one for one in every if one.package_uuid == self.uuid]

    @property
    def is_promoted(self) -> bool:
        return len(self.made) == 1 and self.live == self.made[0].id


def _nothing(_: Site) -> int:
    return 0


def _releases(site: Site) -> int:
    return len(site.made)


def _runs(site: Site) -> int:
    return len(site.store.job_groups())


@dataclass(frozen=True)
class Work:
    """One task at a site.

    :param make: makes the operator
    :param reached: whether the site is as a green task leaves it, from what it returned
    :param made: how many objects the task has made, of which there may be at most one
    """

    make: Callable[[Site], Any]
    reached: Callable[[Site, Any], bool]
    made: Callable[[Site], int] = _nothing


def _run(cls: Any, what: Callable[[Site], dict[str, Any]]) -> dict[str, Work]:
    def work(*, deferrable: bool) -> Work:
        def make(site: Site) -> Any:
            return cls(task_id="t", deferrable=deferrable, **what(site), **SHORT)

        def reached(site: Site, result: Any) -> bool:
            groups = result["job_group_ids"]
            return bool(groups) and all(one in _complete(site) for one in groups)

        return Work(make, reached, _runs)

    name = cls.__name__
    return {name: work(deferrable=False), f"{name}, deferred": work(deferrable=True)}


def _complete(site: Site) -> set[int]:
    return {one.id for one in site.store.job_groups() if one.status == "Complete"}


def _sensors() -> dict[str, Work]:
    found = {}
    for deferrable in (False, True):
        how = {"task_id": "t", "deferrable": deferrable, **SHORT}

        def release(site: Site, how: Any = how) -> Any:
            return ReleaseActiveSensor(release_id=site.newer.id, **how)

        def jobs(site: Site, how: Any = how) -> Any:
            (group,) = site.store.run_deployment(site.deployment.id)
            return JobGroupSensor(job_group_ids=[group.id], **how)

        words = ", deferred" if deferrable else ""
        found[f"ReleaseActiveSensor{words}"] = Work(release, lambda site, _: bool(site.live))
        found[f"JobGroupSensor{words}"] = Work(jobs, lambda *_: True)
    return found


def _create(*, with_baseline: bool, **options: Any) -> Callable[[Site], Any]:
    def make(site: Site) -> Any:
        taken = {"baseline": site.baseline} if with_baseline else {}
        path = str(site.package)
        return CreateReleaseOperator(
            task_id="t", deployment_id=1, package_path=path, settle_timeout=6, **taken, **options
        )

    return make


def _rollback(site: Site) -> Any:
    release = site.promote()
    return RollbackDeploymentOperator(
        task_id="t",
        baseline=site.baseline,
        package_uuid=site.uuid,
        release_id=release.id,
        tolerated_outage=60,
        settle_timeout=6,
    )


def _confirm(site: Site) -> Any:
    release = site.promote()
    promotion = {"release_id": release.id, "deployment_id": 1, "package_uuid": site.uuid}
    return ConfirmPromotionOperator(task_id="t", promotion=promotion)


def _is_exported(site: Site, result: Any) -> bool:
    with open_package(site.folder / "export.zip") as package:
        return package.info.uuid == result["package_uuid"]


def _rules_are_set(site: Site, _: Any) -> bool:
    return [one.rule for one in site.store.import_rules(1, "value")] == [BUCKET]


def _flow(site: Site) -> dict[str, Any]:
    return {"flow_id": site.store.flows()[0].id}


def _recipe(site: Site) -> dict[str, Any]:
    return {"recipe_id": site.store.recipes()[0].id}


WORKS: dict[str, Work] = {
    "GetDeploymentOperator": Work(
        lambda _: GetDeploymentOperator(task_id="t", deployment_id=1),
        lambda site, result: result["active_release_id"] in (None, site.live),
    ),
    "GetDeploymentOperator by name": Work(
        lambda _: GetDeploymentOperator(task_id="t", deployment_name="Orders"),
        lambda _, result: result["deployment_id"] == 1,
    ),
    "GroupBaselineOperator": Work(
        lambda _: GroupBaselineOperator(task_id="t", deployment_id=1),
        lambda _, result: result["deployment_id"] == 1,
    ),
    "CreateDeploymentOperator": Work(
        lambda _: CreateDeploymentOperator(task_id="t", name="New"),
        lambda site, _: {one.name for one in site.store.deployments()} == {"Orders", "New"},
        lambda site: len(site.store.deployments()) - 1,
    ),
    "CreateReleaseOperator": Work(
        _create(with_baseline=False), lambda site, _: site.is_promoted, _releases
    ),
    "CreateReleaseOperator with baseline": Work(
        _create(with_baseline=True, dry_run_first=True), lambda site, _: site.is_promoted, _releases
    ),
    "CreateReleaseOperator, staged": Work(
        _create(with_baseline=True, activate=False),
        lambda site, _: len(site.made) == 1 and site.live == site.newer.id,
        _releases,
    ),
    "DryRunReleaseOperator": Work(
        lambda site: DryRunReleaseOperator(
            task_id="t", deployment_id=1, package_path=str(site.package)
        ),
        lambda site, _: site.live == site.newer.id and not site.made,
    ),
    "ActivateReleaseOperator": Work(
        lambda site: ActivateReleaseOperator(
            task_id="t", release_id=site.older.id, baseline=site.baseline
        ),
        lambda site, _: site.live == site.older.id,
    ),
    "DeactivateReleaseOperator": Work(
        lambda site: DeactivateReleaseOperator(task_id="t", release_id=site.newer.id),
        lambda site, _: site.live is None,
    ),
    "RollbackDeploymentOperator": Work(_rollback, lambda site, _: site.live == site.newer.id),
    "ConfirmPromotionOperator": Work(_confirm, lambda site, _: site.is_promoted),
    "SetImportRulesOperator": Work(
        lambda _: SetImportRulesOperator(
            task_id="t", deployment_id=1, object_rules=[], value_rules=[BUCKET]
        ),
        _rules_are_set,
    ),
    "ExportFlowPackageOperator": Work(
        lambda site: ExportFlowPackageOperator(
            task_id="t",
            flow_name="Nightly",
            package_path=str(site.folder / "export.zip"),
            comment=None,
        ),
        _is_exported,
    ),
    "ImportFlowPackageOperator": Work(
        lambda site: ImportFlowPackageOperator(task_id="t", package_path=str(site.package)),
        lambda site, _: len(site.store.flows()) == 3,
        lambda site: len(site.store.flows()) - 2,
    ),
    **_run(RunDeploymentOperator, lambda _: {"deployment_id": 1}),
    **_run(RunFlowOperator, _flow),
    **_run(RunJobGroupOperator, _recipe),
    **_sensors(),
}
