"""What the emulator can be switched to: an entry for each of its options.

A choice that no call shows needs a call in :mod:`.calls`. One that cannot be seen safely needs a
reason in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .answers import Answers, NotTestedError, need, of_spec, parameters_of
from .package import CONNECTION_ID, Package

See = Callable[[Answers], Any]
_JSON = ("content", "application/json", "schema", "properties")


@dataclass(frozen=True)
class Item:
    """Something that an instance shows.

    :param name: name of the emulator's option, or of the assumption
    :param mark: evidence so far
    :param text: what it is about, for people
    :param values: all values that can be seen, our reading first; for a list of field names our
        reading alone
    :param see: finds the value in the answers
    :param option: whether it is an option of the emulator
    :param is_fields: whether a value is a list of field names
    """

    name: str
    mark: str
    text: str
    values: tuple[Any, ...]
    see: See
    option: bool = True
    is_fields: bool = False


def by(key: str, meaning: Mapping[int, Any]) -> See:
    """Tell what the status of an answer means."""
    return lambda a: a.by_status(key, meaning)


def status(key: str) -> See:
    """Tell the status of an answer."""
    return lambda a: a[key].status


def of(key: str, *way: str | int) -> See:
    """Tell what a success has at the end of a way."""
    return lambda a: a.body(key, *way)


def allowed(key: str, yes: Any, no: Any, *, after: str) -> See:
    """Tell whether a request was allowed, if the one before it was."""
    return lambda a: (a.body(after), yes if a.allowed(key) else no)[1]


def roles_of(a: Answers) -> list[Any]:
    """Return the user's roles."""
    return [role["name"] for role in a.body("person")["authorizationRoles"]]


