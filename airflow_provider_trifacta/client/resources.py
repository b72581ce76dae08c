"""The smaller resources of the API. Every call raises the errors of :mod:`.errors`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import (
    AmbiguousNameError,
    AnswerTooLargeError,
    InvalidInputError,
    UnexpectedResponseError,
)
from .limits import PAGE, WHOLE_LIST, Limit
from .models import Connection, Deployment, Flow, ImportRule, Person, Recipe, Row, within
from .texts import listed, quoted, shown
from .transport import PAGE_SIZE, SERVERS_PAGE_SIZE, PageOf, plain_page

if TYPE_CHECKING:
    from .transport import Transport

_Named = TypeVar("_Named", Deployment, Flow, Recipe)

#: How many similar names an error shows.
_MOST_NAMES = 5
#: The two kinds of import rules: their path, and the keys that make a rule.
RULE_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "object": ("objectImportRules", ("tableName", "onCondition", "withCondition")),
    "value": ("valueImportRules", ("type", "on", "with")),
}


def list_all(
    transport: Transport,
    path: str,
    build: Callable[[object], Row],
    params: Mapping[str, Any] | None = None,
    *,
    page_of: PageOf = plain_page,
    limit: Limit = PAGE,
) -> list[Row]:
    """Read every page of a list.

    All pages share the time and the size that one call has. The list ends with a page that is
    shorter than the API's default. Some servers ignore ``offset`` and repeat themselves [I], or
    answer more than a page may hold. Their list is then asked for as a whole, and only taken if it
    surely is that.

    Each page becomes models before the next one is read.

    :param transport: what sends the requests
    :param path: path of the list
    :param build: makes a model of a row
    :param params: further query parameters
    :param page_of: takes the rows and the count out of an answer
    :param limit: what a page may hold
    :returns: the items, each once, in the server's order
    :raises UnexpectedResponseError: an answer is not a list, the list is too long, or it may not be
        whole. A caller that acts on a part of a list would not notice what is missing
    """
    items: dict[int, Row] = {}
    budget = transport.budget()
    params = dict(params or {})
    while True:
        query = {**params, "limit": PAGE_SIZE, "offset": len(items)}
        try:
            page, _ = transport.read_page(
                path, query, budget, build, known=len(items), page_of=page_of, limit=limit
            )
        except AnswerTooLargeError:
            may_read_whole = limit is PAGE and transport.reads_longer_lists()
            if items or not may_read_whole:
                raise
            break
        before = len(items)
        _add(items, page)
        if len(page) < SERVERS_PAGE_SIZE:
            return list(items.values())
        if len(items) == before:
            break
    query = {**params, "noLimit": "true", "includeCount": "true"}
    page, count = transport.read_page(path, query, budget, build, page_of=page_of, limit=WHOLE_LIST)
    _add(items, page)
    if not _is_whole(len(items), count):
        raise UnexpectedResponseError(
            f"GET {path} repeats itself after {len(items)} items and ignores the offset, so the"
            " list cannot be read to its end."
        )
    return list(items.values())


def _is_whole(size: int, count: object) -> bool:
    """Tell whether so many items are the whole list.

    Where the server gives no count, a round number of items is a page and not a list.
    """
    if isinstance(count, int):
        return size == count
    return size % SERVERS_PAGE_SIZE != 0


def _add(items: dict[int, Row], page: Iterable[Row]) -> None:
    for row in page:
        items.setdefault(row.id, row)


def rows_of(body: object, path: str) -> list[Any]:
    """Return what an answer has under ``data``, which is a list."""
    rows = within(body).get("data")
    if not isinstance(rows, list):
        raise UnexpectedResponseError(f'GET {path} did not answer a list under "data".')
    return rows


def run_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a run's body that overrides parameters; empty if there are none.

    :param parameters: values by parameter name
    """
    if not parameters:
        return {}
    overrides = [{"key": name, "value": value} for name, value in parameters.items()]
    return {"runParameters": {"overrides": {"data": overrides}}}


def only(rows: Sequence[_Named], name: str, kind: str, where: str = "") -> _Named:
    """Return the one row of a name.

    :param rows: all rows
    :param name: the name
    :param kind: what a row is, for the error
    :param where: what has the rows, for the error
    :raises AmbiguousNameError: no row has it, or several have it
    """
    namesakes = [row for row in rows if row.name == name]
    if len(namesakes) == 1:
        return namesakes[0]
    if namesakes:
        ids = [row.id for row in namesakes]
        raise AmbiguousNameError(
            f"{len(ids)} {kind}s{where} are called {quoted(name)}: {listed(ids)}. Give the id."
            " Nothing was changed.",
            found_ids=ids,
        )
    names = dict.fromkeys(shown(row.name) for row in rows if row.name)
    similar = _similar(name, names)
    similar_words = listed(map(quoted, similar)) or f"none of {len(names)}"
    raise AmbiguousNameError(
        f"0 {kind}s{where} are called {quoted(name)}. Similar names: {similar_words}. Check the"
        f" name and its case. This user may not see every {kind}. Nothing was changed.",
        found_ids=[],
        similar=similar,
    )


