"""What an error says to do next, and what an instance without Deployment Manager is called."""

from __future__ import annotations

import io
import json
from contextlib import closing

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow, User

from airflow_provider_trifacta import __version__
from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    APIError,
    BadRequestError,
    DeploymentManagerMissingError,
    GatewayPageError,
    NotFoundError,
    PermissionDeniedError,
    RedirectError,
)
from airflow_provider_trifacta.client.retries import did_nothing
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.packages.flow_package import open_package


@pytest.fixture
def connect():
    clients = []

    def make(url, **options):
        config = ClientConfig(
            base_url=url, login="admin@example.com", password="admin-password", **options
        )
        clients.append(TrifactaClient(config, transport=Transport(config, sleep=lambda _: None)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def ask(url, path):
    with closing(
        Transport(ClientConfig(base_url=url, login="me", password="long-secret"))
    ) as transport:
        return transport.read(path)


ROLE = "Deployment role"


@pytest.mark.parametrize(("status", "error"), [(403, PermissionDeniedError), (404, NotFoundError)])
@pytest.mark.parametrize(
    ("path", "said", "unsaid"),
    [
        ("/v4/deployments", ("permission", ROLE), ("the id", "import", "export")),
        ("/v4/deployments/7", ("id 7 of the deployment", "permission", ROLE), ("import", "export")),
        (
            "/v4/deployments/7/releases",
            ("id 7 of the deployment", "permission", ROLE, "import"),
            ("export",),
        ),
        (
            "/v4/deployments/7/releases/dryRun",
            ("id 7 of the deployment", "permission", ROLE, "import"),
            ("export",),
        ),
        ("/v4/releases/9", ("id 9 of the release", "permission", ROLE), ("import", "export")),
        (
            "/v4/flows/13/package",
            ("id 13 of the flow", "permission", "shared", "export"),
            (ROLE, "import"),
        ),
        ("/v4/connections", ("permission", "shared"), (ROLE, "the id", "import", "export")),
        (
            "/v4/jobGroups/5/status",
            ("id 5 of the job group", "permission"),
            (ROLE, "import", "export"),
        ),
        ("/v4/people/current", ("permission", "API"), (ROLE, "the id", "import", "export")),
    ],
)
def test_the_advice_names_the_id_and_the_permission_of_the_call(
    scripted, status, error, path, said, unsaid
):
    """The status does not tell a mistyped id from a missing permission."""
    server = scripted(lambda _: (status, {}, {"exception": {"name": "X", "message": "y"}}))
    with pytest.raises(error) as caught:
        ask(server.url, path)
    assert type(caught.value) is error
    advice = str(caught.value).partition("X: y.")[2]
    assert [words for words in said if words not in advice] == []
    assert [words for words in unsaid if words in advice] == []


REFUSAL = {"exception": {"name": "ValidationFailed", "message": "no"}}


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.releases.get(7),
        lambda client: client.deployments.get(7),
        lambda client: client.job_groups.status(7),
    ],
)
def test_a_400_to_a_read_that_sends_only_an_id_is_about_the_id(scripted, connect, call):
    server = scripted(lambda _: (400, {}, REFUSAL))
    with pytest.raises(NotFoundError) as caught:
        call(connect(server.url))
    assert type(caught.value) is NotFoundError
    assert caught.value.status == 400
    assert "Check the id 7 of the" in str(caught.value)
    assert "product version" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda client: client.releases.activate(7), REFUSAL),
        (lambda client: client.people.current(), REFUSAL),
        (lambda client: client.deployments.list(), REFUSAL),
        (lambda client: client.import_rules.list(7, "object"), REFUSAL),
        (lambda client: client.flows.export(7, io.BytesIO(), comment="Told"), REFUSAL),
        (
            lambda client: client.deployments._transport.read(
                "/v4/deployments/7", {"embed": "releases"}
            ),
            REFUSAL,
        ),
    ],
)
def test_any_other_400_may_be_about_what_was_sent(scripted, connect, call, body):
    server = scripted(lambda _: (400, {}, body))
    with pytest.raises(BadRequestError) as caught:
        call(connect(server.url))
    # It may be about the id all the same.
    assert ("Check the id 7" in str(caught.value)) is ("/7" in caught.value.path)


