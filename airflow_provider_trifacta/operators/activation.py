"""Operators that change which release is live, or check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.texts import parse_id
from ..links import DEPLOYMENT_URL_KEY
from ..promotion.baseline import Baseline
from ..promotion.standing import READ_PATIENCE, Standing, down_to, look
from ..promotion.switch import refuse_earlier_overlap, refuse_overlap, set_live
from ._base import NOT_GIVEN, Attempt, TrifactaOperator, given_or_none

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release


class ActivateReleaseOperator(TrifactaOperator):
    """Makes a release the live one of its deployment, and reads back that it is.

    If the release is live already, nothing is changed. A retry activates a release only if it can
    prove that no person deactivated it in the meantime; else it fails with
    ``InterruptedChangeError``. A clear activates it in any case.

    API page: API Releases Patch v4. The API has no compare-and-set. So
    ``expected_active_release_id`` is a check and not a lock.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param baseline: the whole return value of a ``GetDeploymentOperator`` for the release's
        deployment. The release that it recorded must still be live (templated)
    :param expected_active_release_id: the release that must be live before, in place of a baseline;
        a literal None for none. Without either, any live release is replaced (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``release_id``, ``deployment_id``, ``previous_release_id``,
        ``deployment_url`` and ``outcome`` (``activated`` or ``unchanged``). Each is also pushed as
        an XCom key of that name, unless it is None
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *("release_id", "baseline", "expected_active_release_id"),
        *TrifactaOperator.template_fields,
    )

    def __init__(
        self,
        *,
        release_id: Any,
        baseline: Any = NOT_GIVEN,
        expected_active_release_id: Any = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id
        self.baseline = given_or_none(baseline)
        self.expected_active_release_id = given_or_none(expected_active_release_id)
        # A value that renders to nothing is an error, and not "not given".
        self._with_baseline = baseline is not NOT_GIVEN
        self._with_expected = expected_active_release_id is not NOT_GIVEN

    def _act(self, attempt: Attempt) -> None:
        """Activate the release, unless it is live, or an unexpected release is."""
        release_id = parse_id(self.release_id, "release_id")
        baseline = Baseline.parse(self.baseline) if self._with_baseline else None
        guarded, expected = self._expected(baseline)
        self.log.info("Will make release %s the live one of its deployment", release_id)
        tries = attempt.begin()
        with self._client() as client:
            attempt.push(release_id=release_id)
            deployment_id, releases = _read_deployment_of(client, release_id, attempt)
            if baseline:
                words = f"release {release_id} belongs to deployment {deployment_id}"
                baseline.refuse_other(deployment_id, words, release_id=release_id)
            live = releases.live_id
            made_of = next((one.package_uuid for one in releases if one.id == release_id), None)
            event = {"release_id": release_id, "package_uuid": made_of}
            if live == release_id:
                refuse_earlier_overlap(releases, release_id, tries)
                self.log.info(
                    "Release %s of deployment %s is live already", release_id, deployment_id
                )
                attempt.push(previous_release_id=None, outcome="unchanged")
                if tries.is_retry:  # an earlier try may have made it live and told Airflow nothing
                    attempt.announce_live(client, deployment_id, **event)
                return
            if guarded and live != expected:
                raise errors.UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live, not the"
                    f" expected {expected or 'none'}. Nothing was written. If release {release_id}"
                    " should be live, activate it with the live release as the expected one.",
                    **releases.about(release_id),
                )
            after = set_live(client, deployment_id, release_id, releases, tries=tries)
            refuse_overlap(after, after.made_since(releases))
            before = live or "none"
            self.log.info(
                "Release %s of deployment %s is live; before: %s", release_id, deployment_id, before
            )
            attempt.push(previous_release_id=live, outcome="activated")
            attempt.announce_live(client, deployment_id, **event)

    def _expected(self, baseline: Baseline | None) -> tuple[bool, int | None]:
        """Return whether a certain release must be live before, and which one."""
        if self._with_baseline and self._with_expected:
            raise errors.InvalidInputError(
                "Give baseline or expected_active_release_id, not both. Nothing was sent."
            )
        if baseline:
            return True, baseline.active_release_id
        value = self.expected_active_release_id
        if not self._with_expected or value is None:
            return self._with_expected, None
        return True, parse_id(value, "expected_active_release_id")


