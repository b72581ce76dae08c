"""What the client and the emulator take for granted: an entry for each assumption."""

from __future__ import annotations

from collections.abc import Callable
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


def _assume(name: str, mark: str, text: str, see: See, *values: Any) -> Item:
    return Item(name, mark, text, values or (True, False), see, option=False)


def _fields(name: str, mark: str, text: str, fields: str, see: See) -> Item:
    return Item(
        name, mark, text, (" ".join(sorted(fields.split())),), lambda a: shape(see(a)), False, True
    )


def _live(when: str, *expected: bool) -> See:
    """Tell whether the first and the second release are live as expected."""
    keys = (f"first_{when}", f"second_{when}")
    return lambda a: [a.body(key)["active"] is True for key in keys] == list(expected)


def _hash_accepted(a: Answers) -> bool:
    accepted = a.allowed("first")
    need(a.package and a.package.invented, "needs a package of the probe's own")
    return accepted


def _includes_deleted(a: Answers) -> bool:
    own = a.body("created")["id"]
    need(not a["delete_deployment"].refused, "nothing deleted")
    return any(row["id"] == own and row.get("deleted_at") for row in a.rows("with_deleted"))


def _is_sorted(a: Answers) -> bool:
    """Tell whether a list of releases is sorted as it was asked for, in both ways."""
    several(a)
    if a["releases_up"].refused or a["releases_down"].refused:
        return a.allowed("releases_up") and a.allowed("releases_down")
    return not descending(a.rows("releases_up")) and descending(a.rows("releases_down"))


def _pages_on(a: Answers) -> bool:
    """Tell whether an offset gives the next of the releases that come with a deployment."""
    second = several(a)[1]
    return [row["id"] for row in embedded(a, "embedded_next")] == [second["id"]]


def _takes_options(a: Answers) -> bool:
    several(a)
    return a.allowed("embedded_options") and len(embedded(a, "embedded_options")) == 1


def _takes_deleted(a: Answers) -> bool:
    """Tell whether a list of releases knows ``includeDeleted``: its rows have
    ``deleted_at`` [R].
    """
    if not a.allowed("releases_with_deleted"):
        return False
    rows = need(a.rows("releases_with_deleted"), "no release in sight")
    return all("deleted_at" in row for row in rows)


def _shows_deleted(rows_of: Callable[[Answers], Any]) -> See:
    """Tell whether the release that the probe deleted is among some rows, with the time of that."""

    def see(a: Answers) -> bool:
        need(not a["delete_inactive"].refused, "nothing deleted")
        deleted = a.body("first")["release"]["id"]
        return any(row["id"] == deleted and row.get("deleted_at") for row in rows_of(a))

    return see


def _embeds_flows(a: Answers) -> bool:
    """Tell whether flows come with a release: they do, or its associations name them."""
    answer = a["flows_of_release"]
    embeds = not answer.refused and "flows" in answer.body
    names = associations_of(a)["release"]
    need(embeds or names is not None or not answer.refused, f"HTTP {answer.status}")
    return embeds or any("flow" in name.lower() for name in names or ())


def _touched(before: See, after: See) -> See:
    """Tell whether ``updatedAt`` of a release changed between two answers."""
    return lambda a: before(a)["updatedAt"] != after(a)["updatedAt"]


