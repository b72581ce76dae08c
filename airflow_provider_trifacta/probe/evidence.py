"""What an instance says of itself, as far as it may leave: see :mod:`.structure`."""

from __future__ import annotations

from typing import Any

from .answers import Answers
from .structure import SafeWords, associations, structure

#: Calls whose refusal lists the associations of an object: of an object, or else of a list.
_REFUSALS = {
    "deployment": ("bad_embed", "embeds_of_deployments"),
    "release": ("embeds_of_release", "embeds_of_releases"),
    "flow": ("embeds_of_flow", "embeds_of_flows"),
    "job_group": ("embeds_of_job_group", "embeds_of_job_groups"),
}


def associations_of(answers: Answers) -> dict[str, list[str] | None]:
    """Return what can be embedded in a deployment, a release, a flow and a job group.

    :param answers: all answers
    :returns: names of associations by the kind of the object; None where no answer lists them
    """
    words = answers.safe_words
    return {kind: _listed_by(answers, keys, words) for kind, keys in _REFUSALS.items()}


def _listed_by(answers: Answers, keys: tuple[str, ...], words: SafeWords) -> list[str] | None:
    """Return the associations that the first of some answers lists."""
    for key in keys:
        if key in answers.seen:
            names = associations(answers.seen[key].body, words)
            if names is not None:
                return names
    return None


def description_of(answers: Answers) -> dict[str, Any] | None:
    """Return the structure of the description that the instance gives of its API.

    :param answers: all answers
    :returns: paths, parameters and schemas in the form of OpenAPI 3; None if there is no
        description
    """
    answer = answers.seen.get("spec")
    if answer is None or answer.refused or not isinstance(answer.body, dict):
        return None
    return structure(answer.body, answers.safe_words)
