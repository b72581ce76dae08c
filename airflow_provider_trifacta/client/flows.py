"""Flows: what people design, what a package is exported from, and what a plain import makes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from .calls import MultipartFile
from .errors import APIError, InvalidInputError, TrifactaError, UnexpectedResponseError
from .imports import FlowImport
from .limits import IMPORT, PAGE
from .models import Flow, Recipe, comment_of, object_of
from .resources import Resource, list_all, only, run_parameters
from .retries import did_nothing, refuses_form
from .texts import quoted
from .transport import PAGE_SIZE

#: All flows that the user can see. Without it the cloud editions list the user's own flows only
#: [P].
_ALL = {"flowsFilter": "all"}
_PACKAGE = "/v4/flows/package"
_RECIPES = "/v4/wrangledDatasets"

T = TypeVar("T")
Named = TypeVar("Named", Flow, Recipe)


def _agreed(listed: Named, read: Named, kind: str) -> Named:
    """Return what was read by its id, if the list says the same of it."""
    if (listed.id, listed.name) != (read.id, read.name):
        raise UnexpectedResponseError(
            f"A list calls {kind} {listed.id} {quoted(listed.name)}, and the {kind} itself is"
            f" {kind} {read.id}, {quoted(read.name)}. Nothing was changed. Retry when the list is"
            " up to date, or give the id.",
            flow_ids=[listed.id] if kind == "flow" else [],
        )
    return read


class Flows(Resource):
    """Calls below ``/v4/flows`` and ``/v4/wrangledDatasets``."""

    def list(self, name: str | None = None) -> builtins.list[Flow]:
        """Return the flows that the user can see (API Flows Get List v4 [R]).

        :param name: asks the server for flows whose name contains this, in any case. A server may
            ignore it, so compare the names
        :returns: the flows, in the server's order, which is newest first
        """
        query = {**_ALL, "filter": name or None}
        return list_all(self._transport, "/v4/flows", Flow.from_json, query)

    def newest(self, *, include_deleted: bool = False) -> builtins.list[Flow]:
        """Return the newest flows that the user can see, one page of them, newest first.

        :param include_deleted: whether deleted flows are wanted too; a server may not know the
            parameter
        """
        query = {**_ALL, "sort": "-id", "limit": PAGE_SIZE, "offset": 0}
        query["includeDeleted"] = "true" if include_deleted else None
        budget = self._transport.budget()
        try:
            flows, _ = self._transport.read_page("/v4/flows", query, budget, Flow.from_json)
        except APIError as error:
            if not include_deleted or not refuses_form(error):
                raise
            return self.newest()
        return sorted(flows, key=lambda flow: flow.id, reverse=True)

    def by_name(self, name: str) -> Flow:
        """Return the flow that has exactly this name.

        The server's filter compares without case and may find several [R]. If no flow of its answer
        has the name, the whole list is read, so a server with another filter gives the same result.
        The flow is then read by its id, because a list may lag behind a flow that has just taken
        the name over.

        :param name: the flow's name
        :returns: the flow
        :raises AmbiguousNameError: no flow has the name, or several have it; it names their ids or
            similar names
        :raises UnexpectedResponseError: the list and the flow itself do not agree
        """
        namesakes = [flow for flow in self.list(name) if flow.name == name]
        flow = only(namesakes or self.list(), name, "flow")
        return _agreed(flow, self.get(flow.id), "flow")

    def get(self, flow_id: int) -> Flow:
        """Return one flow (API Flows Get v4 [R]).

        :param flow_id: its id
        :returns: the flow
        """
        flow = self._transport.read(f"/v4/flows/{flow_id}", build=Flow.from_json)
        if flow.id != flow_id:
            raise UnexpectedResponseError(
                f"GET /v4/flows/{flow_id} answered flow {flow.id}.", flow_ids=[flow_id]
            )
        return flow

    def rename(self, flow_id: int, name: str, description: str | None = None) -> Flow:
        """Rename a flow, and read it back (``PATCH /v4/flows/:id`` [R]). Only its owner may do
        that.

        The answer may have any body, so only the flow itself counts. The same holds if the answer
        is lost.

        :param flow_id: the flow
        :param name: its new name
        :param description: its new description; None keeps the old one
        :returns: the flow, as it was read back
        :raises InvalidInputError: the name is empty; nothing was sent
        :raises UnexpectedResponseError: the flow does not show the new name
        """
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(
                f"A flow's name must be a text, not {name!r}. Nothing was sent."
            )
        body = {"name": name}
        if description is not None:
            body["description"] = description
        lost: TrifactaError | None = None
        try:
            self._transport.write("PATCH", f"/v4/flows/{flow_id}", json=body, parse=False)
        except TrifactaError as error:
            if did_nothing(error):
                raise
            lost = error
        flow = self.get(flow_id)
        if flow.name != name:
            raise lost or UnexpectedResponseError(
                f"Flow {flow_id} is called {quoted(flow.name)} after it was renamed to"
                f" {quoted(name)}. Look at it in Trifacta: the server may spell the name in another"
                " way, or another person renamed it.",
                flow_ids=[flow_id],
            )
        return flow

    def recipes(self, flow_id: int) -> builtins.list[Recipe]:
        """Return the recipes of a flow (``GET /v4/wrangledDatasets`` [P]).

        The list has no filter for a flow, so it is read as a whole. Rows that are imported datasets
        are left out.

        :param flow_id: the flow
        :returns: its recipes
        """

        def read(query: dict[str, str] | None) -> builtins.list[Recipe]:
            return list_all(self._transport, _RECIPES, Recipe.from_json, query)

        own = [recipe for recipe in self._with_recipe(read) if recipe.flow_id == flow_id]
        return [recipe for recipe in own if not recipe.imported]

    @staticmethod
    def _with_recipe(read: Callable[[dict[str, str] | None], T]) -> T:
        try:
            return read({"embed": "recipe"})
        except APIError as error:
            if not refuses_form(error):
                raise
            return read(None)  # a server without this embed shows the name in the row itself

    def recipe_by_name(self, flow_id: int, name: str) -> Recipe:
        """Return the recipe of a flow that has exactly this name.

        :param flow_id: the flow
        :param name: the recipe's name
        :returns: the recipe; its id is what a job group runs
        :raises AmbiguousNameError: no recipe of the flow has the name, or several have it
        :raises UnexpectedResponseError: the list and the recipe itself do not agree
        """
        recipe = only(self.recipes(flow_id), name, "recipe", f" of flow {flow_id}")
        path = f"{_RECIPES}/{recipe.id}"

        def read(query: dict[str, str] | None) -> Recipe:
            return self._transport.read(path, query, build=Recipe.from_json)

        return _agreed(recipe, self._with_recipe(read), "recipe")

    def import_package(self, package: MultipartFile, *, folder_id: int | None = None) -> FlowImport:
        """Import a package as new flows of the workspace (API Flows Package Post v4 [R]). Every
        import makes new ones.

        The request is sent again only if no connection was made, and after a 429 of the API. After
        any other failure the flows may exist: see ``client/retries.py``.

        :param package: the body that :meth:`.FlowPackage.body` gives, with its mappings
        :param folder_id: the folder of the new flows
        :returns: what was made, as the server says it: read it back
        :raises MissingMappingError: the server holds the import up; nothing was imported
        """
        params = {"folderId": folder_id or None}
        answer = self._transport.write("POST", _PACKAGE, body=package, params=params, limit=IMPORT)
        return FlowImport.from_json(answer)

    def import_dry_run(
        self, package: MultipartFile, *, folder_id: int | None = None
    ) -> Mapping[str, Any]:
        """Try an import without making a flow (API Flows Package Post DryRun v4 [R]). It is sent
        again as a read is.

        :param package: as for :meth:`import_package`
        :param folder_id: the folder of the new flows
        :returns: the answer, of the shape that an import has
        :raises MissingMappingError: the server would hold the import up
        """
        params = {"folderId": folder_id or None}
        answer = self._transport.try_out(f"{_PACKAGE}/dryRun", package, params)
        data = object_of(answer, "The answer to the dry run")
        FlowImport.from_json(data)
        return data

    def run(
        self,
        flow_id: int,
        parameters: Mapping[str, str],
        *,
        execution_id: str | None = None,
        again: bool = False,
    ) -> object:
        """Run a flow: one job group for each manual output (``POST /v4/flows/:id/run`` [P]).

        :param flow_id: the flow
        :param parameters: values by parameter name
        :param execution_id: the id by which a server that documents it takes the request once
        :param again: whether this server documents it. Then the request is sent again after every
            transient error; otherwise only if the server provably did nothing
        :returns: the answer, ``{"flowRunId": ..., "data": [{"id": <job group>, ...}]}`` if it is as
            documented; or ``ACCEPTED_BEFORE``
        """
        path = f"/v4/flows/{flow_id}/run"
        body = run_parameters(parameters)
        return self._transport.write(
            "POST", path, json=body, slow=True, execution_id=execution_id, again=again, limit=PAGE
        )

    def export(self, flow_id: int, file: BinaryIO, *, comment: str | None = None) -> None:
        """Export a flow as a package (``GET /v4/flows/:id/package`` [P]). Every export has a uuid
        of its own.

        It changes nothing, so it is sent again after transient errors.

        :param flow_id: the flow
        :param file: where the ZIP goes, open for reading and writing; its content is replaced, and
            it is rewound
        :param comment: goes into the package, and newer servers show it as the release's notes. The
            words ``None`` and ``undefined`` are not a comment
        """
        params = {"comment": comment} if comment_of(comment) else None
        self._transport.download(f"/v4/flows/{flow_id}/package", file, params)
