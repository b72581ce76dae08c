"""The table of what the probe tells: choices of the emulator, and assumptions about the vendor's documents.

To add one, add an entry here. If no call shows it yet, add the call to :mod:`.calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import Answers, NotTestedError, of_spec, shape
from .calls import NOTES
from .package import CONNECTION_ID

#: Words for the state of a job group [P].
_STATES = ("Created", "Pending", "InProgress", "Complete", "Failed", "Canceled", "Cancelled", "undefined")
_JSON = ("content", "application/json", "schema", "properties")


@dataclass(frozen=True)
class Item:
    """Something that an instance shows.

    :param name: name of the emulator's option, or of the assumption
    :param mark: evidence so far
    :param text: what it is about, for people
    :param values: all values that can be seen, our reading first; for a list of field names our reading alone
    :param see: finds the value in the answers
    :param option: whether it is an option of the emulator
    :param is_fields: whether a value is a list of field names
    """

    name: str
    mark: str
    text: str
    values: tuple[Any, ...]
    see: Callable[[Answers], Any]
    option: bool = True
    is_fields: bool = False


def _assume(name: str, mark: str, text: str, see: Callable[[Answers], Any], *values: Any) -> Item:
    return Item(name, mark, text, values or (True, False), see, option=False)


def _fields(name: str, mark: str, text: str, fields: str, see: Callable[[Answers], Any]) -> Item:
    return Item(name, mark, text, (" ".join(sorted(fields.split())),), lambda a: shape(see(a)), False, True)


def _is_manager(a: Answers) -> bool:
    # Some users get a 403: the path exists.
    return bool(a.by_status("deployments", {200: True, 403: True, 404: False}))


def roles_of(a: Answers) -> list[Any]:
    """Return the user's roles."""
    return [role["name"] for role in a.body("person")["authorizationRoles"]]


def _instance_type(a: Answers) -> str:
    if not a.by_status("deployments", {200: True, 403: False}):
        if "deployment" in roles_of(a):
            return "dev"
        raise NotTestedError("this user has no Deployment role")
    flows = [one["operations"] for one in a.body("person")["maximalPrivileges"] if one["resourceType"] == "flow"]
    return "both" if flows[0] else "prod"


def _tokens_enabled(a: Answers) -> bool:
    if a.by_token and not a["person"].refused:
        return True
    return a.status("token") != 403 or "disabled" not in str(a["token"].body)


def _users_make_tokens(a: Answers) -> bool:
    if not _tokens_enabled(a):
        raise NotTestedError("access tokens are off")
    if "admin" in roles_of(a):
        raise NotTestedError("this user is an administrator")
    return bool(a.by_status("token", {400: True, 201: True, 403: False}))


def _unknown_status(a: Answers) -> int:
    return a.status("unknown" if not a["deployments"].refused else "unknown_flow")


def _inactive(a: Answers) -> Any:
    found = [row["active"] for row in a.rows("releases") if row["active"] is not True]
    if not found:
        raise NotTestedError("no inactive release in sight")
    return found[0]


def _descending(rows: Sequence[Mapping[str, Any]]) -> bool:
    ids = [row["id"] for row in rows]
    if len(ids) < 2:
        raise NotTestedError("fewer than two rows")
    return ids == sorted(ids, reverse=True)


def _latest(a: Answers) -> Any:
    rows = [a.body("deployment")] if "deployment" in a.seen else a.rows("deployments")
    found = [row["latestRelease"] for row in rows if row.get("latestRelease")]
    if not found:
        raise NotTestedError("no release in sight")
    return found[0]


def _pages_embed(a: Answers) -> bool:
    if len(a.rows("releases")) < 2:
        raise NotTestedError("fewer than two releases")
    return len(a.body("embedded")["releases"]["data"]) == 1


def _accepted(a: Answers, key: str) -> bool:
    a.body("dry_run")  # the same without what is tried must be accepted
    return a.allowed(key)


def _unmapped(a: Answers) -> Any:
    if not _accepted(a, "dry_table"):
        return "refuse"
    source = a.body("dry_table")["datasources"][0]
    found = source["connectionId"] if "connectionId" in source else source["connection"]
    found = found["id"] if isinstance(found, Mapping) else found
    return {None: "clear", CONNECTION_ID: "keep"}.get(found, "other")


