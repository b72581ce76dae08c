"""A description of an API as a vendor writes it, full of what an administrator or a server may have
put there."""

from __future__ import annotations

import copy

CANARY = "canary"
#: An id and a secret, which a description may hold as examples.
AN_ID, A_SECRET = 987_654_321, "c4n4rya1b2c3d4e5f6a7b8"
NOISE = {
    "description": f"Ask {CANARY}@example.com",
    "title": CANARY,
    "summary": CANARY,
    "operationId": f"run {CANARY}",
    "example": {"id": AN_ID, "name": CANARY},
    "examples": {CANARY: {"value": A_SECRET}},
    "default": CANARY,
    "pattern": f"^{CANARY}$",
    "maximum": AN_ID,
    "tags": [CANARY],
    "externalDocs": {"url": f"https://{CANARY}.example.com"},
    "servers": [{"url": f"https://{CANARY}.example.com"}],
    f"x-{CANARY}": CANARY,
}
#: Words in places of words: none is one that a vendor would write.
UNSAFE = [
    f"{CANARY}@example.com",
    f"{CANARY}.example.com",
    f"https://{CANARY}.example.com/v4",
    f"{CANARY} flow",
    f"{CANARY}/path",
    A_SECRET,
    "9bae78c0-2fcb-11e9-9523-77f56ed58844",
    str(AN_ID),
    "canary" * 20,
    # The names of flows and deployments there, the login and its beginning, the host.
    CANARY,
    CANARY.upper(),
    "",
]
_ID = {"type": "integer", "format": "int64"}
_RELEASE_REFERENCE = {"$ref": "#/components/schemas/release"}
RELEASE = {
    "type": "object",
    "required": ["id", "active"],
    "properties": {
        "id": _ID,
        "active": {"type": "boolean", "nullable": True},
        "status": {"type": "string", "enum": ["Staged", "Live", None, True]},
        "flows": {"type": "array", "items": {"$ref": "#/components/schemas/flow.read"}},
    },
}
FLOW = {
    "allOf": [
        {"type": "object", "properties": {"deleted_at": {"type": "string", "format": "date-time"}}},
        {
            "type": "object",
            "properties": {"releases": {"type": "array", "items": _RELEASE_REFERENCE}},
        },
    ]
}


def _parameter(name: str, place: str, kind: str) -> dict:
    return {"name": name, "in": place, "schema": {"type": kind}}


_NUMBER = {**_parameter("id", "path", "integer"), "required": True}
_EMBED, _EXECUTION = (
    _parameter("embed", "query", "string"),
    _parameter("x-execution-id", "header", "string"),
)
_FILE = {
    "schema": {"type": "object", "properties": {"data": {"type": "string", "format": "binary"}}}
}


def _answered(schema: dict) -> dict:
    return {"content": {"application/json": {"schema": schema}}}


#: What is kept of it.
KEPT = {
    "paths": {
        "/v4/deployments/{deploymentId}/releases": {
            "post": {
                "parameters": [_NUMBER, _EMBED],
                "requestBody": {"content": {"multipart/form-data": _FILE}},
                "responses": {"201": _answered(_RELEASE_REFERENCE), "default": {}},
            }
        },
        "/v4/deployments/{id}/run": {
            "post": {"parameters": [_NUMBER, _EXECUTION], "responses": {"201": {}}},
        },
        "/v4/releases": {
            "get": {"parameters": [_EMBED], "responses": {"200": _answered(_RELEASE_REFERENCE)}}
        },
        "/v4/flows/package": {"post": {"responses": {"4XX": {}}}},
        "/v4/jobGroups": {"get": {"responses": {}}},
        "/v4/people/current": {"get": {"responses": {}}},
    },
    "components": {"schemas": {"release": RELEASE, "flow.read": FLOW}},
    "cut": False,
}


def vendors() -> dict:
    """Return the whole description, in the form of OpenAPI 3."""
    whole = copy.deepcopy({name: KEPT[name] for name in ("paths", "components")})
    releases = whole["paths"]["/v4/deployments/{deploymentId}/releases"]
    # A parameter of all operations of a path, and one that stands elsewhere.
    releases["parameters"] = [{"$ref": "#/components/parameters/id"}]
    releases["post"]["parameters"] = [_EMBED]
    whole["components"]["parameters"] = {"id": copy.deepcopy(_NUMBER)}
    whole["components"]["schemas"]["unused"] = {"type": "object", "properties": {"unused": _ID}}
    others = {
        "/v4/connections",
        "/v4/plans/{id}",
        f"/v4/{CANARY}",
        f"/{CANARY}.example.com/v4/deployments",
    }
    whole["paths"] = {**{path: {"get": {"responses": {}}} for path in others}, **whole["paths"]}
    return {"openapi": "3.0.1", "info": {"version": "9.7.0"}, **whole}


def with_noise(value: object, place: str = "") -> object:
    """Return the same with every text that may stand in it, beside what is structure."""
    if isinstance(value, list):
        return [with_noise(part) for part in value]
    if not isinstance(value, dict):
        return value
    parts = {name: with_noise(part, name) for name, part in value.items()}
    # Here the names are the vendor's own: anything would be a name.
    named = place in (
        "properties",
        "schemas",
        "paths",
        "responses",
        "content",
        "components",
        "parameters",
    )
    return parts if named else {**NOISE, **parts, "description": NOISE["description"]}