def _similar(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that are most like one in any case, the nearest first."""
    spellings: dict[str, list[str]] = {}
    for candidate in names:
        spellings.setdefault(candidate.casefold(), []).append(candidate)
    similar: list[str] = []
    for folded in get_close_matches(name.casefold(), spellings, n=_MOST_NAMES):
        similar += spellings[folded]
    return similar[:_MOST_NAMES]


@dataclass(eq=False)
class Resource:
    """A part of the API."""

    #: What sends the requests.
    _transport: Transport


class People(Resource):
    """Calls below ``/v4/people``: who the credentials belong to."""

    def current(self) -> Person:
        """Return the authenticated user (``GET /v4/people/current`` [P])."""
        return self._transport.read("/v4/people/current", build=Person.from_json)


class Connections(Resource):
    """Calls below ``/v4/connections``: what object import rules map to."""

    def list(self) -> list[Connection]:
        """Return the connections that the user can see."""
        return list_all(self._transport, "/v4/connections", Connection.from_json)


class Deployments(Resource):
    """Calls below ``/v4/deployments``: the containers of releases in a production instance."""

    def create(self, name: str) -> Deployment:
        """Create a deployment (``POST /v4/deployments`` [P]).

        Names are not unique in the API: a second call makes a second deployment.

        :param name: display name
        :returns: the new deployment
        :raises InvalidInputError: the name is empty
        """
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(f"A deployment's name must be a text, not {name!r}.")
        answer = self._transport.write("POST", "/v4/deployments", json={"name": name})
        return Deployment.from_json(answer)

    def list(self) -> list[Deployment]:
        """Return all deployments that the user can see (API Deployments Get List v4 [R])."""
        return list_all(self._transport, "/v4/deployments", Deployment.from_json)

    def find(self, name: str) -> Sequence[Deployment]:
        """Return the deployments of exactly this name.

        The server's own filter is fuzzy [I], and is not used.

        :param name: display name
        :returns: all deployments of this name
        """
        return [deployment for deployment in self.list() if deployment.name == name]

    def by_name(self, name: str) -> Deployment:
        """Return the deployment that has exactly this name.

        :param name: display name
        :raises AmbiguousNameError: no deployment has the name, or several have it
        """
        return only(self.list(), name, "deployment")

    def probe(self) -> Sequence[Deployment]:
        """Ask for one deployment (``GET /v4/deployments?limit=1``).

        The answer shows whether this user may use any.

        :returns: the deployment, if there is one; a server that ignores the limit answers more
        """
        path = "/v4/deployments"

        def deployments_of(body: object) -> Sequence[Deployment]:
            return [Deployment.from_json(row) for row in rows_of(body, path)]

        return self._transport.read(path, {"limit": 1}, build=deployments_of, limit=PAGE)

    def get(self, deployment_id: int) -> Deployment:
        """Return one deployment (``GET /v4/deployments/:id`` [I]).

        :param deployment_id: its id
        :returns: the deployment
        """
        return self._transport.read(f"/v4/deployments/{deployment_id}", build=Deployment.from_json)

    def run(self, deployment_id: int, parameters: Mapping[str, str]) -> object:
        """Run the live release of a deployment (API Deployments Run v4 [R]).

        The request is sent again only if no connection was made, and after a 429 of the API. After
        any other failure jobs may have started.

        :param deployment_id: the deployment
        :param parameters: values by parameter name
        :returns: the answer; ``{"data": [{"id": <job group>, ...}]}`` if it is as documented
        """
        path = f"/v4/deployments/{deployment_id}/run"
        body = run_parameters(parameters) or None
        return self._transport.write("POST", path, json=body, slow=True, limit=PAGE)


class ImportRules(Resource):
    """Calls below ``/v4/deployments/:id/…ImportRules``: how a deployment maps connections and paths
    of a package.

    Rules apply in their order, at import only, and never to a release that exists already [R].
    """

    def list(self, deployment_id: int, kind: str) -> list[ImportRule]:
        """Return the rules of one kind.

        Only their change is documented [R]. That they can be read is the vendor's usual convention
        [I].

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :returns: the rules, in their order
        :raises UnexpectedResponseError: a rule lacks a part, so that it could neither be compared
            nor restored
        """
        name, keys = RULE_KINDS[kind]
        # Not paged: a list of rules is one object to the API.
        path = f"/v4/deployments/{deployment_id}/{name}"

        def rules_of(body: object) -> builtins.list[ImportRule]:
            return [ImportRule.from_json(row, keys) for row in rows_of(body, path)]

        query = {"noLimit": "true"}
        rules = self._transport.read(path, query, build=rules_of, limit=WHOLE_LIST)
        for rule in rules:
            if None in rule.rule.values():
                raise UnexpectedResponseError(
                    f"GET {path} answered rules without {', '.join(keys)}."
                )
        return rules

    def replace(self, deployment_id: int, kind: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace all rules of one kind (API Deployments Object / Value Import Rules Patch v4 [R]).

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :param rules: the whole new list; empty to have none
        """
        name, _ = RULE_KINDS[kind]
        path = f"/v4/deployments/{deployment_id}/{name}"
        rows = [dict(rule) for rule in rules]
        self._transport.write("PATCH", path, json=rows, limit=WHOLE_LIST)
