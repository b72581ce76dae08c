from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import UnexpectedResponseError
from airflow_provider_trifacta.client.paging import list_all
from airflow_provider_trifacta.client.transport import Transport


@pytest.fixture
def read(scripted):
    """Return a function that lists from a server with so many rows and these habits; returns (ids, requests)."""

    def run(rows, *, largest_page=1000, knows_limit=True, knows_offset=True):
        def respond(request):
            query = {key: int(values[0]) for key, values in parse_qs(urlsplit(request.path).query).items()}
            limit = min(query["limit"] if knows_limit else 25, largest_page)
            offset = query["offset"] if knows_offset else 0
            return 200, {}, {"data": [{"id": number} for number in range(rows)][offset : offset + limit]}

        server = scripted(respond)
        items = list_all(Transport(ClientConfig(base_url=server.url, password="long-token")), "/v4/things", {"x": 1})
        assert all("x=1" in request.path for request in server.seen)
        return [item["id"] for item in items], len(server.seen)

    return run


@pytest.mark.parametrize("rows", [0, 1, 24, 25, 26, 99, 100, 101, 250])
@pytest.mark.parametrize("habits", [{}, {"knows_limit": False}, {"largest_page": 50}], ids=str)
def test_nothing_is_truncated(read, rows, habits):
    assert read(rows, **habits)[0] == list(range(rows))


def test_a_short_list_takes_one_request(read):
    assert read(24)[1] == 1


@pytest.mark.parametrize("rows", [3, 25, 60, 99])
def test_a_server_that_ignores_offset_does_not_loop(read, rows):
    ids, requests = read(rows, knows_offset=False)
    assert ids == list(range(rows))
    assert requests <= 2


def test_a_list_that_cannot_be_read_to_its_end_is_an_error(read):
    with pytest.raises(UnexpectedResponseError, match="ignores the offset"):
        read(150, knows_offset=False)


@pytest.mark.parametrize("body", [[], {}, {"data": None}, {"data": [1]}, {"data": [{"name": "no id"}]}, None, "text"])
def test_another_shape_is_an_error(scripted, body):
    server = scripted(lambda request: (200, {}, body))
    with pytest.raises(UnexpectedResponseError, match="did not answer a list"):
        list_all(Transport(ClientConfig(base_url=server.url, password="long-token")), "/v4/things")


def test_rows_that_move_between_pages_count_once(scripted):
    pages = [[{"id": number} for number in range(30)], [{"id": number} for number in range(29, 40)]]
    server = scripted(lambda request: (200, {}, {"data": pages[len(server.seen) - 1]}))
    items = list_all(Transport(ClientConfig(base_url=server.url, password="long-token")), "/v4/things")
    assert [item["id"] for item in items] == list(range(40))
