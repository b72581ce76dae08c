"""Running a deployment: started once, and never a silent doubt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    RedirectError,
    RunNotStartedError,
    ServerError,
    TransportError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.retries import may_repeat_write
from .switch import live_id

if TYPE_CHECKING:
    from ..client.client import TrifactaClient

log = logging.getLogger(__name__)


def check_parameters(parameters: object) -> dict[str, str]:
    """Check the parameters of a run, before any request.

    :param parameters: values by parameter name, or None; numbers become text, as the API wants it
    :raises InvalidInputError: for anything else
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise InvalidInputError(f"run_parameters must be a dict of names and values, not {str(parameters)[:80]!r}.")
    checked = {}
    for name, value in parameters.items():
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(f"run_parameters holds the name {name!r}: names are texts.")
        nothing = str(value).strip() == "None"
        if nothing or isinstance(value, bool) or not isinstance(value, (str, int, float)):
            hint = " An upstream XCom or a template gave nothing." if nothing else ""
            raise InvalidInputError(f"run_parameters[{name!r}] must be a text or a number, not {value!r}.{hint}")
        checked[name] = str(value)
    return checked


def run_deployment(
    client: TrifactaClient, deployment_id: int, parameters: Mapping[str, str], *, release_id: int | None = None
) -> tuple[int, list[int]]:
    """Run the live release of a deployment: one job group for each manual output of its primary flow.

    The request is sent again only where the server provably did nothing. The API takes no execution id here, so that
    nobody can tell afterwards whether a request whose answer was lost has started jobs.

    :param deployment_id: the deployment
    :param parameters: values by parameter name
    :param release_id: the release that must be live; None for any
    :returns: the release that was live, and the ids of the job groups
    :raises RunNotStartedError: no release is live, or the live one has nothing to run
    :raises UnexpectedLiveReleaseError: another release is live
    :raises AmbiguousSubmissionError: the answer was lost, or does not tell what was started
    :raises TrifactaError: for the rest; nothing was started then
    """
    live = live_id(client.releases.list(deployment_id))
    if live is None:
        raise RunNotStartedError(
            f"No release of deployment {deployment_id} is live, so there is nothing to run. Activate one first."
        )
    if release_id not in (None, live):
        raise UnexpectedLiveReleaseError(
            f"Release {live} of deployment {deployment_id} is live, not release {release_id}. Nothing was started."
        )
    log.info("Running release %s of deployment %s with the parameters %s", live, deployment_id, sorted(parameters))
    try:
        return live, _started(client.deployments.run(deployment_id, parameters), deployment_id)
    except (TransportError, ServerError, UnexpectedResponseError, RedirectError) as error:
        if may_repeat_write(error):
            raise  # the server did nothing
        raise AmbiguousSubmissionError(
            f"Whether the run of deployment {deployment_id} started jobs cannot be told: {error} It is not sent again, "
            "since jobs might run twice. Look at the jobs in Trifacta, and clear this task if it should run."
        ) from error


def _started(answer: object, deployment_id: int) -> list[int]:
    """Read the job groups from ``{"data": [{"id": ..., "reason": "JobStarted", "sessionId": ...}]}``."""
    rows: Any = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        raise UnexpectedResponseError('The answer holds no list under "data".')
    if not rows:
        raise RunNotStartedError(
            f"The run of deployment {deployment_id} started nothing. The primary flow of its live release needs a "
            "manual output: define one in the source instance, and promote a new export."
        )
    ids = [row.get("id") for row in rows if isinstance(row, Mapping)]
    known = [one for one in ids if isinstance(one, int) and not isinstance(one, bool) and one > 0]
    if len(known) < len(rows):
        raise UnexpectedResponseError(f"The answer does not tell the id of every job group: {str(rows)[:200]}.")
    return known
