from __future__ import annotations

import logging
import sys
import time as real_time
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from trifacta_emulator import Answer, Fault, Reset

from airflow_provider_trifacta._compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
)
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.sensors import _watch_sensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor
from airflow_provider_trifacta.waits import watch

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout
except ImportError:
    from airflow.exceptions import AirflowRescheduleException, AirflowSensorTimeout

pytestmark = pytest.mark.every_airflow


def caused_by(kind):
    """Return a check of an error of Airflow: whether just such an error of ours is its cause."""
    return lambda error: type(error.__cause__) is kind


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
    for target in (sys.modules[BaseSensorOperator.__module__], watch):
        monkeypatch.setattr(target, "time", time)
    return time


def sensor(release_id, **options):
    return ReleaseActiveSensor(
        **{"task_id": "wait", "release_id": release_id, "poke_interval": 10, **options}
    )


def polls(emulator):
    return [call.path for call in emulator.calls if call.method == "GET"]


@pytest.mark.parametrize("as_text", [int, str])
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_an_active_release_succeeds_at_once(execute, emulator, releases, mode, as_text):
    execute(sensor(as_text(releases[1]), mode=mode))
    assert len(polls(emulator)) == 1


def test_it_waits_until_a_person_activates_the_release(execute, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: None, lambda: client.releases.activate(releases[1])]
    execute(sensor(releases[1]))
    assert time.slept == [10, 10]


def test_reschedule_frees_the_slot_between_polls(execute, releases, client):
    client.releases.deactivate(releases[1])
    with pytest.raises(AirflowRescheduleException):
        execute(sensor(releases[1], mode="reschedule"))
    client.releases.activate(releases[1])
    execute(sensor(releases[1], mode="reschedule"))


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_newer_live_release_fails_at_once(execute, releases, mode):
    with pytest.raises(
        AirflowFailException, check=lambda error: error.__cause__.live_id == releases[1]
    ):
        execute(sensor(releases[0], mode=mode))


def test_being_superseded_while_waiting_fails_too(execute, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: client.releases.activate(releases[1])]
    with pytest.raises(AirflowFailException, check=caused_by(errors.ReleaseSupersededError)):
        execute(sensor(releases[0]))


def test_a_newer_live_release_may_be_waited_out(execute, releases, client, time):
    time.during_sleep = [lambda: client.releases.activate(releases[0])]
    execute(sensor(releases[0], on_superseded="wait"))
    assert time.slept == [10]


def test_an_older_live_release_does_not_supersede_and_is_told_once(
    execute, releases, client, time, caplog
):
    client.releases.deactivate(releases[1])
    caplog.set_level(logging.INFO)
    activate = client.releases.activate
    time.during_sleep = [
        *(lambda: activate(releases[0]), lambda: None, lambda: None),
        lambda: activate(releases[1]),
    ]
    execute(sensor(releases[1]))
    told = [
        record.getMessage()
        for record in caplog.records
        if f"release {releases[0]}" in record.getMessage()
    ]
    assert len(told) == 1


@pytest.mark.parametrize("mode", [{"mode": "reschedule"}, {"deferrable": True}])
def test_other_modes_tell_it_too(execute, releases, client, caplog, mode):
    client.releases.activate(releases[0])
    caplog.set_level(logging.INFO)
    with pytest.raises((AirflowRescheduleException, AirflowSensorTimeout)):
        execute(sensor(releases[1], timeout=0.1, poke_interval=0.05, **mode))
    assert f"release {releases[0]}" in caplog.text


def test_a_deleted_release_fails_at_once(execute, emulator, releases):
    emulator.store.delete_release(releases[1])
    with pytest.raises(AirflowFailException, check=caused_by(errors.ReleaseDeletedError)):
        execute(sensor(releases[1]))


def test_a_release_deleted_while_waiting_fails(execute, emulator, releases, client, time):
    client.releases.deactivate(releases[1])
    time.during_sleep = [lambda: emulator.store.delete_release(releases[1])]
    with pytest.raises(AirflowFailException, check=caused_by(errors.ReleaseDeletedError)):
        execute(sensor(releases[1]))


@pytest.mark.usefixtures("emulator")
def test_an_unknown_release_fails_at_once(execute):
    with pytest.raises(AirflowFailException, check=lambda error: error.__cause__.release_id == 77):
        execute(sensor(77))


