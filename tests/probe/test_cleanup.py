"""What the probe made is deleted after errors and signals; what is left is named; nothing else is
touched."""

from __future__ import annotations

import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from trifacta_emulator import Answer, Fault, Hold, Reset, build_package, read_package


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("created", signal.SIGINT),
        ("twin", signal.SIGTERM),
        ("dry_rule", signal.SIGHUP),
        ("first", signal.SIGINT),
        ("delete_active", signal.SIGTERM),
        ("third", signal.SIGINT),
    ],
)
def test_a_signal_stops_it_after_the_present_request(
    furnished, probe, during, left_behind, key, number
):
    emulator = furnished()
    during(key, lambda: signal.raise_signal(number))
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 1
    assert not left_behind(emulator)
    assert "stopped before" in report.out
    assert "NOT DELETED" not in report.err


def twice():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("key", ["created", "twin", "second"])
def test_a_second_signal_breaks_a_request_off(furnished, probe, during, left_behind, key):
    """The server has done its work, but the probe has not seen the answer."""
    emulator = furnished()
    during(key, twice, after=True)
    assert probe(emulator.url, "--write", probe.name).status == 1
    assert not left_behind(emulator)


RESET, LOST = Reset("after_commit"), Answer(502, html="<p>away</p>", when="after_commit")


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("created", RESET),
        ("created", LOST),
        ("twin", LOST),
        ("rules", RESET),
        ("first", RESET),
        ("second", LOST),
        ("delete_active", RESET),
        ("delete_deployment", LOST),
    ],
)
def test_nothing_is_left_after_a_lost_answer(furnished, probe, during, left_behind, key, effect):
    emulator = furnished()
    during(key, lambda: emulator.faults.add(Fault(effect)))
    report = probe(emulator.url, "--write", probe.name)
    assert not left_behind(emulator)
    assert report.status == 0
    assert report.json["items"]


def test_a_deletion_is_tried_again(furnished, probe, left_behind):
    emulator = furnished()
    emulator.faults.add(Fault(Reset(), method="DELETE", times=6))
    assert probe(emulator.url, "--write", probe.name).status == 0
    assert not left_behind(emulator)


def test_a_list_that_lags_hides_nothing(furnished, probe, left_behind):
    emulator = furnished(list_lag_seconds=3600)
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 0
    verdicts = {one["item"]: one["verdict"] for one in report.json["items"]}
    assert verdicts["listed_at_once"] == "refuted"
    assert verdicts["rolled_back"] == "confirmed", "it is read by its id"
    assert not left_behind(emulator)


def test_it_says_what_it_could_not_delete(furnished, probe, left_behind):
    emulator = furnished()
    emulator.faults.add(Fault(Answer(500), method="DELETE", path="/v4/deployments/*", times=None))
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 1
    left = sorted(one for kind, one in left_behind(emulator) if "Deployments" in kind)
    assert [f"NOT DELETED: deployments/{one}." in report.err for one in left] == [True, True]


def test_it_says_if_a_deployment_may_appear(furnished, probe, during):
    emulator = furnished()
    during("created", lambda: emulator.faults.add(Fault(Reset("after_body"))))
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 1
    assert "may appear" in report.err


def test_a_name_that_exists_is_refused(furnished, probe):
    emulator = furnished()
    emulator.store.create_deployment(probe.name)
    report = probe(emulator.url, "--write", probe.name)
    assert (report.status, report.json) == (1, None)
    assert {call.method for call in emulator.calls} == {"GET"}
    assert len(emulator.store.deployments()) == 1


def test_other_deployments_are_not_touched(furnished, probe):
    emulator = furnished()
    orders = emulator.store.create_deployment("Orders")
    package = read_package(io.BytesIO(build_package()))
    releases = [emulator.store.create_release(orders.id, package) for _ in range(2)]
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 0
    assert emulator.store.deployments() == (orders,)
    assert emulator.store.releases() == (emulator.store.release(releases[0].id), releases[1])
    changed = [call.path for call in emulator.calls if call.method != "GET"]
    assert not [path for path in changed if f"/deployments/{orders.id}" in path]


def test_without_write_it_only_reads(furnished, probe):
    emulator = furnished()
    assert probe(emulator.url).status == 0
    assert {call.method for call in emulator.calls} == {"GET"}


def test_a_signal_does_not_break_a_request_off(furnished, probe, left_behind):
    """The release exists on the server before the probe knows it."""
    emulator = furnished()
    upload = emulator.faults.add(
        Fault(Hold("after_commit"), method="POST", path="/v4/deployments/*/releases")
    )

    def terminate():
        upload.wait_until_waiting()
        os.kill(os.getpid(), signal.SIGTERM)
        upload.release()

    with ThreadPoolExecutor() as pool:
        terminated = pool.submit(terminate)
        report = probe(emulator.url, "--write", probe.name)
        terminated.result()
    verdicts = {one["item"]: one for one in report.json["items"]}
    assert report.status == 1
    assert verdicts["import_status"]["verdict"] == "confirmed"
    assert verdicts["takes_over"]["why"] == "stopped before"
    assert not left_behind(emulator)