class DeactivateReleaseOperator(TrifactaOperator):
    """Makes a release inactive, and reads back that it is. Its deployment then cannot run.

    If the release is not live, nothing is changed. A retry deactivates a release only if it can
    prove that no person activated it in the meantime; else it fails with
    ``InterruptedChangeError``. A clear deactivates it in any case.

    API page: API Releases Patch v4.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``release_id``, ``deployment_id``, ``deployment_url`` and ``outcome``
        (``deactivated`` or ``unchanged``). Each is also pushed as an XCom key of that name
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = ("release_id", *TrifactaOperator.template_fields)

    def __init__(self, *, release_id: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id

    def _act(self, attempt: Attempt) -> None:
        """Deactivate the release, unless it is inactive."""
        release_id = parse_id(self.release_id, "release_id")
        self.log.info("Will make release %s inactive, so that it is not live", release_id)
        tries = attempt.begin()
        with self._client() as client:
            attempt.push(release_id=release_id)
            deployment_id, releases = _read_deployment_of(client, release_id, attempt)
            if releases.live_id != release_id:
                refuse_earlier_overlap(releases, None, tries)
                self.log.info("Release %s of deployment %s is not live", release_id, deployment_id)
                attempt.push(outcome="unchanged")
                return
            after = set_live(client, deployment_id, None, releases, shows=release_id, tries=tries)
            refuse_overlap(after, after.made_since(releases))
        self.log.info(
            "Release %s is inactive; deployment %s has no live release", release_id, deployment_id
        )
        attempt.push(outcome="deactivated")


def _read_deployment_of(
    client: TrifactaClient, release_id: int, attempt: Attempt
) -> tuple[int, Standing]:
    """Read the deployment of a release, and its releases as far down as that release and the live
    one.

    The release and the list are two answers. A list that shows the release in another state is out
    of date, and must not decide. So both are read until they agree.
    """

    def read(reader: TrifactaClient) -> tuple[Release, list[Release]]:
        release = reader.releases.get(release_id)
        known = release.deployment_id
        if known and "deployment_id" not in attempt.xcoms:
            attempt.push_deployment(client, known)
        if not known or release.deleted:
            return release, [release]
        return release, reader.releases.list(known, until=down_to(release_id))

    def agree(found: tuple[Release, list[Release]]) -> bool:
        release, releases = found
        return any(one.id == release_id and one.active == release.active for one in releases)

    release, releases = found = look(client, read, agree, seconds=READ_PATIENCE)
    deployment_id = release.deployment_id
    if deployment_id is None:
        raise errors.UnexpectedResponseError(
            f"GET /v4/releases/{release_id} does not show the deployment of the release. Nothing"
            " was written.",
            release_id=release_id,
        )
    if release.deleted:
        raise errors.ReleaseDeletedError(
            f"Release {release_id} of deployment {deployment_id} was deleted. Nothing was written."
            " Choose another release.",
            deployment_id=deployment_id,
            release_id=release_id,
        )
    if not agree(found):
        raise errors.UnexpectedResponseError(
            f"Release {release_id} and the list of the releases of deployment {deployment_id} do"
            " not agree whether it is live. Nothing was written. Retry later.",
            deployment_id=deployment_id,
            release_id=release_id,
        )
    return deployment_id, Standing(deployment_id, releases)


class ConfirmPromotionOperator(TrifactaOperator):
    """Reads back that the promoted release is live, and returns its ids. Tasks after a promotion
    wait for this one.

    It changes nothing, so a retry or clear reads again.

    API page: ``GET /v4/releases?deploymentId=``.

    :param promotion: the whole return value of the :class:`.CreateReleaseOperator` (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: the same dict. Each item is also pushed as an XCom key of its name, unless it is None
    :raises AirflowFailException: another release is live, or for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = ("promotion", *TrifactaOperator.template_fields)

    def __init__(self, *, promotion: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.promotion = promotion

    def _act(self, attempt: Attempt) -> None:
        """Check whether the release is live."""
        if not isinstance(self.promotion, Mapping):
            raise errors.InvalidInputError(
                "promotion must be the dict that a CreateReleaseOperator returned, not "
                f"{str(self.promotion)[:80]!r}. Nothing was sent. Clear that task."
            )
        release_id = parse_id(self.promotion.get("release_id"), "promotion['release_id']")
        deployment_id = parse_id(self.promotion.get("deployment_id"), "promotion['deployment_id']")
        self.log.info(
            "Will check that release %s of deployment %s is live", release_id, deployment_id
        )
        with self._client() as client:
            attempt.push(
                **{**self.promotion, DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)}
            )
            # A list that does not show the release is out of date.
            now = Standing.read(
                client, deployment_id, lambda now: release_id in now, down_to_id=release_id
            )
        if now.live_id != release_id:
            raise now.error(
                errors.UnexpectedLiveReleaseError,
                f"{now.words} of deployment {deployment_id} is live and not release {release_id},"
                " which was promoted. Another release has been activated in the meantime. To make"
                f" release {release_id} live, activate it.",
                release_id,
            )
        self.log.info("Release %s of deployment %s is live", release_id, deployment_id)
        known = {
            key: self.promotion.get(key)
            for key in ("release_id", "package_uuid", "primary_flow_ids")
        }
        attempt.announce_live(client, deployment_id, **known)
