"""What the probe asks, in this order: a table.

A change names only ``{own}`` and what was made in it: a deployment that exists already is never
touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any

from .package import CONNECTION_UUID, PATH_FROM, PATH_TO

#: An id that no instance has.
UNKNOWN = 999_999_999
#: Ids that an instance may not have; the others are of what the probe makes.
FOUND = ("flow", "deployment", "release", "failed_job", "job_group")


@dataclass(frozen=True)
class Call:
    """A request.

    :param key: its name in :class:`.Answers`
    :param method: HTTP method
    :param path: its path and query; ids of earlier answers stand in braces
    :param json: its body; :data:`NAMED` gets the name of the probe's deployment
    :param upload: the package that it sends
    :param part: name of the part with the package
    :param gives: ids that its answer gives, by name
    :param later: whether it is sent in a later second than the call before: times are compared
    """

    key: str
    method: str
    path: str
    json: object = None
    upload: str = ""
    part: str = "data"
    gives: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    later: bool = False


def _at(*way: str | int) -> Callable[[Any], Any]:
    return lambda body: reduce(getitem, way, body)


def _richest(body: Any) -> Any:
    return max(body["data"], key=lambda row: row.get("numReleases") or 0)["id"]


def _failed(body: Any) -> Any:
    return next(row["id"] for row in body["data"] if row.get("status") == "Failed")


_EMBEDDED = _at("releases", "data", 0, "id")
_FIRST, _ID, _RELEASE, _TOKEN = (
    _at("data", 0, "id"),
    _at("id"),
    _at("release", "id"),
    _at("tokenInfo", "tokenId"),
)
NOTES = "Probed"
#: A body that gets the name of the probe's deployment.
NAMED = {"name": "..."}
_RULE = {
    "tableName": "connections",
    "onCondition": {"uuid": CONNECTION_UUID},
    "withCondition": {"id": UNKNOWN},
}
_VALUE_RULE = {"type": "fileLocation", "on": PATH_FROM, "with": PATH_TO}
_OWN, _RELEASES = "/v4/deployments/{own}", "/v4/deployments/{own}/releases"
_OF_ANY, _ANY = "/v4/releases?deploymentId={deployment}", "/v4/deployments/{deployment}"
#: An association that no object has: the refusal lists those that it has.
_UNKNOWN_EMBED = "embed=noSuchThing"
_OBJECT_RULES, _VALUE_RULES = f"{_OWN}/objectImportRules", f"{_OWN}/valueImportRules"

CALLS = (
    Call("spec", "GET", "/v4/open-api-spec"),
    Call("person", "GET", "/v4/people/current?includePrivileges=true"),
    Call("stranger", "GET", "/v4/people/current"),
    Call("no_route", "GET", "/v4/noSuchPath"),
    Call("no_method", "GET", "/v4/jobGroups/{unknown}/cancel"),
    Call("flows", "GET", "/v4/flows?limit=25", gives={"flow": _FIRST}),
    Call("export", "GET", "/v4/flows/{flow}/package/dryRun"),
    Call("embeds_of_flow", "GET", f"/v4/flows/{{flow}}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_flows", "GET", f"/v4/flows?limit=1&{_UNKNOWN_EMBED}"),
    Call("unknown_flow", "GET", "/v4/flows/{unknown}"),
    Call(
        "job_groups",
        "GET",
        "/v4/jobGroups?limit=100",
        gives={"failed_job": _failed, "job_group": _FIRST},
    ),
    Call("jobs", "GET", "/v4/jobGroups/{failed_job}/jobs"),
    Call("inputs", "GET", "/v4/jobGroups/{job_group}/inputs"),
    Call("embeds_of_job_group", "GET", f"/v4/jobGroups/{{job_group}}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_job_groups", "GET", f"/v4/jobGroups?limit=1&{_UNKNOWN_EMBED}"),
    Call("unknown_group", "GET", "/v4/jobGroups/{unknown}"),
    Call("deployments", "GET", "/v4/deployments?limit=25", gives={"deployment": _richest}),
    Call("unknown", "GET", "/v4/deployments/{unknown}"),
    Call("embeds_of_deployments", "GET", f"/v4/deployments?limit=1&{_UNKNOWN_EMBED}"),
    Call("all_releases", "GET", "/v4/releases?limit=1"),
    Call("embeds_of_releases", "GET", f"/v4/releases?limit=1&{_UNKNOWN_EMBED}"),
    # With --write: a deployment without a release, then dry runs, then two releases.
    # A lifetime of nothing is refused, but after the check whether this user may make tokens.
    Call(
        "token", "POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": 0}, gives={"token": _TOKEN}
    ),
    Call("token_deleted", "DELETE", "/v4/apiAccessTokens/{token}"),
    Call("created", "POST", "/v4/deployments", json=NAMED, gives={"own": _ID, "deployment": _ID}),
    Call("run", "POST", f"{_OWN}/run"),
    Call("twin", "POST", "/v4/deployments", json=NAMED, gives={"twin": _ID}),
    Call("renamed", "PATCH", _OWN, json=NAMED),
    Call("dry_run", "POST", f"{_RELEASES}/dryRun", upload="plain"),
    Call("dry_broken", "POST", f"{_RELEASES}/dryRun", upload="broken"),
    Call("dry_part", "POST", f"{_RELEASES}/dryRun", upload="plain", part="file"),
    Call("dry_table", "POST", f"{_RELEASES}/dryRun", upload="table"),
    Call("rules", "PATCH", _OBJECT_RULES, json=[_RULE]),
    Call("dry_rule", "POST", f"{_RELEASES}/dryRun", upload="table"),
    Call("rules_replaced", "PATCH", _OBJECT_RULES, json=[]),
    Call("rules_left", "GET", _OBJECT_RULES),
    Call("value_rules", "PATCH", _VALUE_RULES, json=[_VALUE_RULE]),
    Call("dry_value", "POST", f"{_RELEASES}/dryRun", upload="file"),
    Call("dry_plain", "POST", "/v4/flows/package/dryRun", upload="table"),
    Call("first", "POST", _RELEASES, upload="plain", gives={"first": _RELEASE}),
    Call("run_first", "POST", "/v4/deployments/{idle}/run"),
    Call("run_flow", "POST", "/v4/flows/{idle_flow}/run"),
    Call("second", "POST", _RELEASES, upload="plain", gives={"second": _RELEASE}, later=True),
    Call("first_after", "GET", "/v4/releases/{first}"),
    Call("second_after", "GET", "/v4/releases/{second}"),
    Call("at_once", "GET", "/v4/releases?deploymentId={own}"),
    # Of the probe's own deployment, or of any.
    Call("deployment", "GET", _ANY),
    Call("sorted", "GET", "/v4/deployments?limit=25&sort=-id"),
    Call("releases", "GET", _OF_ANY, gives={"release": _FIRST}),
    Call("releases_up", "GET", f"{_OF_ANY}&sort=id"),
    Call("releases_down", "GET", f"{_OF_ANY}&sort=-id"),
    Call("releases_with_deleted", "GET", f"{_OF_ANY}&includeDeleted=true"),
    Call("embedded_all", "GET", f"{_ANY}?embed=releases", gives={"release": _EMBEDDED}),
    Call("embedded", "GET", f"{_ANY}?embed=releases&limit=1"),
    Call("embedded_next", "GET", f"{_ANY}?embed=releases&limit=1&offset=1"),
    Call("embedded_options", "GET", f"{_ANY}?embed=releases(limit=1)"),
    Call("embedded_with_deleted", "GET", f"{_ANY}?embed=releases&includeDeleted=true"),
    Call("bad_embed", "GET", f"{_ANY}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_release", "GET", f"/v4/releases/{{release}}?{_UNKNOWN_EMBED}"),
    Call("flows_of_release", "GET", "/v4/releases/{release}?embed=flows"),
    Call("route_releases", "GET", "/v4/deployments/{deployment}/releases"),
    Call("read_rules", "GET", "/v4/deployments/{deployment}/valueImportRules"),
    # With --write: stage, roll back, deactivate, delete.
    Call("activated", "PATCH", "/v4/releases/{first}", json={"active": True}, later=True),
    Call("first_back", "GET", "/v4/releases/{first}"),
    Call("second_back", "GET", "/v4/releases/{second}"),
    Call("deactivated", "PATCH", "/v4/releases/{first}", json={"active": False}, later=True),
    Call("inactive", "GET", "/v4/releases/{first}"),
    Call("noted", "PATCH", "/v4/releases/{second}", json={"notes": NOTES}),
    Call("notes", "GET", "/v4/releases/{second}"),
    Call("delete_inactive", "DELETE", "/v4/releases/{first}"),
    Call("deleted", "GET", "/v4/releases/{first}"),
    Call("deleted_read", "GET", "/v4/releases/{first}?includeDeleted=true"),
    Call("deleted_listed", "GET", "/v4/releases?deploymentId={own}&includeDeleted=true"),
    Call("deleted_embedded", "GET", f"{_OWN}?embed=releases&includeDeleted=true"),
    Call("active_again", "PATCH", "/v4/releases/{second}", json={"active": True}),
    Call("delete_active", "DELETE", "/v4/releases/{second}"),
    Call("third", "POST", _RELEASES, upload="plain", gives={"third": _RELEASE}),
    Call("delete_deployment", "DELETE", _OWN),
    Call("deleted_release", "GET", "/v4/releases/{third}"),
    Call("with_deleted", "GET", "/v4/deployments?deploymentId={own}&includeDeleted=true"),
)
