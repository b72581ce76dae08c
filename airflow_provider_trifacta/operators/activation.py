"""Operators that change which release is live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._failures import airflow_failures
from ..client.errors import InvalidInputError, UnexpectedLiveReleaseError
from ..client.texts import parse_id
from ..hooks.trifacta import TrifactaHook
from ..promotion.baseline import Baseline
from ..promotion.reading import live_id
from ..promotion.switch import refuse_overlap, set_live
from ._assets import announce_live
from ._change import ChangeOperator
from ._facts import Facts
from ._target import NOT_GIVEN, given_or_none, is_automatic_retry, open_journal

if TYPE_CHECKING:
    from .._compat import Context


class ActivateReleaseOperator(ChangeOperator):
    """Makes a release the live one of its deployment, and reads back that it is.

    What happens again on a retry: a release that is live is left as it is. One that is not is not activated by a
    retry, since somebody may have deactivated it after an attempt that was cut off; a clear activates it.

    API page: API Releases Patch v4. The API has no compare-and-set, so ``expected_active_release_id`` is a guard and
    not a lock.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param baseline: the whole return value of a ``GetDeploymentOperator``: what it recorded as live must be live before
        (templated)
    :param expected_active_release_id: the release that must be live before, in place of a baseline; a literal None for
        none. Without either, any live release is replaced (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: a dict with ``release_id``, ``deployment_id``, ``previous_release_id``, ``deployment_url`` and ``outcome``
        (``activated`` or ``unchanged``); each is also pushed as an XCom key of that name, unless it is None
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("release_id", "baseline", "expected_active_release_id", "trifacta_conn_id")

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

    def execute(self, context: Context) -> dict[str, Any]:
        """Activate the release, unless it is live or another than the expected one is."""
        with airflow_failures():
            release_id = parse_id(self.release_id, "release_id")
            guarded, expected = self._expected()
            self.log.info("Will make release %s the live one of its deployment", release_id)
            journal = open_journal(context)
            client = TrifactaHook(self.trifacta_conn_id).client
            facts = Facts(context)
            facts.add(release_id=release_id)
            with client:
                deployment_id, releases = self._look(client, release_id, facts)
                live = live_id(releases)
                made_of = next((one.package_uuid for one in releases if one.id == release_id), None)
                event = {"release_id": release_id, "package_uuid": made_of}
                if live == release_id:
                    self.log.info("Release %s of deployment %s is live already", release_id, deployment_id)
                    facts.add(previous_release_id=None, outcome="unchanged")
                    if is_automatic_retry(context, self):  # an attempt before may have made it so, and told nobody
                        announce_live(context, self, client.config.base_url, deployment_id, **event)
                    return facts.values
                if guarded and live != expected:
                    raise UnexpectedLiveReleaseError(
                        f"Release {live or 'none'} of deployment {deployment_id} is live, not the expected "
                        f"{expected or 'none'}. Nothing was written."
                    )
                after = set_live(
                    client,
                    deployment_id,
                    release_id,
                    releases,
                    journal=journal,
                    retry=is_automatic_retry(context, self),
                )
                refuse_overlap(deployment_id, releases, after)
            self.log.info("Release %s of deployment %s is live; before: %s", release_id, deployment_id, live or "none")
            facts.add(previous_release_id=live, outcome="activated")
            announce_live(context, self, client.config.base_url, deployment_id, **event)
            return facts.values

    def _expected(self) -> tuple[bool, int | None]:
        """Return whether a certain release must be live before, and which."""
        if self._with_baseline and self._with_expected:
            raise InvalidInputError("Give baseline or expected_active_release_id, not both.")
        if self._with_baseline:
            return True, Baseline.parse(self.baseline).active_release_id
        value = self.expected_active_release_id
        if not self._with_expected or value is None:
            return self._with_expected, None
        return True, parse_id(value, "expected_active_release_id")


class DeactivateReleaseOperator(ChangeOperator):
    """Makes a release inactive, and reads back that it is. Its deployment then cannot run.

    What happens again on a retry: a release that is not live is left as it is. One that is live is not deactivated by
    a retry, since somebody may have activated it after an attempt that was cut off; a clear deactivates it.

    API page: API Releases Patch v4.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: a dict with ``release_id``, ``deployment_id``, ``deployment_url`` and ``outcome`` (``deactivated`` or
        ``unchanged``); each is also pushed as an XCom key of that name
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("release_id", "trifacta_conn_id")

    def __init__(self, *, release_id: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Deactivate the release, unless it is inactive."""
        with airflow_failures():
            release_id = parse_id(self.release_id, "release_id")
            self.log.info("Will make release %s inactive, so that it is not live", release_id)
            journal = open_journal(context)
            client = TrifactaHook(self.trifacta_conn_id).client
            facts = Facts(context)
            facts.add(release_id=release_id)
            with client:
                deployment_id, releases = self._look(client, release_id, facts)
                if live_id(releases) != release_id:
                    self.log.info("Release %s of deployment %s is not live", release_id, deployment_id)
                    facts.add(outcome="unchanged")
                    return facts.values
                after = set_live(
                    client,
                    deployment_id,
                    None,
                    releases,
                    shows=release_id,
                    journal=journal,
                    retry=is_automatic_retry(context, self),
                )
                refuse_overlap(deployment_id, releases, after)
            self.log.info("Release %s is inactive; deployment %s has no live release", release_id, deployment_id)
            facts.add(outcome="deactivated")
            return facts.values
