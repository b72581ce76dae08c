"""What the client and the emulator take for granted: an entry for each assumption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .answers import Answers, need, shape
from .calls import NOTES
from .choices import (
    OPTIONS,
    Item,
    See,
    allowed,
    by,
    descending,
    embedded,
    latest,
    of,
    several,
    status,
    takes_key,
)
from .evidence import associations_of

#: Words for the state of a job group [P].
_STATES = {
    "Created",
    "Pending",
    "InProgress",
    "Complete",
    "Failed",
    "Canceled",
    "Cancelled",
    "undefined",
}


def _assume(
    name: str, mark: str, text: str, see: See, values: tuple[Any, ...] = (True, False)
) -> Item:
    return Item(name, mark, text, values, see, option=False)


def _fields(name: str, mark: str, text: str, see: See, fields: str) -> Item:
    def see_fields(answers: Answers) -> str:
        return shape(see(answers))

    values = (" ".join(sorted(fields.split())),)
    return Item(name, mark, text, values, see_fields, option=False, is_fields=True)


# Each of these returns a function that finds a value.


def _has(field: str, key: str) -> See:
    """Tell whether a success has a field."""

    def see(answers: Answers) -> bool:
        return field in answers.body(key)

    return see


def _newest_first(key: str) -> See:
    """Tell whether a list has its newest row first."""

    def see(answers: Answers) -> bool:
        return descending(answers.rows(key))

    return see


def _live(when: str, *, first: bool, second: bool) -> See:
    """Tell whether the first and the second release are live as expected."""

    def see(answers: Answers) -> bool:
        first_is_live = answers.body(f"first_{when}")["active"] is True
        second_is_live = answers.body(f"second_{when}")["active"] is True
        return (first_is_live, second_is_live) == (first, second)

    return see


def _touched(before: str, after: str) -> See:
    """Tell whether ``updatedAt`` of a release changed between two answers."""

    def see(answers: Answers) -> bool:
        return bool(answers.body(before)["updatedAt"] != answers.body(after)["updatedAt"])

    return see


def _shows_deleted(rows_of: Callable[[Answers], Sequence[Mapping[str, Any]]]) -> See:
    """Tell whether the release that the probe deleted is among some rows, with the time of that."""

    def see(answers: Answers) -> bool:
        need(not answers["delete_inactive"].refused, "nothing deleted")
        deleted = answers.body("first")["release"]["id"]
        return _is_deleted_in(rows_of(answers), deleted)

    return see


def _is_deleted_in(rows: Sequence[Mapping[str, Any]], deleted: Any) -> bool:
    return any(row["id"] == deleted and row.get("deleted_at") for row in rows)


# The instance and its lists.


def _shows_version(answers: Answers) -> bool:
    return answers.body("spec") and answers.product is not None


def _has_request_id(answers: Answers) -> bool:
    return answers["person"].has_request_id


def _states_are_known(answers: Answers) -> bool:
    job_groups = need(answers.rows("job_groups"), "no job in sight")
    return {job_group["status"] for job_group in job_groups} <= _STATES


def _takes_execution_id(answers: Answers) -> bool:
    return takes_key(answers, "/deployments/{id}/run")


def _is_sorted(answers: Answers) -> bool:
    """Tell whether a list of releases is sorted as it was asked for, in both ways."""
    several(answers)
    if answers["releases_up"].refused or answers["releases_down"].refused:
        return answers.allowed("releases_up") and answers.allowed("releases_down")
    if descending(answers.rows("releases_up")):
        return False
    return descending(answers.rows("releases_down"))


# Objects that come with a deployment or a release.


def _embeds_releases(answers: Answers) -> bool:
    return isinstance(answers.body("embedded")["releases"]["data"], list)


def _pages_on(answers: Answers) -> bool:
    """Tell whether an offset gives the next of the releases that come with a deployment."""
    second = several(answers)[1]
    page = embedded(answers, "embedded_next")
    return [release["id"] for release in page] == [second["id"]]


def _takes_options(answers: Answers) -> bool:
    several(answers)
    return answers.allowed("embedded_options") and len(embedded(answers, "embedded_options")) == 1


def _embeds_flows(answers: Answers) -> bool:
    """Tell whether flows come with a release: they do, or its associations name them."""
    answer = answers["flows_of_release"]
    if not answer.refused and "flows" in answer.body:
        return True
    names = associations_of(answers)["release"]
    need(names is not None or not answer.refused, f"HTTP {answer.status}")
    return any("flow" in name.lower() for name in names or ())


# Imports and rules.


def _clears_rules(answers: Answers) -> bool:
    answers.body("rules_replaced")
    return not answers.rows("rules_left")


def _takes_ids(answers: Answers) -> bool:
    of_dry_run = answers.body("dry_run")["primaryFlowIds"]
    return bool(of_dry_run != answers.body("first")["primaryFlowIds"])


def _accepts_hash(answers: Answers) -> bool:
    accepted = answers.allowed("first")
    need(answers.package and answers.package.invented, "needs a package of the probe's own")
    return accepted


def _is_active_at_once(answers: Answers) -> bool:
    return answers.body("first")["release"]["active"] is True


def _is_updated_at_import(answers: Answers) -> bool:
    release = answers.body("first")["release"]
    return bool(release["updatedAt"] == release["createdAt"])


def _is_listed_at_once(answers: Answers) -> bool:
    release = answers.body("second")["release"]
    return release["id"] in [listed["id"] for listed in answers.rows("at_once")]


def _notes_changed(answers: Answers) -> bool:
    return bool(answers.body("notes")["notes"] == NOTES)


# Deleted objects.


def _includes_deleted(answers: Answers) -> bool:
    own = answers.body("created")["id"]
    need(not answers["delete_deployment"].refused, "nothing deleted")
    return _is_deleted_in(answers.rows("with_deleted"), own)


def _takes_deleted(answers: Answers) -> bool:
    """Tell whether a list of releases takes ``includeDeleted``: rows have ``deleted_at`` [R]."""
    if not answers.allowed("releases_with_deleted"):
        return False
    releases = need(answers.rows("releases_with_deleted"), "no release in sight")
    return all("deleted_at" in release for release in releases)


def _deleted_in_list(answers: Answers) -> Sequence[Mapping[str, Any]]:
    return answers.rows("deleted_listed")


def _deleted_in_embed(answers: Answers) -> Sequence[Mapping[str, Any]]:
    return embedded(answers, "deleted_embedded")


def _deleted_by_itself(answers: Answers) -> Sequence[Mapping[str, Any]]:
    return [answers.body("deleted_read")]


_RELEASE = "id packageUuid notes active updatedAt createdAt deployment creator updater"
_DEPLOYMENT = "id name createdAt updatedAt creator updater"
_RULE = "tableName onCondition withCondition id createdAt updatedAt deployment creator updater"
_CHANGE = "rule type on with tableName id field oldValue newValue"
_LATEST = "id notes packageUuid active createdAt updatedAt"
#: What the emulator and the client take for granted.
ASSUMPTIONS = (
    _assume(
        name="version_shown",
        mark="P",
        text="open-api-spec tells the version",
        see=_shows_version,
    ),
    _assume(
        name="request_id",
        mark="P",
        text="answers have x-trifacta-request-id",
        see=_has_request_id,
    ),
    _assume(
        name="unknown_path",
        mark="P",
        text="status for an unknown path",
        see=status("no_route"),
        values=(404,),
    ),
    _assume(
        name="other_method",
        mark="P",
        text="status for another method",
        see=status("no_method"),
        values=(404, 405),
    ),
    _assume(
        name="unknown_embed",
        mark="P",
        text="status for an unknown embed",
        see=status("bad_embed"),
        values=(400,),
    ),
    _assume(
        name="roles_shown",
        mark="I",
        text="the user's roles are shown",
        see=_has("authorizationRoles", "person"),
    ),
    _assume(
        name="flows_order",
        mark="R",
        text="flows are listed newest first",
        see=_newest_first("flows"),
    ),
    _assume(
        name="sort",
        mark="I",
        text="lists take sort=-id",
        see=_newest_first("sorted"),
    ),
    _assume(
        name="releases_route",
        mark="R",
        text="GET releases exists",
        see=by("all_releases", {200: True, 400: True, 403: True, 404: False}),
    ),
    _assume(
        name="sort_releases",
        mark="I",
        text="a list of releases takes sort",
        see=_is_sorted,
    ),
    _assume(
        name="states",
        mark="P",
        text="states of job groups are known words",
        see=_states_are_known,
    ),
    _assume(
        name="execution_id",
        mark="?",
        text="a run takes x-execution-id, by open-api-spec",
        see=_takes_execution_id,
        values=(False, True),
    ),
    _assume(
        name="create_status",
        mark="I",
        text="status of POST deployments",
        see=status("created"),
        values=(201,),
    ),
    _fields(
        name="create_fields",
        mark="I",
        text="fields of that answer",
        see=of("created"),
        fields=_DEPLOYMENT,
    ),
    _fields(
        name="get_fields",
        mark="I",
        text="fields of a deployment",
        see=of("deployment"),
        fields=f"{_DEPLOYMENT} numReleases latestRelease",
    ),
    _fields(
        name="latest_fields",
        mark="?",
        text="fields of `latestRelease`",
        see=latest,
        fields=_LATEST,
    ),
    _assume(
        name="embed",
        mark="I",
        text="releases can be embedded",
        see=_embeds_releases,
    ),
    _assume(
        name="embed_offset",
        mark="?",
        text="`offset` pages embedded releases",
        see=_pages_on,
    ),
    _assume(
        name="embed_options",
        mark="P",
        text="an embed takes options of its own",
        see=_takes_options,
    ),
    _assume(
        name="release_flows",
        mark="?",
        text="a release embeds its flows",
        see=_embeds_flows,
        values=(False, True),
    ),
    _assume(
        name="rename_status",
        mark="I",
        text="status of PATCH deployments",
        see=status("renamed"),
        values=(200,),
    ),
    _fields(
        name="rename_fields",
        mark="I",
        text="fields of that answer",
        see=of("renamed"),
        fields="id updatedAt updater",
    ),
    _assume(
        name="run_manual",
        mark="?",
        text="a run without a manual output",
        see=allowed("run_first", "empty", "refuse", after="first"),
        values=("refuse", "empty"),
    ),
    _assume(
        name="rules_status",
        mark="M",
        text="status of PATCH import rules",
        see=status("rules"),
        values=(200,),
    ),
    _fields(
        name="rules_fields",
        mark="M",
        text="fields of a replaced rule",
        see=of("rules_replaced", "deleted", "data", 0),
        fields=_RULE,
    ),
    _assume(
        name="rules_cleared",
        mark="I",
        text="an empty list removes all rules",
        see=_clears_rules,
    ),
    _fields(
        name="rule_changes",
        mark="?",
        text="fields of a change by a rule",
        see=of("dry_value", "importRuleChanges", "value", 0),
        fields=_CHANGE,
    ),
    _assume(
        name="dry_run_release",
        mark="?",
        text="a dry run answers a release",
        see=_has("release", "dry_run"),
        values=(False, True),
    ),
    _assume(
        name="dry_run_ids",
        mark="R",
        text="a dry run takes ids",
        see=_takes_ids,
    ),
    _assume(
        name="any_part",
        mark="P",
        text="a package in a part of any name",
        see=allowed("dry_part", True, False, after="dry_run"),
    ),
    _assume(
        name="import_status",
        mark="R",
        text="status of POST releases",
        see=status("first"),
        values=(201,),
    ),
    _fields(
        name="release_fields",
        mark="R",
        text="fields of a new release",
        see=of("first", "release"),
        fields=_RELEASE,
    ),
    _assume(
        name="hash_accepted",
        mark="?",
        text="the hash of a package is not checked",
        see=_accepts_hash,
    ),
    _assume(
        name="active_at_once",
        mark="R",
        text="a new release is active",
        see=_is_active_at_once,
    ),
    _assume(
        name="updated_at_import",
        mark="I",
        text="`updatedAt` of a new release is its `createdAt`",
        see=_is_updated_at_import,
    ),
    _assume(
        name="takes_over",
        mark="R",
        text="the next one takes its place",
        see=_live("after", first=False, second=True),
    ),
    _assume(
        name="rolled_back",
        mark="I",
        text="the earlier one can be activated",
        see=_live("back", first=True, second=False),
    ),
    _assume(
        name="touches_activated",
        mark="I",
        text="activation touches `updatedAt`",
        see=_touched("first_after", "first_back"),
    ),
    _assume(
        name="touches_replaced",
        mark="I",
        text="activation touches `updatedAt` of the one before",
        see=_touched("second_after", "second_back"),
    ),
    _assume(
        name="touches_deactivated",
        mark="I",
        text="deactivation touches `updatedAt`",
        see=_touched("first_back", "inactive"),
    ),
    _assume(
        name="listed_at_once",
        mark="?",
        text="a list shows a new release at once",
        see=_is_listed_at_once,
    ),
    _fields(
        name="patch_fields",
        mark="R",
        text="fields of PATCH releases",
        see=of("activated"),
        fields="id updatedAt updater",
    ),
    _assume(
        name="inactive_after_false",
        mark="?",
        text="`active` after PATCH false",
        see=of("inactive", "active"),
        values=(None, False),
    ),
    _assume(
        name="notes_changed",
        mark="I",
        text="notes can be changed",
        see=_notes_changed,
    ),
    _assume(
        name="delete_status",
        mark="I",
        text="status of DELETE releases",
        see=status("delete_inactive"),
        values=(204,),
    ),
    _assume(
        name="delete_deployment_status",
        mark="I",
        text="status of DELETE deployments",
        see=status("delete_deployment"),
        values=(204,),
    ),
    _assume(
        name="releases_deleted",
        mark="M",
        text="releases go with their deployment",
        see=allowed("deleted_release", False, True, after="delete_deployment"),
    ),
    _assume(
        name="includes_deleted",
        mark="R",
        text="includeDeleted lists deleted deployments",
        see=_includes_deleted,
    ),
    _assume(
        name="takes_deleted",
        mark="R",
        text="a list of releases takes includeDeleted",
        see=_takes_deleted,
    ),
    _assume(
        name="deleted_listed",
        mark="R",
        text="includeDeleted lists deleted releases",
        see=_shows_deleted(_deleted_in_list),
    ),
    _assume(
        name="deleted_embedded",
        mark="?",
        text="includeDeleted embeds deleted releases",
        see=_shows_deleted(_deleted_in_embed),
    ),
    _assume(
        name="deleted_read",
        mark="R",
        text="includeDeleted shows a deleted release",
        see=_shows_deleted(_deleted_by_itself),
    ),
)
ITEMS = (*OPTIONS, *ASSUMPTIONS)