def _unknown_target(a: Answers) -> str:
    if not _accepted(a, "dry_table"):
        raise NotTestedError("unmapped connections are refused")
    a.body("rules")
    return "ignore" if a.allowed("dry_rule") else "refuse"


def _notes(a: Answers) -> str:
    release, package = a.body("first")["release"], a.package
    if package is None or not package.comment or package.comment == package.flow_name:
        raise NotTestedError("the package has no comment")
    return {package.comment: "comment", package.flow_name: "flow_name"}.get(release["notes"], "other")


def _run_answer(a: Answers) -> str:
    answer = of_spec(a, "post", "/deployments/{id}/run", "responses", "201", *_JSON)
    element = of_spec(a, "post", "/deployments/{id}/run", "responses", "201", *_JSON, "data", "items", "properties")
    return "flow_run" if "flowRunId" in answer else "jobs" if "jobs" in element else "v4"


def _canceled(a: Answers) -> str:
    words = [row["status"] for row in a.rows("job_groups")]
    if not {"Canceled", "Cancelled"} & set(words):
        words = of_spec(a, "get", "/jobGroups/{id}", "responses", "200", *_JSON, "status", "enum")
    return "Cancelled" if "Cancelled" in words else "Canceled" if "Canceled" in words else "other"


def _cancel_status(a: Answers) -> int:
    found = of_spec(a, "post", "/jobGroups/{id}/cancel", "responses")
    return next(int(one) for one in found if one in ("200", "202"))


def _job_error(a: Answers) -> str:
    if "jobs" in a.seen:
        words = [row["errorMessage"] for row in a.rows("jobs") if row["errorMessage"]]
        if words:
            return "object" if isinstance(words[0], Mapping) else "text"
    keys = ("data", "items", "properties", "errorMessage", "type")
    kind = of_spec(a, "get", "/jobGroups/{id}/jobs", "responses", "200", *_JSON, *keys)
    return {"string": "text", "object": "object"}[kind]


def _dry_run_errors(a: Answers) -> str:
    return str(a.by_status("dry_broken", {400: "status", 200: "body" if a["dry_broken"].refused else "other"}))


def _unauthorized_body(a: Answers) -> str:
    return str(a.by_status("stranger", {401: "json" if a["stranger"].is_json else "text"}))


def _delete_active(a: Answers) -> str:
    if a["active_again"].refused:
        raise NotTestedError("no release could be made active")
    return "allow" if a.allowed("delete_active") else "refuse"


def _run(key: str) -> Callable[[Answers], str]:
    return lambda a: "empty" if a.allowed(key) else "refuse"


def _exists(key: str) -> Callable[[Answers], bool]:
    return lambda a: bool(a.by_status(key, {200: True, 404: False, 405: False}))


def _enabled(key: str) -> Callable[[Answers], bool]:
    return lambda a: bool(a.by_status(key, {200: True, 204: True, 400: True, 403: False}))


def _status(key: str) -> Callable[[Answers], int]:
    return lambda a: a.status(key)


def _deleted_status(a: Answers) -> int:
    if a["delete_inactive"].refused:
        raise NotTestedError("nothing could be deleted")
    return a.status("deleted")


def _order(a: Answers) -> str:
    return "newest" if _descending(a.rows("releases")) else "oldest"


def _latest_release(a: Answers) -> str:
    return "object" if isinstance(_latest(a), Mapping) else "id"


def _counts(a: Answers) -> bool:
    return "numReleases" in a.body("created")


def _unique_names(a: Answers) -> bool:
    return bool(a.body("created")) and not a.allowed("twin")


def _needs_id(a: Answers) -> bool:
    return bool(a.by_status("all_releases", {200: False, 400: True}))


def _rolled_back(a: Answers) -> bool:
    return not a["activated"].refused and _live(a, "rolled_back") == [True, False]


def _takes_ids(a: Answers) -> bool:
    ids = [a.body(key)["primaryFlowIds"][0] for key in ("dry_run", "first")]
    return bool(ids[0] != ids[1])


def _same_uuid(a: Answers) -> bool:
    found = a.body("first")["release"]["packageUuid"]
    return a.package is not None and str(found).lower() == a.package.uuid.lower()


def _known_states(a: Answers) -> bool:
    found = {row["status"] for row in a.rows("job_groups")}
    if not found:
        raise NotTestedError("no job group in sight")
    return found <= set(_STATES)


