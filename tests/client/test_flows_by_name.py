"""Flows and recipes by name, and renaming: exact names with every filter of a server, and only what
was read back."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousNameError,
    ConnectionLostError,
    InvalidInputError,
    PermissionDeniedError,
    UnexpectedResponseError,
)


class Instance:
    """A server with flows and recipes. It filters, names and answers as a test says."""

    def __init__(self, names, *, filters=None, rename=(200, {}, {"id": 1})) -> None:
        self.flows = {number: {"id": number, "name": name} for number, name in enumerate(names, 1)}
        self.filters = filters or (lambda name, text: text.lower() in name.lower())
        self.recipes, self.embeds, self.rename = [], True, rename
        self.listed = None  # what a list shows, if that is not what is there

    def __call__(self, request):
        path = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(path.query).items()}
        if request.method == "PATCH":
            reply = self.rename
            if reply is None or reply[0] < 300:
                self.flows[int(path.path.split("/")[-1])] |= json.loads(request.read_body())
            return reply
        if path.path == "/v4/wrangledDatasets":
            if "embed" in query and not self.embeds:
                return (
                    400,
                    {},
                    {"exception": {"name": "ValidationFailed", "details": "No association recipe"}},
                )
            return 200, {}, {"data": self.recipes[int(query["offset"]) :]}
        if path.path.startswith("/v4/wrangledDatasets/"):
            if "embed" in query and not self.embeds:
                return (
                    400,
                    {},
                    {"exception": {"name": "ValidationFailed", "details": "No association recipe"}},
                )
            return (
                200,
                {},
                next(one for one in self.recipes if str(one["id"]) == path.path.split("/")[-1]),
            )
        if path.path != "/v4/flows":
            return 200, {}, self.flows[int(path.path.split("/")[-1])]
        rows = sorted((self.listed or self.flows).values(), key=lambda row: -row["id"])
        text = query.get("filter")
        rows = [row for row in rows if text is None or self.filters(row["name"], text)]
        offset = int(query["offset"])
        return 200, {}, {"data": rows[offset : offset + int(query["limit"])]}


@pytest.fixture
def connect(scripted):
    """Return a function that makes a client of such a server; ``client.seen`` are its requests."""
    clients = []

    def open_client(instance):
        server = scripted(instance)
        client = TrifactaClient(
            ClientConfig(base_url=server.url, login="me", password="secret", read_retries=0)
        )
        client.seen = server.seen
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("filters", "requests"),
    [(None, 2), (lambda *_: True, 2), (lambda *_: False, 3)],
    ids=["without case", "ignored", "finds nothing"],
)
def test_a_name_is_compared_exactly_whatever_the_server_filters(connect, filters, requests):
    client = connect(
        Instance(["orders", "Orders", "[1a2b3c40] Orders", "Orders 2"], filters=filters)
    )
    assert client.flows.by_name("Orders").id == 2
    assert len(client.seen) == requests
    assert client.seen[0].path.startswith("/v4/flows?flowsFilter=all&filter=Orders&")


def test_a_list_that_lags_behind_a_rename_is_not_believed(connect):
    """The name has just gone from flow 1 to flow 2, and the list does not show that yet."""
    instance = Instance(["Orders"])
    client = connect(instance)
    old, instance.flows = (
        instance.flows,
        {1: {"id": 1, "name": "Orders (old)"}, 2: {"id": 2, "name": "Orders"}},
    )
    instance.listed = old
    with pytest.raises(UnexpectedResponseError) as caught:
        client.flows.by_name("Orders")
    assert (caught.value.flow_ids, caught.value.retryable) == ([1], True)


def test_several_flows_of_one_name_are_an_error_with_their_ids(connect):
    with pytest.raises(AmbiguousNameError) as caught:
        connect(Instance(["Orders", "orders", "Orders"])).flows.by_name("Orders")
    assert sorted(caught.value.found_ids) == [1, 3]


def test_no_flow_of_a_name_is_an_error_with_the_nearest_names(connect):
    with pytest.raises(AmbiguousNameError) as caught:
        connect(Instance(["Customers", "orders", "Order\x1bs"])).flows.by_name("Orders")
    assert not caught.value.found_ids
    assert caught.value.similar == ["orders", "Order\\x1bs"]


def test_the_newest_flows_are_one_request(connect):
    client = connect(Instance([f"flow {number}" for number in range(150)]))
    assert [flow.id for flow in client.flows.newest()] == list(range(150, 50, -1))
    assert len(client.seen) == 1


def test_another_flow_than_asked_for_is_not_believed(connect):
    instance = Instance(["a", "b"])
    instance.flows[2]["id"] = 1
    with pytest.raises(UnexpectedResponseError) as caught:
        connect(instance).flows.get(2)
    assert caught.value.flow_ids == [2]


@pytest.mark.parametrize("answer", [(200, {}, b"None"), (200, {}, b""), (200, {}, {"id": 1}), None])
def test_a_rename_counts_when_it_was_read_back(connect, answer):
    client = connect(Instance(["[1a2b3c40] Orders"], rename=answer))
    flow = client.flows.rename(1, "Orders", "daily")
    assert (flow.name, flow.description) == ("Orders", "daily")
    assert [request.method for request in client.seen] == ["PATCH", "GET"]


def test_without_a_description_the_old_one_is_kept(connect):
    instance = Instance(["a"])
    instance.flows[1]["description"] = "old"
    assert connect(instance).flows.rename(1, "b").description == "old"


def test_a_rename_that_shows_another_name_is_an_error(connect):
    instance = Instance(["a"], rename=(200, {}, b"None"))
    instance.flows[1] = type("Fixed", (dict,), {"__ior__": lambda self, _: self})(id=1, name="a")
    with pytest.raises(UnexpectedResponseError) as caught:
        connect(instance).flows.rename(1, "b")
    assert caught.value.flow_ids == [1]


def test_a_lost_rename_that_does_not_show_is_a_lost_answer(connect):
    instance = Instance(["a"], rename=None)
    instance.flows[1] = type("Fixed", (dict,), {"__ior__": lambda self, _: self})(id=1, name="a")
    with pytest.raises(ConnectionLostError):
        connect(instance).flows.rename(1, "b")


@pytest.mark.parametrize("name", ["", " ", None, 5])
def test_an_empty_name_is_not_sent(connect, name):
    client = connect(Instance(["a"]))
    with pytest.raises(InvalidInputError):
        client.flows.rename(1, name)
    assert client.seen == []


def test_a_refused_rename_reads_nothing(connect):
    client = connect(
        Instance(["a"], rename=(403, {}, {"exception": {"name": "AccessControlException"}}))
    )
    with pytest.raises(PermissionDeniedError):
        client.flows.rename(1, "b")
    assert len(client.seen) == 1


@pytest.mark.parametrize("embeds", [True, False])
def test_a_recipe_of_a_flow_by_name(connect, embeds):
    instance = Instance([])
    instance.embeds = embeds
    named = (
        (lambda name: {"recipe": {"id": 90, "name": name}})
        if embeds
        else (lambda name: {"name": name})
    )
    flows = [(31, 7, "clean"), (32, 8, "clean"), (33, 7, "join"), (34, 7, "join")]
    instance.recipes = [
        {"id": one, "wrangled": True, "flow": {"id": flow}, **named(name)}
        for one, flow, name in flows
    ]
    instance.recipes.append({"id": 35, "wrangled": False, "flow": {"id": 7}, **named("clean")})
    flows = connect(instance).flows
    assert [recipe.id for recipe in flows.recipes(7)] == [31, 33, 34]
    assert flows.recipe_by_name(7, "clean").id == 31
    with pytest.raises(AmbiguousNameError) as caught:
        flows.recipe_by_name(7, "join")
    assert caught.value.found_ids == [33, 34]
    with pytest.raises(AmbiguousNameError) as caught:
        flows.recipe_by_name(8, "cleanse")
    assert caught.value.similar == ["clean"]


def test_flows_of_the_emulator(client, emulator):
    emulator.store.create_flow("Orders")
    wanted = emulator.store.create_flow("orders")
    assert client.flows.by_name("orders").id == client.flows.get(wanted.id).id == wanted.id
    assert client.flows.newest()[0].id == max(flow.id for flow in client.flows.list())
    assert client.flow_url(wanted.id) == f"{client.config.base_url}/flows/{wanted.id}"
    with pytest.raises(PermissionDeniedError):  # as for a flow of another user
        client.flows.get(999_999)
