"""``/v4/wrangledDatasets``: recipes within their flows. The UI calls them recipes [R: D60]."""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import edge_row, flownode_row, output_row, recipe_row
from trifacta_emulator.api.endpoint import (
    Endpoint,
    json_object,
    path_id,
    person_of,
    required_name,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.people import has_access, require_access
from trifacta_emulator.api.query import count_answer, embeds, list_answer, select_fields
from trifacta_emulator.checks import is_whole_number
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row, rows_where
from trifacta_emulator.records import Home, Recipe
from trifacta_emulator.state.recipes import nodes_of

#: ``outputObjects`` [P: SDK], ``recipe`` [P: NZ]. The product has more of them.
_EMBEDS = ("flow", "recipe", "outputObjects")


async def list_all(request: Request) -> Response:
    """GET, newest first: our choice [?].

    No page has a parameter for the flow: public clients compare ``flow.id`` of each element
    [P: SAAGIE].
    """
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    recipes = _accessible(request)
    recipes.sort(key=attrgetter("id"), reverse=True)
    bodies = [recipe_body(recipe, wanted) for recipe in recipes]
    return JSONResponse(list_answer(bodies, request.query_params))


async def count(request: Request) -> Response:
    """GET the number of recipes in the list [P: AYX]."""
    return count_answer(_accessible(request))


def _accessible(request: Request) -> list[Recipe]:
    """List the recipes of the flows that lists show to the caller, oldest first."""
    store = store_of(request)
    person = person_of(request)
    flow_ids = set()
    for flow in store.state.flows.listed():
        if has_access(person, flow):
            flow_ids.add(flow.id)
    return [recipe for recipe in store.recipes() if recipe.home.flow_id in flow_ids]


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    recipe = store_of(request).recipe(path_id(request))
    require_access(request, recipe.home.flow_id)
    wanted = embeds(request.query_params, "wrangledDatasets", _EMBEDS)
    body = recipe_body(recipe, wanted)
    [selected] = select_fields([body], request.query_params)
    return JSONResponse(selected)


async def create(request: Request) -> Response:
    """POST ``{"name", "flow": {"id"}, "importedDataset": {"id"}}`` [P: DBT]: 201 [P: AAC25].

    In place of ``importedDataset``, ``wrangledDataset`` names a recipe of the same flow [M]. The
    new recipe has no steps and no output.
    """
    body = await json_object(request)
    name = required_name(body)
    sources = {"importedDataset", "wrangledDataset"} & body.keys()
    if len(sources) != 1:
        raise ValidationError("importedDataset or wrangledDataset: one of them is required")
    [source] = sources
    flow_id = referenced(body, "flow")
    require_access(request, flow_id)
    recipe = store_of(request).create_recipe(
        flow_id,
        name,
        referenced(body, source),
        of_recipe=source == "wrangledDataset",
        user_id=user_id_of(request),
    )
    return JSONResponse(recipe_body(recipe), status_code=201)


def referenced(body: dict[str, Any], key: str) -> int:
    """Read ``{"id": 7}`` of a body.

    :param body: the whole body
    :param key: its field
    :raises ValidationError: it is something else
    """
    reference = body.get(key)
    object_id = None
    if isinstance(reference, dict):
        object_id = reference.get("id")
    if not is_whole_number(object_id):
        raise ValidationError(f'{key}: {{"id": number}} is required')
    return object_id


def recipe_body(recipe: Recipe, wanted: Collection[str] = ()) -> Row:
    """Write a wrangled dataset [R: D60 API WrangledDatasets Post AddToFlow v4] [P: AAC25].

    :param recipe: the recipe
    :param wanted: what to show whole: ``flow``, ``recipe``, ``outputObjects``
    """
    home = recipe.home
    stamp = stamp_of(home)
    body: Row = flownode_row(recipe.node, stamp)
    # A public client reads a name [P: SAAGIE]; it is the name of the recipe [I].
    body["name"] = recipe.name
    if "flow" in wanted:
        [flow] = rows_where(home.tables["flows"], "id", home.flow_id)
        body["flow"] = {
            "id": home.flow_id,
            "name": home.flow_name,
            # The project at Google [P: VDC].
            "cpProject": flow.get("cpProject"),
        }
    if "recipe" in wanted:
        script = {**recipe.script, "id": recipe.node["scriptId"]}
        body["recipe"] = recipe_row(script, stamp)
    if "outputObjects" in wanted:
        outputs = rows_where(home.tables["outputobjects"], "flowNodeId", recipe.id)
        bodies = [output_row(output, stamp) for output in outputs]
        body["outputObjects"] = {"data": bodies}
    return body


def flow_embeds(home: Home, wanted: Collection[str]) -> Row:
    """Write the nodes and edges of a flow, for ``GET
    /v4/flows/:id?embed=flowNodes.recipe,flowEdges`` [P: SDK], [P].

    :param home: the flow
    :param wanted: ``flowNodes``, ``flowNodes.recipe``, ``flowEdges``
    """
    body: Row = {}
    with_recipes = "flowNodes.recipe" in wanted
    if with_recipes or "flowNodes" in wanted:
        node_embeds = ("recipe",) if with_recipes else ()
        nodes = [recipe_body(node, node_embeds) for node in nodes_of(home)]
        body["flowNodes"] = {"data": nodes}
    if "flowEdges" in wanted:
        stamp = stamp_of(home)
        rows = rows_where(home.tables["flowedges"], "flowId", home.flow_id)
        edges = [edge_row(row, stamp) for row in rows]
        body["flowEdges"] = {"data": edges}
    return body


def stamp_of(home: Home) -> Row:
    """Write the times and people of what belongs to a flow.

    :param home: the flow
    """
    # What belongs to a flow has its times and people: our choice [?].
    return {
        "createdAt": iso(home.at),
        "updatedAt": iso(home.at),
        "creator": {"id": home.user_id},
        "updater": {"id": home.user_id},
    }


_RECIPES = "/v4/wrangledDatasets"
ENDPOINTS = (
    Endpoint("GET", _RECIPES, "listWrangledDatasets", list_all),
    Endpoint("GET", f"{_RECIPES}/count", "countWrangledDatasets", count),
    Endpoint("POST", _RECIPES, "createWrangledDataset", create),
    Endpoint("GET", f"{_RECIPES}/{{id}}", "getWrangledDataset", read),
)
