"""Operators that change which release is live, or check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.ids import parse_id
from ..links import DEPLOYMENT_URL_KEY
from ..promotion.baseline import Baseline
from ..promotion.standing import READ_PATIENCE, Standing, down_to, look
from ..promotion.switch import refuse_earlier_overlap, refuse_overlap, set_live
from ._base import NOT_GIVEN, Attempt, TrifactaOperator, announced, given_or_none

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
            standing = _read_deployment_of(client, release_id, attempt)
            deployment_id = standing.deployment_id
            if baseline:
                words = f"release {release_id} belongs to deployment {deployment_id}"
                baseline.refuse_other(deployment_id, words, release_id=release_id)
            live_id = standing.live_id
            package_uuid = _package_uuid_of(standing, release_id)
            event = {"release_id": release_id, "package_uuid": package_uuid}
            if live_id == release_id:
                refuse_earlier_overlap(standing, release_id, tries)
                self.log.info(
                    "Release %s of deployment %s is live already", release_id, deployment_id
                )
                attempt.push(previous_release_id=None, outcome="unchanged")
                if tries.is_retry:  # an earlier try may have made it live and told Airflow nothing
                    attempt.announce_live(client, deployment_id, **event)
                return
            if guarded and live_id != expected:
                raise errors.UnexpectedLiveReleaseError(
                    f"Release {live_id or 'none'} of deployment {deployment_id} is live, not the"
                    f" expected {expected or 'none'}. Nothing was written. If release {release_id}"
                    " should be live, activate it with the live release as the expected one.",
                    **standing.about(release_id),
                )
            after = set_live(client, deployment_id, release_id, standing, tries=tries)
            refuse_overlap(after, after.made_since(standing))
            self.log.info(
                "Release %s of deployment %s is live; before: %s",
                release_id,
                deployment_id,
                live_id or "none",
            )
            attempt.push(previous_release_id=live_id, outcome="activated")
            attempt.announce_live(client, deployment_id, **event)

    def _expected(self, baseline: Baseline | None) -> tuple[bool, int | None]:
        """Return whether a certain release must be live before, and which one."""
        if self._with_baseline and self._with_expected:
            raise errors.InvalidInputError(
                "Give baseline or expected_active_release_id, not both. Nothing was sent."
            )
        if baseline:
            return True, baseline.active_release_id
        if not self._with_expected:
            return False, None
        if self.expected_active_release_id is None:
            return True, None
        return True, parse_id(self.expected_active_release_id, "expected_active_release_id")


def _package_uuid_of(standing: Standing, release_id: int) -> str | None:
    for release in standing:
        if release.id == release_id:
            return release.package_uuid
    return None


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
            standing = _read_deployment_of(client, release_id, attempt)
            deployment_id = standing.deployment_id
            if standing.live_id != release_id:
                refuse_earlier_overlap(standing, None, tries)
                self.log.info("Release %s of deployment %s is not live", release_id, deployment_id)
                attempt.push(outcome="unchanged")
                return
            after = set_live(client, deployment_id, None, standing, shows=release_id, tries=tries)
            refuse_overlap(after, after.made_since(standing))
        self.log.info(
            "Release %s is inactive; deployment %s has no live release", release_id, deployment_id
        )
        attempt.push(outcome="deactivated")


def _read_deployment_of(client: TrifactaClient, release_id: int, attempt: Attempt) -> Standing:
    """Read how the deployment of a release stands, as far down as that release and the live one.

    The release and the list are two answers. A list that shows the release in another state is out
    of date, and must not decide. So both are read until they agree.
    """

    def read(reader: TrifactaClient) -> tuple[Release, list[Release]]:
        release = reader.releases.get(release_id)
        deployment_id = release.deployment_id
        if deployment_id and "deployment_id" not in attempt.xcoms:
            attempt.push_deployment(client, deployment_id)
        if not deployment_id or release.deleted:
            return release, [release]
        return release, reader.releases.list(deployment_id, until=down_to(release_id))

    def agree(answers: tuple[Release, list[Release]]) -> bool:
        release, releases = answers
        return any(
            listed.id == release_id and listed.active == release.active for listed in releases
        )

    answers = look(client, read, agree, seconds=READ_PATIENCE)
    release, releases = answers
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
    if not agree(answers):
        raise errors.UnexpectedResponseError(
            f"Release {release_id} and the list of the releases of deployment {deployment_id} do"
            " not agree whether it is live. Nothing was written. Retry later.",
            deployment_id=deployment_id,
            release_id=release_id,
        )
    return Standing(deployment_id, releases)


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
                "promotion must be the dict that a CreateReleaseOperator returned, not"
                f" {str(self.promotion)[:80]!r}. Nothing was sent. Clear that task."
            )
        release_id = parse_id(self.promotion.get("release_id"), "promotion['release_id']")
        deployment_id = parse_id(self.promotion.get("deployment_id"), "promotion['deployment_id']")
        self.log.info(
            "Will check that release %s of deployment %s is live", release_id, deployment_id
        )
        with self._client() as client:
            url = client.deployment_url(deployment_id)
            attempt.push(**{**self.promotion, DEPLOYMENT_URL_KEY: url})

            def shows_release(standing: Standing) -> bool:
                return release_id in standing

            # A list that does not show the release is out of date.
            now = Standing.read(client, deployment_id, shows_release, down_to_id=release_id)
        if now.live_id != release_id:
            raise now.error(
                errors.UnexpectedLiveReleaseError,
                f"{now.words} of deployment {deployment_id} is live and not release {release_id},"
                " which was promoted. Another release has been activated in the meantime. To make"
                f" release {release_id} live, activate it.",
                release_id,
            )
        self.log.info("Release %s of deployment %s is live", release_id, deployment_id)
        attempt.announce_live(client, deployment_id, **announced(self.promotion))
