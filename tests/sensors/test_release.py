from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_trifacta._compat import AirflowFailException, AirflowSkipException, BaseSensorOperator
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.client import TrifactaClient
from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.emulator.effects import Answer, Reset
from airflow_provider_trifacta.emulator.faults import Fault
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.sensors import _watching as module
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout
except ImportError:
    from airflow.exceptions import AirflowRescheduleException, AirflowSensorTimeout

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def client(emulator):
    config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password")
    with TrifactaClient(config) as client:
        yield client


@pytest.fixture
def releases(client, make_package):
    """Two releases of deployment 1; the second is live."""
    ids = []
    for _ in range(2):
        with open_package(make_package()) as package:
            ids.append(client.releases.create(1, package.body()).release.id)
    return ids


@pytest.fixture
def time(time, monkeypatch):
    """The sensor's clock too."""
    for target in (module.time, __import__("time")):
        monkeypatch.setattr(target, "sleep", time.sleep)
    monkeypatch.setattr(sys.modules[BaseSensorOperator.__module__], "time", time)
    return time


def sensor(release_id, **options):
    return ReleaseActiveSensor(**{"task_id": "wait", "release_id": release_id, "poke_interval": 10, **options})


def polls(emulator):
    return [call.path for call in emulator.calls if call.method == "GET"]


@pytest.mark.parametrize("as_text", [int, str])
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_an_active_release_succeeds_at_once(execute, emulator, releases, mode, as_text):
    execute(sensor(as_text(releases[1]), mode=mode))
    assert len(polls(emulator)) == 1


def test_it_waits_until_somebody_activates_the_release(execute, emulator, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: None, lambda: client.releases.activate(releases[1])]
    execute(sensor(releases[1]))
    assert time.slept == [10, 10]


def test_reschedule_frees_the_slot_between_polls(execute, emulator, releases, client):
    client.releases.deactivate(releases[1])
    with pytest.raises(AirflowRescheduleException):
        execute(sensor(releases[1], mode="reschedule"))
    client.releases.activate(releases[1])
    execute(sensor(releases[1], mode="reschedule"))


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_newer_live_release_fails_at_once(execute, emulator, releases, mode):
    with pytest.raises(AirflowFailException, match=f"ReleaseSupersededError: Release {releases[0]} is not active"):
        execute(sensor(releases[0], mode=mode))


def test_being_superseded_while_waiting_fails_too(execute, emulator, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: client.releases.activate(releases[1])]
    with pytest.raises(AirflowFailException, match="ReleaseSupersededError"):
        execute(sensor(releases[0]))


def test_a_newer_live_release_may_be_waited_out(execute, emulator, releases, client, time):
    time.during_sleep = [lambda: client.releases.activate(releases[0])]
    execute(sensor(releases[0], on_superseded="wait"))
    assert time.slept == [10]


def test_an_older_live_release_does_not_supersede(execute, emulator, releases, client, time):
    client.releases.activate(releases[0])
    time.during_sleep = [lambda: client.releases.activate(releases[1])]
    execute(sensor(releases[1]))


def test_a_deleted_release_fails_at_once(execute, emulator, releases):
    emulator.store.delete_release(releases[1])
    with pytest.raises(AirflowFailException, match="ReleaseDeletedError"):
        execute(sensor(releases[1]))


def test_a_release_deleted_while_waiting_fails(execute, emulator, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: emulator.store.delete_release(releases[1])]
    with pytest.raises(AirflowFailException, match="ReleaseDeletedError"):
        execute(sensor(releases[1]))


def test_an_unknown_release_fails_at_once(execute, emulator):
    with pytest.raises(AirflowFailException, match="ReleaseDeletedError: Release 77 does not exist"):
        execute(sensor(77))


def test_waiting_changes_nothing(execute, emulator, releases, client, time):
    client.releases.deactivate(releases[1])
    before = len(emulator.calls)
    with pytest.raises(AirflowSensorTimeout):
        execute(sensor(releases[1], timeout=35))
    assert {call.method for call in emulator.calls[before:]} == {"GET"}