@pytest.mark.usefixtures("time")
def test_waiting_changes_nothing(execute, emulator, releases, client):
    client.releases.deactivate(releases[1])
    before = len(emulator.calls)
    with pytest.raises(AirflowSensorTimeout):
        execute(sensor(releases[1], timeout=35))
    assert {call.method for call in emulator.calls[before:]} == {"GET"}


@pytest.mark.parametrize(
    ("soft_fail", "outcome"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_the_timeout(execute, releases, client, time, soft_fail, outcome):
    client.releases.deactivate(releases[1])
    with pytest.raises(outcome):
        execute(sensor(releases[1], timeout=35, soft_fail=soft_fail))
    assert time.slept == [10, 10, 10, pytest.approx(5, abs=0.1)], "the last look is at the timeout"


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_every_failure_is_a_skip_with_soft_fail(execute, releases, mode):
    with pytest.raises(AirflowSkipException, check=caused_by(errors.ReleaseSupersededError)):
        execute(sensor(releases[0], soft_fail=True, mode=mode))


# Failing polls


class Flaky:
    """A server whose answers are listed, then a live release for ever."""

    def __init__(self, *answers):
        self.left = list(answers)

    def __call__(self, _request):
        if self.left:
            return self.left.pop(0)
        return 200, {}, {"id": 5, "active": True, "deployment": {"id": 1}}


FAILURES = [(500, {}, {}), (502, {}, b"<html>"), (429, {}, {}), None, (200, {}, b"<html>")]


@pytest.mark.parametrize("failure", FAILURES)
def test_transient_errors_are_tolerated_for_a_time(
    execute, scripted, use_connection, time, failure
):
    server = scripted(Flaky(failure, failure))
    use_connection(server.url)
    execute(sensor(5, tolerated_outage=21))
    assert len(server.seen) == 3
    assert time.slept == [10, 10]


@pytest.mark.parametrize("tolerated", [30, timedelta(seconds=30)])
@pytest.mark.parametrize(
    ("soft_fail", "outcome"), [(False, errors.ServerError), (True, AirflowSkipException)]
)
def test_an_outage_that_is_too_long_ends_the_wait(
    execute, scripted, use_connection, time, soft_fail, outcome, tolerated
):
    server = scripted(Flaky(*[(503, {}, {})] * 9))
    use_connection(server.url)
    with pytest.raises(outcome):
        execute(sensor(5, tolerated_outage=tolerated, soft_fail=soft_fail))
    assert time.slept == [10, 10, 10]


@pytest.mark.usefixtures("time")
@pytest.mark.slow
def test_fifteen_minutes_are_tolerated_by_default(execute, scripted, use_connection):
    server = scripted(Flaky(*[(503, {}, {})] * 90))
    use_connection(server.url)
    execute(sensor(5))
    assert len(server.seen) == 91
    server = scripted(Flaky(*[(503, {}, {})] * 91))
    use_connection(server.url)
    with pytest.raises(errors.ServerError):
        execute(sensor(5))


@pytest.mark.usefixtures("time")
def test_the_time_starts_again_after_an_answer(execute, scripted, use_connection):
    waiting = (200, {}, {"id": 5, "active": None})
    server = scripted(Flaky(None, None, waiting, None, None, waiting, None, None))
    use_connection(server.url)
    execute(sensor(5, tolerated_outage=20))
    assert len(server.seen) == 9


@pytest.mark.parametrize("failure", FAILURES)
def test_in_reschedule_mode_a_transient_error_ends_the_look(
    execute, scripted, use_connection, time, failure
):
    server = scripted(lambda _: failure)
    use_connection(server.url)
    for _ in range(3):
        with pytest.raises(AirflowRescheduleException):
            execute(sensor(5, mode="reschedule", tolerated_outage=0))
    assert time.slept == [], "its slot is free in the meantime"
    assert len(server.seen) == 3


def test_in_reschedule_mode_the_timeout_is_the_bound(
    execute, scripted, use_connection, began_before
):
    use_connection(scripted(lambda _: (502, {}, {})).url)
    began_before(seconds=95)
    with pytest.raises(AirflowRescheduleException) as caught:
        execute(sensor(5, mode="reschedule", timeout=100, poke_interval=3600))
    assert seconds_until(caught.value.reschedule_date) == pytest.approx(5, abs=3)
    began_before(seconds=100.1)
    with pytest.raises(AirflowSensorTimeout):
        execute(sensor(5, mode="reschedule", timeout=100, poke_interval=3600))


@pytest.fixture
def began_before(execute):
    """Return a function that lets a rescheduled sensor have looked first some time ago."""

    def began(**ago):
        date = datetime.now(timezone.utc) - timedelta(**ago)
        execute.first_look = date

    return began


def seconds_until(date):
    return (date - datetime.now(timezone.utc)).total_seconds()


# What the server asks


def busy(status):
    return status, {"Retry-After": "57"}, {}


@pytest.mark.parametrize(("status", "tolerated"), [(429, 0), (503, 60)])
def test_retry_after_sets_the_pause(execute, scripted, use_connection, time, status, tolerated):
    use_connection(scripted(Flaky(busy(status))).url)
    execute(sensor(5, tolerated_outage=tolerated))
    assert time.slept == [57]


def test_no_pause_goes_past_the_timeout(execute, scripted, use_connection, time):
    use_connection(scripted(lambda _: busy(429)).url)
    with pytest.raises(AirflowSensorTimeout):
        execute(sensor(5, timeout=100))
    assert time.slept == [57, pytest.approx(43, abs=0.1)]


def test_retry_after_sets_the_date_of_the_next_look(execute, scripted, use_connection):
    use_connection(scripted(lambda _: busy(429)).url)
    with pytest.raises(AirflowRescheduleException) as caught:
        execute(sensor(5, mode="reschedule"))
    assert seconds_until(caught.value.reschedule_date) == pytest.approx(57, abs=3)
    with pytest.raises(AirflowRescheduleException) as caught:
        execute(sensor(5, mode="reschedule", timeout=20))
    assert seconds_until(caught.value.reschedule_date) == pytest.approx(20, abs=3)


def test_retry_after_is_handed_over_to_the_trigger(execute, scripted, use_connection):
    use_connection(scripted(Flaky(busy(503))).url)
    execute(sensor(5, deferrable=True, timeout=0))
    keywords = execute.deferred.trigger.serialize()[1]
    assert keywords["not_before"] - keywords["began"] == pytest.approx(57, abs=3)
    assert keywords["failing_since"] == pytest.approx(keywords["began"], abs=3)


# Credentials


@pytest.fixture
def tokens(scripted, use_connection):
    """A server with one valid token, which a request may change, and a function that puts one into
    the connection."""

    class Tokens:
        valid = "token-1"

        def __call__(self, request):
            if request.headers["Authorization"] != f"Bearer {self.valid}":
                return 401, {}, {}
            return self.answer()

        def answer(self):
            return 200, {}, {"id": 5, "active": True, "deployment": {"id": 1}}

        def put(self, token):
            use_connection(self.url, login="", password=token)

    server = Tokens()
    server.url = scripted(server).url
    server.put("token-1")
    return server


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_token_that_is_renewed_during_the_wait_goes_on(execute, tokens, time, mode, monkeypatch):
    look_ups = []
    look_up = TrifactaHook.get_connection

    def renew_after_the_first(conn_id):
        look_ups.append(conn_id)
        found = look_up(conn_id)
        tokens.valid = "token-2"
        tokens.put("token-2")
        return found

    monkeypatch.setattr(TrifactaHook, "get_connection", staticmethod(renew_after_the_first))
    execute(sensor(5, mode=mode, tolerated_outage=0))
    assert len(look_ups) == 2
    assert time.slept == []


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_look_up_that_fails_is_tolerated(execute, time, mode, monkeypatch):
    look_up, left = TrifactaHook.get_connection, [RuntimeError("the API server is gone")]

    def flaky(conn_id):
        if left:
            raise left.pop()
        return look_up(conn_id)

    monkeypatch.setattr(TrifactaHook, "get_connection", staticmethod(flaky))
    if mode == "poke":
        execute(sensor(5))
        assert time.slept == [10]
    else:
        with pytest.raises(AirflowRescheduleException):
            execute(sensor(5, mode=mode))
        execute(sensor(5, mode=mode))


def test_a_connection_that_is_not_there_fails_at_once(execute):
    with pytest.raises(AirflowFailException, check=caused_by(errors.MissingConnectionError)):
        execute(sensor(5, trifacta_conn_id="nowhere"))


REFUSED = {"exception": {"name": "Refused", "message": "no"}}


@pytest.mark.parametrize("status", [401, 403, 405])
def test_other_refusals_fail_at_once(execute, scripted, use_connection, status):
    server = scripted(lambda _: (status, {}, REFUSED))
    use_connection(server.url)
    with pytest.raises(AirflowFailException, check=lambda error: error.__cause__.status == status):
        execute(sensor(5))
    assert len(server.seen) == 1


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_401_that_may_be_of_a_gateway_ends_the_third_poll(
    execute, scripted, use_connection, time, mode, monkeypatch
):
    """In reschedule mode too, where each look would begin to count again."""
    monkeypatch.setattr(_watch_sensor, "time", time)
    server = scripted(lambda _: (401, {}, b"Unauthorized"))
    use_connection(server.url)
    with pytest.raises(AirflowFailException, check=lambda error: error.__cause__.status == 401):
        execute(sensor(5, mode=mode))
    assert len(server.seen) == 3
    assert time.slept == [10, 10]


@pytest.mark.parametrize(
    "then", [(200, {}, {"id": 5, "active": True, "deployment": {"id": 1}}), (503, {}, b"")]
)
def test_a_rescheduled_sensor_waits_only_for_the_credentials(
    execute, scripted, use_connection, time, then, monkeypatch
):
    monkeypatch.setattr(_watch_sensor, "time", time)
    answers = [(401, {}, b"Unauthorized")]
    server = scripted(lambda _: answers.pop() if answers else then)
    use_connection(server.url)
    with suppress(AirflowRescheduleException):
        execute(sensor(5, mode="reschedule"))
    assert len(server.seen) == (2 if then[0] == 200 else 3)


def test_the_count_of_refusals_is_handed_over_to_the_trigger(execute, scripted, use_connection):
    server = scripted(lambda _: (401, {}, b"Unauthorized"))
    use_connection(server.url)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        execute(sensor(5, deferrable=True, poke_interval=0.01))
    assert execute.deferred.trigger.refusals == 1
    assert len(server.seen) == 3, "those of the worker and of the triggerer together"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"release_id": "None"}, "InvalidInputError: release_id"),
        ({"release_id": 5, "on_superseded": "ignore"}, "InvalidInputError: on_superseded"),
        ({"release_id": 5, "tolerated_outage": -1}, "InvalidInputError: tolerated_outage"),
        ({"release_id": 5, "poke_interval": 0}, "InvalidInputError: poke_interval"),
        (
            {"release_id": 5, "poke_interval": 0, "deferrable": True},
            "InvalidInputError: poke_interval",
        ),
        (
            {"release_id": 5, "poke_interval": 0, "mode": "reschedule"},
            "InvalidInputError: poke_interval",
        ),
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
    def run_sensor(self, execute, mode, soft_fail):
        def run(release_id, **options):
            return execute(
                sensor(
                    release_id,
                    **{"poke_interval": 0.01, "soft_fail": soft_fail, **MODES[mode], **options},
                )
            )

        return run

    def test_active(self, run_sensor, releases):
        run_sensor(releases[1])

    def test_timeout(self, run_sensor, client, releases, soft_fail):
        client.releases.deactivate(releases[1])
        with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
            run_sensor(releases[1], timeout=0)

    def test_superseded(self, run_sensor, releases, soft_fail):
        with pytest.raises(
            AirflowSkipException if soft_fail else AirflowFailException,
            check=caused_by(errors.ReleaseSupersededError),
        ):
            run_sensor(releases[0])

    def test_deleted(self, run_sensor, releases, emulator, soft_fail):
        emulator.store.delete_release(releases[1])
        with pytest.raises(
            AirflowSkipException if soft_fail else AirflowFailException,
            check=caused_by(errors.ReleaseDeletedError),
        ):
            run_sensor(releases[1])

    def test_forbidden(self, run_sensor, releases, emulator, use_connection, soft_fail):
        use_connection(emulator.url, login="author@example.com", password="author-password")
        with pytest.raises(
            AirflowSkipException if soft_fail else AirflowFailException,
            check=caused_by(errors.PermissionDeniedError),
        ):
            run_sensor(releases[1])

    def test_an_outage(self, run_sensor, releases, emulator, mode, soft_fail):
        before = len(emulator.calls)
        emulator.faults.add(Fault(Answer(502), path="/v4/releases/**", times=None))
        if mode == "reschedule":
            with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
                run_sensor(releases[1], tolerated_outage=0, timeout=0)
        else:
            with pytest.raises(
                AirflowSkipException if soft_fail else errors.TrifactaError
            ) as caught:
                run_sensor(releases[1], tolerated_outage=0)
            assert (
                "answered 502" in f"{caught.value} {caught.value.__cause__}"
            )  # resuming wraps a skip in another one
            assert soft_fail or caught.value.retryable
        assert len(emulator.calls) - before == 1

    def test_a_tolerated_outage(self, run_sensor, releases, emulator):
        emulator.faults.add(Fault(Reset(), path="/v4/releases/**", times=2))
        while True:
            with suppress(AirflowRescheduleException):
                run_sensor(releases[1])
                break

    def test_the_link_is_known(self, run_sensor, execute, releases, emulator):
        with suppress(AirflowFailException, AirflowSkipException):
            run_sensor(releases[0])
        assert execute.ti.pushed == {"deployment_url": f"{emulator.url}/deployments/1"}


