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
IDS_OF_INSTANCE = ("flow", "deployment", "release", "failed_job", "job_group")


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


def _id_at(*way: str | int) -> Callable[[Any], Any]:
    """Return a function that takes an id from the end of a way into an answer."""

    def pick(body: Any) -> Any:
        return reduce(getitem, way, body)

    return pick


def _deployment_with_most_releases(body: Any) -> Any:
    fullest = max(body["data"], key=_count_of_releases)
    return fullest["id"]


def _count_of_releases(deployment: Mapping[str, Any]) -> int:
    return deployment.get("numReleases") or 0


def _failed_job_group(body: Any) -> Any:
    return next(group["id"] for group in body["data"] if group.get("status") == "Failed")


_ID = _id_at("id")
_FIRST_ID = _id_at("data", 0, "id")
_RELEASE_ID = _id_at("release", "id")
_EMBEDDED_ID = _id_at("releases", "data", 0, "id")
_TOKEN_ID = _id_at("tokenInfo", "tokenId")

NOTES = "Probed"
#: A body that gets the name of the probe's deployment.
NAMED = {"name": "..."}
_RULE = {
    "tableName": "connections",
    "onCondition": {"uuid": CONNECTION_UUID},
    "withCondition": {"id": UNKNOWN},
}
_VALUE_RULE = {"type": "fileLocation", "on": PATH_FROM, "with": PATH_TO}

# Of the deployment that the probe makes.
_OWN = "/v4/deployments/{own}"
_OWN_RELEASES = f"{_OWN}/releases"
_OBJECT_RULES = f"{_OWN}/objectImportRules"
_VALUE_RULES = f"{_OWN}/valueImportRules"
_DRY_RUN = f"{_OWN_RELEASES}/dryRun"
# Of that deployment or, without --write, of the one with the most releases.
_DEPLOYMENT = "/v4/deployments/{deployment}"
_RELEASES = "/v4/releases?deploymentId={deployment}"
_EMBEDDED = f"{_DEPLOYMENT}?embed=releases"
#: An association that no object has: the refusal lists those that it has.
_UNKNOWN_EMBED = "embed=noSuchThing"

