"""The smaller resources of the API. Every call raises the errors of :mod:`.errors`."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import InvalidInputError, TrifactaError, UnexpectedResponseError
from .models import Connection, Deployment, ImportRule, JobGroup, Person
from .transport import PAGE_SIZE, SERVERS_PAGE_SIZE

if TYPE_CHECKING:
    from .transport import Transport

#: The two kinds of import rules: their path, and the keys that make a rule.
RULE_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "object": ("objectImportRules", ("tableName", "onCondition", "withCondition")),
    "value": ("valueImportRules", ("type", "on", "with")),
}


def list_all(transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """Read every page of a list.

    All pages share the time and the size that one call has. The list ends with a page that is shorter than the API's
    default. Some servers ignore ``offset`` and repeat themselves [I]. Their list is only taken if it is surely whole.

    :param transport: what sends the requests
    :param path: path of the list
    :param params: further query parameters
    :returns: the items, each once, in the server's order
    :raises UnexpectedResponseError: an answer is not a list, the list is too long, or it may not be whole. A caller
        that acts on a part of a list would not notice what is missing
    """
    items: dict[object, Mapping[str, Any]] = {}
    budget = transport.budget()
    while True:
        query = {**(params or {}), "limit": PAGE_SIZE, "offset": len(items)}
        page, _ = transport.read_page(path, query, budget, known=len(items))
        before = len(items)
        items.update((item["id"], item) for item in page if item["id"] not in items)
        if len(page) < SERVERS_PAGE_SIZE:
            return list(items.values())
        if len(items) == before:
            break
    # A page came again. Where the server tells no count, a round number of items is a page and not a list.
    page, count = transport.read_page(path, {**(params or {}), "noLimit": "true", "includeCount": "true"}, budget)
    items.update((item["id"], item) for item in page if item["id"] not in items)
    whole = len(items) == count if isinstance(count, int) else bool(len(items) % SERVERS_PAGE_SIZE)
    if not whole:
        raise UnexpectedResponseError(
            f"GET {path} repeats itself after {len(items)} items and ignores the offset, so the list cannot be read to "
            "its end."
        )
    return list(items.values())


def _rows(body: object, path: str, of: str = "list") -> list[Any]:
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise UnexpectedResponseError(f'GET {path} did not answer a {of} under "data".')
    return rows


@dataclass(eq=False)
class Resource:
    """A part of the API."""

    #: What sends the requests.
    _transport: Transport


class People(Resource):
    """Calls below ``/v4/people``: who the credentials belong to."""

    def current(self) -> Person:
        """Return the authenticated user (``GET /v4/people/current`` [P])."""
        return Person.from_json(self._transport.read("/v4/people/current"))


class Connections(Resource):
    """Calls below ``/v4/connections``: what object import rules map to."""

    def list(self) -> list[Connection]:
        """Return the connections that the user can see."""
        return [Connection.from_json(item) for item in list_all(self._transport, "/v4/connections")]


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
        return Deployment.from_json(self._transport.write("POST", "/v4/deployments", json={"name": name}))

    def list(self) -> list[Deployment]:
        """Return all deployments that the user can see (API Deployments Get List v4 [R])."""
        return [Deployment.from_json(item) for item in list_all(self._transport, "/v4/deployments")]

    def find(self, name: str) -> Sequence[Deployment]:
        """Return the deployments of exactly this name. The server's own filter is fuzzy [I] and is not used.

        :param name: display name
        :returns: all deployments of this name
        """
        return [deployment for deployment in self.list() if deployment.name == name]

    def probe(self) -> None:
        """Ask for one deployment, which shows whether this user may use any (``GET /v4/deployments?limit=1``)."""
        _rows(self._transport.read("/v4/deployments", {"limit": 1}), "/v4/deployments")

    def get(self, deployment_id: int) -> Deployment:
        """Return one deployment (``GET /v4/deployments/:id`` [I]).

        :param deployment_id: its id
        :returns: the deployment
        """
        return Deployment.from_json(self._transport.read(f"/v4/deployments/{deployment_id}"))

    def run(self, deployment_id: int, parameters: Mapping[str, str]) -> object:
        """Run the live release of a deployment (API Deployments Run v4 [R]).

        The request is sent again only if no connection was made, and after a 429 of the API. After any other failure
        jobs may have started.

        :param deployment_id: the deployment
        :param parameters: values by parameter name
        :returns: the answer; ``{"data": [{"id": <job group>, ...}]}`` if it is as documented
        """
        data = [{"key": key, "value": value} for key, value in parameters.items()]
        body = {"runParameters": {"overrides": {"data": data}}} if data else None
        return self._transport.write("POST", f"/v4/deployments/{deployment_id}/run", json=body, slow=True)


class ImportRules(Resource):
    """Calls below ``/v4/deployments/:id/…ImportRules``: how a deployment maps connections and paths of a package.

    Rules apply in their order, at import only, and never to a release that exists already [R].
    """

    def list(self, deployment_id: int, kind: str) -> list[ImportRule]:
        """Return the rules of one kind.

        Only their change is documented [R]. That they can be read is the vendor's usual convention [I].

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :returns: the rules, in their order
        :raises UnexpectedResponseError: a rule lacks a part, so that it could neither be compared nor restored
        """
        name, keys = RULE_KINDS[kind]
        # Not paged: a list of rules is one object to the API.
        path = f"/v4/deployments/{deployment_id}/{name}"
        body = self._transport.read(path, {"noLimit": "true"})
        rules = [ImportRule.from_json(row, keys) for row in _rows(body, path)]
        if any(part is None for rule in rules for part in rule.rule.values()):
            raise UnexpectedResponseError(f"GET {path} answered rules without {', '.join(keys)}.")
        return rules

    def replace(self, deployment_id: int, kind: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace all rules of one kind (API Deployments Object / Value Import Rules Patch v4 [R]).

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :param rules: the whole new list; empty to have none
        """
        name, _ = RULE_KINDS[kind]
        self._transport.write("PATCH", f"/v4/deployments/{deployment_id}/{name}", json=[dict(rule) for rule in rules])