@pytest.mark.parametrize(("soft_fail", "outcome"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
def test_the_timeout(execute, emulator, releases, client, time, soft_fail, outcome):
    client.releases.deactivate(releases[1])
    with pytest.raises(outcome):
        execute(sensor(releases[1], timeout=35, soft_fail=soft_fail))
    assert time.slept == [10, 10, 10, pytest.approx(5, abs=0.1)], "the last look is at the timeout"


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_every_failure_is_a_skip_with_soft_fail(execute, emulator, releases, mode):
    with pytest.raises(AirflowSkipException, match="ReleaseSupersededError"):
        execute(sensor(releases[0], soft_fail=True, mode=mode))


# Failing polls


class Flaky:
    """A server whose answers are listed, then a live release for ever."""

    def __init__(self, *answers):
        self.left = list(answers)

    def __call__(self, request):
        if self.left:
            return self.left.pop(0)
        return 200, {}, {"id": 5, "active": True, "deployment": {"id": 1}}


FAILURES = [(500, {}, {}), (502, {}, b"<html>"), (429, {"Retry-After": "999"}, {}), None, (200, {}, b"<html>")]


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize("failure", FAILURES)
def test_failures_that_pass_are_tolerated(execute, scripted, use_connection, time, mode, failure):
    server = scripted(Flaky(failure, failure))
    use_connection(server.url)
    execute(sensor(5, tolerated_failures=2, mode=mode))
    assert len(server.seen) == 3
    assert time.slept == [10, 10]


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize(("soft_fail", "outcome"), [(False, errors.ServerError), (True, AirflowSkipException)])
def test_one_failure_too_many_ends_the_wait(execute, scripted, use_connection, time, mode, soft_fail, outcome):
    server = scripted(Flaky(*[(503, {}, {})] * 9))
    use_connection(server.url)
    with pytest.raises(outcome):
        execute(sensor(5, tolerated_failures=2, mode=mode, soft_fail=soft_fail))
    assert len(server.seen) == 3


def test_the_count_starts_anew_after_an_answer(execute, scripted, use_connection, time):
    waiting = (200, {}, {"id": 5, "active": None})
    server = scripted(Flaky(None, None, waiting, None, None, waiting, None, None))
    use_connection(server.url)
    execute(sensor(5, tolerated_failures=2))
    assert len(server.seen) == 9


@pytest.mark.parametrize("status", [400, 401, 403, 405])
def test_other_refusals_fail_at_once(execute, scripted, use_connection, status):
    server = scripted(lambda request: (status, {}, {}))
    use_connection(server.url)
    with pytest.raises(AirflowFailException, match=f"answered {status}"):
        execute(sensor(5))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"release_id": "None"}, "InvalidInputError: release_id must be"),
        ({"release_id": 5, "on_superseded": "ignore"}, "InvalidInputError: on_superseded must be one of"),
        ({"release_id": 5, "tolerated_failures": -1}, "InvalidInputError: tolerated_failures must be"),
    ],
)
def test_bad_input_is_told_before_any_request(execute, emulator, options, words):
    with pytest.raises(AirflowFailException, match=words):
        execute(sensor(**options))
    assert emulator.calls == []


# Every mode alike

