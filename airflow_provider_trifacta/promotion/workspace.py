"""A package as ordinary flows of a workspace: imported once, although every import makes new flows.

An instance without Deployment Manager has no releases. The API has no key for an import, and a flow
does not name its package. So if an answer is lost, nothing proves which flows of a list are those
of this import. A person decides then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.foreign_words import logger
from ..client.imports import FlowImport, first_dropped, new_flow
from ..client.texts import listed, quoted
from .gate import DryRunReport, Gate
from .journal import digest_of, production_stands
from .mappings import Mappings, mapping_to_write
from .standing import (
    CLOCK_TOLERANCE,
    DEFAULT_SETTLE_TIMEOUT,
    VERIFY_TIMEOUT,
    is_since,
    look,
    read_patiently,
)
from .tries import Tries

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Flow
    from ..packages.flow_package import FlowPackage

log = logger(__name__)

#: What an import puts before the name of a flow [R: D60 to D68].
_PREFIX = re.compile(r"\[[0-9a-f]{8}\] ")


@dataclass(eq=False)
class WorkspaceImporter:
    """Imports one package as new flows, once.

    :param client: the instance
    :param package: the open package
    :param mappings: what the import maps
    :param folder_id: the folder of the new flows; None for none
    :param tries: the tries of the task; without them, this is a first try
    :param progress: called with (bytes sent, all bytes, seconds so far) every 15 seconds of the
        upload
    """

    client: TrifactaClient
    package: FlowPackage
    mappings: Mappings = field(default_factory=Mappings)
    folder_id: int | None = field(default=None, kw_only=True)
    tries: Tries = field(default_factory=Tries, kw_only=True)
    progress: Callable[[int, int, float], None] | None = field(default=None, kw_only=True)

    @property
    def _request(self) -> dict[str, Any]:
        return {
            "what": "import",
            "package_uuid": self.package.info.uuid,
            "folder_id": self.folder_id,
            "mappings": digest_of(self.mappings.fields),
        }

    def dry_run(self) -> DryRunReport:
        """Try the import without making a flow.

        :returns: the report, with all problems that were found
        :raises MissingMappingError: the server asks for mappings
        :raises TrifactaError: the dry run could not be made
        """
        body = self.package.body(fields=self.mappings.fields)
        gate = Gate(
            self.client,
            self.package,
            partial(self.client.flows.import_dry_run, body, folder_id=self.folder_id),
            lambda: self.mappings.rules,
            mapping_to_write,
        )
        return gate.report()

    def run(self, before_upload: Callable[[], None] | None = None) -> tuple[str, FlowImport]:
        """Join what an earlier try of the task made, or import the package.

        :param before_upload: called right before the upload; an error that it raises prevents the
            upload
        :returns: ``created`` by this try, or ``joined`` if an earlier try made the flows; and what
            was made, with the names that were read back
        :raises MissingMappingError: the server asks for mappings; nothing was imported
        :raises InterruptedChangeError: an earlier try may have imported another package, or its
            flows are gone
        :raises AmbiguousSubmissionError: it is unknown whether the package was imported
        :raises TrifactaError: for the rest
        """
        earlier = self._earlier()
        if earlier:
            return earlier
        if before_upload:
            before_upload()
        above = read_patiently(self.client, _newest_flow_id)
        body = self.package.body(self.progress, self.mappings.fields)
        made = self.tries.journal.ask(
            self._request,
            {"above": above},
            partial(self.client.flows.import_package, body, folder_id=self.folder_id),
            nothing="Nothing was imported.",
            refused=errors.MissingMappingError,
        )
        if isinstance(made, errors.TrifactaError):
            raise self._ambiguous(str(made), above) from made
        noted = replace(made, dropped=first_dropped(made.dropped))
        self.tries.journal.answered(**vars(noted))
        try:
            return "created", self._proven(made, above)
        except (errors.NotFoundError, errors.PermissionDeniedError) as error:
            raise self._ambiguous(
                f"the answer names the flows {_ids(made)}, and {error}", above
            ) from error

    def _earlier(self) -> tuple[str, FlowImport] | None:
        """Return what an earlier try of this task made; None if it is safe to import."""
        uuid = self.package.info.uuid
        entry = self.tries.journal.entry(**self._request)
        if entry is None:
            if self.tries.is_retry:
                self._refuse_unknown()
            self._refuse_abandoned()
            return None
        answer = entry.answer
        above = int(entry.before["above"])
        if answer.get("told") and not self.tries.is_retry:
            return None  # a person has read the error, and cleared the task
        if "flows" not in answer:
            raise self._ambiguous("an earlier try of this task asked for it.", above)
        made = FlowImport(answer["primary_flow_ids"], answer["flows"], answer["dropped"])
        try:
            imported = self._proven(made, above, proven=bool(answer.get("proven")))
        except (errors.NotFoundError, errors.PermissionDeniedError) as error:
            if not self.tries.is_retry:
                log.info(
                    "The flows that an earlier try of this task made are gone, so this one imports"
                    " again"
                )
                return None
            raise errors.InterruptedChangeError(
                f"An earlier try of this task made the flows {_ids(made)} of the package {uuid},"
                f" and they cannot be read any more: {error} Nothing was imported, because a retry"
                " does not undo a person's decision. Clear this task to import the package once"
                f" more. {self.tries.clear_again}".rstrip(),
                flow_ids=_ids(made),
            ) from error
        log.info(
            "An earlier try of this task made the flows %s of the package %s", _ids(made), uuid
        )
        return "joined", imported

    def _refuse_abandoned(self) -> None:
        """Stop if an earlier try asked for another import, and no error has told a person of it
        yet. No list proves that the server did nothing.
        """
        abandoned = self.tries.journal.abandoned(self._request, "flows")
        if abandoned is None:
            return
        _, entry = abandoned
        if not entry.answer.get("told"):
            raise self._ambiguous(
                "an earlier try of this task asked for another import.", int(entry.before["above"])
            )

    def _refuse_unknown(self) -> None:
        """Stop a retry if an earlier try may have imported what its journal does not tell."""
        journal = self.tries.journal
        if not journal.exists:
            # Before Airflow 3.3 nothing is noted, so the flows themselves have to tell.
            appeared = self._appeared(None, DEFAULT_SETTLE_TIMEOUT)
            if appeared:
                raise self._unknown(
                    "this is a retry, and nothing tells what earlier tries did.", appeared
                )
        elif journal.last_request.get("what") == "import":
            raise errors.InterruptedChangeError(
                "An earlier try of this task imported another package, or used other arguments. A"
                " retry does not import a second time. Nothing was imported. Look at the flows in"
                " Trifacta, and clear this task if it should import."
                f" {self.tries.clear_again}".rstrip()
            )

    def _proven(self, made: FlowImport, above: int, *, proven: bool = False) -> FlowImport:
        """Read the new flows back, and return what was made with the names that they have.

        :param proven: whether an earlier try has proved it: a person may have renamed the flows
            since
        :raises AmbiguousSubmissionError: they are not new flows of the package
        :raises TrifactaError: they cannot be read
        """
        ids = _ids(made)

        def read(reader: TrifactaClient) -> list[Flow]:
            return [reader.flows.get(flow_id) for flow_id in ids]

        with production_stands(
            f"The server answered that it made the flows {ids}. They were not read back."
        ):
            flows = read_patiently(self.client, read)
        if not (proven or self._are_new(flows, above)):
            raise self._ambiguous(
                f"the answer names the flows {ids}, which are not new flows of it.", above
            )
        self.tries.journal.answered(proven=True)
        new_flows = [new_flow(flow.id, flow.name, made.primary_flow_ids) for flow in flows]
        return FlowImport(made.primary_flow_ids, new_flows, made.dropped)

    def _are_new(self, flows: list[Flow], above: int) -> bool:
        """Tell whether flows are new, and at least one is of the package."""
        if not flows or any(flow.id <= above for flow in flows):
            return False
        return any(self._is_ours(flow) for flow in flows)

    def _is_ours(self, flow: Flow) -> bool:
        """Tell whether a flow has the name of one of the package. An import puts a prefix before it
        [R].
        """
        names = tuple(self.package.info.flow_names)
        return not names or (flow.name or "").endswith(names)

    def _appeared(self, above: int | None, seconds: float) -> list[Flow]:
        """Return the newest flows that may be of this import.

        :param above: only flows above this id. Without it, the time of the run's begin and the
            prefix of a name have to tell, and a flow that a person deleted counts too
        :param seconds: how long to look
        """
        began = self.tries.run_began
        since = began - CLOCK_TOLERANCE if began else None

        def is_new(flow: Flow) -> bool:
            if above is not None:
                return flow.id > above
            times = [time for time in (flow.created_at, flow.updated_at) if time]
            if is_since(max(times, default=None), since):
                return True
            return bool(_PREFIX.match(flow.name or ""))

        def read(reader: TrifactaClient) -> list[Flow]:
            newest = reader.flows.newest(include_deleted=above is None)
            return [flow for flow in newest if is_new(flow) and self._is_ours(flow)]

        return look(self.client, read, bool, seconds=seconds)

    def _ambiguous(self, why: str, above: int) -> errors.AmbiguousSubmissionError:
        """Make the error for an import that may have happened, after a look for its flows.

        :param why: why it is unknown
        :param above: the newest flow before the import
        """
        try:
            return self._unknown(why, self._appeared(above, VERIFY_TIMEOUT))
        except errors.TrifactaError as error:
            unknown = self._unknown(f"{why} The flows cannot be listed: {error}", [])
            with production_stands("What the workspace holds could not be read."):
                raise unknown from error

    def _unknown(self, why: str, appeared: list[Flow]) -> errors.AmbiguousSubmissionError:
        """Make the error for an import that may have happened, with the flows that a person has to
        look at.
        """
        # A person can read the error from now on, so a clear may import again.
        self.tries.journal.answered(told=True)
        flows = [f"{flow.id} ({quoted(flow.name)})" for flow in appeared]
        there = listed(flows) or "none"
        return errors.AmbiguousSubmissionError(
            f"It is unknown whether the package {self.package.info.uuid} was imported: {why} This"
            " task does not import it again, because every import makes new flows. Flows that"
            f" appeared since, newest first: {there}. If they are complete, use them and mark this"
            " task as success. If not, delete them and clear this task."
            f" {self.tries.clear_again}".rstrip(),
            flow_ids=[flow.id for flow in appeared],
        )


def _newest_flow_id(reader: TrifactaClient) -> int:
    """Return the id of the newest flow, 0 if there is none."""
    newest = reader.flows.newest()
    return newest[0].id if newest else 0


def _ids(made: FlowImport) -> list[int]:
    """Return the ids of the new flows, each once."""
    ids = [flow["id"] for flow in made.flows]
    ids += made.primary_flow_ids or []
    return list(dict.fromkeys(ids))
