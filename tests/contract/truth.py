"""Whether what an error says is true: each sentence and each field about production, against the
server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_trifacta.client.errors import TrifactaError
    from contract.world import World

_NOTHING = re.compile(
    r"\bNothing (?:was|had been|more was)"
    r" (?:changed|imported|written|started|made|uploaded|sent|set)\b"
    r"|\bNo deployment was made\b|\bThis try changed nothing\b|\brules of deployment \d+ were not"
    r" changed\b"
)
_IS_LIVE = re.compile(r"\bRelease (\d+|none)(?: of deployment \d+)? is live\b(?! again)")
_NONE_IS_LIVE = re.compile(r"\b[Nn]o release (?:of deployment \d+ )?is live\b")
#: By which words an error says how production stands.
_STANDS = re.compile(
    r"\bis live\b|\bnot live\b|\bwas not approved\b|\bunknown\b|\bNothing was\b|\bwere"
    r" started\b|\bwere not changed\b"
    r"|\bmay have been\b|\bdeployment was made\b|\bread back\b|\bmay be live\b|\bis"
    r" staged\b|\brules were set\b"
)


def check(world: World, error: TrifactaError, before: dict[str, Any]) -> None:
    """Check everything that an error says about production.

    :param world: the instance
    :param error: the error
    :param before: what the instance was like when the try began
    """
    text, now = str(error), world.snapshot()
    if _NOTHING.search(text):
        _check_nothing(text, before, now)
    for named in _IS_LIVE.findall(text):
        assert named == str(world.live or "none"), f"release {world.live} is live: {text}"
    if _NONE_IS_LIVE.search(text):
        assert world.live is None, f"release {world.live} is live: {text}"
    assert error.live_id in (
        None,
        world.live,
    ), f"live_id is {error.live_id}, and release {world.live} is live: {text}"
    assert error.deployment_id in (
        None,
        *now["deployments"],
    ), f"there is no deployment {error.deployment_id}"
    assert set(error.job_group_ids) <= set(now["jobs"])
    # A person may have deleted a flow that the task made.
    assert set(error.flow_ids) <= {flow.id for flow in world.server.flows(include_deleted=True)}


def _check_nothing(text: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that nothing was changed. "The value rules ... were not changed" is about those rules
    alone."""
    kinds = re.findall(r"(object|value) rules of deployment \d+ were not changed", text)
    for kind in kinds:
        assert now["rules"][kind] == before["rules"][kind], text
    if not kinds or re.search(r"\bNothing (?:was|had)\b", text):
        assert now == before, f"{text}\nbefore: {before}\nnow: {now}"


def says_how_production_stands(error: TrifactaError) -> bool:
    """Tell whether an error says how production stands, in its fields or its words."""
    return bool(
        error.standing
        or error.live_id
        or error.job_group_ids
        or error.flow_ids
        or _STANDS.search(str(error))
    )