#: What every instance shows.
_OF_INSTANCE = (
    Call("spec", "GET", "/v4/open-api-spec"),
    Call("person", "GET", "/v4/people/current?includePrivileges=true"),
    Call("stranger", "GET", "/v4/people/current"),
    Call("no_route", "GET", "/v4/noSuchPath"),
    Call("no_method", "GET", "/v4/jobGroups/{unknown}/cancel"),
)
_OF_FLOWS_AND_JOBS = (
    Call("flows", "GET", "/v4/flows?limit=25", gives={"flow": _FIRST_ID}),
    Call("export", "GET", "/v4/flows/{flow}/package/dryRun"),
    Call("embeds_of_flow", "GET", f"/v4/flows/{{flow}}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_flows", "GET", f"/v4/flows?limit=1&{_UNKNOWN_EMBED}"),
    Call("unknown_flow", "GET", "/v4/flows/{unknown}"),
    Call(
        "job_groups",
        "GET",
        "/v4/jobGroups?limit=100",
        gives={"failed_job": _failed_job_group, "job_group": _FIRST_ID},
    ),
    Call("jobs", "GET", "/v4/jobGroups/{failed_job}/jobs"),
    Call("inputs", "GET", "/v4/jobGroups/{job_group}/inputs"),
    Call("embeds_of_job_group", "GET", f"/v4/jobGroups/{{job_group}}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_job_groups", "GET", f"/v4/jobGroups?limit=1&{_UNKNOWN_EMBED}"),
    Call("unknown_group", "GET", "/v4/jobGroups/{unknown}"),
)
_OF_DEPLOYMENTS = (
    Call(
        "deployments",
        "GET",
        "/v4/deployments?limit=25",
        gives={"deployment": _deployment_with_most_releases},
    ),
    Call("unknown", "GET", "/v4/deployments/{unknown}"),
    Call("embeds_of_deployments", "GET", f"/v4/deployments?limit=1&{_UNKNOWN_EMBED}"),
    Call("all_releases", "GET", "/v4/releases?limit=1"),
    Call("embeds_of_releases", "GET", f"/v4/releases?limit=1&{_UNKNOWN_EMBED}"),
)
#: With --write: a deployment without a release, then dry runs, then two releases.
_MADE = (
    # A lifetime of nothing is refused, but after the check whether this user may make tokens.
    Call(
        "token",
        "POST",
        "/v4/apiAccessTokens",
        json={"lifetimeSeconds": 0},
        gives={"token": _TOKEN_ID},
    ),
    Call("token_deleted", "DELETE", "/v4/apiAccessTokens/{token}"),
    Call(
        "created",
        "POST",
        "/v4/deployments",
        json=NAMED,
        gives={"own": _ID, "deployment": _ID},
    ),
    Call("run", "POST", f"{_OWN}/run"),
    Call("twin", "POST", "/v4/deployments", json=NAMED, gives={"twin": _ID}),
    Call("renamed", "PATCH", _OWN, json=NAMED),
    Call("dry_run", "POST", _DRY_RUN, upload="plain"),
    Call("dry_broken", "POST", _DRY_RUN, upload="broken"),
    Call("dry_part", "POST", _DRY_RUN, upload="plain", part="file"),
    Call("dry_table", "POST", _DRY_RUN, upload="table"),
    Call("rules", "PATCH", _OBJECT_RULES, json=[_RULE]),
    Call("dry_rule", "POST", _DRY_RUN, upload="table"),
    Call("rules_replaced", "PATCH", _OBJECT_RULES, json=[]),
    Call("rules_left", "GET", _OBJECT_RULES),
    Call("value_rules", "PATCH", _VALUE_RULES, json=[_VALUE_RULE]),
    Call("dry_value", "POST", _DRY_RUN, upload="file"),
    Call("dry_plain", "POST", "/v4/flows/package/dryRun", upload="table"),
    Call("first", "POST", _OWN_RELEASES, upload="plain", gives={"first": _RELEASE_ID}),
    Call("run_first", "POST", "/v4/deployments/{idle}/run"),
    Call("run_flow", "POST", "/v4/flows/{idle_flow}/run"),
    Call(
        "second",
        "POST",
        _OWN_RELEASES,
        upload="plain",
        gives={"second": _RELEASE_ID},
        later=True,
    ),
    Call("first_after", "GET", "/v4/releases/{first}"),
    Call("second_after", "GET", "/v4/releases/{second}"),
    Call("at_once", "GET", "/v4/releases?deploymentId={own}"),
)
#: Of the probe's own deployment, or of any.
_OF_RELEASES = (
    Call("deployment", "GET", _DEPLOYMENT),
    Call("sorted", "GET", "/v4/deployments?limit=25&sort=-id"),
    Call("releases", "GET", _RELEASES, gives={"release": _FIRST_ID}),
    Call("releases_up", "GET", f"{_RELEASES}&sort=id"),
    Call("releases_down", "GET", f"{_RELEASES}&sort=-id"),
    Call("releases_with_deleted", "GET", f"{_RELEASES}&includeDeleted=true"),
    Call("embedded_all", "GET", _EMBEDDED, gives={"release": _EMBEDDED_ID}),
    Call("embedded", "GET", f"{_EMBEDDED}&limit=1"),
    Call("embedded_next", "GET", f"{_EMBEDDED}&limit=1&offset=1"),
    Call("embedded_options", "GET", f"{_EMBEDDED}(limit=1)"),
    Call("embedded_with_deleted", "GET", f"{_EMBEDDED}&includeDeleted=true"),
    Call("bad_embed", "GET", f"{_DEPLOYMENT}?{_UNKNOWN_EMBED}"),
    Call("embeds_of_release", "GET", f"/v4/releases/{{release}}?{_UNKNOWN_EMBED}"),
    Call("flows_of_release", "GET", "/v4/releases/{release}?embed=flows"),
    Call("route_releases", "GET", "/v4/deployments/{deployment}/releases"),
    Call("read_rules", "GET", "/v4/deployments/{deployment}/valueImportRules"),
)
#: With --write: stage, roll back, deactivate, delete.
_CHANGED = (
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
    Call("third", "POST", _OWN_RELEASES, upload="plain", gives={"third": _RELEASE_ID}),
    Call("delete_deployment", "DELETE", _OWN),
    Call("deleted_release", "GET", "/v4/releases/{third}"),
    Call("with_deleted", "GET", "/v4/deployments?deploymentId={own}&includeDeleted=true"),
)
#: All calls, in their order.
CALLS = (
    *_OF_INSTANCE,
    *_OF_FLOWS_AND_JOBS,
    *_OF_DEPLOYMENTS,
    *_MADE,
    *_OF_RELEASES,
    *_CHANGED,
)
