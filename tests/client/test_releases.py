"""Lists of releases: newest first, only as far as they are needed, and whole while others change them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import UnexpectedResponseError

pytestmark = pytest.mark.every_airflow


class Deployment:
    """Answers the list of a deployment's releases as a test wants it; something may happen after a request."""

    def __init__(self, scripted, count, live=None):
        self.ids = list(range(1, count + 1))
        self.live = {live or count}
        self.sorts, self.pages = True, True
        self.asked: list[dict[str, str]] = []
        self.then: list = []
        server = scripted(self.answer)
        self.client = TrifactaClient(
            ClientConfig(base_url=server.url, login="me", password="very-long-secret", read_retries=0)
        )

    def answer(self, request):
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        self.asked.append(query)
        if "sort" in query and self.sorts == "refused":
            return 400, {}, {"exception": {"name": "ApiValidationFailed", "message": "sort"}}
        newest_first = self.sorts is True and query.get("sort") == "-id"
        rows = [
            {"id": one, "active": one in self.live or None, "deployment": {"id": 1}}
            for one in sorted(self.ids, reverse=newest_first)
        ]
        offset = int(query.get("offset", 0)) if self.pages else 0
        page = rows if "noLimit" in query else rows[offset : offset + int(query["limit"])]
        body = {"data": page, **({"count": len(rows)} if "includeCount" in query else {})}
        if self.then:
            self.then.pop(0)()
        return 200, {}, body

    def list(self, **options):
        return [release.id for release in self.client.releases.list(1, **options)]


def shows_live(releases):
    return any(release.active for release in releases)


@pytest.fixture
def deployment(scripted):
    return lambda *arguments, **options: Deployment(scripted, *arguments, **options)


@pytest.mark.parametrize("count", [0, 1, 24, 25, 100, 101, 3000])
def test_the_whole_list_is_read_newest_first(deployment, count):
    one = deployment(count)
    assert one.list() == sorted(one.ids, reverse=True)


@pytest.mark.parametrize(("count", "live", "requests"), [(10, 10, 1), (3000, 3000, 1), (3000, 1, 31), (3000, 2801, 3)])
def test_reading_ends_where_it_is_enough(deployment, count, live, requests):
    one = deployment(count, live)
    found = one.list(until=shows_live)
    assert live in found
    assert len(one.asked) == requests


@pytest.mark.parametrize("sorts", [False, "refused"])
def test_a_server_that_does_not_sort_gives_the_whole_list(deployment, sorts):
    one = deployment(250, 250)
    one.sorts = sorts
    assert one.list(until=shows_live) == sorted(one.ids, reverse=True)


def test_a_server_that_does_not_page_is_asked_for_all(deployment):
    one = deployment(250, 1)
    one.pages = False
    assert one.list(until=shows_live) == sorted(one.ids, reverse=True)


@pytest.mark.parametrize("deleted", [250, 151])
def test_a_release_that_is_deleted_between_two_pages_hides_no_other(deployment, deleted):
    """Without the overlap, release 150 would be the last of the first page before, and before the second one after."""
    one = deployment(250, 150)
    one.then = [lambda: one.ids.remove(deleted)]
    assert 150 in one.list(until=shows_live)
    assert one.list() == sorted(one.ids, reverse=True)


def test_a_release_that_is_made_between_two_pages_shifts_nothing(deployment):
    one = deployment(250, 1)
    one.then = [lambda: one.ids.append(251)]
    assert one.list() == list(range(250, 0, -1))


def test_a_list_that_never_stands_still_is_read_in_the_servers_order(deployment):
    one = deployment(250, 1)
    one.then = [lambda: one.ids.pop()] * 20
    assert one.list()[-1] == 1


def test_another_release_that_is_made_live_between_two_pages_is_found(deployment):
    one = deployment(250, 1)

    def activate():
        one.live = {250}

    one.then = [activate]
    assert next(release.id for release in one.client.releases.list(1) if release.active) == 250


def test_two_live_releases_are_looked_at_again(deployment):
    one = deployment(250, 250)

    def go_back():
        one.live = {1}

    one.then = [go_back]
    assert [release.id for release in one.client.releases.list(1) if release.active] == [1]


def test_a_small_list_without_a_live_release_is_read_once(deployment):
    one = deployment(10)
    one.live = set()
    one.list(until=shows_live)
    assert len(one.asked) == 1


def test_deleted_releases_come_where_they_are_wanted(emulator, make_package):
    config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password")
    from airflow_provider_trifacta.packages.flow_package import open_package

    with TrifactaClient(config) as client, open_package(make_package()) as package:
        made = client.releases.create(1, package.body()).release
        emulator.store.delete_release(made.id)
        assert client.releases.list(1) == []
        (found,) = client.releases.list(1, include_deleted=True)
        assert (found.id, found.deleted) == (made.id, True)


def test_a_row_without_a_deployment_may_be_of_any(scripted):
    server = scripted(lambda _: (200, {}, {"data": [{"id": 1, "active": True}]}))
    config = ClientConfig(base_url=server.url, login="me", password="very-long-secret", read_retries=0)
    with TrifactaClient(config) as client, pytest.raises(UnexpectedResponseError):
        client.releases.list(1)
