"""Which deployment an operator means, which attempt this is, and what earlier ones noted."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ..client.errors import AmbiguousNameError, InvalidInputError
from ..client.texts import parse_id, quoted
from ..promotion.journal import Journal

if TYPE_CHECKING:
    from .._compat import BaseOperator, Context
    from ..client import TrifactaClient


class _NotGiven(Enum):
    """Stands for an argument that the author of the DAG left out.

    It is not None, since a mapped task or a template may give None: that is an error, and not "left out".
    """

    NOT_GIVEN = "not given"


NOT_GIVEN: Final = _NotGiven.NOT_GIVEN


def given_or_none(value: Any) -> Any:
    """Return an argument, None where it was left out: templates and the UI show that better."""
    return None if value is NOT_GIVEN else value


def check_target(deployment_id: Any, deployment_name: Any) -> int | None:
    """Check that exactly one of the two is given and usable, before any request.

    :param deployment_id: an int, digits, or None
    :param deployment_name: a name, or None
    :returns: the id, None when a name is given
    :raises InvalidInputError: for both, neither, or an unusable one
    """
    if deployment_name is None:
        return parse_id(deployment_id, "deployment_id")
    if deployment_id is not None:
        raise InvalidInputError("Give deployment_id or deployment_name, not both.")
    check_name(deployment_name, "deployment_name")
    return None


def target_words(deployment_id: Any, deployment_name: Any) -> str:
    """Return how to call the deployment that is meant in a log, before it is looked up."""
    return f"deployment {deployment_id if deployment_name is None else quoted(deployment_name)}"


def check_name(value: Any, field: str) -> str:
    """Check that a name is one, and not what a template renders for nothing.

    :param value: what was given
    :param field: name of the argument, for the message
    :raises InvalidInputError: for anything else
    """
    if not isinstance(value, str) or value.strip() in ("", "None"):
        raise InvalidInputError(f"{field} must be a name, not {quoted(str(value))}.")
    return value


def find_deployment(client: TrifactaClient, deployment_id: int | None, deployment_name: str | None) -> int:
    """Return the id of the deployment that is meant.

    :param deployment_id: what :func:`check_target` returned
    :param deployment_name: its exact name, where there is no id
    :raises AmbiguousNameError: no deployment has the name, or several have
    """
    if deployment_id is not None:
        return deployment_id
    found = client.deployments.find(str(deployment_name))
    if len(found) != 1:
        raise AmbiguousNameError(
            f"{len(found)} deployments are called {quoted(deployment_name)}"
            f"{': ' + ', '.join(str(one.id) for one in found) if found else ''}. "
            + ("Give the deployment_id." if found else "Check the name; this user may not see every deployment.")
        )
    return found[0].id


def is_automatic_retry(context: Context, operator: BaseOperator) -> bool:
    """Tell a retry by Airflow, after an attempt that was cut off or failed, from a first attempt or a clear.

    Somebody who clears a task has looked; a retry has not. Clearing moves ``max_tries`` on, so that the first attempt
    after it is known. It is the first one of all at least, for a run that began when the task had other ``retries``.
    """
    ti: Any = context["ti"]
    first = max(1, (ti.max_tries or 0) - (operator.retries or 0) + 1)
    return int(ti.try_number) > first


def open_journal(context: Context) -> Journal:
    """Open the journal of a task. Call it once, before anything is asked for.

    :returns: the journal, which remembers nothing before Airflow 3.3
    :raises JournalUnavailableError: Airflow's task state store can be read and not written
    """
    found: Any = context
    journal = Journal(found.get("task_state_store"), int(context["ti"].try_number))
    journal.open()
    return journal


def remembers(context: Context) -> bool:
    """Tell whether a retry of this task can read what is noted now: Airflow 3.3 keeps it, earlier ones do not."""
    found: Any = context
    return found.get("task_state_store") is not None
