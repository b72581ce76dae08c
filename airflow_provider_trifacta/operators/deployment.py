"""Operators for deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ..client.errors import InvalidInputError
from ..client.ids import parse_id
from ..client.texts import called, quoted, sentence, shown
from ..promotion.baseline import Baseline
from ..promotion.new_deployment import create_once
from ..promotion.rollback import Undone, outlast, roll_back
from ..promotion.standing import DEFAULT_SETTLE_TIMEOUT
from ..promotion.tries import Tries
from ..waits import seconds
from ._base import Attempt, DeploymentOperator, TrifactaOperator, check_name
from .run import RunDeploymentOperator as RunDeploymentOperator

#: The XCom that names the deployment: its id alone tells little among the tasks of a mapped
#: promotion.
NAME_KEY = "deployment_name"
#: How long a rollback outlasts an instance that does not answer: a maintenance window.
ROLLBACK_OUTAGE = timedelta(hours=1)


class GetDeploymentOperator(DeploymentOperator):
    """Records which release of a deployment is live before a run promotes anything: the baseline.

    Pass its whole return value to ``CreateReleaseOperator(baseline=...)``. If only the promotion is
    cleared, the baseline stays, so the promotion finds the release of this run. If this task is
    cleared too, the run promotes once more.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: ``{"deployment_id": int, "active_release_id": int | None, "latest_release_id": int |
        None, "active_updated_at": str | None, "read_at": str, "deployment_name": str}``, the times
        as ISO 8601. ``deployment_id`` and ``deployment_name`` are also pushed as XCom keys
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields = DeploymentOperator.template_fields

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        """Read the deployment and its releases."""
        target = self.target()
        self.log.info("Will record which release of %s is live", str(target))
        with self._client() as client:
            deployment_id = target.find(client)
            attempt.push_deployment(client, deployment_id)
            # Read by itself too, because a deployment that does not exist also has no releases.
            deployment = client.deployments.get(deployment_id)
            attempt.push(**{NAME_KEY: deployment.name})
            baseline = replace(
                Baseline.read(client, deployment_id), deployment_name=deployment.name
            )
        self.log.info(
            "%s: live release %s, latest release %s",
            sentence(baseline.where),
            baseline.active_release_id,
            baseline.latest_release_id,
        )
        return baseline.as_dict()


