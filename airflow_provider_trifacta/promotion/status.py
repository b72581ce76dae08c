"""How production stands at the end of a promotion in a group: one of a few states, and what to do next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..client.errors import PromotionNotProvenError, PromotionRolledBackError, RollbackOwedError
from ..client.texts import called, sentence

#: Every way in which a promotion can end.
#:
#: - ``live``: the promoted release is live, and the group has read that back
#: - ``rolled_back``: the promotion failed, and the release that was live before is live again
#: - ``unchanged``: nothing was promoted, or nothing of it is live
#: - ``rollback_owed``: the promotion failed, and its release is live, or may be: the rollback did not end
#: - ``unproven``: the promotion failed, its release is live, and the group has no rollback
#: - ``replaced``: another release is live than the promoted one and the one before it
#: - ``deleted``: the promotion began, and the server does not know the deployment any more
#: - ``skipped``: the whole group was skipped
STATES = ("live", "rolled_back", "unchanged", "rollback_owed", "unproven", "replaced", "deleted", "skipped")


@dataclass(frozen=True)
class PromotionStatus:
    """How production stands at the end of a promotion.

    :param state: one of ``STATES``
    :param why: why the promotion was kept or not, as a sentence
    :param deployment_id: the deployment; None if the group did not get that far
    :param release_id: the promoted release; None for none, or if it is unknown
    :param live_release_id: the live release; None for none, or if it is unknown
    :param previous_release_id: the release that was live before the promotion; None for none
    :param package_uuid: the exported package
    :param clear: the tasks to clear, if clearing them is what to do next
    :param unknown: why it is unknown what is live, if it is
    :param deployment_name: the name of the deployment, if it is known
    """

    state: str
    why: str
    deployment_id: int | None = None
    release_id: int | None = None
    live_release_id: int | None = None
    previous_release_id: int | None = None
    package_uuid: str | None = None
    clear: list[str] = field(default_factory=list)
    unknown: str = ""
    deployment_name: str | None = None

    @property
    def text(self) -> str:
        """How production stands, as a sentence."""
        made, where = (
            _name(self.release_id, "the promoted release"),
            called("deployment", self.deployment_id, self.deployment_name),
        )
        live, before = _name(self.live_release_id, "no release"), _name(self.previous_release_id, "no release")
        if self.state == "skipped":
            return "Nothing was promoted, because the whole group was skipped."
        if self.deployment_id is None:
            return "Nothing was promoted. What is live was not recorded."
        if self.unknown:
            return f"A rollback of {where} to {before} may be owed: {made} may be live. {self.unknown}"
        text = {
            "live": f"{live} of {where} is live, as promoted.",
            "rolled_back": f"{made} of {where} was rolled back: {before} is live again.",
            "unchanged": f"{live} of {where} is live, as before the promotion.",
            "rollback_owed": f"A rollback is owed: {made} of {where} is live, and nothing has proven it.",
            "unproven": f"{made} of {where} is live, and nothing has proven it. The group has no rollback.",
            "replaced": f"{live} of {where} is live: that was changed in the meantime.",
            "deleted": f"{where} was deleted, or the user of the connection cannot see it any more.",
        }[self.state]
        return sentence(text)

    @property
    def advice(self) -> str:
        """What to do next, as a sentence; empty if there is nothing to do."""
        tasks = " and ".join(f"'{one}'" for one in self.clear)
        made, before = _name(self.release_id, "the promoted release"), _name(self.previous_release_id, "no release")
        keep = f"To keep {made} after all, activate it in Trifacta and clear {tasks}. " if tasks else ""
        return {
            "rolled_back": f"{keep}To promote again, correct the cause and clear the whole group.",
            "unchanged": f"Correct the cause, and clear {tasks or 'the whole group'}.",
            "rollback_owed": f"Clear {tasks}: it makes {before} live again. It waits for the instance if necessary.",
            "unproven": f"If {made} is right, clear {tasks or 'the whole group'}. To go back, make {before} live.",
            "replaced": "Decide which release should be live, and activate it in Trifacta. "
            f"If that is {made}, clear {tasks or 'the whole group'} then.",
            "deleted": "If it was deleted, make another deployment, let the DAG name it, and clear the whole group. "
            f"If it is there, let the user see it, and clear {tasks or 'the last task'}.",
        }.get(self.state, "")

    def as_dict(self) -> dict[str, Any]:
        """Return the form that goes through XCom."""
        found = {key: value for key, value in asdict(self).items() if key != "unknown"}
        return {**found, "text": self.text, "advice": self.advice}

    def error(self) -> PromotionNotProvenError:
        """Return the error for a promotion that was not kept."""
        kind = {"rolled_back": PromotionRolledBackError, "rollback_owed": RollbackOwedError}.get(
            self.state, PromotionNotProvenError
        )
        return kind(
            f"The promotion was not kept. {self.why} {self.text}",
            advice=self.advice,
            deployment_id=self.deployment_id,
            release_id=self.release_id,
            live_id=self.live_release_id,
        )


def _name(release_id: int | None, otherwise: str) -> str:
    return f"release {release_id}" if release_id else otherwise