@pytest.mark.parametrize("status", [403, 404, 400])
@pytest.mark.parametrize("number", [1001, 1002])
def test_a_mistyped_flow_and_one_that_is_not_shared(connect, status, number):
    """Where an unknown flow gets a 403 too, nobody can tell the two apart, and the
    error says so.
    """
    users, flow = (
        (User("owner@example.com", "x"), User("admin@example.com", "admin-password")),
        PresetFlow("Theirs"),
    )
    options = EmulatorOptions(users=users, flows=(flow,), unknown_flow_status=status)
    refused = pytest.raises((PermissionDeniedError, NotFoundError, BadRequestError))
    with Emulator(options) as emulator, refused as caught:
        connect(emulator.url).flows.export(number, io.BytesIO())
    assert caught.value.status == (403 if number == 1001 else status)
    assert f"the id {number} of the flow" in str(caught.value)
    assert "this user's permission" in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.deployments.list(),
        lambda client: client.deployments.get(1),
        lambda client: client.deployments.create("Orders"),
        lambda client: client.deployments.run(1, {}),
        lambda client: client.deployments.probe(),
        lambda client: client.releases.list(1),
        lambda client: client.releases.get(1),
        lambda client: client.releases.activate(1),
        lambda client: client.import_rules.replace(1, "object", []),
    ],
)
def test_an_instance_without_deployment_manager_is_called_so(connect, call):
    with Emulator(EmulatorOptions(deployment_manager=False)) as emulator:
        with pytest.raises(DeploymentManagerMissingError, match="no Deployment Manager") as caught:
            call(connect(emulator.url))
        assert not caught.value.retryable
        assert caught.value.name == "RouteNotFoundException"


def test_the_rest_of_such_an_instance_works(connect):
    with Emulator(
        EmulatorOptions(deployment_manager=False, flows=(PresetFlow("Daily"),))
    ) as emulator:
        client, file = connect(emulator.url), io.BytesIO()
        client.flows.export(emulator.store.flows()[0].id, file)
        assert file.getbuffer().nbytes
        assert client.connections.list() == []


@pytest.mark.parametrize(
    ("path", "name"), [("/v4/deployments/1", "DataNotFoundException"), ("/v4/flows/1", None)]
)
def test_another_404_is_not_taken_for_that(scripted, path, name):
    name = name or "RouteNotFoundException"
    server = scripted(lambda _: (404, {}, {"exception": {"name": name, "message": "x"}}))
    with pytest.raises(NotFoundError) as caught:
        ask(server.url, path)
    assert type(caught.value) is NotFoundError
    assert len(server.seen) == 1


NO_ROUTE = (
    404,
    {},
    {"exception": {"name": "RouteNotFoundException", "message": "This route does not exist"}},
)


def by_path(listed):
    """Return what answers the list of deployments, and knows no other call."""

    def respond(request):
        request.read_body()
        return listed() if request.path == "/v4/deployments?limit=1" else NO_ROUTE

    return respond


BELOW = [
    lambda client: client.releases.get(7),
    lambda client: client.deployments.get(7),
    lambda client: client.releases.activate(7),
    lambda client: client.deployments.create("Orders"),
    lambda client: client.import_rules.list(7, "object"),
]


@pytest.mark.parametrize("call", BELOW)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {}, {"data": []}), NotFoundError),
        (
            (403, {}, {"exception": {"name": "AccessControlException", "message": "m"}}),
            NotFoundError,
        ),
        (
            (404, {}, {"exception": {"name": "DataNotFoundException", "message": "m"}}),
            NotFoundError,
        ),
        (NO_ROUTE, DeploymentManagerMissingError),
    ],
    ids=["listed", "forbidden", "another 404", "unknown"],
)
def test_only_the_list_of_deployments_shows_that_there_is_no_deployment_manager(
    scripted, connect, call, answer, kind
):
    server = scripted(by_path(lambda: answer))
    client = connect(server.url)
    for reader in (client, client.without_repetitions, client):
        with pytest.raises(NotFoundError) as caught:
            call(reader)
        assert type(caught.value) is kind
        assert not caught.value.retryable
        assert did_nothing(caught.value)
    assert [request.path for request in server.seen].count("/v4/deployments?limit=1") == 1, (
        "the answer is kept"
    )


@pytest.mark.parametrize("call", BELOW)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        (401, {}, REFUSAL),
        (403, {}, b"Forbidden"),
        (404, {}, b""),
        (429, {}, REFUSAL),
        (503, {}, REFUSAL),
    ],
    ids=["nothing", "401", "403 of a gateway", "404 of a gateway", "429", "503"],
)
def test_what_could_not_be_asked_is_asked_again(scripted, connect, call, answer):
    answers = [answer, NO_ROUTE]
    server = scripted(by_path(lambda: answers.pop(0)))
    client = connect(server.url, read_retries=0)
    with pytest.raises(
        NotFoundError, check=lambda error: error.retryable and did_nothing(error)
    ) as caught:
        call(client)
    assert type(caught.value) is NotFoundError
    with pytest.raises(DeploymentManagerMissingError):
        call(client)


