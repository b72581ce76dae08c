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
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from trifacta_emulator.checks import build, check, is_whole_number
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ApiError
from trifacta_emulator.options import EmulatorOptions, PresetFlow, User, check_users
from trifacta_emulator.packages.builder import build_package
from trifacta_emulator.packages.definition import Row, Tables, ids_of, rows_where
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
    Recipe,
    Release,
    RuleKind,
)
from trifacta_emulator.rules.checks import checked_rules
from trifacta_emulator.state.fields import Fields, checked_rows
from trifacta_emulator.state.flows import Flows
from trifacta_emulator.state.people import (
    Authenticator,
    Person,
    Token,
    ids_by_email,
    people_of,
)
from trifacta_emulator.state.recipes import home_of_flow, homes_of_release, nodes_of
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.runs import RunOutcome
from trifacta_emulator.state.snapshot import Snapshot, put_back, take_snapshot
from trifacta_emulator.state.state import State, Table

VERSION = 1
_KINDS: tuple[RuleKind, ...] = ("object", "value")
#: Names of the kinds of runs that have a key, in the document.
_RUNS = {"job_groups": JobGroup, "flow_runs": FlowRun}


def write_state(state: State, auth: Authenticator) -> dict[str, Any]:
    """Write all state as one JSON document.

    :param state: the state
    :param auth: the users and tokens
    """
    snapshot = take_snapshot(state, auth)
    tables = snapshot.tables
    document = {
        "version": VERSION,
        "users": [_user(person.user) for person in snapshot.people],
        "tokens": [_token(token) for token in snapshot.tokens],
        "connections": [_connection(connection) for connection in tables["connections"]],
        "flows": _flows(tables["flows"]),
        "deployments": _deployments(snapshot),
        "flow_runs": [_flow_run(run) for run in tables["flow_runs"]],
        "job_groups": [_job_group(group) for group in tables["job_groups"]],
        "run_outcomes": _outcomes(snapshot),
        "execution_ids": _execution_ids(snapshot),
        "dropped_next": None,
        "history": [_event(event) for event in snapshot.events],
        "ids": snapshot.ids.last,
    }
    if snapshot.dropped_next is not None:
        document["dropped_next"] = dict(snapshot.dropped_next)
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
    except ApiError as error:
        # A rule or a package is refused.
        raise ValueError(str(error)) from error
    put_back(snapshot, state, auth)


def _user(user: User) -> Row:
    return {
        "email": user.email,
        "password": user.password,
        "roles": list(user.roles),
    }


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
        row = {
            "id": flow.id,
            "name": flow.name,
            **_stamps(flow),
            "exports": flow.exports,
            "shared_with": sorted(flow.shared_with),
            "folder_id": flow.folder_id,
            "deleted_at": iso_or_none(flow.deleted_at),
            "described": list(flow.described),
        }
        # The flows of one package share their tables. The first one shows them.
        first_id = first_of.setdefault(id(flow.tables), flow.id)
        if first_id == flow.id:
            row["tables"] = flow.tables
        else:
            row["tables_of"] = first_id
        rows.append(row)
    return rows


def _deployments(snapshot: Snapshot) -> list[Row]:
    releases: dict[int, list[Row]] = {}
    for release in snapshot.tables["releases"]:
        # A release without flows is one whose import goes on.
        if release.imported.primary_flow_ids:
            releases.setdefault(release.deployment_id, []).append(_release(release))
    rows = []
    for deployment in snapshot.tables["deployments"]:
        row = {
            "id": deployment.id,
            "name": deployment.name,
            **_stamps(deployment),
            "deleted_at": iso_or_none(deployment.deleted_at),
            "releases": releases.get(deployment.id, []),
        }
        for kind in _KINDS:
            rules = snapshot.rules.get((deployment.id, kind), ())
            row[f"{kind}_rules"] = [_rule(rule) for rule in rules]
        rows.append(row)
    return rows


def _rule(rule: ImportRule) -> Row:
    return {
        "rule": dict(rule.rule),
        "id": rule.id,
        **_stamps(rule),
    }


def _outcomes(snapshot: Snapshot) -> list[Row]:
    return [{**outcome.to_json(), "times": left} for outcome, left in snapshot.outcomes]


def _execution_ids(snapshot: Snapshot) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for name, record in _RUNS.items():
        keys[name] = []
        for kind, key in snapshot.execution_ids:
            if kind is record and key is not None:
                keys[name].append(key)
        keys[name].sort()
    return keys