class JobGroups(Resource):
    """Calls below ``/v4/jobGroups``: what a run starts, one for each output."""

    def status(self, job_group_id: int) -> object:
        """Return the state of a job group: one word, if the server keeps to the API (API JobGroups Get Status v4 [R]).

        :param job_group_id: its id
        :returns: the answer
        """
        return self._transport.read(f"/v4/jobGroups/{job_group_id}/status")

    def newest(self) -> list[JobGroup]:
        """Return the newest job groups that the user can see, one page of them (``GET /v4/jobGroups`` [R])."""
        found = map(JobGroup.from_json, self._newest({"limit": PAGE_SIZE}))
        return sorted(found, key=lambda one: one.id, reverse=True)

    def newest_states(self, limit: int) -> dict[int, object]:
        """Return the states of the newest job groups, as the list has them (``GET /v4/jobGroups`` [R]).

        :param limit: how many at most; the server may give fewer
        :returns: the states by id
        """
        rows = self._newest({"limit": limit, "fields": "id;status"})
        return {row["id"]: row.get("status") for row in rows if isinstance(row.get("id"), int)}

    def _newest(self, params: Mapping[str, Any]) -> builtins.list[Mapping[str, Any]]:
        """Read the beginning of the list, which the API gives newest first."""
        rows = _rows(self._transport.read("/v4/jobGroups", params), "/v4/jobGroups", "list of objects")
        if not all(isinstance(row, Mapping) for row in rows):
            raise UnexpectedResponseError('GET /v4/jobGroups did not answer a list of objects under "data".')
        return rows

    def why_failed(self, job_group_id: int) -> str:
        """Return the words of the first failed job of a job group (API JobGroups Get Jobs v4 [R]), for an error.

        It never fails itself: the caller is reporting a failure already.

        :param job_group_id: its id
        :returns: words for an error
        """
        try:
            jobs = list_all(self._transport, f"/v4/jobGroups/{job_group_id}/jobs")
        except TrifactaError as error:
            return f"its jobs could not be read: {error}"
        failed = [job for job in jobs if job.get("status") == "Failed"]
        if not failed:
            return "none of its jobs says why"
        words = failed[0].get("errorMessage")
        if isinstance(words, Mapping):  # an object in some releases
            words = words.get("message") or words
        text = words if isinstance(words, str) else json.dumps(words, default=str) if words else "no message"
        return self._transport.excerpt(f"job {failed[0].get('id')} ({failed[0].get('jobType')}): {text}")

    def cancel(self, job_group_id: int) -> None:
        """Cancel a job group; does nothing to one that has ended (``POST /v4/jobGroups/:id/cancel`` [P]).

        :param job_group_id: its id
        """
        self._transport.write("POST", f"/v4/jobGroups/{job_group_id}/cancel")

    def inputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group reads (``GET /v4/jobGroups/:id/inputs`` [P]).

        Some instances answer 400 for jobs that read files [P].

        :param job_group_id: its id
        :returns: files, with ``uri``; and tables, with ``vendor``, ``databaseConnectString``, ``relationalPath`` and
            ``table``, or ``query`` in place of the last
        """
        path = f"/v4/jobGroups/{job_group_id}/inputs"
        flows = _rows(self._transport.read(path), path)
        return [row for flow in flows for row in _objects(flow, "inputs")]

    def outputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group writes (``GET /v4/jobGroups/:id/outputs`` [P]).

        :param job_group_id: its id
        :returns: files and tables, as :meth:`inputs` does
        """
        body = self._transport.read(f"/v4/jobGroups/{job_group_id}/outputs")
        return [*_objects(body, "files"), *_objects(body, "tables")]


def _objects(body: object, key: str) -> list[Mapping[str, Any]]:
    rows = body.get(key) if isinstance(body, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