_RELEASE = "id packageUuid notes active updatedAt createdAt deployment creator updater"
_DEPLOYMENT = "id name createdAt updatedAt creator updater"
_RULE = "tableName onCondition withCondition id createdAt updatedAt deployment creator updater"
_CHANGE = "rule type on with tableName id field oldValue newValue"
_LATEST = "id notes packageUuid active createdAt updatedAt"
#: What the emulator and the client take for granted.
ASSUMPTIONS = (
    _assume(
        "version_shown",
        "P",
        "open-api-spec tells the version",
        lambda a: a.body("spec") and a.product is not None,
    ),
    _assume(
        "request_id",
        "P",
        "answers have x-trifacta-request-id",
        lambda a: a["person"].has_request_id,
    ),
    _assume("unknown_path", "P", "status for an unknown path", status("no_route"), 404),
    _assume("other_method", "P", "status for another method", status("no_method"), 404, 405),
    _assume("unknown_embed", "P", "status for an unknown embed", status("bad_embed"), 400),
    _assume(
        "roles_shown",
        "I",
        "the user's roles are shown",
        lambda a: "authorizationRoles" in a.body("person"),
    ),
    _assume(
        "flows_order", "R", "flows are listed newest first", lambda a: descending(a.rows("flows"))
    ),
    _assume("sort", "I", "lists take sort=-id", lambda a: descending(a.rows("sorted"))),
    _assume(
        "releases_route",
        "R",
        "GET releases exists",
        by("all_releases", {200: True, 400: True, 403: True, 404: False}),
    ),
    _assume("sort_releases", "I", "a list of releases takes sort", _is_sorted),
    _assume(
        "states",
        "P",
        "states of job groups are known words",
        lambda a: (
            {row["status"] for row in need(a.rows("job_groups"), "no job in sight")} <= _STATES
        ),
    ),
    _assume(
        "execution_id",
        "?",
        "a run takes x-execution-id, by open-api-spec",
        lambda a: takes_key(a, "/deployments/{id}/run"),
        False,
        True,
    ),
    _assume("create_status", "I", "status of POST deployments", status("created"), 201),
    _fields("create_fields", "I", "fields of that answer", _DEPLOYMENT, of("created")),
    _fields(
        "get_fields",
        "I",
        "fields of a deployment",
        f"{_DEPLOYMENT} numReleases latestRelease",
        of("deployment"),
    ),
    _fields("latest_fields", "?", "fields of `latestRelease`", _LATEST, latest),
    _assume(
        "embed",
        "I",
        "releases can be embedded",
        lambda a: isinstance(a.body("embedded")["releases"]["data"], list),
    ),
    _assume("embed_offset", "?", "`offset` pages embedded releases", _pages_on),
    _assume("embed_options", "P", "an embed takes options of its own", _takes_options),
    _assume("release_flows", "?", "a release embeds its flows", _embeds_flows, False, True),
    _assume("rename_status", "I", "status of PATCH deployments", status("renamed"), 200),
    _fields("rename_fields", "I", "fields of that answer", "id updatedAt updater", of("renamed")),
    _assume(
        "run_manual",
        "?",
        "a run without a manual output",
        allowed("run_first", "empty", "refuse", after="first"),
        "refuse",
        "empty",
    ),
    _assume("rules_status", "M", "status of PATCH import rules", status("rules"), 200),
    _fields(
        "rules_fields",
        "M",
        "fields of a replaced rule",
        _RULE,
        of("rules_replaced", "deleted", "data", 0),
    ),
    _assume(
        "rules_cleared",
        "I",
        "an empty list removes all rules",
        lambda a: (a.body("rules_replaced"), not a.rows("rules_left"))[1],
    ),
    _fields(
        "rule_changes",
        "?",
        "fields of a change by a rule",
        _CHANGE,
        of("dry_value", "importRuleChanges", "value", 0),
    ),
    _assume(
        "dry_run_release",
        "?",
        "a dry run answers a release",
        lambda a: "release" in a.body("dry_run"),
        False,
        True,
    ),
    _assume(
        "dry_run_ids",
        "R",
        "a dry run takes ids",
        lambda a: a.body("dry_run")["primaryFlowIds"] != a.body("first")["primaryFlowIds"],
    ),
    _assume(
        "any_part",
        "P",
        "a package in a part of any name",
        allowed("dry_part", True, False, after="dry_run"),
    ),
    _assume("import_status", "R", "status of POST releases", status("first"), 201),
    _fields("release_fields", "R", "fields of a new release", _RELEASE, of("first", "release")),
    _assume("hash_accepted", "?", "the hash of a package is not checked", _hash_accepted),
    _assume(
        "active_at_once",
        "R",
        "a new release is active",
        lambda a: a.body("first")["release"]["active"] is True,
    ),
    _assume(
        "updated_at_import",
        "I",
        "`updatedAt` of a new release is its `createdAt`",
        lambda a: (
            a.body("first")["release"]["updatedAt"] == a.body("first")["release"]["createdAt"]
        ),
    ),
    _assume("takes_over", "R", "the next one takes its place", _live("after", False, True)),
    _assume("rolled_back", "I", "the earlier one can be activated", _live("back", True, False)),
    _assume(
        "touches_activated",
        "I",
        "activation touches `updatedAt`",
        _touched(of("first_after"), of("first_back")),
    ),
    _assume(
        "touches_replaced",
        "I",
        "activation touches `updatedAt` of the one before",
        _touched(of("second_after"), of("second_back")),
    ),
    _assume(
        "touches_deactivated",
        "I",
        "deactivation touches `updatedAt`",
        _touched(of("first_back"), of("inactive")),
    ),
    _assume(
        "listed_at_once",
        "?",
        "a list shows a new release at once",
        lambda a: a.body("second")["release"]["id"] in [row["id"] for row in a.rows("at_once")],
    ),
    _fields(
        "patch_fields", "R", "fields of PATCH releases", "id updatedAt updater", of("activated")
    ),
    _assume(
        "inactive_after_false",
        "?",
        "`active` after PATCH false",
        of("inactive", "active"),
        None,
        False,
    ),
    _assume(
        "notes_changed", "I", "notes can be changed", lambda a: a.body("notes")["notes"] == NOTES
    ),
    _assume("delete_status", "I", "status of DELETE releases", status("delete_inactive"), 204),
    _assume(
        "delete_deployment_status",
        "I",
        "status of DELETE deployments",
        status("delete_deployment"),
        204,
    ),
    _assume(
        "releases_deleted",
        "M",
        "releases go with their deployment",
        allowed("deleted_release", False, True, after="delete_deployment"),
    ),
    _assume("includes_deleted", "R", "includeDeleted lists deleted deployments", _includes_deleted),
    _assume("takes_deleted", "R", "a list of releases takes includeDeleted", _takes_deleted),
    _assume(
        "deleted_listed",
        "R",
        "includeDeleted lists deleted releases",
        _shows_deleted(lambda a: a.rows("deleted_listed")),
    ),
    _assume(
        "deleted_embedded",
        "?",
        "includeDeleted embeds deleted releases",
        _shows_deleted(lambda a: embedded(a, "deleted_embedded")),
    ),
    _assume(
        "deleted_read",
        "R",
        "includeDeleted shows a deleted release",
        _shows_deleted(lambda a: [a.body("deleted_read")]),
    ),
)
ITEMS = (*OPTIONS, *ASSUMPTIONS)
