"""Running a deployment: a run is started once, and a lost answer is never ignored.

The API gives a run no id, and its job groups do not name the run that started them. So if the answer to a run is lost,
nothing can tell whether jobs were started. Starting them a second time could write data twice, so a person decides.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pendulum

from ..client.errors import (
    AmbiguousSubmissionError,
    InterruptedChangeError,
    InvalidInputError,
    RunNotStartedError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.models import RUNNING, parse_time
from ..client.retries import did_nothing
from ..client.texts import shown
from .journal import Journal, digest_of
from .reading import CLOCK_TOLERANCE, VERIFY_TIMEOUT, down_to, live_release, look, shows_live

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)


#: What to do if a template did not give the text that it shows.
_NATIVE = (
    "Give the value as a text. In a DAG with render_template_as_native_obj=True put quotes into it, for example "
    "'\"1.10\"', because that option turns a text that looks like a Python value into that value."
)


def check_parameters(parameters: object) -> dict[str, str]:
    """Check the parameters of a run, before any request.

    Texts are sent as they are. An int becomes its digits, as a value and as a name. A float or a bool is refused,
    because it has lost its spelling: native rendering makes 1.1 of ``1.10``.

    :param parameters: values by parameter name, or None
    :returns: the texts to send, by name
    :raises InvalidInputError: for anything else
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise InvalidInputError(f"run_parameters must be a dict of names and values, not {str(parameters)[:80]!r}.")
    checked: dict[str, str] = {}
    for given, value in parameters.items():
        name = str(given) if _is_text(given) else ""
        if not name.strip():
            raise InvalidInputError(f"run_parameters holds the name {given!r}: a name must be a text.")
        if name in checked:
            raise InvalidInputError(f"run_parameters holds the name {name!r} twice, as a text and as a number.")
        if str(value).strip() == "None":
            raise InvalidInputError(
                f"run_parameters[{name!r}] must be a text or a whole number, not {value!r}. An upstream XCom or a "
                "template gave nothing."
            )
        if not _is_text(value):
            raise InvalidInputError(
                f"run_parameters[{name!r}] must be a text or a whole number, not of type "
                f"{type(value).__name__}. {_NATIVE}"  # its value may be a secret
            )
        checked[name] = str(value)
    return checked


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Run:
    """A run of a deployment.

    :param release_id: the release that was live
    :param job_group_ids: the job groups that the run started, one for each manual output
    :param joined: whether an earlier try of the task started it
    """

    release_id: int
    job_group_ids: list[int]
    joined: bool = False


def run_deployment(
    client: TrifactaClient,
    deployment_id: int,
    parameters: Mapping[str, str],
    *,
    release_id: int | None = None,
    journal: Journal | None = None,
    retry: bool = False,
) -> Run:
    """Run the live release of a deployment: one job group for each manual output of its primary flow.

    The request is sent again only if the server provably did nothing. If its answer was lost, nothing is sent again,
    because the API cannot tell whether jobs were started. A retry joins what an earlier try started. So does a clear,
    as long as those jobs are still running.

    :param client: the instance
    :param deployment_id: the deployment
    :param parameters: values by parameter name
    :param release_id: the release that must be live; None for any
    :param journal: what earlier tries of the task noted
    :param retry: whether this is Airflow's own retry, and not a first try or a clear
    :returns: the run
    :raises RunNotStartedError: no release is live, or the live one has nothing to run
    :raises UnexpectedLiveReleaseError: another release is live
    :raises InterruptedChangeError: an earlier try may have run the deployment
    :raises AmbiguousSubmissionError: the answer was lost, or does not tell what was started
    :raises TrifactaError: for the rest; nothing was started then
    """
    journal = journal or Journal()
    live = _live_release(client, deployment_id, release_id)
    request: dict[str, Any] = {
        "what": "run",
        "deployment_id": deployment_id,
        "release_id": live,
        "parameters": digest_of(dict(parameters)),
    }
    joined = _earlier_run(client, journal, request, retry=retry)
    if joined:
        return joined
    log.info("Running live release %s of deployment %s with parameters %s", live, deployment_id, sorted(parameters))
    now = pendulum.now("UTC")
    journal.asked(request, at=now.isoformat())
    try:
        ids = _started(client.deployments.run(deployment_id, parameters), deployment_id, live)
    except RunNotStartedError:
        journal.withdraw()
        raise
    except TrifactaError as error:
        if did_nothing(error):
            journal.withdraw()
            error.standing = f"Nothing was started. Release {live} of deployment {deployment_id} is live."
            raise
        raise _ambiguous(client, journal, request, str(error), now.isoformat()) from error
    journal.answered(job_group_ids=ids)
    return Run(live, ids)


