from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_trifacta.client import transport as transport_module
from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import (
    AnswerTooLargeError,
    RequestTimeoutError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.models import Deployment
from airflow_provider_trifacta.client.releases import _ListForm, _newest_first
from airflow_provider_trifacta.client.resources import list_all
from airflow_provider_trifacta.client.transport import Transport

RELEASES = _ListForm(1, deleted=False, embedded=False)


def transport_of(server, **options):
    return Transport(ClientConfig(base_url=server.url, password="long-token", **options))


@pytest.fixture
def read(scripted):
    """Return a function that lists from a server with so many rows and these habits; returns (ids,
    requests)."""

    def run(
        rows,
        *,
        largest_page=1000,
        knows_limit=True,
        knows_offset=True,
        knows_no_limit=False,
        counts=False,
    ):
        def respond(request):
            query = {
                key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()
            }
            limit = int(query.get("limit", 25)) if knows_limit else 25
            if query.get("noLimit") and knows_no_limit:
                limit = rows
            offset = int(query.get("offset", 0)) if knows_offset else 0
            data = [{"id": number + 1} for number in range(rows)][
                offset : offset + min(limit, largest_page)
            ]
            return 200, {}, {"data": data, **({"count": rows} if counts else {})}

        server = scripted(respond)
        items = list_all(
            transport_of(server),
            "/v4/things",
            Deployment.from_json,
            {"x": 1},
        )
        assert all("x=1" in request.path for request in server.seen)
        return [item.id for item in items], len(server.seen)

    return run


@pytest.mark.parametrize("rows", [0, 1, 24, 25, 26, 99, 100, 101, 250])
@pytest.mark.parametrize("habits", [{}, {"knows_limit": False}, {"largest_page": 50}], ids=str)
def test_nothing_is_truncated(read, rows, habits):
    assert read(rows, **habits)[0] == list(range(1, rows + 1))


def test_a_short_list_takes_one_request(read):
    assert read(24)[1] == 1


@pytest.mark.parametrize("rows", [3, 30, 60, 99])
def test_a_server_that_ignores_offset_does_not_loop(read, rows):
    ids, requests = read(rows, knows_offset=False)
    assert ids == list(range(1, rows + 1))
    assert requests <= 3


@pytest.mark.parametrize("rows", [25, 100, 150])
def test_a_server_that_ignores_offset_may_still_show_that_a_list_is_whole(read, rows):
    assert read(rows, knows_offset=False, knows_no_limit=True, counts=True)[0] == list(
        range(1, rows + 1)
    )


@pytest.mark.parametrize(
    ("rows", "habits"),
    [
        (150, {}),
        (150, {"counts": True}),
        (30, {"knows_limit": False}),
        (60, {"largest_page": 50}),
        (25, {}),
    ],
)
def test_a_list_that_may_not_be_whole_is_an_error(read, rows, habits):
    with pytest.raises(UnexpectedResponseError, match="ignores the offset"):
        read(rows, knows_offset=False, **habits)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"data": None},
        {"data": [1]},
        {"data": [{"name": "no id"}]},
        {"data": [{"id": []}]},
        None,
        "text",
    ],
)
def test_another_shape_is_an_error(scripted, body):
    server = scripted(lambda _: (200, {}, body))
    with pytest.raises(UnexpectedResponseError, match="did not answer a list"):
        list_all(transport_of(server), "/v4/things", Deployment.from_json)


def test_rows_that_move_between_pages_count_once(scripted):
    pages = [
        [{"id": number} for number in range(1, 31)],
        [{"id": number} for number in range(30, 41)],
    ]
    server = scripted(lambda _: (200, {}, {"data": pages[len(server.seen) - 1]}))
    items = list_all(transport_of(server), "/v4/things", Deployment.from_json)
    assert [item.id for item in items] == list(range(1, 41))


@pytest.fixture
def scripted_transport(scripted):
    def make(respond, **options):
        server = scripted(respond)
        return transport_of(server, **options), server

    return make


def endless(request):
    """Answer new rows for ever, the newest first."""
    query = parse_qs(urlsplit(request.path).query)
    first = 10**9 - int(query["offset"][0])
    return 200, {}, {"data": [{"id": first - number} for number in range(int(query["limit"][0]))]}


@pytest.mark.parametrize("limits", [(1000, 10**6), (10**6, 10)], ids=["rows", "pages"])
def test_an_endless_list_ends(scripted_transport, monkeypatch, limits):
    monkeypatch.setattr(transport_module, "MOST_ROWS", limits[0])
    monkeypatch.setattr(transport_module, "MOST_PAGES", limits[1])
    transport, server = scripted_transport(endless)
    with pytest.raises(UnexpectedResponseError, match=r"GET /v4/things has more than"):
        list_all(transport, "/v4/things", Deployment.from_json)
    with pytest.raises(UnexpectedResponseError, match=r"GET /v4/releases has more than"):
        _newest_first(transport, RELEASES, lambda _: False)
    assert len(server.seen) == 22


def test_all_pages_of_a_list_have_the_size_of_one_call(scripted_transport):
    def heavy(request):
        status, headers, body = endless(request)
        return status, headers, {**body, "weight": "x" * 1_000_000}

    transport, server = scripted_transport(heavy)
    with pytest.raises(AnswerTooLargeError):
        list_all(transport, "/v4/things", Deployment.from_json)
    assert len(server.seen) == 67


def test_all_pages_of_a_list_have_the_time_of_one_call(scripted_transport):
    transport, server = scripted_transport(endless, total_timeout=0.2)
    with pytest.raises(RequestTimeoutError, match="'read_timeout'"):
        list_all(transport, "/v4/things", Deployment.from_json)
    assert len(server.seen) > 1


@pytest.mark.parametrize("one", [{}, [], None, True, 1.5, {"a": 1}, [1]], ids=str)
def test_a_row_whose_id_is_no_id_is_no_row(scripted_transport, one):
    transport, _ = scripted_transport(lambda _: (200, {}, {"data": [{"id": 1}, {"id": one}]}))
    with pytest.raises(UnexpectedResponseError, match="ids"):
        list_all(transport, "/v4/things", Deployment.from_json)
    with pytest.raises(UnexpectedResponseError, match="ids"):
        _newest_first(transport, RELEASES, lambda _: True)
