"""One whole story of an instance: every operator and sensor, with what must hold after each step.

Where an option of the instance makes a step impossible, the task must end with the error that says
so.
"""

from __future__ import annotations

import requests
from story_tasks import Tasks
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    Fault,
    PresetConnection,
    PresetFlow,
    Reset,
    RunOutcome,
    build_package,
    read_package,
)

from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.check import check
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
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
    CreateReleaseOperator,
    DeactivateReleaseOperator,
    DryRunReleaseOperator,
)
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

UNKNOWN = 987654
RULES = {
    "object_rules": [
        {"onCondition": {"name": "Warehouse"}, "withCondition": {"name": "Production"}}
    ],
    "value_rules": [{"type": "s3Bucket", "on": "dev", "with": "prod"}],
}
REFUSED = (errors.NotFoundError, errors.BadRequestError, errors.PermissionDeniedError)


class Story(Tasks):
    """Tells the story of an instance that is source and production at the same time.

    It needs the connections ``Warehouse`` and ``Production``, a flow that reads the bucket ``dev``
    over the first one, and a flow without a manual output.

    :param emulator: the instance; Airflow's connections ``by_token``, ``refused`` and ``bad_token``
        lead to it too
    :param execute: the fixture
    :param new_store: makes what the tries of one task share
    :param folder: where packages go
    :param token_works: whether the instance knows the token of ``by_token``
    """

    def __init__(self, emulator, execute, new_store, folder, *, token_works):
        super().__init__(emulator, execute)
        self._new_store, self._folder, self._token_works = new_store, folder, token_works
        has_role = "deployment" in self.options.users[0].roles
        kinds = {"prod": True, "dev": False, "both": has_role}
        self.can_deploy = self.options.has_deployments and kinds[self.options.instance_type]
        self.flow, self.flow_without_output = (one.id for one in self.store.flows())

    def tell(self):
        self.check()
        self.unknown_flow()
        first = self.export()
        self.import_into_workspace(first)
        if not self.can_deploy:
            self.nothing_can_be_deployed(first)
            return
        self.create_deployment()
        self.set_rules(first)
        self.dry_run(first)
        one = self.promote(first)
        baseline, second = self.baseline(), self.export()
        two = self.promote(second)
        self.wait_for_releases(one, two)
        self.run()
        self.runs_that_fail()
        self.cancel()
        self.roll_back(baseline, second, one, two)
        self.stage(self.export(), two)
        self.lose_an_answer(self.export())
        self.run_nothing()
        self.unknown_ids(first)
        self.deleted_ids(one, first)

    # Before the first release

    def check(self):
        assert TrifactaHook().test_connection()[0]
        usable_as_prod = self.can_deploy or not self.options.has_deployments
        assert check(TrifactaHook().client.config, "prod")[0] is usable_as_prod
        assert TrifactaHook("by_token").test_connection()[0] is self._token_works
        assert TrifactaHook("refused").test_connection()[0] is False
        assert TrifactaHook("bad_token").test_connection()[0] is False
        for conn_id in ("refused", "bad_token"):
            self.fails(
                GetDeploymentOperator,
                errors.AuthenticationError,
                **self.here(trifacta_conn_id=conn_id),
            )

    def unknown_flow(self):
        path = self._folder / "unknown.zip"
        self.fails(
            ExportFlowPackageOperator,
            *REFUSED,
            names=UNKNOWN,
            flow_id=UNKNOWN,
            package_path=str(path),
        )
        assert not path.exists()

    def export(self, flow_id=None):
        flow_id, path = flow_id or self.flow, self._folder / f"{len(self.emulator.calls)}.zip"
        options = {"flow_id": flow_id, "package_path": str(path), "comment": "Told"}
        if not self.options.export_enabled:
            self.fails(
                ExportFlowPackageOperator, errors.PermissionDeniedError, names=flow_id, **options
            )
            return self._write(path, self.store.export_flow(flow_id))
        assert self.does(ExportFlowPackageOperator, **options)["size"] == path.stat().st_size
        return str(path)

    def import_into_workspace(self, package):
        before = [one.id for one in self.store.flows()]
        if not self.options.import_enabled:
            self.fails(
                ImportFlowPackageOperator, errors.PermissionDeniedError, package_path=package
            )
        else:
            kept, options = (
                self._new_store(),
                {"package_path": package, "connections": {"Warehouse": "Production"}},
            )
            made, retried = (
                self.does(ImportFlowPackageOperator, store=kept, try_number=n, **options)
                for n in (1, 2)
            )
            assert [one["outcome"] for one in (made, retried)] == ["created", "joined"]
            assert made["flow_ids"] == retried["flow_ids"] == [self.store.flows()[-1].id]
            self.store.delete_flow(made["flow_ids"][0])
        assert [one.id for one in self.store.flows()] == before

    def _write(self, path, content):
        path.write_bytes(content)
        return str(path)

    def nothing_can_be_deployed(self, package):
        why = (errors.DeploymentManagerMissingError, errors.PermissionDeniedError)
        self.fails(CreateDeploymentOperator, *why, name="Orders")
        for cls in (GetDeploymentOperator, RunDeploymentOperator):
            self.fails(cls, *why, **self.here())
        for cls in (DryRunReleaseOperator, CreateReleaseOperator):
            self.fails(cls, *why, **self.here(package_path=package))
        self.fails(SetImportRulesOperator, *why, **self.here(package_path=package, **RULES))
        self.fails(ActivateReleaseOperator, *why, release_id=1)
        self.waits(ReleaseActiveSensor, *why, release_id=1)
        assert (self.store.deployments(), self.store.releases()) == ((), ())

    def create_deployment(self):
        made = [self.does(CreateDeploymentOperator, name="Orders") for _ in range(2)]
        assert [one["outcome"] for one in made] == ["created", "reused"]
        assert {one["deployment_id"] for one in made} == {
            one.id for one in self.store.deployments()
        }
        self.deployment = made[0]["deployment_id"]

    def set_rules(self, package):
        made = [
            self.does(SetImportRulesOperator, **self.here(package_path=package, **RULES))
            for _ in range(2)
        ]
        again = "unchanged" if self.options.import_rules_readable else "changed"
        assert [one["outcome"] for one in made] == ["changed", again]
        assert [
            len(self.store.import_rules(self.deployment, kind)) for kind in ("object", "value")
        ] == [1, 1]

    def dry_run(self, package):
        self._gate(package, problems=False)
        self._gate(
            self._write(self._folder / "later.zip", build_package(product_version="99.0.0")),
            problems=True,
        )
        same = {
            name: getattr(self.options, name) for name in ("product_version", "edition", "clock")
        }
        flow = PresetFlow("Foreign", connections=("Elsewhere",))
        source = Emulator(
            EmulatorOptions(connections=(PresetConnection("Elsewhere"),), flows=(flow,), **same)
        ).store
        foreign = self._write(
            self._folder / "foreign.zip", source.export_flow(source.flows()[0].id)
        )
        # Where rules cannot be read and the server takes the package, nothing shows that its
        # connection is not mapped.
        seen = self.options.import_rules_readable or self.options.unmapped_connections == "refuse"
        self._gate(foreign, problems=seen)
        nowhere = [{"onCondition": {"name": "Elsewhere"}, "withCondition": {"id": str(UNKNOWN)}}]
        self.does(SetImportRulesOperator, **self.here(package_path=foreign, object_rules=nowhere))
        self._gate(foreign, problems=seen or self.options.unknown_rule_target == "refuse")
        self.does(SetImportRulesOperator, **self.here(package_path=package, **RULES))
        assert self.releases == []

    def _gate(self, package, *, problems):
        if not self.options.import_enabled:
            self.fails(
                DryRunReleaseOperator,
                errors.PermissionDeniedError,
                **self.here(package_path=package),
            )
        elif problems:
            self.fails(
                DryRunReleaseOperator, errors.DryRunFailedError, **self.here(package_path=package)
            )
        else:
            assert (
                self.does(DryRunReleaseOperator, **self.here(package_path=package))["problems"]
                == []
            )

    # Releases

    def promote(self, package, *, activate=True):
        before, live = self.releases, self.live
        options = self.here(package_path=package, baseline=self.baseline(), activate=activate)
        if self.options.import_enabled:
            kept = self._new_store()
            made, retried = (
                self.does(CreateReleaseOperator, store=kept, try_number=n, **options)
                for n in (1, 2)
            )
            assert [one["outcome"] for one in (made, retried)] == ["created", "created"]
            assert {one["release_id"] for one in (made, retried)} == {self.releases[-1]}
            release = self.store.release(made["release_id"])
            told = made["previous_release_id"], made["primary_flow_ids"]
            assert told == (live, list(release.imported.primary_flow_ids))
            assert (made["package_uuid"] == release.package_uuid) == self.shows_package_uuids
            self.retry_without_a_journal(made, release, options)
        else:
            self.fails(CreateReleaseOperator, errors.PermissionDeniedError, **options)
            assert self.releases == before
            with open(package, "rb") as file:
                self.store.create_release(self.deployment, read_package(file), activate=activate)
            self.pass_lag()
        assert self.releases[:-1] == before
        assert self.live == (self.releases[-1] if activate else live)
        return self.releases[-1]

    @property
    def shows_package_uuids(self):
        return self.options.package_uuid == "package"

    def retry_without_a_journal(self, made, release, options):
        """Nothing but the list shows what the first try did. Uuids of the instance's own do not
        show it."""
        if self.shows_package_uuids:
            forgetful = self.does(CreateReleaseOperator, try_number=2, **options)
            assert (forgetful["outcome"], forgetful["release_id"]) == ("reused", made["release_id"])
            return
        words = self.fails(
            CreateReleaseOperator,
            errors.AmbiguousSubmissionError,
            names=release.package_uuid,
            try_number=2,
            **options,
        )
        assert made["package_uuid"] in words

    def lose_an_answer(self, package):
        """The answer to an upload is lost, and the upload is not made again."""
        if not self.options.import_enabled:
            return
        before = self.releases
        options = self.here(package_path=package, baseline=self.baseline())
        self.emulator.faults.add(
            Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases")
        )
        if self.shows_package_uuids:
            assert self.does(CreateReleaseOperator, **options)["outcome"] == "adopted"
        else:
            self.fails(CreateReleaseOperator, errors.AmbiguousSubmissionError, **options)
            self.fails(
                CreateReleaseOperator, errors.AmbiguousSubmissionError, try_number=2, **options
            )
        assert self.releases == [*before, self.live]

    def wait_for_releases(self, superseded, live):
        assert check(TrifactaHook().client.config, "prod")[0]
        self.waits(ReleaseActiveSensor, release_id=live)
        self.waits(
            ReleaseActiveSensor,
            errors.ReleaseSupersededError,
            names=superseded,
            release_id=superseded,
        )

    def roll_back(self, baseline, package, one, two):
        with open(package, "rb") as file:
            options = {"baseline": baseline, "package_uuid": read_package(file).uuid}
        if not self.shows_package_uuids:
            # Without the id, nothing shows whose release it is, and nothing is changed.
            self.fails(
                RollbackDeploymentOperator, errors.UnexpectedLiveReleaseError, names=two, **options
            )
            options["release_id"] = two
        undone = self.does(RollbackDeploymentOperator, **options)
        assert (undone["outcome"], undone["active_release_id"], self.live) == (
            "rolled_back",
            one,
            one,
        )
        assert undone["rolled_back_release_id"] == two
        assert self.does(RollbackDeploymentOperator, **options)["outcome"] == "unchanged"
        assert self.does(ActivateReleaseOperator, release_id=two)["outcome"] == "activated"
        assert (self.live, self.releases) == (two, [one, two])

    def stage(self, package, live):
        staged = self.promote(package, activate=False)
        made = self.does(
            ActivateReleaseOperator, release_id=staged, expected_active_release_id=live
        )
        assert (made["previous_release_id"], self.live) == (live, staged)

    # Jobs

    def start(self, **options):
        return self.here(**{"poke_interval": 0.001, **options})

    def run(self):
        # A job that finds no data fails in each run.
        failure = [errors.JobFailedError] if self.options.missing_paths else []
        self.waits_for_run(*failure, names="Path does not exist" if failure else "")
        kept, start = (
            self._new_store(),
            self.start(wait_for_completion=False, run_parameters={"region": "02"}),
        )
        made, retried = (
            self.does(RunDeploymentOperator, store=kept, try_number=n, **start) for n in (1, 2)
        )
        assert made["job_group_ids"] == retried["job_group_ids"] == [self.job_groups[-1].id]
        assert (made["release_id"], len(self.job_groups)) == (self.live, 3)
        self.waits(JobGroupSensor, *failure, job_group_ids=made["job_group_ids"])
        assert {one.status for one in self.job_groups} == {"Failed" if failure else "Complete"}

    def waits_for_run(self, *classes, names=""):
        for deferrable in (False, True):
            if classes:
                self.fails(
                    RunDeploymentOperator,
                    *classes,
                    names=names,
                    **self.start(deferrable=deferrable),
                )
            else:
                assert (
                    self.does(RunDeploymentOperator, **self.start(deferrable=deferrable))["outcome"]
                    == "complete"
                )

    def runs_that_fail(self):
        self.emulator.runs.add(RunOutcome(message="disk full", times=2))
        self.waits_for_run(errors.JobFailedError, names="disk full")
        self.emulator.runs.add(RunOutcome(status="Canceled", times=2))
        self.waits_for_run(errors.JobFailedError, names="canceled")

    def cancel(self):
        operator = RunDeploymentOperator(
            task_id="task", cancel_on_kill=True, **self.start(wait_for_completion=False)
        )
        self._execute(operator)
        operator.on_kill()
        # The server's clock went on by a second for the cancellation.
        late = self.options.job_start_seconds + self.options.job_run_seconds <= 1
        if not late:
            assert self.job_groups[-1].status == self.options.canceled_word
            self.waits(
                JobGroupSensor,
                errors.JobFailedError,
                names="canceled",
                job_group_ids=self.job_groups[-1].id,
            )

    def run_nothing(self):
        known = self.job_groups
        self.promote(self.export(self.flow_without_output))
        nothing = (errors.RunNotStartedError, errors.BadRequestError)
        self.fails(RunDeploymentOperator, *nothing, names=self.deployment, **self.start())
        live = self.live
        made = [self.does(DeactivateReleaseOperator, release_id=live)["outcome"] for _ in range(2)]
        assert (made, self.live) == (["deactivated", "unchanged"], None)
        self.fails(
            RunDeploymentOperator, errors.RunNotStartedError, names=self.deployment, **self.start()
        )
        assert self.job_groups == known

    # What is not there

    def unknown_ids(self, package):
        before = self.releases, self.live, self.writes
        refused = self.unknown_is_refused
        self.waits(
            ReleaseActiveSensor,
            *refused or (errors.ReleaseDeletedError,),
            names=UNKNOWN,
            release_id=UNKNOWN,
        )
        self.waits(
            JobGroupSensor,
            *refused or (errors.JobFailedError,),
            names=UNKNOWN,
            job_group_ids=UNKNOWN,
        )
        for cls in (ActivateReleaseOperator, DeactivateReleaseOperator):
            self.fails(cls, *refused or (errors.NotFoundError,), names=UNKNOWN, release_id=UNKNOWN)
        assert (self.releases, self.live, self.writes) == before
        self.deployment_is_missing(UNKNOWN, package)
        assert (self.releases, self.live) == before[:2]

    @property
    def unknown_is_refused(self):
        """Nobody can tell a 403 for an unknown id from a missing permission, so it stays one."""
        return (errors.PermissionDeniedError,) if self.options.unknown_id_status == 403 else ()

    def deployment_is_missing(self, deployment_id, package):
        for cls, options, classes in (
            (GetDeploymentOperator, {}, (errors.NotFoundError, *self.unknown_is_refused)),
            (
                RunDeploymentOperator,
                {},
                (errors.NotFoundError, errors.RunNotStartedError, *self.unknown_is_refused),
            ),
            # A 400 to what sends more than an id may be about that, so it stays a refusal.
            (SetImportRulesOperator, {"value_rules": RULES["value_rules"]}, REFUSED),
            (
                DryRunReleaseOperator,
                {"package_path": package},
                (*REFUSED, errors.DryRunFailedError),
            ),
            (CreateReleaseOperator, {"package_path": package}, REFUSED),
        ):
            self.fails(cls, *classes, names=deployment_id, deployment_id=deployment_id, **options)

    def deleted_ids(self, release_id, package):
        self.store.delete_release(release_id)
        self.pass_lag()
        self.waits(
            ReleaseActiveSensor, errors.ReleaseDeletedError, names=release_id, release_id=release_id
        )
        self.fails(
            ActivateReleaseOperator, errors.NotFoundError, names=release_id, release_id=release_id
        )
        self.delete_the_live_release()
        self.store.delete_deployment(self.deployment)
        self.pass_lag()
        self.deployment_is_missing(self.deployment, package)

    def pass_lag(self):
        """Let everything show that a person changed: each request takes a second of the server."""
        for _ in range(int(self.options.list_lag_seconds)):
            requests.get(self.emulator.url, timeout=30)

    def delete_the_live_release(self):
        live = self.does(ActivateReleaseOperator, release_id=self.releases[-1])["release_id"]
        undo = {"baseline": self.baseline(), "package_uuid": None}
        url, auth = (
            f"{self.emulator.url}/v4/releases/{live}",
            ("admin@example.com", "admin-password"),
        )
        deleted = requests.delete(url, auth=auth, timeout=30).ok
        self.pass_lag()
        assert deleted == (self.options.delete_active_release == "allow")
        self.baseline()
        if deleted:
            self.fails(
                RollbackDeploymentOperator, errors.UnexpectedLiveReleaseError, names=live, **undo
            )
        else:
            assert self.does(RollbackDeploymentOperator, **undo)["outcome"] == "unchanged"
