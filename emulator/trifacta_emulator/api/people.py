"""``/v4/people/current``: the owner of the credentials."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Context, Endpoint, context_of, person_of
from trifacta_emulator.api.query import flag
from trifacta_emulator.clock import iso
from trifacta_emulator.packages.definition import Row

#: Embeds that rows of most resources have.
PEOPLE = ("creator", "updater")


def embed_people(context: Context, body: Row, wanted: Collection[str]) -> Row:
    """Show more of the people of a row than their ids, where ``creator`` or ``updater`` is embedded [P: NZ].

    :param context: the emulator
    :param body: the row
    :param wanted: names of the embeds
    :returns: the row with the embedded people
    """
    for field in set(PEOPLE) & set(wanted):
        person = context.auth.people[body[field]["id"] - 1]
        # The product has a name for each person; ours is a part of the email [?].
        body[field] = {"id": person.id, "email": person.user.email, "name": person.user.email.partition("@")[0]}
    return body


async def current(request: Request) -> Response:
    """GET the caller [P: AAC25]."""
    person, options = person_of(request), context_of(request).options
    body: dict[str, Any] = {
        "id": person.id,
        "email": person.user.email,
        "isDisabled": False,
        "state": "active",
        "outputHomeDir": f"/queryResults/{person.user.email}",
        "uploadDir": "/uploads",
        "lastLoginTime": iso(options.clock()),
        "lastStateChange": None,
    }
    if flag(request.query_params, "includePrivileges"):
        # "maximal privileges and authorization roles" [P: AAC25]. The name of the roles' field is [I].
        flows = [] if options.instance_type == "prod" else ["create", "read", "update", "delete"]
        body["maximalPrivileges"] = [{"resourceType": "flow", "operations": flows}]
        body["authorizationRoles"] = [{"name": role} for role in person.user.roles]
    return JSONResponse(body)


ENDPOINTS = (Endpoint("GET", "/v4/people/current", "getCurrentPerson", current),)