MODES = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("mode", MODES)
class TestModes:
    @pytest.fixture
    def run(self, execute, releases, mode, soft_fail):
        def run(release_id, **options):
            return execute(
                sensor(release_id, **{"poke_interval": 0.01, "soft_fail": soft_fail, **MODES[mode], **options})
            )

        return run

    def test_active(self, run, releases):
        run(releases[1])

    def test_timeout(self, run, client, releases, emulator, mode, soft_fail):
        client.releases.deactivate(releases[1])
        with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
            run(releases[1], timeout=0)

    def test_superseded(self, run, releases, soft_fail):
        with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException, match="ReleaseSupersededError"):
            run(releases[0])

    def test_deleted(self, run, releases, emulator, soft_fail):
        emulator.store.delete_release(releases[1])
        with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException, match="ReleaseDeletedError"):
            run(releases[1])

    def test_forbidden(self, run, releases, emulator, use_connection, soft_fail):
        use_connection(emulator.url, login="author@example.com", password="author-password")
        with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException, match="answered 403"):
            run(releases[1])

    def test_too_many_failures(self, run, releases, emulator, soft_fail):
        before = len(emulator.calls)
        emulator.faults.add(Fault(Answer(502), path="/v4/releases/**", times=None))
        with pytest.raises(AirflowSkipException if soft_fail else errors.TrifactaError) as caught:
            run(releases[1], tolerated_failures=2)
        assert "answered 502" in f"{caught.value} {caught.value.__cause__}"  # resuming wraps a skip in another one
        assert soft_fail or caught.value.retryable
        assert len(emulator.calls) - before == 3

    def test_tolerated_failures(self, run, releases, emulator, soft_fail):
        emulator.faults.add(Fault(Reset(), path="/v4/releases/**", times=2))
        run(releases[1], tolerated_failures=2)

    def test_the_link_is_known(self, run, execute, releases, emulator, soft_fail):
        with suppress(AirflowFailException, AirflowSkipException):
            run(releases[0])
        assert execute.ti.pushed == {"deployment_url": f"{emulator.url}/deployments/1"}


def test_deferring_hands_over_what_the_trigger_needs(execute, emulator, releases, client):
    client.releases.deactivate(releases[1])
    began = __import__("time").time()
    with pytest.raises(AirflowSensorTimeout):
        execute(sensor(str(releases[1]), deferrable=True, timeout=0, tolerated_failures=4, on_superseded="wait"))
    _, keywords = execute.deferred.trigger.serialize()
    assert began <= keywords.pop("deadline") <= began + 60
    assert keywords == {
        "release_id": releases[1],
        "trifacta_conn_id": "trifacta_default",
        "on_superseded": "wait",
        "tolerated_failures": 4,
        "failures": 0,
        "poke_interval": 10.0,
    }
    assert execute.deferred.timeout.total_seconds() > 0
    assert not execute.deferred.kwargs, "dag.test drops them"


def test_an_active_release_does_not_defer(execute, emulator, releases):
    execute(sensor(releases[1], deferrable=True))
    assert not hasattr(execute, "deferred")


@pytest.mark.parametrize("event", [None, {}, {"status": "fine"}, {"state": "active"}])
def test_an_unknown_event_fails(event):
    with pytest.raises(AirflowFailException, match="reported something unknown"):
        sensor(1).execute_complete({}, event)


def test_deferrable_follows_airflows_setting(monkeypatch):
    assert sensor(1).deferrable is False


@pytest.mark.parametrize(
    "answer", [{"id": 6, "active": True}, {"id": 5, "active": True, "deleted_at": "2024-01-01T00:00:00Z"}]
)
def test_only_the_awaited_release_counts(execute, scripted, use_connection, answer):
    use_connection(scripted(lambda request: (200, {}, answer)).url)
    with pytest.raises((AirflowFailException, errors.UnexpectedResponseError)):
        execute(sensor(5, tolerated_failures=0))


def test_a_server_that_does_not_tell_the_deployment_is_warned_of_once(execute, scripted, use_connection, time, caplog):
    server = scripted(Flaky(*[(200, {}, {"id": 5, "active": None})] * 3))
    use_connection(server.url)
    execute(sensor(5))
    assert caplog.text.count("does not tell the deployment") == 1


def test_failing_polls_do_not_hold_a_rescheduled_task_beyond_its_timeout(
    execute, scripted, use_connection, monkeypatch
):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    monkeypatch.setattr(
        module, "first_look", lambda context, operator: datetime.now(timezone.utc) - timedelta(seconds=95)
    )
    use_connection(scripted(lambda request: (502, {}, {})).url)
    with pytest.raises(errors.ServerError):
        execute(sensor(5, mode="reschedule", timeout=100, poke_interval=3600, tolerated_failures=3))
    assert len(slept) == 3
    assert all(0 < seconds <= 5.1 for seconds in slept)
