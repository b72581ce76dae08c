"""``/v4/wrangledDatasets``: recipes within their flows. The UI calls them recipes [R: D60]."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import edge_row, flownode_row, output_row, recipe_row
from trifacta_emulator.api.endpoint import Endpoint, context_of, json_object, path_id, person_of
from trifacta_emulator.api.people import has_access, require_access
from trifacta_emulator.api.query import count_answer, embeds, list_answer, select_fields
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Home, Recipe
from trifacta_emulator.state.recipes import nodes_of

#: ``outputObjects`` [P: SDK], ``recipe`` [P: NZ]. The product has more of them.
_EMBEDS = ("flow", "recipe", "outputObjects")


async def list_all(request: Request) -> Response:
    """GET, newest first: our choice [?].

    No page has a parameter for the flow: public clients compare ``flow.id`` of each element [P:
    SAAGIE].
    """
    context, person = context_of(request), person_of(request)
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    flows = {flow.id for flow in context.store.state.flows.listed() if has_access(person, flow)}
    found = sorted(context.store.recipes(), key=lambda one: one.id, reverse=True)
    rows = [recipe_body(one, wanted) for one in found if one.home.flow_id in flows]
    return JSONResponse(list_answer(rows, request.query_params))


async def count(request: Request) -> Response:
    """GET the number of recipes in the list [P: AYX]."""
    person, state = person_of(request), context_of(request).store.state
    flows = {flow.id for flow in state.flows.listed() if has_access(person, flow)}
    found = context_of(request).store.recipes()
    return count_answer([one for one in found if one.home.flow_id in flows])


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    recipe = context_of(request).store.recipe(path_id(request))
    require_access(request, recipe.home.flow_id)
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    [body] = select_fields([recipe_body(recipe, wanted)], request.query_params)
    return JSONResponse(body)


async def create(request: Request) -> Response:
    """POST ``{"name", "flow": {"id"}, "importedDataset": {"id"}}`` [P: DBT]: 201 [P: AAC25].

    In place of ``importedDataset``, ``wrangledDataset`` names a recipe of the same flow [M]. The
    new recipe has no steps and no output.
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
    home, stamp = recipe.home, stamp_of(recipe.home)
    # A public client reads a name [P: SAAGIE]; it is the name of the recipe [I].
    body: Row = {**flownode_row(recipe.node, stamp), "name": recipe.name}
    if "flow" in wanted:
        [flow] = [row for row in home.tables["flows"] if row["id"] == home.flow_id]
        # The project at Google [P: VDC].
        body["flow"] = {
            "id": home.flow_id,
            "name": home.flow_name,
            "cpProject": flow.get("cpProject"),
        }
    if "recipe" in wanted:
        body["recipe"] = recipe_row({**recipe.script, "id": recipe.node["scriptId"]}, stamp)
    if "outputObjects" in wanted:
        outputs = [row for row in home.tables["outputobjects"] if row["flowNodeId"] == recipe.id]
        body["outputObjects"] = {"data": [output_row(row, stamp) for row in outputs]}
    return body


def flow_embeds(home: Home, wanted: Collection[str]) -> Row:
    """Write the nodes and edges of a flow, for ``GET
    /v4/flows/:id?embed=flowNodes.recipe,flowEdges`` [P: SDK], [P].

    :param home: the flow
    :param wanted: ``flowNodes``, ``flowNodes.recipe``, ``flowEdges``
    """
    body: Row = {}
    if {"flowNodes", "flowNodes.recipe"} & set(wanted):
        whole = ("recipe",) if "flowNodes.recipe" in wanted else ()
        body["flowNodes"] = {"data": [recipe_body(node, whole) for node in nodes_of(home)]}
    if "flowEdges" in wanted:
        edges = [row for row in home.tables["flowedges"] if row["flowId"] == home.flow_id]
        body["flowEdges"] = {"data": [edge_row(row, stamp_of(home)) for row in edges]}
    return body


def stamp_of(home: Home) -> Row:
    """Write the times and people of what belongs to a flow.

    :param home: the flow
    """
    # What belongs to a flow has its times and people: our choice [?].
    people = {"creator": {"id": home.user_id}, "updater": {"id": home.user_id}}
    return {"createdAt": iso(home.at), "updatedAt": iso(home.at), **people}


_RECIPES = "/v4/wrangledDatasets"
ENDPOINTS = (
    Endpoint("GET", _RECIPES, "listWrangledDatasets", list_all),
    Endpoint("GET", f"{_RECIPES}/count", "countWrangledDatasets", count),
    Endpoint("POST", _RECIPES, "createWrangledDataset", create),
    Endpoint("GET", f"{_RECIPES}/{{id}}", "getWrangledDataset", read),
)
