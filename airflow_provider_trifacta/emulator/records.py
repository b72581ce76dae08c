"""What the store holds: immutable records, replaced as a whole when something changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow_provider_trifacta.emulator.imports import ImportedPackage

RuleKind = Literal["object", "value"]


@dataclass(frozen=True)
class LocalConnection:
    """A connection of this instance, which object import rules lead to."""

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


@dataclass(frozen=True)
class Deployment:
    """A deployment: a named container of releases. Times have a time zone, people are user ids."""

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
    """One import rule of a deployment; ``rule`` is what was sent. A change makes new rules with new ids."""

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
    """Something that happened, for the page and for assertions: ``what`` is e.g. ``release activated``."""

    at: datetime
    user_id: int
    deployment_id: int
    release_id: int | None
    what: str