def _includes_deleted(a: Answers) -> bool:
    if a["delete_deployment"].refused:
        raise NotTestedError("nothing could be deleted")
    own = a.body("created")["id"]
    return any(row["id"] == own and row.get("deleted_at") for row in a.rows("with_deleted"))


def _live(a: Answers, key: str) -> list[bool]:
    """Tell whether the first and the second release are live."""
    live = {row["id"]: row["active"] is True for row in a.rows(key)}
    return [live[a.body(one)["release"]["id"]] for one in ("first", "second")]


def _takes_execution_id(a: Answers) -> bool:
    operation = of_spec(a, "post", "/deployments/{id}/run")
    return any(str(one.get("name")).lower() == "x-execution-id" for one in operation.get("parameters", ()))


def _hash_accepted(a: Answers) -> bool:
    allowed = a.allowed("first")
    if a.package is None or not a.package.invented:
        raise NotTestedError("needs a package of the probe's own")
    return allowed


#: The options of the emulator.
OPTIONS = (
    Item("deployment_manager", "P", "Deployment Manager is there", (True, False), _is_manager),
    Item("instance_type", "R", "who may use deployments", ("both", "prod", "dev"), _instance_type),
    Item("api_tokens_enabled", "R", "access tokens work", (True, False), _tokens_enabled),
    Item("user_tokens_allowed", "R", "all users may make access tokens", (False, True), _users_make_tokens),
    Item("import_enabled", "?", "packages can be imported; else 403", (True, False), _enabled("dry_run")),
    Item("export_enabled", "?", "flows can be exported; else 403", (True, False), _enabled("export")),
    Item("unauthorized_body", "?", "body of a 401", ("json", "text"), _unauthorized_body),
    Item("unknown_id_status", "?", "status for an unknown id", (404, 400), _unknown_status),
    Item("deleted_id_status", "P", "status for a deleted id", (410, 404), _deleted_status),
    Item("inactive_value", "R", "`active` of an inactive release", (None, False), _inactive),
    Item("accept_file_part", "?", "a package in part `file`", (False, True), lambda a: _accepted(a, "dry_part")),
    Item("releases_order", "?", "first in a list of releases", ("newest", "oldest"), _order),
    Item("latest_release", "?", "`latestRelease` of a deployment", ("object", "id"), _latest_release),
    Item("counts_on_create", "I", "POST deployments counts releases", (False, True), _counts),
    Item("unique_deployment_names", "?", "a name can be used only once", (False, True), _unique_names),
    Item("delete_active_release", "?", "DELETE of the active release", ("allow", "refuse"), _delete_active),
    Item("releases_need_deployment_id", "?", "GET releases needs `deploymentId`", (False, True), _needs_id),
    Item("list_releases_route", "M", "GET deployments/:id/releases exists", (False, True), _exists("route_releases")),
    Item("embed_paging", "?", "`limit` pages embedded releases", (True, False), _pages_embed),
    Item("import_rules_readable", "M", "import rules can be read", (True, False), _exists("read_rules")),
    Item("unmapped_connections", "I", "a connection without a rule", ("keep", "clear", "refuse"), _unmapped),
    Item("unknown_rule_target", "?", "a rule to an unknown connection", ("refuse", "ignore"), _unknown_target),
    Item("dry_run_errors", "?", "where a dry run tells an error", ("status", "body"), _dry_run_errors),
    Item("release_notes", "I", "`notes` of a new release", ("comment", "flow_name"), _notes),
    Item("run_without_output", "?", "a run without an active release", ("refuse", "empty"), _run("run")),
    Item("run_answer", "P", "answer to a run, by open-api-spec", ("v4", "jobs", "flow_run"), _run_answer),
    Item("canceled_word", "P", "spelling of Canceled", ("Canceled", "Cancelled"), _canceled),
    Item("cancel_status", "M", "status of a cancellation, by open-api-spec", (200, 202), _cancel_status),
    Item("job_error_shape", "P", "`errorMessage` of a job", ("text", "object"), _job_error),
)
_RELEASE = "id packageUuid notes active updatedAt createdAt deployment creator updater"
_DEPLOYMENT = "id name createdAt updatedAt creator updater"
_RULE = "tableName onCondition withCondition id createdAt updatedAt deployment creator updater"
#: What the emulator and the client take for granted.
ASSUMPTIONS = (
    _assume(
        "version_shown", "P", "open-api-spec tells the version", lambda a: a.body("spec") and a.product is not None
    ),
    _assume("request_id", "P", "answers have x-trifacta-request-id", lambda a: a["person"].has_request_id),
    _assume("unknown_path", "P", "status for an unknown path", _status("no_route"), 404),
    _assume("other_method", "P", "status for another method", _status("no_method"), 404, 405),
    _assume("unknown_embed", "P", "status for an unknown embed", _status("bad_embed"), 400),
    _assume("roles_shown", "I", "the user's roles are shown", lambda a: "authorizationRoles" in a.body("person")),
    _assume("flows_order", "R", "flows are listed newest first", lambda a: _descending(a.rows("flows"))),
    _assume("sort", "I", "lists take sort=-id", lambda a: _descending(a.rows("sorted"))),
    _assume("states", "P", "states of job groups are known words", _known_states),
    _assume("execution_id", "?", "a run takes x-execution-id, by open-api-spec", _takes_execution_id, False, True),
    _assume("create_status", "I", "status of POST deployments", _status("created"), 201),
    _fields("create_fields", "I", "fields of that answer", _DEPLOYMENT, lambda a: a.body("created")),
    _fields(
        "get_fields",
        "I",
        "fields of a deployment",
        f"{_DEPLOYMENT} numReleases latestRelease",
        lambda a: a.body("deployment"),
    ),
    _fields(
        "latest_fields", "?", "fields of `latestRelease`", "id notes packageUuid active createdAt updatedAt", _latest
    ),
    _assume(
        "embed", "I", "releases can be embedded", lambda a: isinstance(a.body("embedded")["releases"]["data"], list)
    ),
    _assume("rename_status", "I", "status of PATCH deployments", _status("renamed"), 200),
    _fields("rename_fields", "I", "fields of that answer", "id updatedAt updater", lambda a: a.body("renamed")),
    _assume("run_manual", "?", "a run without a manual output", _run("run_first"), "refuse", "empty"),
    _assume("rules_status", "M", "status of PATCH import rules", _status("rules"), 200),
    _fields(
        "rules_fields",
        "M",
        "fields of a replaced rule",
        _RULE,
        lambda a: a.body("rules_replaced")["deleted"]["data"][0],
    ),
    _assume(
        "rules_cleared",
        "I",
        "an empty list removes all rules",
        lambda a: a.body("rules_replaced") and not a.rows("rules_left"),
    ),
    _fields(
        "rule_changes",
        "?",
        "fields of a change by a rule",
        "rule type on with tableName id field oldValue newValue",
        lambda a: a.body("dry_value")["importRuleChanges"]["value"][0],
    ),
    _assume(
        "dry_run_release", "?", "a dry run answers a release", lambda a: "release" in a.body("dry_run"), False, True
    ),
    _assume("dry_run_ids", "R", "a dry run takes ids", _takes_ids),
    _assume("import_status", "R", "status of POST releases", _status("first"), 201),
    _fields("release_fields", "R", "fields of a new release", _RELEASE, lambda a: a.body("first")["release"]),
    _assume("hash_accepted", "?", "the hash of a package is not checked", _hash_accepted),
    _assume("package_uuid", "I", "`packageUuid` is the uuid of the package", _same_uuid),
    _assume("active_at_once", "R", "a new release is active", lambda a: a.body("first")["release"]["active"] is True),
    _assume("takes_over", "R", "the next one takes its place", lambda a: _live(a, "releases") == [False, True]),
    _assume("rolled_back", "I", "the earlier one can be activated", _rolled_back),
    _fields("patch_fields", "R", "fields of PATCH releases", "id updatedAt updater", lambda a: a.body("activated")),
    _assume(
        "inactive_after_false", "?", "`active` after PATCH false", lambda a: a.body("inactive")["active"], None, False
    ),
    _assume("notes_changed", "I", "notes can be changed", lambda a: a.body("notes")["notes"] == NOTES),
    _assume("delete_status", "I", "status of DELETE releases", _status("delete_inactive"), 204),
    _assume("delete_deployment_status", "I", "status of DELETE deployments", _status("delete_deployment"), 204),
    _assume(
        "releases_deleted",
        "M",
        "releases go with their deployment",
        lambda a: a.body("third") and not a.allowed("deleted_release"),
    ),
    _assume("includes_deleted", "R", "includeDeleted lists the deleted", _includes_deleted),
)
ITEMS = (*OPTIONS, *ASSUMPTIONS)