def descending(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a list has its newest row first."""
    ids = [row["id"] for row in rows]
    need(len(ids) > 1, "fewer than two rows")
    return ids == sorted(ids, reverse=True)


def latest(a: Answers) -> Any:
    """Return a deployment's ``latestRelease``."""
    rows = [a.body("deployment")] if "deployment" in a.seen else a.rows("deployments")
    return need(
        [row["latestRelease"] for row in rows if row.get("latestRelease")], "no release in sight"
    )[0]


def releases_of(a: Answers) -> Sequence[Mapping[str, Any]]:
    """Return the releases of a deployment: as they are listed, or else as they come with it."""
    with suppress(NotTestedError):
        return a.rows("releases")
    return embedded(a, "embedded_all")


def embedded(a: Answers, key: str) -> Sequence[Mapping[str, Any]]:
    """Return the releases that come with a deployment."""
    rows: Sequence[Mapping[str, Any]] = a.body(key, "releases", "data")
    return rows


def several(a: Answers) -> Sequence[Mapping[str, Any]]:
    """Return the releases of a deployment that has more than one."""
    rows = releases_of(a)
    need(len(rows) > 1, "fewer than two rows")
    return rows


def _instance_type(a: Answers) -> str:
    if not a.by_status("deployments", {200: True, 403: False}):
        need("deployment" in roles_of(a), "this user has no Deployment role")
        return "dev"
    flows = [
        one["operations"]
        for one in a.body("person")["maximalPrivileges"]
        if one["resourceType"] == "flow"
    ]
    return "both" if flows[0] else "prod"


def _tokens_enabled(a: Answers) -> bool:
    works = a.by_token and not a["person"].refused
    return works or a["token"].status != 403 or "disabled" not in str(a["token"].body)


def _bad_token(a: Answers) -> Any:
    stranger = a["stranger"]
    # The API gives a 401 without its own words, too; a 400 without them may be of a gateway.
    need(stranger.by_api or stranger.status == 401, f"HTTP {stranger.status}")
    return a.by_status("stranger", {401: 401, 400: 400})


def _users_make_tokens(a: Answers) -> Any:
    need(_tokens_enabled(a), "access tokens are off")
    need("admin" not in roles_of(a), "this user is an administrator")
    return a.by_status("token", {400: True, 201: True, 403: False})


def _unmapped(a: Answers) -> Any:
    a.body("dry_run")
    if not a.allowed("dry_table"):
        return "refuse"
    source = a.body("dry_table")["datasources"][0]
    found = source["connectionId"] if "connectionId" in source else source["connection"]
    found = found["id"] if isinstance(found, Mapping) else found
    return {None: "clear", CONNECTION_ID: "keep"}.get(found, "other")


def _unknown_target(a: Answers) -> str:
    need(_unmapped(a) != "refuse", "unmapped connections are refused")
    a.body("rules")
    return "ignore" if a.allowed("dry_rule") else "refuse"


def _notes(a: Answers) -> str:
    release = a.body("first")["release"]
    package: Package = need(a.package, "no package")
    need(package.comment and package.comment != package.flow_name, "the package has no comment")
    return {package.comment: "comment", package.flow_name: "flow_name"}.get(
        release["notes"], "other"
    )


def _release_list(a: Answers) -> str:
    """Tell in which of the two documented ways the releases of a deployment can be listed."""
    listed = a.by_status("releases", {200: True, 404: False})
    embedded = a.by_status("embedded", {200: True, 400: False})
    return {(True, True): "both", (False, True): "embed", (True, False): "plain"}[listed, embedded]


def _release_uuid(a: Answers) -> str:
    package: Package = need(a.package, "no package")
    shown = a.body("first")["release"]["packageUuid"]
    return "package" if shown.lower() == package.uuid else "own"


def _touches(a: Answers) -> bool:
    """Tell whether the second import touched the first release, which it replaced."""
    before, after = a.body("first")["release"]["updatedAt"], a.body("first_after")["updatedAt"]
    if before != after:
        return True
    need(a.body("second")["release"]["createdAt"] != before, "both imports show the same time")
    return False


def _run_answer(a: Answers) -> str:
    way = ("/deployments/{id}/run", "responses", "201", *_JSON)
    jobs = "jobs" in of_spec(a, "post", *way, "data", "items", "properties")
    return "flow_run" if "flowRunId" in of_spec(a, "post", *way) else "jobs" if jobs else "v4"


def takes_key(a: Answers, path: str) -> bool:
    """Tell whether a run takes a key of the request, as the instance describes it."""
    names = [str(parameter.get("name")) for parameter in parameters_of(a, "post", path)]
    return "x-execution-id" in map(str.lower, names)


def _canceled(a: Answers) -> Any:
    """What an instance does counts for more than what it says of itself."""
    words = ("Canceled", "Cancelled")
    done = [row["status"] for row in a.rows("job_groups") if row["status"] in words]
    said = done or of_spec(
        a, "get", "/jobGroups/{id}", "responses", "200", *_JSON, "status", "enum"
    )
    return next(one for one in said if one in words)


def _job_error(a: Answers) -> str:
    done = (
        [row["errorMessage"] for row in a.rows("jobs") if row["errorMessage"]]
        if "jobs" in a.seen
        else []
    )
    if done:
        return "object" if isinstance(done[0], Mapping) else "text"
    way = ("responses", "200", *_JSON, "data", "items", "properties", "errorMessage", "type")
    return {"string": "text", "object": "object"}[of_spec(a, "get", "/jobGroups/{id}/jobs", *way)]


def _whole_seconds(a: Answers) -> bool:
    lists = [
        key
        for key in ("flows", "deployments", "job_groups")
        if key in a.seen and not a[key].refused
    ]
    times = [str(row["createdAt"]) for key in lists for row in a.rows(key)]
    return all(one.endswith(".000Z") for one in need(times, "nothing with a time in sight"))


def _file_inputs(a: Answers) -> Any:
    found = a.by_status("inputs", {200: "serve", 400: "refuse"})
    need(found == "refuse" or "'uri'" in str(a.rows("inputs")), "no job on files in sight")
    return found


_OK = {200: True, 204: True, 400: True, 403: False}
_EXISTS = {200: True, 404: False, 405: False}
#: The options of the emulator.
OPTIONS = (
    Item(
        "deployment_manager",
        "P",
        "Deployment Manager is there",
        (True, False),
        by("deployments", {200: True, 403: True, 404: False}),
    ),
    Item("instance_type", "R", "who may use deployments", ("both", "prod", "dev"), _instance_type),
    Item("api_tokens_enabled", "R", "access tokens work", (True, False), _tokens_enabled),
    Item(
        "user_tokens_allowed",
        "R",
        "all users may make access tokens",
        (False, True),
        _users_make_tokens,
    ),
    Item(
        "import_enabled",
        "?",
        "packages can be imported; else 403",
        (True, False),
        by("dry_run", _OK),
    ),
    Item(
        "export_enabled", "?", "flows can be exported; else 403", (True, False), by("export", _OK)
    ),
    Item(
        "unauthorized_body",
        "?",
        "body of a 401",
        ("json", "text"),
        lambda a: a.by_status("stranger", {401: "json" if a["stranger"].is_json else "text"}),
    ),
    Item("bad_token_status", "P", "status for an unknown access token", (401, 400), _bad_token),
    Item(
        "unknown_id_status",
        "P",
        "status for an unknown id",
        (404, 403, 400),
        lambda a: a["unknown_group" if a["deployments"].refused else "unknown"].status,
    ),
    Item(
        "unknown_flow_status",
        "P",
        "status for an unknown flow",
        (403, 404, 400),
        status("unknown_flow"),
    ),
    Item("whole_seconds", "P", "times are whole seconds", (False, True), _whole_seconds),
    Item(
        "deleted_id_status",
        "P",
        "status for a deleted id",
        (410, 404),
        lambda a: (need(not a["delete_inactive"].refused, "nothing deleted"), a["deleted"].status)[
            1
        ],
    ),
    Item(
        "inactive_value",
        "R",
        "`active` of an inactive release",
        (None, False),
        lambda a: next(row["active"] for row in releases_of(a) if row["active"] is not True),
    ),
    Item(
        "releases_order",
        "?",
        "first in a list of releases",
        ("newest", "oldest"),
        lambda a: "newest" if descending(releases_of(a)) else "oldest",
    ),
    Item(
        "latest_release",
        "?",
        "`latestRelease` of a deployment",
        ("object", "id"),
        lambda a: "object" if isinstance(latest(a), Mapping) else "id",
    ),
    Item(
        "counts_on_create",
        "I",
        "POST deployments counts releases",
        (False, True),
        lambda a: "numReleases" in a.body("created"),
    ),
    Item(
        "unique_deployment_names",
        "?",
        "a name can be used only once",
        (False, True),
        allowed("twin", False, True, after="created"),
    ),
    Item(
        "delete_active_release",
        "?",
        "DELETE of the active release",
        ("allow", "refuse"),
        allowed("delete_active", "allow", "refuse", after="active_again"),
    ),
    Item(
        "releases_need_deployment_id",
        "?",
        "GET releases needs `deploymentId`",
        (False, True),
        by("all_releases", {200: False, 400: True}),
    ),
    Item(
        "list_releases_route",
        "M",
        "GET deployments/:id/releases exists",
        (False, True),
        by("route_releases", _EXISTS),
    ),
    Item("release_list", "?", "ways to list releases", ("both", "embed", "plain"), _release_list),
    Item(
        "embed_paging",
        "?",
        "`limit` pages embedded releases",
        (True, False),
        lambda a: bool(several(a)) and len(embedded(a, "embedded")) == 1,
    ),
    Item(
        "import_rules_readable",
        "M",
        "import rules can be read",
        (True, False),
        by("read_rules", _EXISTS),
    ),
    Item(
        "unmapped_connections",
        "I",
        "a connection without a rule",
        ("keep", "clear", "refuse"),
        _unmapped,
    ),
    Item(
        "unknown_rule_target",
        "?",
        "a rule to an unknown connection",
        ("refuse", "ignore"),
        _unknown_target,
    ),
    Item(
        "dry_run_errors",
        "?",
        "where a dry run tells an error",
        ("status", "body"),
        lambda a: a.by_status(
            "dry_broken", {400: "status", 200: "body" if a["dry_broken"].refused else "other"}
        ),
    ),
    Item("package_uuid", "I", "`packageUuid` of a new release", ("package", "own"), _release_uuid),
    Item(
        "replacing_touches_updated_at",
        "I",
        "a replaced release gets a new `updatedAt`",
        (True, False),
        _touches,
    ),
    Item("release_notes", "I", "`notes` of a new release", ("comment", "flow_name"), _notes),
    Item(
        "run_without_output",
        "?",
        "a run without an active release",
        ("refuse", "empty"),
        allowed("run", "empty", "refuse", after="created"),
    ),
    Item(
        "run_release_flows",
        "?",
        "a flow of a release can be run; else 403",
        ("allow", "refuse"),
        by("run_flow", {403: "refuse", 400: "allow", 201: "allow"}),
    ),
    Item(
        "import_hold_up",
        "?",
        "a plain import without mappings is held up",
        ("from_ui", "always"),
        lambda a: "always" if "connectionsWithoutMapping" in a.body("dry_plain") else "from_ui",
    ),
    Item(
        "flow_patch_body",
        "R",
        "answer to PATCH flows, by open-api-spec",
        ("short", "empty"),
        lambda a: (
            "short"
            if "content" in of_spec(a, "patch", "/flows/{id}", "responses", "200")
            else "empty"
        ),
    ),
    Item("file_inputs", "P", "inputs of a job on files", ("serve", "refuse"), _file_inputs),
    Item(
        "run_answer",
        "P",
        "answer to a run, by open-api-spec",
        ("v4", "jobs", "flow_run"),
        _run_answer,
    ),
    Item(
        "execution_ids",
        "P",
        "runs count x-execution-id, by open-api-spec",
        ("count", "ignore"),
        lambda a: "count" if takes_key(a, "/jobGroups") else "ignore",
    ),
    Item(
        "flow_run_name",
        "P",
        "name of the run of a flow in a job group",
        ("flowrun", "flowRun"),
        lambda a: next(
            key for row in a.rows("job_groups") for key in row if key.lower() == "flowrun"
        ),
    ),
    Item("canceled_word", "P", "spelling of Canceled", ("Canceled", "Cancelled"), _canceled),
    Item(
        "cancel_status",
        "M",
        "status of a cancellation, by open-api-spec",
        (200, 202),
        lambda a: next(
            int(one)
            for one in of_spec(a, "post", "/jobGroups/{id}/cancel", "responses")
            if one[0] == "2"
        ),
    ),
    Item("job_error_shape", "P", "`errorMessage` of a job", ("text", "object"), _job_error),
)
