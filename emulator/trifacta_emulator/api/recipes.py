"""``/v4/wrangledDatasets``: recipes within their flows. The UI calls them recipes [R: D60]."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of, json_object, path_id, person_of
from trifacta_emulator.api.people import has_access, require_access
from trifacta_emulator.api.query import embeds, list_answer, select_fields
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Home, Recipe
from trifacta_emulator.state.recipes import nodes_of

#: ``outputObjects`` [P: SDK], ``recipe`` [P: NZ]. The product has more of them.
_EMBEDS = ("flow", "recipe", "outputObjects")


async def list_all(request: Request) -> Response:
    """GET, newest first: our choice [?].

    No page has a parameter for the flow: public clients compare ``flow.id`` of each element [P: SAAGIE].
    """
    context, person = context_of(request), person_of(request)
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    flows = {flow.id for flow in context.store.flows() if has_access(person, flow)}
    found = [one for one in reversed(context.store.recipes()) if one.home.flow_id in flows]
    return JSONResponse(list_answer([recipe_body(one, wanted) for one in found], request.query_params))


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    recipe = context_of(request).store.recipe(path_id(request))
    require_access(request, recipe.home.flow_id)
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    [body] = select_fields([recipe_body(recipe, wanted)], request.query_params)
    return JSONResponse(body)


async def create(request: Request) -> Response:
    """POST ``{"name", "flow": {"id"}, "importedDataset": {"id"}}`` [P: DBT]: 201 [P: AAC25].

    In place of ``importedDataset``, ``wrangledDataset`` names a recipe of the same flow [M]. The new recipe has no
    steps and no output.
    """
    body = await json_object(request)
    name, sources = body.get("name"), {"importedDataset", "wrangledDataset"} & body.keys()
    if not isinstance(name, str) or not name.strip():
        raise ValidationError("name: a non-empty string is required")
    if len(sources) != 1:
        raise ValidationError("importedDataset or wrangledDataset: one of them is required")
    [source] = sources
    require_access(request, referenced(body, "flow"))
    made = context_of(request).store.create_recipe(
        referenced(body, "flow"),
        name,
        referenced(body, source),
        of_recipe=source == "wrangledDataset",
        user_id=person_of(request).id,
    )
    return JSONResponse(recipe_body(made), status_code=201)


def referenced(body: dict[str, Any], key: str) -> int:
    """Read ``{"id": 7}`` of a body.

    :param body: the whole body
    :param key: its field
    :raises ValidationError: it is something else
    """
    value = body.get(key)
    found = value.get("id") if isinstance(value, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise ValidationError(f'{key}: {{"id": number}} is required')
    return found


def recipe_body(recipe: Recipe, wanted: Collection[str] = ()) -> Row:
    """Write a wrangled dataset [R: D60 API WrangledDatasets Post AddToFlow v4] [P: AAC25].

    :param recipe: the recipe
    :param wanted: what to show whole: ``flow``, ``recipe``, ``outputObjects``
    """
    home = recipe.home
    stamp = stamped(home)
    body: Row = {
        "id": recipe.id,
        "wrangled": bool(recipe.node.get("wrangled")),
        # A public client reads a name [P: SAAGIE]; it is the name of the recipe [I].
        "name": recipe.name,
        **stamp,
        "referenceInfo": None,
        "activeSample": None,
        "recipe": {"id": recipe.node["scriptId"]},
        "referencedFlowNode": None,
        "flow": {"id": home.flow_id},
    }
    if "flow" in wanted:
        body["flow"] = {"id": home.flow_id, "name": home.flow_name}
    if "recipe" in wanted:
        body["recipe"] = script_body(recipe)
    if "outputObjects" in wanted:
        body["outputObjects"] = {"data": [_output(row, stamp) for row in _outputs(recipe)]}
    return body


def script_body(recipe: Recipe) -> Row:
    """Write the recipe itself [P: AAC25].

    :param recipe: the recipe with its node
    """
    script = recipe.script
    return {
        "id": recipe.node["scriptId"],
        "name": script.get("name"),
        "description": script.get("description"),
        "active": bool(script.get("active", True)),
        "nextPortId": script.get("nextPortId"),
        "currentEdit": None,
        "redoLeafEdit": None,
        **stamped(recipe.home),
    }


def flow_embeds(home: Home, wanted: Collection[str]) -> Row:
    """Write the nodes and edges of a flow, for ``GET /v4/flows/:id?embed=flowNodes.recipe,flowEdges`` [P: SDK, GR].

    :param home: the flow
    :param wanted: ``flowNodes``, ``flowNodes.recipe``, ``flowEdges``
    """
    body: Row = {}
    if {"flowNodes", "flowNodes.recipe"} & set(wanted):
        whole = ("recipe",) if "flowNodes.recipe" in wanted else ()
        body["flowNodes"] = {"data": [recipe_body(node, whole) for node in nodes_of(home)]}
    if "flowEdges" in wanted:
        edges = [row for row in home.tables["flowedges"] if row["flowId"] == home.flow_id]
        body["flowEdges"] = {"data": [_edge(row, home) for row in edges]}
    return body


def stamped(home: Home) -> Row:
    """Write times and people of what belongs to a flow.

    :param home: the flow
    """
    people = {"creator": {"id": home.user_id}, "updater": {"id": home.user_id}}
    return {"createdAt": iso(home.at), "updatedAt": iso(home.at), **people}


def _edge(row: Row, home: Home) -> Row:
    # [P: AAC25]
    return {
        "id": row["id"],
        "inPortId": row.get("inPortId"),
        "outPortId": row.get("outPortId"),
        "inputFlowNode": {"id": row["inFlowNodeId"]},
        "outputFlowNode": {"id": row["outFlowNodeId"]},
        "flow": {"id": home.flow_id},
        **stamped(home),
    }


def _outputs(recipe: Recipe) -> list[Row]:
    return [row for row in recipe.home.tables["outputobjects"] if row["flowNodeId"] == recipe.id]


def _output(row: Row, stamp: Row) -> Row:
    # Names of OutputObject in the API description [P: AAC25].
    return {
        "id": row["id"],
        "execution": row.get("execution"),
        "profiler": bool(row.get("profiler")),
        "isAdhoc": bool(row.get("isAdhoc")),
        "flownode": {"id": row["flowNodeId"]},
        **stamp,
    }


_RECIPES = "/v4/wrangledDatasets"
ENDPOINTS = (
    Endpoint("GET", _RECIPES, "listWrangledDatasets", list_all),
    Endpoint("POST", _RECIPES, "createWrangledDataset", create),
    Endpoint("GET", f"{_RECIPES}/{{id}}", "getWrangledDataset", read),
)
