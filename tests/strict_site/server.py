"""A strict server, written from the vendor's pages alone.

It shares no code with the emulator or with the provider. It answers what a promotion needs, in the
form of these pages, and a request of any other form with an error:

- API Releases Create v4, whose printed answer is copied here;
- API Deployments Get Release List v4: a deployment with its releases, and the list with release
  information only;
- API Releases Get v4 and Patch v4, API Deployments Get List v4 and Run v4, API JobGroups Get Status
  v4, and the person who is logged in.

Two calls for the tasks around a promotion come from other pages: the export of a flow (API Flows
Package Get v4), and the run of a flow (runFlow). That a deployment can be read without its releases
is inferred.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import threading
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

EMAIL, PASSWORD = "admin@example.com", "admin-password"
#: The one deployment, and the flow that can be exported.
DEPLOYMENT, FLOW = 1, 9
UNKNOWN = 987654
#: Query parameters that the pages of the lists describe: not ``sort``, and not ``fields``.
PAGING = ("limit", "offset", "noLimit", "includeCount", "includeDeleted")
#: Headers that every HTTP client may send.
USUAL_HEADERS = {
    *("host", "user-agent", "accept", "accept-encoding", "connection"),
    *("authorization", "content-type", "content-length", "cache-control"),
}
#: When uuids of version 1 begin to count.
GREGORIAN = datetime(1582, 10, 15, tzinfo=timezone.utc)


class Refusal(Exception):
    """An answer with an error status.

    :param status: the status
    :param name: the name of the API's exception
    :param details: what is wrong
    """

    def __init__(self, status: int, name: str, details: str) -> None:
        super().__init__(details)
        self.status = status
        exception = {"name": name, "message": "The request was refused", "details": details}
        self.body = {"exception": exception}


def malformed(details: str) -> Refusal:
    return Refusal(400, "ApiValidationFailed", details)


def not_found(details: str) -> Refusal:
    return Refusal(404, "DataNotFoundException", details)


def uuid_of(moment: datetime) -> str:
    """Return a uuid of version 1 that carries a time, as real packages and releases have."""
    ticks = (moment - GREGORIAN) // timedelta(microseconds=1) * 10
    time = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0xFFF)
    return str(uuid.UUID(fields=(*time, 0x95, 0x23, 0x77F56ED58844), version=1))


def text_of(moment: datetime) -> str:
    """Return a time as the API writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def package_of(exported_at: datetime) -> bytes:
    """Return an exported flow."""
    metadata = {
        "uuid": uuid_of(exported_at),
        "exportedAt": exported_at.isoformat(),
        "trifactaVersion": "6.0.1",
        "primaryFlowIds": [FLOW],
    }
    flow = {"id": FLOW, "name": "2013 POS", "description": None}
    definition = {"metadata": metadata, "data": {"flows": [flow]}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("flow_9.json", json.dumps(definition))
    return file.getvalue()


@dataclass
class Request:
    """A request of the form that its page describes."""

    server: StrictServer
    ids: list[int]
    query: dict[str, str]
    body: object


@dataclass
class Route:
    """A call that a page describes.

    :param answer: makes the status and the body of the answer
    :param query: the query parameters that it takes
    :param body: what it is sent with: nothing, ``json``, ``json or nothing`` or ``form``
    :param headers: headers that it takes beside the usual ones
    """

    method: str
    path: str
    answer: Callable[[Request], tuple[int, object]]
    query: tuple[str, ...] = ()
    body: str = "nothing"
    headers: tuple[str, ...] = ()


ROUTES: list[Route] = []


def route(method: str, path: str, **form):
    """Add a call. ``:id`` stands for a number in its path."""

    def add(answer):
        ROUTES.append(Route(method, path.replace(":id", r"(\d+)"), answer, **form))
        return answer

    return add


@dataclass
class StrictServer:
    """The server. Use it as a context manager.

    :param own_uuids: whether it gives releases uuids of its own, and not those of their packages
    :param has_list: whether it knows ``GET /v4/releases``, the form with release information only
    :param ignores: query parameters of no page, which it ignores; it refuses all others
    :param refuses_by: what it answers to a request of no page: 404, as is recorded, or 400
    """

    own_uuids: bool = False
    has_list: bool = True
    ignores: frozenset[str] = frozenset()
    refuses_by: int = 404
    #: How the next jobs end.
    end_of_jobs: str = "Complete"
    releases: dict[int, dict] = field(default_factory=dict)
    #: The states that the next looks at a job group show.
    job_groups: dict[int, list[str]] = field(default_factory=dict)
    #: Method and target of each request.
    calls: list[tuple[str, str]] = field(default_factory=list)
    #: Requests of no page, with ``:id`` for numbers.
    unknown_calls: set[str] = field(default_factory=set)
    #: Query parameters of no page, with the path that had them.
    unknown_parameters: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = datetime.now(timezone.utc)
        self.new_ids = itertools.count(18)

    def __enter__(self) -> StrictServer:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.strict = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def live(self) -> int | None:
        live = [release["id"] for release in self.releases.values() if release["active"]]
        return live[0] if live else None

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET"]

    @property
    def now(self) -> datetime:
        """The time, which goes on by a second with each request."""
        return self.began + timedelta(seconds=len(self.calls))

    @property
    def timestamp(self) -> str:
        return text_of(self.now)

    def release(self, number: int) -> dict:
        if number not in self.releases:
            raise not_found(f"release {number}")
        return self.releases[number]

    def make_live(self, number: int | None) -> None:
        """Make one release active, or none; ``null`` stands for an inactive one."""
        for release in self.releases.values():
            active = True if release["id"] == number else None
            if release["active"] != active:
                release |= {"active": active, "updatedAt": self.timestamp}

    def run(self) -> dict:
        number = next(self.new_ids)
        self.job_groups[number] = ["InProgress", self.end_of_jobs]
        return {"reason": "JobStarted", "sessionId": str(uuid.uuid4()), "id": number}


@route("GET", "/v4/people/current")
def get_person(_request: Request) -> tuple[int, object]:
    return 200, {"id": 7, "email": EMAIL, "isDisabled": False, "state": "active"}


def deployment_of(server: StrictServer) -> dict:
    began = text_of(server.began)
    return {
        "id": DEPLOYMENT,
        "name": "Orders",
        "createdAt": began,
        "updatedAt": began,
        "numReleases": len(server.releases),
        "creator": {"id": 7},
        "updater": {"id": 7},
    }


def page_of(rows: list, query: dict[str, str]) -> dict:
    """Return a part of a list, oldest row first: no page describes an order."""
    first = int(query.get("offset", 0))
    count = len(rows) if query.get("noLimit") == "true" else int(query.get("limit", 25))
    page = {"data": rows[first : first + count]}
    return page | ({"count": len(rows)} if query.get("includeCount") == "true" else {})


def check_deployment(number: int) -> None:
    if number != DEPLOYMENT:
        raise not_found(f"deployment {number}")


@route("GET", "/v4/deployments", query=PAGING)
def list_deployments(request: Request) -> tuple[int, object]:
    return 200, page_of([deployment_of(request.server)], request.query)


@route("GET", "/v4/deployments/:id", query=("embed", *PAGING))
def get_deployment(request: Request) -> tuple[int, object]:
    check_deployment(request.ids[0])
    deployment, embed = deployment_of(request.server), request.query.get("embed")
    if embed not in (None, "releases"):
        raise Refusal(400, "ValidationFailed", f"No association {embed} in deployments!")
    if embed:
        deployment["releases"] = page_of([*request.server.releases.values()], request.query)
    return 200, deployment


@route("GET", "/v4/releases", query=("deploymentId", *PAGING))
def list_releases(request: Request) -> tuple[int, object]:
    if "deploymentId" not in request.query:
        raise malformed("deploymentId is missing")
    check_deployment(int(request.query["deploymentId"]))
    return 200, page_of([*request.server.releases.values()], request.query)


@route("GET", "/v4/releases/:id", query=("includeDeleted",))
def get_release(request: Request) -> tuple[int, object]:
    return 200, request.server.release(request.ids[0])


@route("PATCH", "/v4/releases/:id", body="json")
def patch_release(request: Request) -> tuple[int, object]:
    release = request.server.release(request.ids[0])
    if request.body not in ({"active": True}, {"active": False}):
        raise malformed("the body is not as documented")
    if request.body["active"]:
        request.server.make_live(release["id"])
    elif release["active"]:
        request.server.make_live(None)
    return 200, {"id": release["id"], "updater": {"id": 7}, "updatedAt": release["updatedAt"]}


@route("POST", "/v4/deployments/:id/releases", body="form")
def create_release(request: Request) -> tuple[int, object]:
    check_deployment(request.ids[0])
    server = request.server
    try:
        with zipfile.ZipFile(io.BytesIO(request.body)) as archive:
            metadata = json.loads(archive.read(archive.namelist()[0]))["metadata"]
    except (zipfile.BadZipFile, ValueError) as error:
        raise malformed("data is not a package") from error
    number, made = len(server.releases) + 1, server.timestamp
    server.make_live(None)
    release = server.releases[number] = {
        "id": number,
        "packageUuid": uuid_of(server.now) if server.own_uuids else metadata["uuid"],
        "notes": "example_flow",
        "active": True,
        "updatedAt": made,
        "createdAt": made,
        "deployment": {"id": DEPLOYMENT},
        "creator": {"id": 7},
        "updater": {"id": 7},
    }
    flow, dataset, recipe = (next(server.new_ids) for _ in range(3))
    row = {"deleted_at": None, "createdAt": made, "updatedAt": made, "createdBy": 7, "updatedBy": 7}
    flow_row = {"id": flow, "name": "2013 POS", "description": None, "workspaceId": 1, **row}
    return 201, {
        "importRuleChanges": {"object": [], "value": []},
        "deletedObjects": {},
        "primaryFlowIds": [flow],
        "flows": [flow_row | {"folderId": None}],
        "datasources": [{"id": dataset, "isDynamic": False, "storageLocationId": 13, **row}],
        "flownodes": [{"id": recipe, "flowId": flow, "wrangled": True, **row}],
        "outputobjects": [],
        "release": dict(release),
    }


@route("POST", "/v4/deployments/:id/run", body="json or nothing")
def run_deployment(request: Request) -> tuple[int, object]:
    check_deployment(request.ids[0])
    if request.server.live is None:
        raise malformed("there is no active release")
    if request.body is not None:
        check_run_parameters(request.body)
    return 201, {"data": [request.server.run()]}


def check_run_parameters(body: object) -> None:
    """Refuse all but ``{"runParameters": {"overrides": {"data": [{"key": "", "value": ""}]}}}``."""
    try:
        pairs = body["runParameters"]["overrides"]["data"]
        rest = len(body), len(body["runParameters"]), len(body["runParameters"]["overrides"])
        good = rest == (1, 1, 1) and all(pair.keys() == {"key", "value"} for pair in pairs)
        good = good and all(isinstance(text, str) for pair in pairs for text in pair.values())
    except (KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise malformed("runParameters are not as documented")


@route("GET", "/v4/jobGroups/:id/status")
def get_status(request: Request) -> tuple[int, object]:
    states = request.server.job_groups.get(request.ids[0])
    if states is None:
        raise not_found(f"job group {request.ids[0]}")
    return 200, states.pop(0) if len(states) > 1 else states[0]


@route("GET", "/v4/flows/:id/package", query=("comment",))
def export_flow(request: Request) -> tuple[int, object]:
    if request.ids[0] != FLOW:
        raise not_found(f"flow {request.ids[0]}")
    return 200, package_of(request.server.now)


@route("POST", "/v4/flows/:id/run", body="json or nothing", headers=("x-execution-id",))
def run_flow(request: Request) -> tuple[int, object]:
    if request.body:
        check_run_parameters(request.body)
    return 201, {"flowRunId": next(request.server.new_ids), "data": [request.server.run()]}


class Handler(BaseHTTPRequestHandler):
    """Refuses what no page describes, and answers the rest."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes. The second would wait 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        server: StrictServer = self.server.strict
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.calls.append((self.command, self.path))
        try:
            status, body = self.answer(server, sent)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        is_file = isinstance(body, bytes)
        content = body if is_file else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/zip" if is_file else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-trifacta-request-id", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = handle_any

    def answer(self, server: StrictServer, sent: bytes) -> tuple[int, object]:
        credentials = base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {credentials}":
            raise Refusal(401, "AjaxUnauthorized", "credentials are missing or wrong")
        target = urlsplit(self.path)
        called, ids = self.find_route(server, target.path)
        query = parse_qsl(target.query, keep_blank_values=True)
        self.check_query(server, called, [name for name, _ in query])
        self.check_headers(called)
        request = Request(server, ids, dict(query), self.body_of(called, sent))
        return called.answer(request)

    def find_route(self, server: StrictServer, path: str) -> tuple[Route, list[int]]:
        for candidate in ROUTES:
            found = re.fullmatch(candidate.path, path)
            known = server.has_list or candidate.path != "/v4/releases"
            if found and known and candidate.method == self.command:
                return candidate, [int(number) for number in found.groups()]
        if path == "/v4/releases":
            raise Refusal(404, "RouteNotFoundException", f"Cannot {self.command} {self.path}")
        server.unknown_calls.add(f"{self.command} {re.sub(r'/[0-9]+', '/:id', path)}")
        name = "RouteNotFoundException" if server.refuses_by == 404 else "ApiValidationFailed"
        raise Refusal(server.refuses_by, name, f"Cannot {self.command} {self.path}")

    def check_query(self, server: StrictServer, called: Route, names: list[str]) -> None:
        if len(set(names)) < len(names):
            raise malformed("a query parameter is given twice")
        unknown = set(names) - set(called.query)
        path = called.path.replace(r"(\d+)", ":id")
        server.unknown_parameters |= {(path, name) for name in unknown}
        if unknown - server.ignores:
            raise malformed(f"unknown query parameters: {sorted(unknown)}")

    def check_headers(self, called: Route) -> None:
        unknown = {name.lower() for name in self.headers} - USUAL_HEADERS - set(called.headers)
        if unknown:
            raise malformed(f"unknown headers: {sorted(unknown)}")
        if self.headers.get("Accept", "*/*") not in ("*/*", "application/json"):
            raise Refusal(415, "UnsupportedMediaType", "Accept is not application/json")

    def body_of(self, called: Route, sent: bytes) -> object:
        media_type = self.headers.get("Content-Type", "")
        if not sent and called.body.endswith("nothing"):
            return None
        if called.body == "nothing":
            raise malformed("this request has no body")
        if called.body == "form":
            return self.file_of(media_type, sent)
        if media_type.partition(";")[0] != "application/json":
            raise Refusal(415, "UnsupportedMediaType", "Content-Type is not application/json")
        try:
            return json.loads(sent)
        except ValueError as error:
            raise malformed("the body is not JSON") from error

    def file_of(self, media_type: str, sent: bytes) -> bytes:
        """Return the file of a form with one part, as ``curl -F data=@response.zip`` sends it."""
        form = re.fullmatch(r"multipart/form-data; ?boundary=([\w'()+,./:=?-]{1,70})", media_type)
        if not form:
            raise Refusal(415, "UnsupportedMediaType", "Content-Type is not multipart/form-data")
        before, *parts, after = sent.split(b"--" + form[1].encode())
        if before or len(parts) != 1 or after not in (b"--", b"--\r\n"):
            raise malformed("the form has not exactly one part")
        head, _, content = parts[0].partition(b"\r\n\r\n")
        if b'\r\nContent-Disposition: form-data; name="data"; filename="' not in head:
            raise malformed("the part is not the file data")
        return content.removesuffix(b"\r\n")

    def log_message(self, *_: object) -> None:
        pass
