"""What the state holds: immutable records. A change replaces the whole record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from trifacta_emulator.clock import Clock
from trifacta_emulator.packages.definition import Connection, Row, Tables, rows_where
from trifacta_emulator.packages.imports import ImportedPackage

RuleKind = Literal["object", "value"]


@dataclass(frozen=True)
class LocalConnection:
    """A connection of this instance. Object import rules map to it."""

    id: int
    name: str
    uuid: str
    type: str
    vendor: str
    created_at: datetime
    updated_at: datetime
    creator: int
    updater: int
    deleted_at: datetime | None = None

    @property
    def packaged(self) -> Connection:
        """The connection as a package describes it."""
        return Connection(
            id=self.id,
            name=self.name,
            uuid=self.uuid,
            type=self.type,
            vendor=self.vendor,
        )


@dataclass(frozen=True)
class Deployment:
    """A deployment: a named container of releases. Times have a time zone; people are user ids."""

    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    creator: int
    updater: int
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Release:
    """One import of a package into a deployment; ``imported`` holds what it made."""

    id: int
    deployment_id: int
    package_uuid: str
    notes: str
    active: bool
    created_at: datetime
    updated_at: datetime
    creator: int
    updater: int
    imported: ImportedPackage
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class ImportRule:
    """One import rule of a deployment; ``rule`` is what the client sent. A change makes new rules
    with new ids.
    """

    id: int
    deployment_id: int
    kind: RuleKind
    rule: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    creator: int
    updater: int


@dataclass(frozen=True)
class Event:
    """Something that happened, for the page and for assertions; ``what`` is e.g. ``release
    activated``.
    """

    at: datetime
    user_id: int
    deployment_id: int | None
    release_id: int | None
    what: str


@dataclass(frozen=True)
class Flow:
    """A flow that this instance can edit and export. Flows of releases belong to their releases
    instead.

    ``tables`` holds everything that an export takes along, with the ids of this instance.
    ``described`` holds the connections as an imported package described them. ``exports`` counts
    the exports. ``shared_with`` holds ids of users.
    """

    id: int
    tables: Tables
    described: tuple[Row, ...]
    created_at: datetime
    updated_at: datetime
    creator: int
    updater: int
    exports: int = 0
    shared_with: frozenset[int] = frozenset()
    folder_id: int | None = None
    deleted_at: datetime | None = None

    @property
    def row(self) -> Row:
        """Its own row, with name and description."""
        return rows_where(self.tables["flows"], "id", self.id)[0]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.row["name"])

    def visible_to(self, user_id: int) -> bool:
        """Tell whether the flow is one of a user's: their own, or shared with them.

        :param user_id: the user
        """
        return user_id == self.creator or user_id in self.shared_with


@dataclass(frozen=True)
class Home:
    """The flow of a recipe: an ordinary flow, or a flow of a release.

    ``tables`` holds all flows of its package. Without a release the last two fields are ``None``.
    """

    flow_id: int
    flow_name: str
    tables: Tables
    at: datetime
    user_id: int
    deployment_id: int | None = None
    release_id: int | None = None


@dataclass(frozen=True)
class Recipe:
    """A recipe within its flow. The API calls it a wrangled dataset, and its id is that of its node
    [P: AAC25].
    """

    node: Row
    script: Row
    home: Home

    @property
    def id(self) -> int:
        """Its id."""
        return int(self.node["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.script.get("name"))


@dataclass(frozen=True)
class Job:
    """One job of a job group; ``type`` is e.g. ``wrangle`` [P: AAC25]. ``setting`` is what a file
    writer writes.
    """

    id: int
    type: str
    setting: Row | None = None


@dataclass(frozen=True)
class FlowRun:
    """One run of a whole flow."""

    id: int
    home: Home
    created_at: datetime
    creator: int
    execution_id: str | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class JobGroup:
    """What a run started for one output. Its state follows from the clock alone.

    ``flow_run_id`` is ``None`` if one recipe was run. ``overrides`` holds parameters. ``execution``
    is the engine. ``ending`` is its last state and ``message`` says why. ``inputs`` and ``outputs``
    are in the API's form.
    """

    id: int
    recipe: Recipe
    flow_run_id: int | None
    session_id: str
    jobs: tuple[Job, ...]
    execution: str | None
    overrides: Mapping[str, str]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    ending: str
    message: str | None
    creator: int
    clock: Clock
    canceled_at: datetime | None = None
    canceled_word: str = "Canceled"
    deleted_at: datetime | None = None

    @property
    def deployment_id(self) -> int | None:
        """The deployment whose release it runs, if any."""
        return self.recipe.home.deployment_id

    @property
    def release_id(self) -> int | None:
        """The release that it runs, if any."""
        return self.recipe.home.release_id

    @property
    def has_profile(self) -> bool:
        """Whether it makes a profile of its results."""
        return any(job.type == "profile" for job in self.jobs)

    @property
    def status(self) -> str:
        """Its state now: Created, InProgress, and in the end ``ending``."""
        if self.canceled_at is not None:
            return self.canceled_word
        now = self.clock()
        if now >= self.ends_at:
            return self.ending
        if now >= self.starts_at:
            return "InProgress"
        return "Created"

    @property
    def finished(self) -> bool:
        """Whether its state no longer changes."""
        return self.canceled_at is not None or self.clock() >= self.ends_at

    @property
    def updated_at(self) -> datetime:
        """When its state last changed."""
        if self.canceled_at is not None:
            return self.canceled_at
        now = self.clock()
        if now >= self.ends_at:
            return self.ends_at
        if now >= self.starts_at:
            return self.starts_at
        return self.created_at