def test_deferring_hands_over_what_the_trigger_needs(execute, releases, client):
    client.releases.deactivate(releases[1])
    began = __import__("time").time()
    with pytest.raises(AirflowSensorTimeout):
        execute(
            sensor(
                str(releases[1]),
                deferrable=True,
                timeout=0,
                tolerated_outage=timedelta(minutes=4),
                on_superseded="wait",
                exponential_backoff=True,
                max_wait=timedelta(minutes=3),
            )
        )
    _, keywords = execute.deferred.trigger.serialize()
    assert began <= keywords.pop("deadline") <= began + 60
    assert began <= keywords.pop("began") <= began + 60
    assert keywords == {
        "release_id": releases[1],
        "trifacta_conn_id": "trifacta_default",
        "on_superseded": "wait",
        "deployment_id": 1,
        "tolerated_outage": 240.0,
        "failing_since": None,
        "refusals": 0,
        "poke_interval": 10.0,
        "exponential_backoff": True,
        "max_wait": 180.0,
        "not_before": None,
    }
    assert execute.deferred.timeout.total_seconds() > 0
    assert not execute.deferred.kwargs, "dag.test drops them"


def test_an_active_release_does_not_defer(execute, releases):
    execute(sensor(releases[1], deferrable=True))
    assert not hasattr(execute, "deferred")


