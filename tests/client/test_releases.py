"""Lists of releases: newest first, only as far as they are needed, and whole while others change
them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from trifacta_emulator import Emulator, EmulatorOptions

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    APIError,
    DeploymentManagerMissingError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.packages.flow_package import open_package

pytestmark = pytest.mark.every_airflow


#: How an instance may show the releases of a deployment: alone, or with it, in pages or as a whole.
FORMS = ("plain", "embed", "whole embed")
NO_ROUTE = {"exception": {"name": "RouteNotFoundException", "message": "This route does not exist"}}
PAGE = b"<html>403 Forbidden</html>"


class Deployment:
    """Answers the list of a deployment's releases as a test wants it; something may happen after a
    request."""

    def __init__(self, scripted, form, count, live=None):
        self.ids = list(range(1, count + 1))
        self.live = {live or count}
        self.form = form
        self.sorts, self.pages, self.counts = True, form != "whole embed", True
        self.asked: list[dict[str, str]] = []
        self.then: list = []
        self.respond = self.answer
        self.server = scripted(lambda request: self.respond(request))
        self.client = TrifactaClient(
            ClientConfig(
                base_url=self.server.url, login="me", password="very-long-secret", read_retries=0
            )
        )

    def answer(self, request):
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v4/deployments":
            return 200, {}, {"data": [{"id": 1, "name": "Orders"}]}
        embedded = parts.path == "/v4/deployments/1" and query.get("embed") == "releases"
        if embedded == (self.form == "plain"):
            return 404, {}, NO_ROUTE
        self.asked.append(query)
        if "sort" in query and self.sorts == "refused":
            return 400, {}, {"exception": {"name": "ApiValidationFailed", "message": "sort"}}
        newest_first = self.sorts is True and query.get("sort") == "-id"
        rows = [
            {
                "id": one,
                "active": one in self.live or None,
                **({} if embedded else {"deployment": {"id": 1}}),
            }
            for one in sorted(self.ids, reverse=newest_first)
        ]
        offset = int(query.get("offset", 0)) if self.pages else 0
        whole = "noLimit" in query or (embedded and not self.pages)
        page = rows if whole else rows[offset : offset + int(query["limit"])]
        count = {"count": len(rows)} if "includeCount" in query else {}
        body = {"data": page, **count}
        if embedded:
            number = {"numReleases": len(rows)} if self.counts else {}
            body = {"id": 1, "name": "Orders", **number, "releases": {"data": page}}
        if self.then:
            self.then.pop(0)()
        return 200, {}, body

    def list(self, **options):
        return [release.id for release in self.client.releases.list(1, **options)]


def shows_live(releases):
    return any(release.active for release in releases)


@pytest.fixture(params=FORMS)
def deployment(scripted, request):
    return lambda *arguments, **options: Deployment(scripted, request.param, *arguments, **options)


@pytest.fixture(params=FORMS[:2])
def paged_deployment(scripted, request):
    return lambda *arguments, **options: Deployment(scripted, request.param, *arguments, **options)


@pytest.mark.parametrize("count", [0, 1, 24, 25, 100, 101, 3000])
def test_the_whole_list_is_read_newest_first(deployment, count):
    one = deployment(count)
    assert one.list() == sorted(one.ids, reverse=True)


@pytest.mark.parametrize(
    ("count", "live", "requests"), [(10, 10, 1), (3000, 3000, 1), (3000, 1, 31), (3000, 2801, 3)]
)
def test_reading_ends_where_it_is_enough(deployment, count, live, requests):
    one = deployment(count, live)
    found = one.list(until=shows_live)
    assert live in found
    assert len(one.asked) == (requests if one.pages else 1)


@pytest.mark.parametrize("sorts", [False, "refused"])
def test_a_server_that_does_not_sort_gives_the_whole_list(deployment, sorts):
    one = deployment(250, 250)
    one.sorts = sorts
    assert one.list(until=shows_live) == sorted(one.ids, reverse=True)


def test_a_server_that_does_not_page_is_asked_for_all(deployment):
    one = deployment(250, 1)
    one.pages = False
    assert one.list(until=shows_live) == sorted(one.ids, reverse=True)


@pytest.mark.parametrize(
    ("count", "counts", "requests"), [(75, True, 1), (150, True, 1), (74, False, 10)]
)
def test_an_embed_that_is_not_paged_is_whole(scripted, count, counts, requests):
    one = Deployment(scripted, "whole embed", count)
    one.live, one.counts = set(), counts
    assert one.list(until=shows_live) == sorted(one.ids, reverse=True)
    assert len(one.asked) == requests


def test_an_embed_that_may_not_be_whole_is_an_error(scripted):
    """A server that gives no more than 25 rows, and does not tell how many there are."""
    one = Deployment(scripted, "whole embed", 25)
    one.live, one.counts = set(), False
    with pytest.raises(UnexpectedResponseError):
        one.list(until=shows_live)


@pytest.mark.parametrize("deleted", [250, 151])
def test_a_release_that_is_deleted_between_two_pages_hides_no_other(deployment, deleted):
    """Without the overlap, release 150 would be the last of the first page before, and before the
    second one after."""
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


def test_another_release_that_is_made_live_between_two_pages_is_found(paged_deployment):
    one = paged_deployment(250, 1)

    def activate():
        one.live = {250}

    one.then = [activate]
    assert next(release.id for release in one.client.releases.list(1) if release.active) == 250


def test_two_live_releases_are_looked_at_again(paged_deployment):
    one = paged_deployment(250, 250)

    def go_back():
        one.live = {1}

    one.then = [go_back]
    assert [release.id for release in one.client.releases.list(1) if release.active] == [1]


def test_a_small_list_without_a_live_release_is_read_once(deployment):
    one = deployment(10)
    one.live = set()
    one.list(until=shows_live)
    assert len(one.asked) == 1


@pytest.mark.parametrize("choice", ["both", "embed", "plain"])
def test_deleted_releases_come_where_they_are_wanted(make_package, choice):
    with Emulator(EmulatorOptions(release_list=choice)) as emulator:
        emulator.store.create_deployment("Orders")
        config = ClientConfig(
            base_url=emulator.url, login="admin@example.com", password="admin-password"
        )
        with TrifactaClient(config) as client, open_package(make_package()) as package:
            made = client.releases.create(1, package.body()).release
            emulator.store.delete_release(made.id)
            assert client.releases.list(1) == []
            (found,) = client.releases.list(1, include_deleted=True)
            assert (found.id, found.deleted) == (made.id, True)


def test_a_row_without_a_deployment_may_be_of_any(scripted):
    server = scripted(lambda _: (200, {}, {"data": [{"id": 1, "active": True}]}))
    config = ClientConfig(
        base_url=server.url, login="me", password="very-long-secret", read_retries=0
    )
    with TrifactaClient(config) as client, pytest.raises(UnexpectedResponseError):
        client.releases.list(1)


# Which of the two ways is taken


def test_what_an_instance_lacks_is_asked_once_for_a_client(scripted):
    one = Deployment(scripted, "embed", 3)
    for reader in (one.client.without_repetitions, one.client, one.client.without_repetitions):
        assert [release.id for release in reader.releases.list(1)] == [3, 2, 1]
    paths = [urlsplit(request.path).path for request in one.server.seen]
    assert paths == ["/v4/releases", "/v4/deployments", *["/v4/deployments/1"] * 3]


@pytest.mark.parametrize("name", [None, "DataNotFoundException"])
def test_another_404_chooses_nothing(scripted, name):
    """A gateway may answer it for a moment."""
    one, body = (
        Deployment(scripted, "plain", 3),
        {"exception": {"name": name}} if name else {"message": "no Route"},
    )
    failing = [True, True]
    one.respond = lambda request: (
        (404, {}, body) if failing and failing.pop() else one.answer(request)
    )
    with pytest.raises(APIError):
        one.list()
    assert one.list() == [3, 2, 1]
    assert not any("embed" in request.path for request in one.server.seen)


def test_an_instance_without_deployments_stays_one(scripted):
    server = scripted(lambda _: (404, {}, NO_ROUTE))
    config = ClientConfig(
        base_url=server.url, login="me", password="very-long-secret", read_retries=0
    )
    with TrifactaClient(config) as client, pytest.raises(DeploymentManagerMissingError):
        client.releases.list(1)
    assert not any("embed" in request.path for request in server.seen)


@pytest.mark.parametrize(
    "answer", [(503, {}, {}), (404, {"Content-Type": "text/html"}, PAGE)], ids=["503", "gateway"]
)
def test_without_an_answer_about_deployments_nothing_is_chosen(scripted, answer):
    def respond(request):
        return answer if urlsplit(request.path).path == "/v4/deployments" else (404, {}, NO_ROUTE)

    server = scripted(respond)
    config = ClientConfig(
        base_url=server.url, login="me", password="very-long-secret", read_retries=0
    )
    with (
        TrifactaClient(config) as client,
        pytest.raises(APIError, check=lambda error: error.retryable),
    ):
        client.releases.list(1)
    assert not any("embed" in request.path for request in server.seen)


@pytest.mark.parametrize("status", [400, 403, 404, 410])
@pytest.mark.parametrize(
    "body", [PAGE, {"exception": {"name": "SomeException"}}], ids=["gateway", "API"]
)
def test_what_refuses_the_sort_chooses_the_list_without_it(deployment, status, body):
    one = deployment(30)
    one.list()
    refusal = status, {"Content-Type": "text/html"}, body
    one.respond = lambda request: refusal if "sort" in request.path else one.answer(request)
    assert one.list() == sorted(one.ids, reverse=True)


def embed_of(body):
    return lambda request: (
        (404, {}, NO_ROUTE) if "deploymentId" in request.path else (200, {}, {"data": [], **body})
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"id": 1, "releases": {"data": [{"id": 5, "active": True}]}}, [5]),
        ({"id": 1, "releases": {"data": [{"id": 5, "deployment": {"id": 2}}, {"id": 4}]}}, [4]),
        ({"id": 2, "releases": {"data": [{"id": 5, "active": True}]}}, None),
        ({"id": 1, "releases": [5]}, None),
        ({"id": 1}, None),
    ],
    ids=["its own", "of another", "another deployment", "no list", "no releases"],
)
def test_what_is_embedded_belongs_to_its_deployment(scripted, body, found):
    server = scripted(embed_of(body))
    config = ClientConfig(
        base_url=server.url, login="me", password="very-long-secret", read_retries=0
    )
    with TrifactaClient(config) as client:
        if found is None:
            with pytest.raises(UnexpectedResponseError):
                client.releases.list(1)
        else:
            assert [release.id for release in client.releases.list(1)] == found
