"""What the emulator can be switched to: an entry for each of its options.

A choice that no call shows needs a call in :mod:`.calls`. One that cannot be seen safely needs a reason in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import Answers, NotTestedError, of_spec
from .package import CONNECTION_ID

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


def descending(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a list has its newest row first."""
    ids = [row["id"] for row in rows]
    if len(ids) < 2:
        raise NotTestedError("fewer than two rows")
    return ids == sorted(ids, reverse=True)


def latest(a: Answers) -> Any:
    """Return a deployment's ``latestRelease``."""
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


def run(key: str) -> Callable[[Answers], str]:
    """Tell how a run is answered that can start nothing."""
    return lambda a: "empty" if a.allowed(key) else "refuse"


def _runs_flow(a: Answers) -> str:
    return str(a.by_status("run_flow", {403: "refuse", 400: "allow", 201: "allow"}))


def _hold_up(a: Answers) -> str:
    return "always" if "connectionsWithoutMapping" in a.body("dry_plain") else "from_ui"


def _exists(key: str) -> Callable[[Answers], bool]:
    return lambda a: bool(a.by_status(key, {200: True, 404: False, 405: False}))


def _enabled(key: str) -> Callable[[Answers], bool]:
    return lambda a: bool(a.by_status(key, {200: True, 204: True, 400: True, 403: False}))


def status(key: str) -> Callable[[Answers], int]:
    """Tell the status of an answer."""
    return lambda a: a.status(key)


def _deleted_status(a: Answers) -> int:
    if a["delete_inactive"].refused:
        raise NotTestedError("nothing could be deleted")
    return a.status("deleted")


def _order(a: Answers) -> str:
    return "newest" if descending(a.rows("releases")) else "oldest"


def _latest_release(a: Answers) -> str:
    return "object" if isinstance(latest(a), Mapping) else "id"


def _counts(a: Answers) -> bool:
    return "numReleases" in a.body("created")


def _unique_names(a: Answers) -> bool:
    return bool(a.body("created")) and not a.allowed("twin")


def _needs_id(a: Answers) -> bool:
    return bool(a.by_status("all_releases", {200: False, 400: True}))


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
    Item("run_without_output", "?", "a run without an active release", ("refuse", "empty"), run("run")),
    Item("run_release_flows", "?", "a flow of a release can be run; else 403", ("allow", "refuse"), _runs_flow),
    Item("import_hold_up", "?", "a plain import without mappings is held up", ("from_ui", "always"), _hold_up),
    Item("run_answer", "P", "answer to a run, by open-api-spec", ("v4", "jobs", "flow_run"), _run_answer),
    Item("canceled_word", "P", "spelling of Canceled", ("Canceled", "Cancelled"), _canceled),
    Item("cancel_status", "M", "status of a cancellation, by open-api-spec", (200, 202), _cancel_status),
    Item("job_error_shape", "P", "`errorMessage` of a job", ("text", "object"), _job_error),
)
