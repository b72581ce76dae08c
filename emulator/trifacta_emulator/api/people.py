"""``/v4/people/current``: the owner of the credentials."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    person_of,
    store_of,
)
from trifacta_emulator.api.query import flag
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import AccessError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Flow
from trifacta_emulator.state.people import Person

#: Embeds that rows of most resources have.
PEOPLE = ("creator", "updater")


def embed_people(context: Context, body: Row, wanted: Collection[str]) -> Row:
    """Show more of the people of a row than their ids, where ``creator`` or ``updater`` is embedded
    [P: NZ].

    :param context: the emulator
    :param body: the row
    :param wanted: names of the embeds
    :returns: the row with the embedded people
    """
    for field in PEOPLE:
        if field not in wanted:
            continue
        person = context.auth.people[body[field]["id"] - 1]
        email = person.user.email
        # The product has a name for each person; ours is a part of the email [?].
        name = email.partition("@")[0]
        body[field] = {
            "id": person.id,
            "email": email,
            "name": name,
        }
    return body


def has_access(person: Person, flow: Flow) -> bool:
    """Tell whether a person may read, run and export a flow: their own, or one that is shared with
    them [R: D64].

    An administrator may do that with each flow [M].

    :param person: the caller
    :param flow: the flow
    """
    return person.is_admin or flow.visible_to(person.id)


def require_access(request: Request, flow_id: int) -> None:
    """Check the caller's access to a flow. Flows of releases, and unknown ones, are not checked
    here.

    :param request: the request
    :param flow_id: the flow
    :raises AccessError: the caller has no access to it
    """
    person = person_of(request)
    for flow in store_of(request).flows(include_deleted=True):
        if flow.id == flow_id and not has_access(person, flow):
            raise AccessError.to("flows", flow_id)


async def current(request: Request) -> Response:
    """GET the caller [P: AAC25]."""
    person = person_of(request)
    options = context_of(request).options
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
        # "maximal privileges and authorization roles" [P: AAC25]. The name of the roles' field is
        # [I].
        operations = ["create", "read", "update", "delete"]
        if options.instance_type == "prod":
            operations = []
        body["maximalPrivileges"] = [{"resourceType": "flow", "operations": operations}]
        body["authorizationRoles"] = [{"name": role} for role in person.user.roles]
    return JSONResponse(body)


ENDPOINTS = (Endpoint("GET", "/v4/people/current", "getCurrentPerson", current),)
