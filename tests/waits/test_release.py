"""The wait for a release, and what its polls cost."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    ReleaseSupersededError,
)
from airflow_provider_trifacta.waits import ReleaseWatch

PASSWORD = "very-long-secret"


class Deployment:
    """A server with the releases of one deployment, by id, of which one may be live."""

    def __init__(self, scripted, ids):
        self.ids = set(ids)
        self.live = None
        server = scripted(self)
        self.seen = server.seen
        self.client = TrifactaClient(
            ClientConfig(base_url=server.url, login="me", password=PASSWORD, read_retries=0)
        )

    def row(self, number):
        return {
            "id": number,
            "active": True if number == self.live else None,
            "deployment": {"id": 4},
        }

    def __call__(self, request):
        path, _, query = request.path.partition("?")
        if not query:
            number = int(path.rpartition("/")[2])
            return (200, {}, self.row(number)) if number in self.ids else (404, {}, {})
        values = dict(part.split("=") for part in query.split("&"))
        assert (values["sort"], values["deploymentId"]) == ("-id", "4")
        first = int(values.get("offset", 0))
        rows = sorted(self.ids, reverse=True)[first : first + int(values["limit"])]
        return 200, {}, {"data": [self.row(number) for number in rows]}

    def polls(self, watch, times):
        """Poll some times, and return how many requests each poll cost."""
        costs = []
        for _ in range(times):
            before = len(self.seen)
            assert watch.poll(lambda: self.client) is False
            costs.append(len(self.seen) - before)
        return costs


@pytest.mark.parametrize("mode", ["fail", "wait"])
@pytest.mark.parametrize("count", [10, 3000])
def test_a_poll_for_a_new_release_costs_one_request(scripted, count, mode):
    server = Deployment(scripted, range(1, count + 1))
    server.live = 1
    assert server.polls(ReleaseWatch(count, on_superseded=mode, deployment_id=4), 30) == [1] * 30
    # Without the deployment the first poll finds it.
    first = 2 if mode == "fail" else 1
    assert server.polls(ReleaseWatch(count - 5, on_superseded=mode), 30) == [first] + [1] * 29


def test_a_release_below_the_newest_page_costs_its_own_request_and_the_pages_above_at_times(
    scripted,
):
    server = Deployment(scripted, range(1, 3001))
    server.live = 1
    costs = server.polls(ReleaseWatch(2500, deployment_id=4), 21)
    assert costs[0] == 2 + 6, "the newest page, the release, and the pages down to it"
    assert costs[1:10] == [1] * 9
    assert costs[10:] == [7] + [1] * 9 + [7]


def test_a_newer_live_release_between_is_seen_at_the_tenth_poll(scripted):
    server = Deployment(scripted, range(1, 1001))
    watch = ReleaseWatch(500, deployment_id=4)
    server.polls(watch, 1)
    server.live = 600
    server.polls(watch, 9)
    with pytest.raises(ReleaseSupersededError):
        watch.poll(lambda: server.client)


def test_a_rescheduled_look_counts_the_looks_before(scripted):
    server = Deployment(scripted, range(1, 1001))
    costs = [server.polls(ReleaseWatch(500, polls=number), 1)[0] for number in (0, 1, 9, 10)]
    assert costs == [1 + 6, 2, 2, 1 + 6]


def test_a_release_that_slips_off_the_newest_page_is_still_found(scripted):
    server = Deployment(scripted, range(1, 101))
    watch = ReleaseWatch(1, deployment_id=4)
    assert server.polls(watch, 2) == [1, 1]
    server.ids.add(101)
    assert server.polls(watch, 3) == [2, 1, 1]
    server.live = 1
    assert watch.poll(lambda: server.client) is True


def test_the_state_tells_which_release_is_live_as_far_as_it_was_read(scripted):
    server = Deployment(scripted, range(1, 301))
    watch, states = ReleaseWatch(300, deployment_id=4), []
    for live in (None, 298, 298, 299, 2):
        server.live = live
        server.polls(watch, 1)
        states.append(watch.state.rpartition(" ")[2])
    # Release 2 is below the newest page.
    assert states == ["live", "298", "298", "299", "live"]


class Unpaged(Deployment):
    """It always gives all releases, the oldest first, as an embed does."""

    def __call__(self, request):
        if "?" not in request.path:
            return super().__call__(request)
        return 200, {}, {"data": [self.row(number) for number in sorted(self.ids)]}


@pytest.mark.parametrize("mode", ["fail", "wait"])
def test_a_whole_list_that_is_longer_than_a_page_is_read_at_times(scripted, mode):
    short, long = Unpaged(scripted, range(1, 101)), Unpaged(scripted, range(1, 102))
    usual = short.polls(ReleaseWatch(100, on_superseded=mode, deployment_id=4), 21)
    assert len(set(usual)) == 1
    long.client.releases.list(4)
    whole_list = len(long.seen)
    costs = long.polls(ReleaseWatch(101, on_superseded=mode, deployment_id=4), 21)
    assert costs[0] == whole_list, "the list shows the release too"
    tenth = 1 + whole_list if mode == "fail" else 1
    assert costs[1:] == [*[1] * 9, tenth, *[1] * 9, tenth]
    long.live = 101
    assert ReleaseWatch(101, on_superseded=mode, deployment_id=4).poll(lambda: long.client) is True
