"""A new deployment: made once, although the API takes a name twice.

Names of deployments are not unique in the API. So a request that is sent twice makes two
deployments of one name, and a task that finds its deployment by name could not tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pendulum

from ..client.errors import AmbiguousNameError, AmbiguousSubmissionError, TrifactaError
from ..client.foreign_words import logger
from ..client.models import parse_time
from ..client.texts import quoted
from .journal import production_stands
from .standing import CLOCK_TOLERANCE, VERIFY_TIMEOUT, is_since, look, read_patiently
from .tries import Tries

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Deployment
    from .journal import Entry

log = logger(__name__)

#: How many deployments an error lists.
_LISTED = 10


def create_once(
    client: TrifactaClient, name: str, *, tries: Tries | None = None
) -> tuple[Deployment, str]:
    """Create a deployment unless one has exactly this name, and read back that no other one has it.

    If an earlier try may have asked for the deployment, this does not ask again. It looks for the
    deployment, and if it does not show, a person decides.

    :param client: the instance
    :param name: display name
    :param tries: the tries of the task; without them, this is a first try. A person who clears the
        task has looked
    :returns: the deployment, and ``created``, ``reused``, or ``adopted`` if the answer to its
        creation was lost
    :raises AmbiguousNameError: several have the name, or the new deployment does not show it
    :raises AmbiguousSubmissionError: it is unknown whether the deployment was made
    :raises TrifactaError: for the rest
    """
    tries = tries or Tries()
    journal = tries.journal
    request: dict[str, Any] = {"what": "create_deployment", "name": name}
    present = _only(read_patiently(client, _finding(name)), name)
    if present:
        return present, "reused"
    _refuse_abandoned(client, request, tries)
    if not journal.nothing_asked(**request):
        log.info(
            "An earlier try may have asked for the deployment %s: waiting for it to show",
            quoted(name),
        )
        late = _wait_for(client, name)
        if late:
            return late, "adopted"
        entry = journal.entry(**request)
        if entry and not _has_looked(tries, entry):
            why = "an earlier try of this task asked for it."
            journal.answered(told=True)
            raise _ambiguous(client, name, why, entry.before.get("at"), tries.clear_again)
    now = pendulum.now("UTC").isoformat()
    create = partial(client.deployments.create, name)
    made = journal.ask(request, {"at": now}, create, nothing="No deployment was made.")
    if isinstance(made, TrifactaError):
        log.warning("The deployment %s may have been made, looking for it: %s", quoted(name), made)
        try:
            return _adopt(client, name, made, now), "adopted"
        except AmbiguousSubmissionError:
            journal.answered(told=True)
            raise
    journal.answered(deployment_id=made.id)
    # Another person or run may have done the same at the same time, and the API takes both.
    with production_stands(f"The server answered that it made deployment {made.id}."):
        listed = _wait_for(client, name)
    if listed is None or listed.id != made.id:
        other = f"deployment {listed.id}" if listed else "no deployment"
        raise AmbiguousNameError(
            f"Deployment {made.id} was made, but {other} is listed as {quoted(name)}. The server"
            " may spell the name in another way. Correct the name in this task before you clear it,"
            " because every clear would make another deployment.",
            deployment_id=made.id,
        )
    return made, "created"


def _refuse_abandoned(client: TrifactaClient, request: dict[str, Any], tries: Tries) -> None:
    """Stop if an earlier try asked for a deployment of another name, which does not show.

    No list proves that the server did nothing, so only a clear after this error ends the doubt.
    """
    abandoned = tries.journal.abandoned(request, "deployment_id")
    if abandoned is None:
        return
    asked, entry = abandoned
    other = str(asked.get("name"))
    if _has_looked(tries, entry) or _wait_for(client, other):
        return
    tries.journal.answered(told=True)
    why = "an earlier try of this task asked for it, and this try wants another name."
    raise _ambiguous(client, other, why, entry.before.get("at"), tries.clear_again)


def _has_looked(tries: Tries, entry: Entry) -> bool:
    """Tell whether a person read an error about an earlier request, and cleared the task then."""
    return tries.is_clear and bool(entry.answer.get("told"))


def _adopt(client: TrifactaClient, name: str, error: TrifactaError, asked_at: str) -> Deployment:
    """Look for a deployment whose creation was asked for and whose answer was lost."""
    try:
        deployment = _wait_for(client, name)
    except AmbiguousNameError:
        raise
    except TrifactaError as list_error:
        why = f"{error} The list of deployments cannot be read: {list_error}"
        raise _ambiguous(client, name, why, asked_at) from error
    if deployment is None:
        raise _ambiguous(client, name, str(error), asked_at) from error
    return deployment


def _wait_for(client: TrifactaClient, name: str) -> Deployment | None:
    """Look until the deployment shows, or the time is up; None then."""
    deployments = look(client, _finding(name), bool, seconds=VERIFY_TIMEOUT)
    return _only(deployments, name)


def _finding(name: str) -> Callable[[TrifactaClient], Sequence[Deployment]]:
    """Return a function that reads the deployments with a name."""

    def find(reader: TrifactaClient) -> Sequence[Deployment]:
        return reader.deployments.find(name)

    return find


def _ambiguous(
    client: TrifactaClient, name: str, why: str, asked_at: str | None, clear_again: str = ""
) -> AmbiguousSubmissionError:
    """Make the error for a deployment that may have been made.

    :param client: the instance
    :param name: display name
    :param why: why it is unknown
    :param asked_at: when it was asked for; None if that was not noted
    :param clear_again: what a person does whose clear looks like a retry, as a sentence
    """
    try:
        newest = _appeared(client, asked_at)[:_LISTED]
    except TrifactaError as error:
        there = f"unreadable ({error})"
    else:
        names = [f"{deployment.id} ({quoted(deployment.name)})" for deployment in newest]
        there = ", ".join(names) or "none"
    return AmbiguousSubmissionError(
        f"It is unknown whether the deployment {quoted(name)} was made: {why} This task does not"
        " ask for it again, because names are not unique and a second deployment could be made."
        f" Deployments that appeared since, newest first: {there}. If it is there, give its id or"
        f" correct its name. If it is not there, clear this task. {clear_again}".rstrip()
    )


def _appeared(client: TrifactaClient, asked_at: str | None) -> list[Deployment]:
    """Return the deployments that may have been made since a request, newest first."""
    asked = parse_time(asked_at)
    since = asked - CLOCK_TOLERANCE if asked else None
    deployments = client.without_repetitions.deployments.list()
    appeared = [deployment for deployment in deployments if is_since(deployment.created_at, since)]
    return sorted(appeared, key=lambda deployment: deployment.id, reverse=True)


def _only(deployments: Sequence[Deployment], name: str) -> Deployment | None:
    if len(deployments) > 1:
        ids = ", ".join(str(deployment.id) for deployment in deployments)
        raise AmbiguousNameError(
            f"{len(deployments)} deployments are called {quoted(name)}: {ids}. Nothing was made."
            " Rename or delete the superfluous ones in Trifacta, or use the id."
        )
    return deployments[0] if deployments else None