@pytest.mark.parametrize(
    ("options", "agent"),
    [({}, f"airflow-provider-trifacta/{__version__}"), ({"user_agent": "ours/7"}, "ours/7")],
)
def test_every_request_says_who_asks(emulator, connect, make_package, options, agent):
    client = connect(emulator.url, **options)
    client.people.current()
    with open_package(make_package()) as package:
        client.releases.create(1, package.body())
    assert [call.method for call in emulator.calls] == ["GET", "POST"]
    assert {call.headers["user-agent"] for call in emulator.calls} == {agent}


@pytest.mark.parametrize("depth", [99, 150, 900, 20_000])
@pytest.mark.parametrize(
    ("leaf", "dropped"), [("7", True), ('"x]"', True), ("", False), ("[],[]", False)]
)
def test_a_deep_answer_to_an_import_still_tells_what_was_dropped(
    scripted, connect, make_package, depth, leaf, dropped
):
    """A release is live by then: an answer that could not be read would hide what the import left
    out."""
    deep = "[" * depth + leaf + "]" * depth
    text = (
        f'{{"release": {{"id": 7}}, "primaryFlowIds": [3], "deletedObjects": {{"flows": {deep}}}}}'
    )
    body = text.encode()
    server = scripted(lambda request: request.read_body() and (201, {}, body))
    with open_package(make_package()) as package:
        result = connect(server.url).releases.create(1, package.body())
    assert (result.release.id, result.primary_flow_ids) == (7, [3])
    assert bool(result.dropped) is dropped
    json.dumps(result.dropped)


def test_what_is_deep_is_cut_out_and_nothing_else(scripted):
    deep = "[" * 200 + '"\\"]"' + "]" * 200
    body = f'{{"a": {deep}, "b": ["[", "\\\\", {{"c": 1}}], "d": {deep}, "e": "]]"}}'.encode()
    server = scripted(lambda _: (200, {}, body))
    answer = ask(server.url, "/v4/x")
    assert (answer["b"], answer["e"]) == (["[", "\\", {"c": 1}], "]]")
    for key in "ad":
        value, depth = answer[key], 0
        while isinstance(value, list):
            (value,), depth = value, depth + 1
        assert (value, depth) == ("...", 99)


PAGE = (b"<html>Closed</html>", {"Content-Type": "text/html; charset=utf-8"})
#: What gateways say in place of the API, with the media types that they give it.
GATEWAYS = {
    "HTML": PAGE,
    "Traefik": (b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"}),
    "Kong": (
        b'{"message":"no Route matched with those values"}',
        {"Content-Type": "application/json"},
    ),
    "Envoy": (b"", {}),
    "a list": (b"[]", {"Content-Type": "application/json"}),
    "a text": (b'"Forbidden"', {"Content-Type": "application/json"}),
    "an exception in words": (b'{"exception": "Forbidden"}', {"Content-Type": "application/json"}),
    "an empty exception": (b'{"exception": {}}', {"Content-Type": "application/json"}),
    "cut": (b'{"exception": {"name": "DataNotFoundExc', {"Content-Type": "application/json"}),
}
every_gateway = pytest.mark.parametrize(("body", "headers"), GATEWAYS.values(), ids=GATEWAYS)


@every_gateway
@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 422, 451, 499])
def test_a_4xx_of_a_gateway_is_no_word_of_the_api(scripted, connect, body, headers, status):
    """It says nothing about the request or the object, so the same read may succeed in a moment."""
    server = scripted(lambda _: (status, headers, body))
    with pytest.raises(GatewayPageError) as caught:
        connect(server.url, read_retries=2).releases.get(7)
    error = caught.value
    assert (error.status, error.retryable, error.from_api, did_nothing(error)) == (
        status,
        True,
        False,
        False,
    )
    assert f"answered {status}" in str(error)
    assert "something in front of the API answered" in str(error)
    assert "the id" not in str(error)
    assert len(server.seen) == 3


OF_ANY_SENDER = {
    401: "authentication",
    407: "bad_request",
    408: "server",
    411: "bad_request",
    413: "payload_too_large",
    414: "bad_request",
    425: "server",
    429: "rate_limit",
    431: "bad_request",
}


@every_gateway
@pytest.mark.parametrize(("status", "code"), OF_ANY_SENDER.items())
def test_a_status_about_the_sender_the_form_or_the_moment_keeps_its_class(
    scripted, connect, body, headers, status, code
):
    server = scripted(lambda _: (status, headers, body))
    with pytest.raises(APIError, check=lambda error: (error.code, error.from_api) == (code, False)):
        connect(server.url, read_retries=0).people.current()