@pytest.mark.parametrize("event", [None, {}, {"status": "fine"}, {"state": "active"}])
def test_an_unknown_event_fails(event):
    with pytest.raises(
        AirflowFailException, check=lambda error: type(error.__cause__) is errors.FailedWaitError
    ):
        sensor(1).execute_complete({}, event)


def test_deferrable_follows_airflows_setting():
    assert sensor(1).deferrable is False


@pytest.mark.parametrize(
    "answer",
    [{"id": 6, "active": True}, {"id": 5, "active": True, "deleted_at": "2024-01-01T00:00:00Z"}],
)
def test_only_the_awaited_release_counts(execute, scripted, use_connection, answer):
    use_connection(scripted(lambda _: (200, {}, answer)).url)
    with pytest.raises((AirflowFailException, errors.UnexpectedResponseError)):
        execute(sensor(5, tolerated_outage=0))


@pytest.mark.usefixtures("time")
def test_a_server_that_does_not_tell_the_deployment_is_warned_of_once(
    execute, scripted, use_connection, caplog
):
    server = scripted(Flaky(*[(200, {}, {"id": 5, "active": None})] * 3))
    use_connection(server.url)
    execute(sensor(5))
    assert caplog.text.count("does not show the deployment") == 1


@pytest.fixture
def long_list(scripted, use_connection):
    """A server of release 101 whose list only a worker reads; the release goes live when it was
    read some times."""

    def respond(request):
        respond.lists += "?" in request.path
        active = True if respond.lists >= respond.live_after else None
        row = {"id": 101, "active": active, "deployment": {"id": 1}, "notes": "x" * 2**20}
        return 200, {}, {"data": [row]} if "?" in request.path else {**row, "notes": ""}

    respond.lists, respond.live_after = 0, 10**9
    use_connection(scripted(respond).url)
    return respond


@pytest.mark.parametrize("live_after", [3, 5])
def test_a_wait_that_the_triggerer_cannot_read_ends_in_the_worker(
    execute, long_list, live_after, caplog
):
    caplog.set_level(logging.INFO)
    long_list.live_after = live_after
    execute(sensor(101, deferrable=True, poke_interval=0.01))
    # A page that is too long is asked for again as a whole list, so each look may take two
    # requests.
    assert long_list.lists >= live_after
    assert "goes on in this worker" in caplog.text


@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_such_a_wait_keeps_its_deadline(execute, long_list, soft_fail, error):
    began = real_time.time()
    with pytest.raises(error):
        execute(sensor(101, deferrable=True, poke_interval=0.05, timeout=1.5, soft_fail=soft_fail))
    assert long_list.lists > 2
    assert real_time.time() - began < 30