def _earlier_run(client: TrifactaClient, journal: Journal, request: Mapping[str, Any], *, retry: bool) -> Run | None:
    """Return the run that an earlier try of this task started, None if it is safe to start one.

    A person who clears a task has looked, and a retry has not. So a clear may start the deployment again where a retry
    must not.

    :param request: what this try is about to ask for
    :param retry: whether this is Airflow's own retry, and not a first try or a clear
    """
    deployment_id, live = request["deployment_id"], request["release_id"]
    entry = journal.entry(**request)
    if entry:
        known = [int(one) for one in entry.answer.get("job_group_ids") or ()]
        if known and (retry or _still_runs(client, known)):
            log.info("An earlier try of this task started job groups %s of deployment %s", known, deployment_id)
            return Run(live, known, joined=True)
        if not known and (retry or not entry.answer.get("told")):
            # A clear starts it again only after an error has told a person which job groups appeared.
            why = "an earlier try of this task asked for it."
            raise _ambiguous(client, journal, request, why, entry.before.get("at"))
    elif retry and journal.exists and not journal.nothing_asked(**request):
        raise InterruptedChangeError(
            f"An earlier try of this task could not use its journal, so it may have run deployment {deployment_id}. A "
            "retry does not run it a second time. Nothing was started. Look at the jobs in Trifacta, and clear this "
            "task if it should run.",
            deployment_id=deployment_id,
            live_id=live,
        )
    elif retry and journal.last_request.get("what") == "run":
        raise InterruptedChangeError(
            f"An earlier try of this task ran deployment {deployment_id}. Release {live} is live now, and either the "
            "live release or the parameters differ from that run. A retry does not run it a second time. Nothing was "
            "started. Look at the jobs in Trifacta, and clear this task if it should run once more.",
            deployment_id=deployment_id,
            live_id=live,
        )
    return None


def _live_release(client: TrifactaClient, deployment_id: int, release_id: int | None) -> int:
    """Return which release is live, if it is the one that is wanted."""
    enough = down_to(release_id) if release_id else shows_live

    def counts(releases: Sequence[Release]) -> bool:
        # A list that does not show the wanted release is older than that release.
        return release_id is None or any(one.id == release_id for one in releases)

    releases = look(
        client, lambda reader: reader.releases.list(deployment_id, until=enough), counts, seconds=VERIFY_TIMEOUT
    )
    live = live_release(releases)
    if live is None:
        raise RunNotStartedError(
            f"No release of deployment {deployment_id} is live, so there is nothing to run. Nothing was started. "
            "Activate a release first.",
            deployment_id=deployment_id,
            release_id=release_id,
        )
    if release_id not in (None, live.id):
        raise UnexpectedLiveReleaseError(
            f"Release {live.id} of deployment {deployment_id} is live, not release {release_id}. Nothing was started. "
            f"Activate release {release_id}, or run the deployment without a release id.",
            deployment_id=deployment_id,
            release_id=release_id,
            live_id=live.id,
        )
    return live.id


def _still_runs(client: TrifactaClient, job_group_ids: Sequence[int]) -> bool:
    return any(client.job_groups.status(one) in RUNNING for one in job_group_ids)


def _ambiguous(
    client: TrifactaClient, journal: Journal, request: Mapping[str, Any], why: str, asked_at: str | None
) -> AmbiguousSubmissionError:
    """Make the error for a run that may have started, with the job groups that a person has to look at."""
    since, deployment_id = parse_time(asked_at), request["deployment_id"]
    try:
        found = [
            one
            for one in client.without_repetitions.job_groups.newest()
            if not since or not one.created_at or one.created_at >= since - CLOCK_TOLERANCE
        ]
        listed = ", ".join(f"{one.id} ({shown(one.status)})" for one in found) or "none"
        what = f"Job groups that appeared since, newest first: {listed}."
        ids = [one.id for one in found]
    except TrifactaError as error:
        what, ids = f"The job groups cannot be listed: {error}", []
    # A person can read the error from now on, so a clear may start the run again.
    journal.answered(told=True)
    return AmbiguousSubmissionError(
        f"It is unknown whether the run of deployment {deployment_id} started jobs: {why} This task does not ask "
        f"for it again, because jobs might run twice. {what} Look at them in Trifacta, and "
        "clear this task if it should run.",
        deployment_id=deployment_id,
        live_id=request["release_id"],
        job_group_ids=ids,
    )


def _started(answer: object, deployment_id: int, live: int) -> list[int]:
    """Read the job groups from ``{"data": [{"id": ..., "reason": "JobStarted", "sessionId": ...}]}``."""
    rows: Any = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        raise UnexpectedResponseError('The answer to the run holds no list under "data".', deployment_id=deployment_id)
    if not rows:
        raise RunNotStartedError(
            f"The run of deployment {deployment_id} started nothing. The primary flow of its live release {live} needs "
            "a manual output: define one in the source instance, and promote a new export.",
            deployment_id=deployment_id,
            live_id=live,
        )
    ids = [row.get("id") for row in rows if isinstance(row, Mapping)]
    known = [one for one in ids if isinstance(one, int) and not isinstance(one, bool) and one > 0]
    if len(known) < len(rows):
        raise UnexpectedResponseError(
            f"The answer to the run does not show the id of every job group: {str(rows)[:200]}.",
            deployment_id=deployment_id,
            job_group_ids=known,
        )
    return known
