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

    def see(answers: Answers) -> Any:
        return answers.by_status(key, meaning)

    return see


def status(key: str) -> See:
    """Tell the status of an answer."""

    def see(answers: Answers) -> int:
        return answers[key].status

    return see


def of(key: str, *way: str | int) -> See:
    """Tell what a success has at the end of a way."""

    def see(answers: Answers) -> Any:
        return answers.body(key, *way)

    return see


def allowed(key: str, yes: Any, no: Any, *, after: str) -> See:
    """Tell whether a request was allowed, if the one before it was."""

    def see(answers: Answers) -> Any:
        answers.body(after)
        return yes if answers.allowed(key) else no

    return see


def roles_of(answers: Answers) -> list[Any]:
    """Return the user's roles."""
    return [role["name"] for role in answers.body("person")["authorizationRoles"]]


def descending(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a list has its newest row first."""
    ids = [row["id"] for row in rows]
    need(len(ids) > 1, "fewer than two rows")
    return ids == sorted(ids, reverse=True)


def latest(answers: Answers) -> Any:
    """Return a deployment's ``latestRelease``."""
    if "deployment" in answers.seen:
        deployments = [answers.body("deployment")]
    else:
        deployments = answers.rows("deployments")
    releases = [deployment.get("latestRelease") for deployment in deployments]
    return need(next(filter(None, releases), None), "no release in sight")


def releases_of(answers: Answers) -> Sequence[Mapping[str, Any]]:
    """Return the releases of a deployment: as they are listed, or else as they come with it."""
    with suppress(NotTestedError):
        return answers.rows("releases")
    return embedded(answers, "embedded_all")


def embedded(answers: Answers, key: str) -> Sequence[Mapping[str, Any]]:
    """Return the releases that come with a deployment."""
    releases: Sequence[Mapping[str, Any]] = answers.body(key, "releases", "data")
    return releases


def several(answers: Answers) -> Sequence[Mapping[str, Any]]:
    """Return the releases of a deployment that has more than one."""
    releases = releases_of(answers)
    need(len(releases) > 1, "fewer than two rows")
    return releases


def takes_key(answers: Answers, path: str) -> bool:
    """Tell whether a run takes a key of the request, as the instance describes it."""
    names = [str(parameter.get("name")) for parameter in parameters_of(answers, "post", path)]
    return "x-execution-id" in map(str.lower, names)


# The instance and its users.


def _instance_type(answers: Answers) -> str:
    if not answers.by_status("deployments", {200: True, 403: False}):
        need("deployment" in roles_of(answers), "this user has no Deployment role")
        return "dev"
    privileges = answers.body("person")["maximalPrivileges"]
    of_flows = [entry["operations"] for entry in privileges if entry["resourceType"] == "flow"]
    return "both" if of_flows[0] else "prod"


def _tokens_enabled(answers: Answers) -> bool:
    if answers.by_token and not answers["person"].refused:
        return True
    token = answers["token"]
    return token.status != 403 or "disabled" not in str(token.body)


def _users_make_tokens(answers: Answers) -> Any:
    need(_tokens_enabled(answers), "access tokens are off")
    need("admin" not in roles_of(answers), "this user is an administrator")
    return answers.by_status("token", {400: True, 201: True, 403: False})


def _unauthorized_body(answers: Answers) -> Any:
    kind = "json" if answers["stranger"].is_json else "text"
    return answers.by_status("stranger", {401: kind})


def _bad_token(answers: Answers) -> Any:
    stranger = answers["stranger"]
    # The API gives a 401 without its own words, too; a 400 without them may be of a gateway.
    need(stranger.by_api or stranger.status == 401, f"HTTP {stranger.status}")
    return answers.by_status("stranger", {401: 401, 400: 400})


def _unknown_id_status(answers: Answers) -> int:
    key = "unknown_group" if answers["deployments"].refused else "unknown"
    return answers[key].status


def _deleted_id_status(answers: Answers) -> int:
    need(not answers["delete_inactive"].refused, "nothing deleted")
    return answers["deleted"].status


def _whole_seconds(answers: Answers) -> bool:
    times: list[str] = []
    for key in ("flows", "deployments", "job_groups"):
        if key in answers.seen and not answers[key].refused:
            times += [str(row["createdAt"]) for row in answers.rows(key)]
    need(times, "nothing with a time in sight")
    return all(time.endswith(".000Z") for time in times)


# Deployments and their releases.


def _inactive_value(answers: Answers) -> Any:
    inactive = (release for release in releases_of(answers) if release["active"] is not True)
    return next(inactive)["active"]


def _releases_order(answers: Answers) -> str:
    return "newest" if descending(releases_of(answers)) else "oldest"


def _latest_release(answers: Answers) -> str:
    return "object" if isinstance(latest(answers), Mapping) else "id"


def _counts_on_create(answers: Answers) -> bool:
    return "numReleases" in answers.body("created")


def _release_list(answers: Answers) -> str:
    """Tell in which of the two documented ways the releases of a deployment can be listed."""
    by_list = answers.by_status("releases", {200: True, 404: False})
    by_embed = answers.by_status("embedded", {200: True, 400: False})
    ways = {(True, True): "both", (False, True): "embed", (True, False): "plain"}
    return ways[by_list, by_embed]


def _embed_paging(answers: Answers) -> bool:
    several(answers)
    return len(embedded(answers, "embedded")) == 1


# Imports.


def _unmapped(answers: Answers) -> Any:
    answers.body("dry_run")
    if not answers.allowed("dry_table"):
        return "refuse"
    source = answers.body("dry_table")["datasources"][0]
    connection = source["connectionId"] if "connectionId" in source else source["connection"]
    if isinstance(connection, Mapping):
        connection = connection["id"]
    meanings = {None: "clear", CONNECTION_ID: "keep"}
    return meanings.get(connection, "other")


def _unknown_target(answers: Answers) -> str:
    need(_unmapped(answers) != "refuse", "unmapped connections are refused")
    answers.body("rules")
    return "ignore" if answers.allowed("dry_rule") else "refuse"


def _dry_run_errors(answers: Answers) -> Any:
    in_body = "body" if answers["dry_broken"].refused else "other"
    return answers.by_status("dry_broken", {400: "status", 200: in_body})


def _import_hold_up(answers: Answers) -> str:
    held_up = "connectionsWithoutMapping" in answers.body("dry_plain")
    return "always" if held_up else "from_ui"


def _notes(answers: Answers) -> str:
    release = answers.body("first")["release"]
    package: Package = need(answers.package, "no package")
    need(package.comment and package.comment != package.flow_name, "the package has no comment")
    meanings = {package.comment: "comment", package.flow_name: "flow_name"}
    return meanings.get(release["notes"], "other")


def _release_uuid(answers: Answers) -> str:
    package: Package = need(answers.package, "no package")
    shown = answers.body("first")["release"]["packageUuid"]
    return "package" if shown.lower() == package.uuid else "own"


def _touches(answers: Answers) -> bool:
    """Tell whether the second import touched the first release, which it replaced."""
    before = answers.body("first")["release"]["updatedAt"]
    after = answers.body("first_after")["updatedAt"]
    if before != after:
        return True
    replaced_at = answers.body("second")["release"]["createdAt"]
    need(replaced_at != before, "both imports show the same time")
    return False


# Runs and jobs.


def _flow_patch_body(answers: Answers) -> str:
    response = of_spec(answers, "patch", "/flows/{id}", "responses", "200")
    return "short" if "content" in response else "empty"


def _file_inputs(answers: Answers) -> Any:
    answer = answers.by_status("inputs", {200: "serve", 400: "refuse"})
    shows_file = answer == "refuse" or "'uri'" in str(answers.rows("inputs"))
    need(shows_file, "no job on files in sight")
    return answer


def _run_answer(answers: Answers) -> str:
    way = ("/deployments/{id}/run", "responses", "201", *_JSON)
    of_job_group = of_spec(answers, "post", *way, "data", "items", "properties")
    fields = of_spec(answers, "post", *way)
    if "flowRunId" in fields:
        return "flow_run"
    return "jobs" if "jobs" in of_job_group else "v4"


def _execution_ids(answers: Answers) -> str:
    return "count" if takes_key(answers, "/jobGroups") else "ignore"


def _flow_run_name(answers: Answers) -> str:
    for job_group in answers.rows("job_groups"):
        for name in job_group:
            if name.lower() == "flowrun":
                return name
    raise LookupError("no job group of a flow")


def _canceled(answers: Answers) -> Any:
    """What an instance does counts for more than what it says of itself."""
    spellings = ("Canceled", "Cancelled")
    states = [job_group["status"] for job_group in answers.rows("job_groups")]
    if not any(state in spellings for state in states):
        way = ("responses", "200", *_JSON, "status", "enum")
        states = of_spec(answers, "get", "/jobGroups/{id}", *way)
    return next(state for state in states if state in spellings)


def _cancel_status(answers: Answers) -> int:
    statuses = of_spec(answers, "post", "/jobGroups/{id}/cancel", "responses")
    return next(int(status) for status in statuses if status[0] == "2")


def _job_error(answers: Answers) -> str:
    jobs = answers.rows("jobs") if "jobs" in answers.seen else []
    messages = [job["errorMessage"] for job in jobs]
    shown = next(filter(None, messages), None)
    if shown:
        return "object" if isinstance(shown, Mapping) else "text"
    way = ("responses", "200", *_JSON, "data", "items", "properties", "errorMessage", "type")
    kind = of_spec(answers, "get", "/jobGroups/{id}/jobs", *way)
    return {"string": "text", "object": "object"}[kind]


_OK = {200: True, 204: True, 400: True, 403: False}
_EXISTS = {200: True, 404: False, 405: False}
#: The options of the emulator.
OPTIONS = (
    Item(
        name="deployment_manager",
        mark="P",
        text="Deployment Manager is there",
        values=(True, False),
        see=by("deployments", {200: True, 403: True, 404: False}),
    ),
    Item(
        name="instance_type",
        mark="R",
        text="who may use deployments",
        values=("both", "prod", "dev"),
        see=_instance_type,
    ),
    Item(
        name="api_tokens_enabled",
        mark="R",
        text="access tokens work",
        values=(True, False),
        see=_tokens_enabled,
    ),
    Item(
        name="user_tokens_allowed",
        mark="R",
        text="all users may make access tokens",
        values=(False, True),
        see=_users_make_tokens,
    ),
    Item(
        name="import_enabled",
        mark="?",
        text="packages can be imported; else 403",
        values=(True, False),
        see=by("dry_run", _OK),
    ),
    Item(
        name="export_enabled",
        mark="?",
        text="flows can be exported; else 403",
        values=(True, False),
        see=by("export", _OK),
    ),
    Item(
        name="unauthorized_body",
        mark="?",
        text="body of a 401",
        values=("json", "text"),
        see=_unauthorized_body,
    ),
    Item(
        name="bad_token_status",
        mark="P",
        text="status for an unknown access token",
        values=(401, 400),
        see=_bad_token,
    ),
    Item(
        name="unknown_id_status",
        mark="P",
        text="status for an unknown id",
        values=(404, 403, 400),
        see=_unknown_id_status,
    ),
    Item(
        name="unknown_flow_status",
        mark="P",
        text="status for an unknown flow",
        values=(403, 404, 400),
        see=status("unknown_flow"),
    ),
    Item(
        name="whole_seconds",
        mark="P",
        text="times are whole seconds",
        values=(False, True),
        see=_whole_seconds,
    ),
    Item(
        name="deleted_id_status",
        mark="P",
        text="status for a deleted id",
        values=(410, 404),
        see=_deleted_id_status,
    ),
    Item(
        name="inactive_value",
        mark="R",
        text="`active` of an inactive release",
        values=(None, False),
        see=_inactive_value,
    ),
    Item(
        name="releases_order",
        mark="?",
        text="first in a list of releases",
        values=("newest", "oldest"),
        see=_releases_order,
    ),
    Item(
        name="latest_release",
        mark="?",
        text="`latestRelease` of a deployment",
        values=("object", "id"),
        see=_latest_release,
    ),
    Item(
        name="counts_on_create",
        mark="I",
        text="POST deployments counts releases",
        values=(False, True),
        see=_counts_on_create,
    ),
    Item(
        name="unique_deployment_names",
        mark="?",
        text="a name can be used only once",
        values=(False, True),
        see=allowed("twin", False, True, after="created"),
    ),
    Item(
        name="delete_active_release",
        mark="?",
        text="DELETE of the active release",
        values=("allow", "refuse"),
        see=allowed("delete_active", "allow", "refuse", after="active_again"),
    ),
    Item(
        name="releases_need_deployment_id",
        mark="?",
        text="GET releases needs `deploymentId`",
        values=(False, True),
        see=by("all_releases", {200: False, 400: True}),
    ),
    Item(
        name="list_releases_route",
        mark="M",
        text="GET deployments/:id/releases exists",
        values=(False, True),
        see=by("route_releases", _EXISTS),
    ),
    Item(
        name="release_list",
        mark="?",
        text="ways to list releases",
        values=("both", "embed", "plain"),
        see=_release_list,
    ),
    Item(
        name="embed_paging",
        mark="?",
        text="`limit` pages embedded releases",
        values=(True, False),
        see=_embed_paging,
    ),
    Item(
        name="import_rules_readable",
        mark="M",
        text="import rules can be read",
        values=(True, False),
        see=by("read_rules", _EXISTS),
    ),
    Item(
        name="unmapped_connections",
        mark="I",
        text="a connection without a rule",
        values=("keep", "clear", "refuse"),
        see=_unmapped,
    ),
    Item(
        name="unknown_rule_target",
        mark="?",
        text="a rule to an unknown connection",
        values=("refuse", "ignore"),
        see=_unknown_target,
    ),
    Item(
        name="dry_run_errors",
        mark="?",
        text="where a dry run tells an error",
        values=("status", "body"),
        see=_dry_run_errors,
    ),
    Item(
        name="package_uuid",
        mark="I",
        text="`packageUuid` of a new release",
        values=("package", "own"),
        see=_release_uuid,
    ),
    Item(
        name="replacing_touches_updated_at",
        mark="I",
        text="a replaced release gets a new `updatedAt`",
        values=(True, False),
        see=_touches,
    ),
    Item(
        name="release_notes",
        mark="I",
        text="`notes` of a new release",
        values=("comment", "flow_name"),
        see=_notes,
    ),
    Item(
        name="run_without_output",
        mark="?",
        text="a run without an active release",
        values=("refuse", "empty"),
        see=allowed("run", "empty", "refuse", after="created"),
    ),
    Item(
        name="run_release_flows",
        mark="?",
        text="a flow of a release can be run; else 403",
        values=("allow", "refuse"),
        see=by("run_flow", {403: "refuse", 400: "allow", 201: "allow"}),
    ),
    Item(
        name="import_hold_up",
        mark="?",
        text="a plain import without mappings is held up",
        values=("from_ui", "always"),
        see=_import_hold_up,
    ),
    Item(
        name="flow_patch_body",
        mark="R",
        text="answer to PATCH flows, by open-api-spec",
        values=("short", "empty"),
        see=_flow_patch_body,
    ),
    Item(
        name="file_inputs",
        mark="P",
        text="inputs of a job on files",
        values=("serve", "refuse"),
        see=_file_inputs,
    ),
    Item(
        name="run_answer",
        mark="P",
        text="answer to a run, by open-api-spec",
        values=("v4", "jobs", "flow_run"),
        see=_run_answer,
    ),
    Item(
        name="execution_ids",
        mark="P",
        text="runs count x-execution-id, by open-api-spec",
        values=("count", "ignore"),
        see=_execution_ids,
    ),
    Item(
        name="flow_run_name",
        mark="P",
        text="name of the run of a flow in a job group",
        values=("flowrun", "flowRun"),
        see=_flow_run_name,
    ),
    Item(
        name="canceled_word",
        mark="P",
        text="spelling of Canceled",
        values=("Canceled", "Cancelled"),
        see=_canceled,
    ),
    Item(
        name="cancel_status",
        mark="M",
        text="status of a cancellation, by open-api-spec",
        values=(200, 202),
        see=_cancel_status,
    ),
    Item(
        name="job_error_shape",
        mark="P",
        text="`errorMessage` of a job",
        values=("text", "object"),
        see=_job_error,
    ),
)