def _release(release: Release) -> Row:
    imported = release.imported
    mapping = {}
    for table, ids in imported.mapping.items():
        mapping[table] = {str(old): new for old, new in ids.items()}
    return {
        "id": release.id,
        "package_uuid": release.package_uuid,
        "notes": release.notes,
        "active": release.active,
        **_stamps(release),
        "deleted_at": iso_or_none(release.deleted_at),
        "tables": imported.tables,
        "primary_flow_ids": list(imported.primary_flow_ids),
        "mapping": mapping,
        "imported_at": iso(imported.at),
        "imported_by": imported.user_id,
        "deleted_objects": dict(imported.deleted_objects),
        "rule_changes": dict(imported.rule_changes),
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
        "jobs": [_job(job) for job in group.jobs],
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


def _job(job: Job) -> Row:
    return {
        "id": job.id,
        "type": job.type,
        "setting": job.setting,
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

    def __init__(
        self,
        document: Any,
        options: EmulatorOptions,
        auth: Authenticator,
    ) -> None:
        self._fields = Fields(document, "state")
        self._options = options
        self._auth = auth
        self._state = State(options)
        self._people = auth.people
        self._tokens = auth.all_tokens
        #: By id: the flows of job groups and flow runs. Known when all flows and releases are.
        self._homes: dict[int, Home] = {}
        self._now = options.clock()

    def snapshot(self) -> Snapshot:
        fields = self._fields
        state = self._state
        version = fields.take("version", VERSION)
        check(version == VERSION, f"state.version must be {VERSION}, not {version!r}")
        self._read_people()
        self._read_ids()
        state.connections.replace(self._each("connections", "connections", self._connection))
        self._read_flows()
        for deployment in fields.objects("deployments"):
            self._deployment(deployment)
        self._homes = self._all_homes()
        state.flow_runs.replace(self._each("flow_runs", "flowruns", self._flow_run))
        state.job_groups.replace(self._each("job_groups", "jobgroups", self._job_group))
        for outcome in fields.objects("run_outcomes"):
            state.runs.add(build(RunOutcome, outcome.rest()))
        self._read_execution_ids()
        state.dropped_next = fields.mapping("dropped_next", None)
        events = [self._event(event) for event in fields.objects("history")]
        if events:
            state.replace_events(events)
        fields.end()
        auth = Authenticator(self._options)
        auth.replace(self._people, self._tokens)
        return take_snapshot(state, auth)

    def _read_people(self) -> None:
        fields = self._fields
        if "users" in fields:
            users = [self._user(user) for user in fields.objects("users")]
            check_users(users)
            self._people = people_of(users)
            # The tokens of other users mean nobody here.
            self._tokens = ()
        if "tokens" in fields:
            tokens = [self._token(token) for token in fields.objects("tokens")]
            self._tokens = tuple(tokens)

    def _read_ids(self) -> None:
        for table, last in self._fields.mapping("ids", {}).items():
            valid = table in SEQUENCES and is_whole_number(last) and 0 <= last <= 10**18
            check(valid, f"state.ids.{table} is not the last id of a kind of objects")
            self._state.ids.reserve(table, last)

    def _read_execution_ids(self) -> None:
        keys = Fields(self._fields.mapping("execution_ids", {}), "execution_ids")
        for name, kind in _RUNS.items():
            for key in keys.items(name, str):
                self._state.execution_ids.add((kind, key))
        keys.end()

    def _each(
        self,
        name: str,
        table: str,
        read: Callable[[Fields], Any],
    ) -> list[Any]:
        records: dict[int, Any] = {}
        for fields in self._fields.objects(name):
            record = read(fields)
            fields.end()
            _check_new(record.id, records, fields.place)
            self._state.ids.reserve(table, record.id)
            records[record.id] = record
        return list(records.values())

    def _id(self, fields: Fields, table: str) -> int:
        object_id = fields.number("id", None)
        if object_id is None:
            return self._state.ids.next(table)
        return int(object_id)

    def _person(self, fields: Fields, name: str) -> int:
        number: int = fields.number(name, 1)
        check(1 <= number <= len(self._people), f"{fields.place}.{name} is not the id of a user")
        return number

    def _stamps(self, fields: Fields) -> dict[str, Any]:
        created_at = fields.time("created_at", self._now)
        creator = self._person(fields, "creator")
        updater = creator
        if "updater" in fields:
            updater = self._person(fields, "updater")
        return {
            "created_at": created_at,
            "updated_at": fields.time("updated_at", created_at),
            "creator": creator,
            "updater": updater,
        }

    @staticmethod
    def _user(fields: Fields) -> User:
        user = User(
            email=fields.text("email"),
            password=fields.text("password"),
            roles=tuple(fields.items("roles", str)),
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
            _check_new(flow.id, _ids(flows), fields.place)
            self._state.ids.reserve("flows", flow.id)
            flows.put(flow)
        flows.settle()

    def _exact_flow(self, fields: Fields) -> Flow:
        flow_id = fields.number("id")
        name = fields.text("name", None)
        tables = self._flow_tables(fields)
        own = rows_where(tables["flows"], "id", flow_id)
        check(len(own) == 1, f"{fields.place}.tables.flows has no row of this flow")
        if name is not None:
            own[0]["name"] = name
        shared_with = fields.items("shared_with", int)
        for user_id in shared_with:
            known = 1 <= user_id <= len(self._people)
            check(known, f"{fields.place}.shared_with has no such user")
        return Flow(
            id=flow_id,
            tables=tables,
            described=tuple(fields.items("described", dict)),
            **self._stamps(fields),
            exports=fields.number("exports", 0),
            shared_with=frozenset(shared_with),
            folder_id=fields.number("folder_id", None),
            deleted_at=fields.time("deleted_at", None),
        )

    def _flow_tables(self, fields: Fields) -> Tables:
        if "tables_of" not in fields:
            return self._tables(fields)
        first_id = fields.number("tables_of")
        for flow in self._state.flows.all(include_deleted=True):
            if flow.id == first_id:
                return flow.tables
        raise ValueError(f"{fields.place}.tables_of is not the id of an earlier flow")

    def _preset_flow(self, fields: Fields) -> None:
        preset = self._preset(fields)
        user_ids = ids_by_email(self._people)
        emails = list(preset.shared_with)
        if preset.owner:
            emails.append(preset.owner)
        for email in emails:
            check(email in user_ids, f"{fields.place} names an unknown user")
        Flows(self._state).create_preset_flow(preset, user_ids)

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
        for default in preset.dataset_parameters.values():
            is_text = isinstance(default, str)
            check(is_text, f"{fields.place}.dataset_parameters must hold texts")
        fields.end()
        return preset

    def _tables(self, fields: Fields) -> Tables:
        place = f"{fields.place}.tables"
        tables: Tables = checked_rows(fields.mapping("tables"), REFERENCES, place)
        for table, rows in tables.items():
            for row in rows:
                self._state.ids.reserve(table, row["id"])
        return tables

    def _deployment(self, fields: Fields) -> None:
        state = self._state
        deployment = Deployment(
            id=self._id(fields, "deployments"),
            name=fields.text("name"),
            **self._stamps(fields),
        )
        deleted_at = fields.time("deleted_at", None)
        _check_new(deployment.id, _ids(state.deployments), fields.place)
        state.ids.reserve("deployments", deployment.id)
        state.deployments.put(deployment)
        for kind in _KINDS:
            self._rules(fields, deployment.id, kind)
        for release in fields.objects("releases"):
            self._release(release, deployment.id)
        active = 0
        for known in state.releases.all():
            if known.active and known.deployment_id == deployment.id:
                active += 1
        check(active <= 1, f"{fields.place} has more than one active release")
        fields.end()
        state.deployments.put(replace(deployment, deleted_at=deleted_at))
        state.deployments.settle()
        state.releases.settle()

    def _rules(
        self,
        fields: Fields,
        deployment_id: int,
        kind: RuleKind,
    ) -> None:
        rules = []
        for rule in fields.objects(f"{kind}_rules"):
            rules.append(self._rule(rule, deployment_id, kind))
        checked_rules(kind, [rule.rule for rule in rules])
        if rules:
            self._state.rules[deployment_id, kind] = tuple(rules)

    def _rule(
        self,
        fields: Fields,
        deployment_id: int,
        kind: RuleKind,
    ) -> ImportRule:
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
        if "tables" not in fields:
            self._imported_release(fields, deployment_id)
            return
        stamps = self._stamps(fields)
        release = Release(
            id=fields.number("id"),
            deployment_id=deployment_id,
            package_uuid=fields.text("package_uuid"),
            notes=fields.text("notes", ""),
            active=fields.flag("active", False),
            **stamps,
            imported=self._imported(fields, stamps["created_at"]),
            deleted_at=fields.time("deleted_at", None),
        )
        fields.end()
        releases = self._state.releases
        _check_new(release.id, _ids(releases), fields.place)
        self._state.ids.reserve("releases", release.id)
        releases.put(release)

    def _imported(self, fields: Fields, created_at: datetime) -> ImportedPackage:
        tables = self._tables(fields)
        primary_flow_ids = tuple(fields.items("primary_flow_ids", int))
        valid = primary_flow_ids and ids_of(tables["flows"]).issuperset(primary_flow_ids)
        check(valid, f"{fields.place}.primary_flow_ids must be flows of the release")
        return ImportedPackage(
            tables=tables,
            primary_flow_ids=primary_flow_ids,
            mapping=_ids_by_table(fields.mapping("mapping", {}), fields.place),
            at=fields.time("imported_at", created_at),
            user_id=self._person(fields, "imported_by"),
            deleted_objects=fields.mapping("deleted_objects", {}),
            rule_changes=fields.mapping("rule_changes", {"object": [], "value": []}),
        )

    def _imported_release(self, fields: Fields, deployment_id: int) -> None:
        has_package = "package" in fields
        has_flow = "flow" in fields
        check(has_package != has_flow, f"{fields.place} needs a flow or a package")
        if has_package:
            content = _decoded(fields.text("package"), fields.place)
        else:
            flow = Fields(fields.mapping("flow"), f"{fields.place}.flow")
            content = self._package(flow)
        active = fields.flag("active", True)
        fields.end()
        package = read_package(io.BytesIO(content))
        Releases(self._state).create_release(deployment_id, package, activate=active)

    def _package(self, fields: Fields) -> bytes:
        preset = self._preset(fields)
        known = {}
        for connection in self._state.connections.all():
            known[connection.name] = connection.packaged
        for name in preset.connections:
            check(name in known, f"{fields.place}.connections names an unknown connection")
        return build_package(
            preset.name,
            generation=generation_of(self._state.product.release),
            product_version=self._options.product_version,
            edition=self._options.edition,
            connections=[known[name] for name in preset.connections],
            adhoc_output=preset.adhoc_output,
            dataset_path=preset.dataset_path,
            output_path=preset.output_path,
            dataset_parameters=preset.dataset_parameters,
            comment=preset.description,
        )

    def _all_homes(self) -> dict[int, Home]:
        state = self._state
        homes = [home_of_flow(flow) for flow in state.flows.all(include_deleted=True)]
        for release in state.releases.all(include_deleted=True):
            homes += homes_of_release(release)
        return {home.flow_id: home for home in homes}

    def _home(self, fields: Fields) -> Home:
        flow_id = fields.number("flow_id")
        check(flow_id in self._homes, f"{fields.place}.flow_id is not the id of a flow")
        return self._homes[flow_id]

    def _flow_run(self, fields: Fields) -> FlowRun:
        return FlowRun(
            id=fields.number("id"),
            home=self._home(fields),
            created_at=fields.time("created_at", self._now),
            creator=self._person(fields, "creator"),
            execution_id=fields.text("execution_id", None),
        )

    def _job_group(self, fields: Fields) -> JobGroup:
        recipe = self._recipe(fields)
        # They follow from the other fields, and are there for the reader.
        for name in ("status", "deployment_id", "release_id"):
            fields.take(name, None)
        created_at = fields.time("created_at", self._now)
        return JobGroup(
            id=fields.number("id"),
            recipe=recipe,
            flow_run_id=fields.number("flow_run_id", None),
            session_id=fields.text("session_id", ""),
            jobs=tuple(self._job(job) for job in fields.objects("jobs")),
            execution=fields.text("execution", None),
            overrides=fields.mapping("overrides", {}),
            inputs=fields.mapping("inputs", {"data": []}),
            outputs=fields.mapping("outputs", {"files": [], "tables": []}),
            created_at=created_at,
            starts_at=fields.time("starts_at", created_at),
            ends_at=fields.time("ends_at", created_at),
            ending=fields.text("ending", "Complete"),
            message=fields.text("message", None),
            creator=self._person(fields, "creator"),
            clock=self._options.clock,
            canceled_at=fields.time("canceled_at", None),
            canceled_word=self._options.canceled_word,
        )

    def _recipe(self, fields: Fields) -> Recipe:
        home = self._home(fields)
        recipe_id = fields.number("recipe_id")
        for recipe in nodes_of(home):
            if recipe.id == recipe_id:
                return recipe
        raise ValueError(f"{fields.place}.recipe_id is not the id of a recipe of this flow")

    def _job(self, fields: Fields) -> Job:
        job = Job(
            id=fields.number("id"),
            type=fields.text("type"),
            setting=fields.mapping("setting", None),
        )
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


def _check_new(object_id: int, known: Container[int], place: str) -> None:
    check(object_id not in known, f"{place}: the id {object_id} is there twice")


def _ids(table: Table[Any]) -> set[int]:
    return {record.id for record in table.all(include_deleted=True)}


def _ids_by_table(mapping: Mapping[str, Any], place: str) -> dict[str, dict[int, int]]:
    by_table: dict[str, dict[int, int]] = {}
    for table, ids in mapping.items():
        check(isinstance(ids, dict), f"{place}.mapping must hold objects")
        by_table[table] = {}
        for old, new in ids.items():
            is_number = old.isascii() and old.lstrip("-").isdigit()
            valid = is_number and isinstance(new, int)
            check(valid, f"{place}.mapping must hold new ids by old ids")
            by_table[table][int(old)] = new
    return by_table


def _decoded(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{place}.package must be a ZIP in base64") from error