@pytest.mark.parametrize(("status", "code"), OF_ANY_SENDER.items())
def test_so_it_does_in_the_words_of_the_api(scripted, connect, status, code):
    server = scripted(lambda _: (status, {}, REFUSAL))
    with pytest.raises(APIError, check=lambda error: (error.code, error.from_api) == (code, True)):
        connect(server.url, read_retries=0).people.current()


def test_an_error_of_the_api_that_is_called_html_stays_the_apis(scripted, connect):
    server = scripted(lambda _: (404, PAGE[1], json.dumps(REFUSAL).encode()))
    with pytest.raises(NotFoundError):
        connect(server.url).releases.get(7)


@every_gateway
@pytest.mark.parametrize("status", [400, 403, 404, 409, 410])
def test_a_change_is_not_sent_again_after_the_words_of_a_gateway(
    scripted, connect, body, headers, status
):
    server = scripted(lambda request: request.read_body() and (status, headers, body))
    with pytest.raises(GatewayPageError, check=lambda error: not did_nothing(error)):
        connect(server.url).releases.activate(7)
    assert len(server.seen) == 1


NAMES = {
    "InvalidAccessTokenException": "authentication",
    "RouteNotFoundException": "not_found",
    "AccessControlException": "permission_denied",
    "DataNotFoundException": "not_found",
    "GoneException": "gone",
}


@pytest.mark.parametrize(("name", "code"), NAMES.items())
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 429, 500])
def test_some_names_of_exceptions_count_for_more_than_the_status(
    scripted, connect, status, name, code
):
    server = scripted(lambda _: (status, {}, {"exception": {"name": name, "message": "m"}}))
    with pytest.raises(APIError) as caught:
        connect(server.url, read_retries=0).job_groups.status(7)
    assert (caught.value.code, caught.value.status, caught.value.name) == (code, status, name)
    assert did_nothing(caught.value) is (status < 500)


@pytest.mark.parametrize(
    "name", ["invalidaccesstokenexception", "Gone", "ValidationFailed", 7, None]
)
def test_other_names_do_not(scripted, connect, name):
    server = scripted(lambda _: (403, {}, {"exception": {"name": name, "message": "m"}}))
    with pytest.raises(PermissionDeniedError):
        connect(server.url).job_groups.status(7)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_outside_of_an_exception_is_not_the_apis(scripted, connect, name):
    server = scripted(lambda _: (404, {}, {"name": name, "message": "m"}))
    with pytest.raises(GatewayPageError):
        connect(server.url, read_retries=0).job_groups.status(7)


@every_gateway
@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_of_a_parameter_chooses_another_form_whoever_refuses_it(
    scripted, connect, body, headers, status
):
    rows = [{"id": one, "active": one == 2, "deployment": {"id": 1}} for one in (2, 1)]

    def respond(request):
        if "sort=" in request.path or "embed=" in request.path or "includeDeleted" in request.path:
            return status, headers, body
        return 200, {}, {"data": rows}

    client = connect(scripted(respond).url, read_retries=0)
    assert [release.id for release in client.releases.list(1, until=lambda _: True)] == [2, 1]
    assert client.flows.recipes(1) == []


@every_gateway
@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_flows_are_listed_without_the_deleted_ones_where_these_are_refused(
    scripted, connect, body, headers, status
):
    def respond(request):
        return (
            (status, headers, body)
            if "includeDeleted" in request.path
            else (200, {}, {"data": [{"id": 3}]})
        )

    client = connect(scripted(respond).url, read_retries=0)
    assert [flow.id for flow in client.flows.newest(include_deleted=True)] == [3]


@pytest.mark.parametrize("status", [400, 401, 409, 429, 500, 503])
@pytest.mark.parametrize("name", ["InvalidAccessTokenException", "Other"])
def test_another_error_chooses_no_other_form(scripted, connect, status, name):
    if (status, name) == (400, "Other"):
        return
    server = scripted(lambda _: (status, {}, {"exception": {"name": name, "message": "m"}}))
    with pytest.raises(APIError):
        connect(server.url, read_retries=0).releases.list(1, until=lambda _: True)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("method", "retryable"), [("GET", True), ("PATCH", False)])
@pytest.mark.parametrize("location", ["/login", "https://other.example.com/", "http://["])
def test_a_redirected_read_may_succeed_later(scripted, connect, method, retryable, location):
    def respond(request):
        return (
            (200, *reversed(PAGE))
            if request.path == "/login"
            else (302, {"Location": location}, b"")
        )

    transport = connect(scripted(respond).url)._transport
    with pytest.raises(RedirectError, check=lambda error: error.retryable is retryable):
        transport.read("/v4/x") if method == "GET" else transport.write("PATCH", "/v4/x", json={})