class CreateDeploymentOperator(TrifactaOperator):
    """Creates a deployment, unless one of this name exists.

    Names are not unique in Trifacta. If one deployment has exactly this name, it is reused; several
    are an error. A retry or clear finds the deployment. If there is none, an earlier try may just
    have asked for it, so the task waits for it (30 s). On Airflow 3.3 the journal tells whether an
    earlier try asked. If none did, there is no wait. If one did, a retry does not ask a second
    time, and a clear does.

    API page: API Deployments Create v4.

    :param name: exact display name (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``deployment_id``, ``deployment_url`` (its page) and ``outcome``
        (``created``, ``reused``, or ``adopted`` when the answer was lost). Each is also pushed as
        an XCom key of that name
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = ("name", *TrifactaOperator.template_fields)

    def __init__(self, *, name: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name

    def _act(self, attempt: Attempt) -> None:
        """Find the deployment, or create it."""
        name = check_name(self.name, "name")
        self.log.info("Will find the deployment %s, or create it", quoted(name))
        tries = attempt.begin()
        with self._client() as client:
            deployment, outcome = create_once(client, name, tries=tries)
            attempt.push_deployment(client, deployment.id, outcome=outcome)
        self.log.info("%s %s", called("Deployment", deployment.id, deployment.name), outcome)


class RollbackDeploymentOperator(TrifactaOperator):
    """Makes the release live again that the baseline recorded, and never another one.

    If the release that this run made of the package is live, the recorded one is activated. If no
    release was live before, none is live afterwards. If the recorded one is live, nothing is
    changed. Any other live release was activated by a person, so nothing is changed, and the task
    fails. It also fails when the recorded release was deleted.

    If the ``release_id`` of the promotion is given and known, only that release is of this run.
    Without it, the package's releases are, so it also works when the promotion's task died. Give it
    a trigger rule such as ``one_failed``. A retry does not undo a rollback that an earlier try
    made. If a person activated a release after a rollback that was cut off, a retry leaves it
    alone; a clear rolls back again.

    :param baseline: the whole return value of a ``GetDeploymentOperator`` that ran before the
        promotion (templated)
    :param package_uuid: the package that the run promoted, or None if the run did not get that far
        (templated)
    :param release_id: the release that the run made, such as the promotion's XCom ``release_id``;
        None if the run does not know it (templated). An instance that gives releases uuids of its
        own needs it
    :param settle_timeout: seconds to wait for the server to finish or drop an upload. It applies if
        there is a package_uuid and no release of it: the promotion may have been killed just then
    :param tolerated_outage: how long to try again if the instance does not answer or is busy, in
        seconds or as a timedelta. A maintenance window must not leave a release live that nothing
        has proven
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``deployment_id``, ``active_release_id`` (what is live now),
        ``rolled_back_release_id``, ``deployment_url`` and ``outcome`` (``rolled_back`` or
        ``unchanged``). Each is also pushed as an XCom key of that name, unless it is None
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *("baseline", "package_uuid", "release_id"),
        *TrifactaOperator.template_fields,
    )

    def __init__(
        self,
        *,
        baseline: Any,
        package_uuid: Any,
        release_id: Any = None,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        tolerated_outage: float | timedelta = ROLLBACK_OUTAGE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.baseline = baseline
        self.package_uuid = package_uuid
        self.release_id = release_id
        self.settle_timeout = settle_timeout
        self.tolerated_outage = tolerated_outage

    def _act(self, attempt: Attempt) -> None:
        """Roll back, if a release of this run is live."""
        baseline = Baseline.parse(self.baseline)
        # A template without a value renders to an empty text or to "None".
        unknown = (None, "", "None")
        package_uuid = None if self.package_uuid in unknown else self.package_uuid
        if package_uuid is not None and not isinstance(package_uuid, str):
            raise InvalidInputError(
                "package_uuid must be the package's uuid or None, not"
                f" {shown(repr(package_uuid), 80)}. Nothing was sent. Take it from the promotion's"
                " task, under the XCom key 'package_uuid'.",
                deployment_id=baseline.deployment_id,
            )
        release_id = None
        if self.release_id not in unknown:
            release_id = parse_id(self.release_id, "release_id")
        patience = seconds("tolerated_outage", self.tolerated_outage)
        deployment_id = baseline.deployment_id
        target = baseline.active_release_id
        recorded = f"release {target}" if target else "no release"
        self.log.info("Will roll %s back to %s being live, if necessary", baseline.where, recorded)
        tries = attempt.begin()
        with self._client() as client:
            attempt.push_deployment(client, deployment_id)

            def go_back(tries: Tries) -> Undone | None:
                return roll_back(
                    client,
                    baseline,
                    package_uuid,
                    release_id=release_id,
                    tries=tries,
                    settle_timeout=self.settle_timeout,
                )

            undone = outlast(
                client,
                go_back,
                tries,
                seconds=patience,
                what=f"The rollback of {baseline.where} to {recorded} is owed",
            )
            rolled_back = undone.release_id if undone else None
            self.log.info(
                "Release %s of %s is live; rolled back: %s",
                target or "none",
                baseline.where,
                rolled_back or "nothing",
            )
            attempt.push(
                active_release_id=target,
                rolled_back_release_id=rolled_back,
                outcome="rolled_back" if undone else "unchanged",
            )
            if undone and target is not None:
                attempt.announce_live(
                    client,
                    deployment_id,
                    release_id=target,
                    package_uuid=undone.restored_package,
                )
