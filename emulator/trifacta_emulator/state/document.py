"""The whole state as one JSON document: ``GET`` and ``PUT /emulator/state``, and ``--state FILE``.

A document that was read from an emulator is exact: another emulator answers the same after it. A
document by hand says less: a flow has the fields of ``PresetFlow``, and a release has such a flow
or the ZIP of a package.
"""

from __future__ import annotations

import base64
import binascii
import copy
import io
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from trifacta_emulator.checks import build, check
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ApiError
from trifacta_emulator.options import EmulatorOptions, PresetFlow, User, check_users
from trifacta_emulator.packages.builder import build_package
from trifacta_emulator.packages.definition import Row, Tables
from trifacta_emulator.packages.generations import generation_of
from trifacta_emulator.packages.imports import REFERENCES, SEQUENCES, ImportedPackage
from trifacta_emulator.packages.reader import read_package
from trifacta_emulator.records import (
    Deployment,
    Event,
    Flow,
    FlowRun,
    Home,
    ImportRule,
    Job,
    JobGroup,
    LocalConnection,
    Release,
    RuleKind,
)
from trifacta_emulator.rules.checks import checked_rules
from trifacta_emulator.state.fields import Fields, checked_rows
from trifacta_emulator.state.flows import Flows
from trifacta_emulator.state.people import Authenticator, Person, Token, people_of
from trifacta_emulator.state.recipes import home_of_flow, homes_of_release, nodes_of
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.runs import RunOutcome
from trifacta_emulator.state.snapshot import Snapshot, put_back, take_snapshot
from trifacta_emulator.state.state import State

VERSION = 1
_KINDS: tuple[RuleKind, ...] = ("object", "value")
#: Names of the kinds of runs that have a key, in the document.
_RUNS = {"job_groups": JobGroup, "flow_runs": FlowRun}


def write_state(state: State, auth: Authenticator) -> dict[str, Any]:
    """Write all state as one JSON document.

    :param state: the state
    :param auth: the users and tokens
    """
    now = take_snapshot(state, auth)
    tables = now.tables
    releases: dict[int, list[Row]] = {}
    for release in tables["releases"]:
        if not release.imported.primary_flow_ids:  # its import goes on
            continue
        releases.setdefault(release.deployment_id, []).append(_release(release))
    document = {
        "version": VERSION,
        "users": [_user(person.user) for person in now.people],
        "tokens": [_token(token) for token in now.tokens],
        "connections": [_connection(connection) for connection in tables["connections"]],
        "flows": _flows(tables["flows"]),
        "deployments": [
            _deployment(row, releases.get(row.id, []), now.rules) for row in tables["deployments"]
        ],
        "flow_runs": [_flow_run(run) for run in tables["flow_runs"]],
        "job_groups": [_job_group(group) for group in tables["job_groups"]],
        "run_outcomes": [{**outcome.to_json(), "times": left} for outcome, left in now.outcomes],
        "execution_ids": {
            name: sorted(
                key for kind, key in now.execution_ids if kind is record and key is not None
            )
            for name, record in _RUNS.items()
        },
        "dropped_next": None if now.dropped_next is None else dict(now.dropped_next),
        "history": [_event(event) for event in now.events],
        "ids": now.ids.last,
    }
    # A change of the document must not change the state.
    return copy.deepcopy(document)


def read_state(document: Any, state: State, auth: Authenticator) -> None:
    """Replace all state by that of a document. A document that is wrong changes nothing.

    :param document: as :func:`write_state` writes it, or by hand
    :param state: the state to replace
    :param auth: the users and tokens to replace; a document without users keeps them
    :raises ValueError: the document is wrong; the text says where
    """
    try:
        snapshot = _Reader(copy.deepcopy(document), state.options, auth).snapshot()
    except ApiError as error:  # a rule or a package is refused
        raise ValueError(str(error)) from error
    put_back(snapshot, state, auth)


def _user(user: User) -> Row:
    return {"email": user.email, "password": user.password, "roles": list(user.roles)}


