"""The runbook as its tests read it: what each row shows, its steps, and what it ends with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "runbook.md"
_STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |\Z)", re.M | re.S)
_CODE = re.compile(r"^ *```bash\n(.*?)^ *```", re.M | re.S)
_LINK = re.compile(r"\]\(#([\w-]+)\)")


@dataclass(frozen=True)
class State:
    """How a run and production look.

    :param errors: the class of each error, by its task
    :param tasks: the states of tasks, by their names in the group
    :param run: the state of the run; empty while it runs
    :param status: ``state`` of the XCom ``promotion_status``; empty where there is none yet
    :param live: words for the live release
    :param new_releases: how many releases the run has made
    """

    errors: dict[str, str]
    tasks: dict[str, str]
    run: str
    status: str
    live: str
    new_releases: int


@dataclass(frozen=True)
class Row:
    """One incident of the page.

    :param find: how it looks
    :param after: how it ends if one follows the steps
    :param steps: the code of each step; None for a step that people do elsewhere
    """

    find: State
    after: State
    steps: tuple[str | None, ...]


def _promoted(**tasks: str) -> State:
    """Return how a run looks whose promotion is kept in the end.

    :param tasks: the states of tasks, by their names in the group
    """
    return State(
        errors={},
        tasks=tasks,
        run="success",
        status="live",
        live="the promoted release",
        new_releases=1,
    )


#: How the run and production look in each incident, and after its steps.
STATES: dict[str, tuple[State, State]] = {
    "prod-was-away-after-the-upload": (
        State(
            errors={"smoke_run": "ConnectionLostError", "promoted": "PromotionNotProvenError"},
            tasks={"smoke_run": "failed", "roll_back": "failed", "promoted": "failed"},
            run="failed",
            status="unknown",
            live="the promoted release",
            new_releases=1,
        ),
        State(
            errors={"promoted": "PromotionRolledBackError"},
            tasks={"roll_back": "success", "promoted": "failed"},
            run="failed",
            status="rolled_back",
            live="the release before",
            new_releases=1,
        ),
    ),
    "the-password-was-changed-after-the-upload": (
        State(
            errors={
                "active": "AuthenticationError",
                "roll_back": "AuthenticationError",
                "promoted": "PromotionNotProvenError",
            },
            tasks={"active": "failed", "roll_back": "failed", "promoted": "failed"},
            run="failed",
            status="unknown",
            live="the promoted release",
            new_releases=1,
        ),
        _promoted(active="success", roll_back="skipped", promoted="success"),
    ),
    "the-smoke-run-failed": (
        State(
            errors={"smoke_jobs": "JobFailedError", "promoted": "PromotionRolledBackError"},
            tasks={"smoke_jobs": "failed", "roll_back": "success", "promoted": "failed"},
            run="failed",
            status="rolled_back",
            live="the release before",
            new_releases=1,
        ),
        _promoted(
            smoke_run="success",
            smoke_jobs="success",
            roll_back="skipped",
            promoted="success",
        ),
    ),
    "another-release-was-activated": (
        State(
            errors={"promoted": "UnexpectedLiveReleaseError"},
            tasks={"smoke_jobs": "success", "roll_back": "skipped", "promoted": "failed"},
            run="failed",
            status="unchanged",
            live="the release before",
            new_releases=1,
        ),
        _promoted(promoted="success"),
    ),
    "the-deployment-was-deleted": (
        State(
            errors={"active": "ReleaseDeletedError", "promoted": "PromotionNotProvenError"},
            tasks={"active": "failed", "roll_back": "skipped", "promoted": "failed"},
            run="failed",
            status="deployment_deleted",
            live="none",
            new_releases=1,
        ),
        _promoted(
            baseline="success",
            active="success",
            roll_back="skipped",
            promoted="success",
        ),
    ),
    "the-package-was-overwritten": (
        State(
            errors={"create_release": "WrongPackageError", "promoted": "PromotionNotProvenError"},
            tasks={"create_release": "failed", "roll_back": "skipped", "promoted": "failed"},
            run="failed",
            status="unchanged",
            live="the release before",
            new_releases=0,
        ),
        _promoted(create_release="success", roll_back="skipped", promoted="success"),
    ),
    "the-folder-of-the-package-is-missing": (
        State(
            errors={"export": "DestinationError", "promoted": "PromotionNotProvenError"},
            tasks={"export": "failed", "roll_back": "skipped", "promoted": "failed"},
            run="failed",
            status="unchanged",
            live="the release before",
            new_releases=0,
        ),
        _promoted(export="success", roll_back="skipped", promoted="success"),
    ),
    "a-worker-was-killed": (
        State(
            errors={},
            tasks={"create_release": "up_for_retry"},
            run="",
            status="",
            live="the promoted release",
            new_releases=1,
        ),
        _promoted(create_release="success", roll_back="skipped", promoted="success"),
    ),
    "the-run-was-marked-as-failed": (
        State(
            errors={},
            tasks={"smoke_jobs": "failed", "roll_back": "skipped", "promoted": "skipped"},
            run="failed",
            status="",
            live="the promoted release",
            new_releases=1,
        ),
        _promoted(
            smoke_run="success",
            smoke_jobs="success",
            roll_back="skipped",
            promoted="success",
        ),
    ),
}


def sections() -> dict[str, str]:
    """Return the text of each section by its anchor."""
    parts = re.split(r"^##+ (.+)\n", PAGE.read_text(), flags=re.M)[1:]
    return {anchor_of(title): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rows() -> dict[str, Row]:
    """Return the rows by their anchors: the sections that say what to do."""
    found = sections()
    steps = {anchor: text.partition("**Do**")[2] for anchor, text in found.items()}
    return {
        anchor: Row(*STATES[anchor], tuple(_code(step, found) for step in _STEP.findall(text)))
        for anchor, text in steps.items()
        if text
    }


def index() -> list[tuple[str, set[str]]]:
    """Return the rows of the table of incidents: the anchor of the section, and the errors that
    lead there.
    """
    lines = [line for line in sections()["what-happened"].splitlines() if line.startswith("| ")]
    found = [(_LINK.search(line), set(re.findall(r"`(\w+Error)`", line))) for line in lines]
    return [(link[1], errors) for link, errors in found if link]


def _code(step: str, found: dict[str, str]) -> str | None:
    """Return the code of a step: its own, or that of the section that it links."""
    link = _LINK.search(step)
    code = _CODE.search(step) or (link and _CODE.search(found[link[1]]))
    return code and re.sub(r"^   ", "", code[1], flags=re.M)