def _token(token: Token) -> Row:
    return {
        "id": token.id,
        "value": token.value,
        "email": token.person.user.email,
        "description": token.description,
        "created_at": iso(token.created_at),
        "expires_at": iso_or_none(token.expires_at),
        "last_used": iso_or_none(token.last_used),
    }


def _stamps(record: Any) -> Row:
    return {
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
        "creator": record.creator,
        "updater": record.updater,
    }


def _connection(connection: LocalConnection) -> Row:
    return {
        "id": connection.id,
        "name": connection.name,
        "uuid": connection.uuid,
        "type": connection.type,
        "vendor": connection.vendor,
        **_stamps(connection),
        "deleted_at": iso_or_none(connection.deleted_at),
    }


def _flows(flows: Iterable[Flow]) -> list[Row]:
    rows = []
    first_of: dict[int, int] = {}
    for flow in flows:
        # The flows of one package share their tables. The first one shows them.
        first = first_of.setdefault(id(flow.tables), flow.id)
        shown = {"tables": flow.tables} if first == flow.id else {"tables_of": first}
        rows.append(
            {
                "id": flow.id,
                "name": flow.name,
                **_stamps(flow),
                "exports": flow.exports,
                "shared_with": sorted(flow.shared_with),
                "folder_id": flow.folder_id,
                "deleted_at": iso_or_none(flow.deleted_at),
                "described": list(flow.described),
                **shown,
            }
        )
    return rows


def _deployment(
    deployment: Deployment,
    releases: list[Row],
    rules: Mapping[tuple[int, RuleKind], tuple[ImportRule, ...]],
) -> Row:
    return {
        "id": deployment.id,
        "name": deployment.name,
        **_stamps(deployment),
        "deleted_at": iso_or_none(deployment.deleted_at),
        **{
            f"{kind}_rules": [
                {"rule": dict(rule.rule), "id": rule.id, **_stamps(rule)}
                for rule in rules.get((deployment.id, kind), ())
            ]
            for kind in _KINDS
        },
        "releases": releases,
    }


def _release(release: Release) -> Row:
    made = release.imported
    return {
        "id": release.id,
        "package_uuid": release.package_uuid,
        "notes": release.notes,
        "active": release.active,
        **_stamps(release),
        "deleted_at": iso_or_none(release.deleted_at),
        "tables": made.tables,
        "primary_flow_ids": list(made.primary_flow_ids),
        "mapping": {
            table: {str(old): new for old, new in ids.items()}
            for table, ids in made.mapping.items()
        },
        "imported_at": iso(made.at),
        "imported_by": made.user_id,
        "deleted_objects": dict(made.deleted_objects),
        "rule_changes": dict(made.rule_changes),
    }


def _flow_run(run: FlowRun) -> Row:
    return {
        "id": run.id,
        "flow_id": run.home.flow_id,
        "created_at": iso(run.created_at),
        "creator": run.creator,
        "execution_id": run.execution_id,
    }


def _job_group(group: JobGroup) -> Row:
    return {
        "id": group.id,
        "status": group.status,
        "deployment_id": group.deployment_id,
        "release_id": group.release_id,
        "flow_id": group.recipe.home.flow_id,
        "recipe_id": group.recipe.id,
        "flow_run_id": group.flow_run_id,
        "session_id": group.session_id,
        "jobs": [{"id": job.id, "type": job.type, "setting": job.setting} for job in group.jobs],
        "execution": group.execution,
        "overrides": dict(group.overrides),
        "inputs": dict(group.inputs),
        "outputs": dict(group.outputs),
        "created_at": iso(group.created_at),
        "starts_at": iso(group.starts_at),
        "ends_at": iso(group.ends_at),
        "ending": group.ending,
        "message": group.message,
        "creator": group.creator,
        "canceled_at": iso_or_none(group.canceled_at),
    }


def _event(event: Event) -> Row:
    return {
        "at": iso(event.at),
        "user_id": event.user_id,
        "deployment_id": event.deployment_id,
        "release_id": event.release_id,
        "what": event.what,
    }


class _Reader:
    """Makes a snapshot of a document, with a state of its own."""

    def __init__(self, document: Any, options: EmulatorOptions, auth: Authenticator) -> None:
        self._fields = Fields(document, "state")
        self._options = options
        self._auth = auth
        self._state = State(options)
        self._people = auth.people
        self._now = options.clock()

    def snapshot(self) -> Snapshot:
        fields, state = self._fields, self._state
        version = fields.take("version", VERSION)
        check(version == VERSION, f"state.version must be {VERSION}, not {version!r}")
        tokens = () if "users" in fields else self._auth.all_tokens
        if "users" in fields:
            self._people = people_of([self._user(one) for one in fields.objects("users")])
            check_users([person.user for person in self._people])
        if "tokens" in fields:
            tokens = tuple(self._token(one) for one in fields.objects("tokens"))
        for table, last in fields.mapping("ids", {}).items():
            known = (
                table in SEQUENCES
                and isinstance(last, int)
                and not isinstance(last, bool)
                and 0 <= last <= 10**18
            )
            check(known, f"state.ids.{table} is not the last id of a kind of objects")
            state.ids.reserve(table, last)
        state.connections.replace(self._each("connections", "connections", self._connection))
        self._read_flows()
        for one in fields.objects("deployments"):
            self._deployment(one)
        homes = self._homes()
        state.flow_runs.replace(
            self._each("flow_runs", "flowruns", lambda one: self._flow_run(one, homes))
        )
        state.job_groups.replace(
            self._each("job_groups", "jobgroups", lambda one: self._job_group(one, homes))
        )
        for one in fields.objects("run_outcomes"):
            state.runs.add(build(RunOutcome, one.rest()))
        keys = Fields(fields.mapping("execution_ids", {}), "execution_ids")
        for name, kind in _RUNS.items():
            state.execution_ids |= {(kind, key) for key in keys.items(name, str)}
        keys.end()
        state.dropped_next = fields.mapping("dropped_next", None)
        events = [self._event(one) for one in fields.objects("history")]
        if events:
            state.replace_events(events)
        fields.end()
        replaced = Authenticator(self._options)
        replaced.replace(self._people, tokens)
        return take_snapshot(state, replaced)

    def _each(self, name: str, table: str, read: Callable[[Fields], Any]) -> list[Any]:
        records: list[Any] = []
        for one in self._fields.objects(name):
            record = read(one)
            one.end()
            check(
                record.id not in {known.id for known in records},
                f"{one.place}: the id {record.id} is there twice",
            )
            self._state.ids.reserve(table, record.id)
            records.append(record)
        return records

    def _id(self, fields: Fields, table: str) -> int:
        found = fields.number("id", None)
        return self._state.ids.next(table) if found is None else int(found)

    def _person(self, fields: Fields, name: str) -> int:
        number: int = fields.number(name, 1)
        check(1 <= number <= len(self._people), f"{fields.place}.{name} is not the id of a user")
        return number

    def _stamps(self, fields: Fields) -> dict[str, Any]:
        created = fields.time("created_at", self._now)
        creator = self._person(fields, "creator")
        return {
            "created_at": created,
            "updated_at": fields.time("updated_at", created),
            "creator": creator,
            "updater": self._person(fields, "updater") if "updater" in fields else creator,
        }

    @staticmethod
    def _user(fields: Fields) -> User:
        user = User(
            fields.text("email"), fields.text("password"), tuple(fields.items("roles", str))
        )
        fields.end()
        return user

    def _token(self, fields: Fields) -> Token:
        token = Token(
            id=fields.text("id", None) or str(uuid.uuid4()),
            value=fields.text("value"),
            person=self._by_email(fields),
            description=fields.text("description", ""),
            created_at=fields.time("created_at", self._now),
            expires_at=fields.time("expires_at", None),
            last_used=fields.time("last_used", None),
        )
        fields.end()
        return token

    def _by_email(self, fields: Fields) -> Person:
        email = fields.text("email")
        for person in self._people:
            if person.user.email == email:
                return person
        raise ValueError(f"{fields.place}.email is not that of a user")

    def _connection(self, fields: Fields) -> LocalConnection:
        return LocalConnection(
            id=self._id(fields, "connections"),
            name=fields.text("name"),
            uuid=fields.text("uuid", None) or str(uuid.uuid4()),
            type=fields.text("type", "jdbc"),
            vendor=fields.text("vendor", "postgres"),
            **self._stamps(fields),
            deleted_at=fields.time("deleted_at", None),
        )

    def _read_flows(self) -> None:
        flows = self._state.flows
        for fields in self._fields.objects("flows"):
            if "tables" not in fields and "tables_of" not in fields:
                self._preset_flow(fields)
                continue
            flow = self._exact_flow(fields)
            fields.end()
            check(
                all(flow.id != known.id for known in flows.all(include_deleted=True)),
                f"{fields.place}: id twice",
            )
            self._state.ids.reserve("flows", flow.id)
            flows.put(flow)
        flows.settle()

    def _exact_flow(self, fields: Fields) -> Flow:
        flow_id, name = fields.number("id"), fields.text("name", None)
        if "tables_of" in fields:
            first = fields.number("tables_of")
            known = {flow.id: flow.tables for flow in self._state.flows.all(include_deleted=True)}
            check(first in known, f"{fields.place}.tables_of is not the id of an earlier flow")
            tables = known[first]
        else:
            tables = self._tables(fields)
        own = [row for row in tables["flows"] if row["id"] == flow_id]
        check(len(own) == 1, f"{fields.place}.tables.flows has no row of this flow")
        if name is not None:
            own[0]["name"] = name
        shared = fields.items("shared_with", int)
        check(
            all(1 <= one <= len(self._people) for one in shared),
            f"{fields.place}.shared_with has no such user",
        )
        return Flow(
            id=flow_id,
            tables=tables,
            described=tuple(fields.items("described", dict)),
            **self._stamps(fields),
            exports=fields.number("exports", 0),
            shared_with=frozenset(shared),
            folder_id=fields.number("folder_id", None),
            deleted_at=fields.time("deleted_at", None),
        )

    def _preset_flow(self, fields: Fields) -> None:
        preset = self._preset(fields)
        made = Flows(self._state).create(
            preset.name,
            connections=preset.connections,
            dataset_path=preset.dataset_path,
            output_path=preset.output_path,
            adhoc_output=preset.adhoc_output,
            description=preset.description,
            dataset_parameters=preset.dataset_parameters,
            user_id=self._email_id(preset.owner, fields.place) if preset.owner else 1,
        )
        Flows(self._state).share(
            made.id, *(self._email_id(email, fields.place) for email in preset.shared_with)
        )

    def _email_id(self, email: str, place: str) -> int:
        ids = {person.user.email: person.id for person in self._people}
        check(email in ids, f"{place} names an unknown user")
        return ids[email]

    @staticmethod
    def _preset(fields: Fields) -> PresetFlow:
        preset = PresetFlow(
            name=fields.text("name", ""),
            connections=tuple(fields.items("connections", str)),
            dataset_path=fields.text("dataset_path", None),
            output_path=fields.text("output_path", None),
            adhoc_output=fields.flag("adhoc_output", True),
            description=fields.text("description", ""),
            owner=fields.text("owner", None),
            shared_with=tuple(fields.items("shared_with", str)),
            dataset_parameters=fields.mapping("dataset_parameters", {}),
        )
        check(preset.name, f"{fields.place}: name is required")
        values = preset.dataset_parameters.values()
        check(
            all(isinstance(one, str) for one in values),
            f"{fields.place}.dataset_parameters must hold texts",
        )
        fields.end()
        return preset

    def _tables(self, fields: Fields) -> Tables:
        tables: Tables = checked_rows(
            fields.mapping("tables"), REFERENCES, f"{fields.place}.tables"
        )
        for table, rows in tables.items():
            for row in rows:
                self._state.ids.reserve(table, row["id"])
        return tables

    def _deployment(self, fields: Fields) -> None:
        state = self._state
        made = Deployment(
            id=self._id(fields, "deployments"),
            name=fields.text("name"),
            **self._stamps(fields),
        )
        deleted_at = fields.time("deleted_at", None)
        known = state.deployments.all(include_deleted=True)
        check(
            all(made.id != one.id for one in known),
            f"{fields.place}: the id {made.id} is there twice",
        )
        state.ids.reserve("deployments", made.id)
        state.deployments.put(made)
        for kind in _KINDS:
            rules = [self._rule(one, made.id, kind) for one in fields.objects(f"{kind}_rules")]
            checked_rules(kind, [rule.rule for rule in rules])
            if rules:
                state.rules[made.id, kind] = tuple(rules)
        for one in fields.objects("releases"):
            self._release(one, made.id)
        live = [one for one in state.releases.all() if one.active and one.deployment_id == made.id]
        check(len(live) <= 1, f"{fields.place} has more than one active release")
        fields.end()
        state.deployments.put(replace(made, deleted_at=deleted_at))
        state.deployments.settle()
        state.releases.settle()

    def _rule(self, fields: Fields, deployment_id: int, kind: RuleKind) -> ImportRule:
        table = f"{kind}importrules"
        rule = ImportRule(
            id=self._id(fields, table),
            deployment_id=deployment_id,
            kind=kind,
            rule=fields.mapping("rule"),
            **self._stamps(fields),
        )
        fields.end()
        self._state.ids.reserve(table, rule.id)
        return rule

    def _release(self, fields: Fields, deployment_id: int) -> None:
        state = self._state
        if "tables" not in fields:
            self._imported_release(fields, deployment_id)
            return
        stamps = self._stamps(fields)
        tables = self._tables(fields)
        made = ImportedPackage(
            tables=tables,
            primary_flow_ids=tuple(fields.items("primary_flow_ids", int)),
            mapping=_ids_by_table(fields.mapping("mapping", {}), fields.place),
            at=fields.time("imported_at", stamps["created_at"]),
            user_id=self._person(fields, "imported_by"),
            deleted_objects=fields.mapping("deleted_objects", {}),
            rule_changes=fields.mapping("rule_changes", {"object": [], "value": []}),
        )
        flow_ids = {row["id"] for row in tables["flows"]}
        primary = set(made.primary_flow_ids)
        check(
            primary and primary <= flow_ids,
            f"{fields.place}.primary_flow_ids must be flows of the release",
        )
        release = Release(
            id=fields.number("id"),
            deployment_id=deployment_id,
            package_uuid=fields.text("package_uuid"),
            notes=fields.text("notes", ""),
            active=fields.flag("active", False),
            **stamps,
            imported=made,
            deleted_at=fields.time("deleted_at", None),
        )
        fields.end()
        known = state.releases.all(include_deleted=True)
        check(
            all(release.id != one.id for one in known),
            f"{fields.place}: the id {release.id} is there twice",
        )
        state.ids.reserve("releases", release.id)
        state.releases.put(release)

    def _imported_release(self, fields: Fields, deployment_id: int) -> None:
        check(
            ("flow" in fields) != ("package" in fields), f"{fields.place} needs a flow or a package"
        )
        if "package" in fields:
            content = _decoded(fields.text("package"), fields.place)
        else:
            content = self._package(Fields(fields.mapping("flow"), f"{fields.place}.flow"))
        active = fields.flag("active", True)
        fields.end()
        Releases(self._state).create(
            deployment_id, read_package(io.BytesIO(content)), activate=active
        )

    def _package(self, fields: Fields) -> bytes:
        preset, options = self._preset(fields), self._options
        known = {
            connection.name: connection.packaged for connection in self._state.connections.all()
        }
        unknown = [name for name in preset.connections if name not in known]
        check(not unknown, f"{fields.place}.connections names an unknown connection")
        return build_package(
            preset.name,
            generation=generation_of(self._state.product.release),
            product_version=options.product_version,
            edition=options.edition,
            connections=[known[name] for name in preset.connections],
            adhoc_output=preset.adhoc_output,
            dataset_path=preset.dataset_path,
            output_path=preset.output_path,
            dataset_parameters=preset.dataset_parameters,
            comment=preset.description,
        )

    def _homes(self) -> dict[int, Home]:
        state = self._state
        homes = [home_of_flow(flow) for flow in state.flows.all(include_deleted=True)]
        for release in state.releases.all(include_deleted=True):
            homes += homes_of_release(release)
        return {home.flow_id: home for home in homes}

    @staticmethod
    def _home(fields: Fields, homes: Mapping[int, Home]) -> Home:
        flow_id = fields.number("flow_id")
        check(flow_id in homes, f"{fields.place}.flow_id is not the id of a flow")
        return homes[flow_id]

    def _flow_run(self, fields: Fields, homes: Mapping[int, Home]) -> FlowRun:
        return FlowRun(
            id=fields.number("id"),
            home=self._home(fields, homes),
            created_at=fields.time("created_at", self._now),
            creator=self._person(fields, "creator"),
            execution_id=fields.text("execution_id", None),
        )

    def _job_group(self, fields: Fields, homes: Mapping[int, Home]) -> JobGroup:
        home = self._home(fields, homes)
        recipe_id = fields.number("recipe_id")
        recipes = [recipe for recipe in nodes_of(home) if recipe.id == recipe_id]
        check(recipes, f"{fields.place}.recipe_id is not the id of a recipe of this flow")
        # They follow from the other fields, and are there for the reader.
        for name in ("status", "deployment_id", "release_id"):
            fields.take(name, None)
        created = fields.time("created_at", self._now)
        return JobGroup(
            id=fields.number("id"),
            recipe=recipes[0],
            flow_run_id=fields.number("flow_run_id", None),
            session_id=fields.text("session_id", ""),
            jobs=tuple(self._job(one) for one in fields.objects("jobs")),
            execution=fields.text("execution", None),
            overrides=fields.mapping("overrides", {}),
            inputs=fields.mapping("inputs", {"data": []}),
            outputs=fields.mapping("outputs", {"files": [], "tables": []}),
            created_at=created,
            starts_at=fields.time("starts_at", created),
            ends_at=fields.time("ends_at", created),
            ending=fields.text("ending", "Complete"),
            message=fields.text("message", None),
            creator=self._person(fields, "creator"),
            clock=self._options.clock,
            canceled_at=fields.time("canceled_at", None),
            canceled_word=self._options.canceled_word,
        )

    def _job(self, fields: Fields) -> Job:
        job = Job(fields.number("id"), fields.text("type"), fields.mapping("setting", None))
        fields.end()
        self._state.ids.reserve("jobs", job.id)
        return job

    def _event(self, fields: Fields) -> Event:
        event = Event(
            at=fields.time("at", self._now),
            user_id=fields.number("user_id", 1),
            deployment_id=fields.number("deployment_id", None),
            release_id=fields.number("release_id", None),
            what=fields.text("what"),
        )
        fields.end()
        return event


def _ids_by_table(value: Mapping[str, Any], place: str) -> dict[str, dict[int, int]]:
    mapping: dict[str, dict[int, int]] = {}
    for table, ids in value.items():
        check(isinstance(ids, dict), f"{place}.mapping must hold objects")
        for old, new in ids.items():
            fits = old.isascii() and old.lstrip("-").isdigit() and isinstance(new, int)
            check(fits, f"{place}.mapping must hold new ids by old ids")
        mapping[table] = {int(old): new for old, new in ids.items()}
    return mapping


def _decoded(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{place}.package must be a ZIP in base64") from error
