from __future__ import annotations

import json
import os

import pytest
from trifacta_emulator import __main__ as command
from trifacta_emulator.__main__ import emulator_of


@pytest.fixture
def like(tmp_path):
    """Return a function that makes an emulator from a report and further arguments."""

    def make(report, *arguments):
        file = tmp_path / "answers.json"
        file.write_text(report if isinstance(report, str) else json.dumps(report))
        return emulator_of(["--port", "0", "--like", str(file), *arguments])

    return make


OPTIONS = {
    "product_version": "6.0.1",
    "instance_type": "prod",
    "inactive_value": False,
    "cancel_status": 202,
}


def test_options_and_scene(like):
    scene = {"roles": ["deployment"], "flows": 2, "deployments": 2, "releases": 2, "job_groups": 1}
    emulator = like({"options": OPTIONS, "scene": scene})
    options, store = emulator.options, emulator.store
    assert {name: getattr(options, name) for name in OPTIONS} == OPTIONS
    assert [user.roles for user in options.users] == [("deployment",), ()]
    assert (len(store.flows()), len(store.deployments()), len(store.job_groups())) == (2, 2, 1)
    newest = store.deployments()[0]
    assert [release.deployment_id for release in store.releases()] == [newest.id, newest.id]


def test_a_scene_may_be_unknown(like):
    emulator = like({"options": {}, "scene": {"roles": None, "flows": None}})
    assert emulator.options.users[0].roles == ("admin", "deployment")
    assert (emulator.store.flows(), emulator.store.deployments()) == ((), ())


def test_other_arguments_win(like):
    others = [
        "--choice",
        "cancel_status=200",
        "--product-version",
        "9.7.0",
        "--user",
        "me@example.com:pw",
        "--flow",
        "A",
    ]
    emulator = like({"options": OPTIONS, "scene": {"roles": ["admin"], "flows": 2}}, *others)
    options = emulator.options
    assert (options.cancel_status, options.product_version, options.inactive_value) == (
        200,
        "9.7.0",
        False,
    )
    assert [user.email for user in options.users] == ["me@example.com"]
    assert [flow.name for flow in options.flows] == ["A"]


EVIL = "\x1b]0;owned\x07\u202e"


@pytest.mark.parametrize(
    "report",
    [
        {"options": {EVIL: 1}, "scene": {}},
        {"options": {"product_version": EVIL}, "scene": {}},
        {"options": {}, "scene": {"roles": [EVIL * 10_000]}},
        {"options": {"cancel_status": [EVIL] * 10_000}, "scene": {}},
        "[" * 100_000,
    ],
)
def test_nothing_of_a_file_reaches_the_terminal_raw(like, capsys, report):
    with pytest.raises(SystemExit):
        like(report)
    shown = capsys.readouterr().err
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert len(shown.rpartition("error:")[2]) < 1000


def test_a_version_is_announced_without_control_characters(like, capsys):
    with like({"options": {"product_version": f"9.7.0+{EVIL}"}, "scene": {}}) as emulator:
        command._announce(emulator)
    shown = capsys.readouterr().out
    assert "9.7.0+" in shown
    assert all(one.isprintable() or one == "\n" for one in shown)


def test_no_file_that_blocks_or_is_huge(tmp_path, capsys):
    fifo, huge = tmp_path / "fifo", tmp_path / "huge"
    os.mkfifo(fifo)
    with huge.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    for path in (fifo, huge, tmp_path):
        with pytest.raises(SystemExit):
            emulator_of(["--like", str(path)])
    assert capsys.readouterr().err.count("error: argument --like") == 3


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("no JSON", "Expecting value"),
        ([], "is not a report of the probe"),
        ({"options": {}}, "is not a report of the probe"),
        ({"options": {"product_version": 9}, "scene": {}}, "is not a report of the probe"),
        ({"options": {}, "scene": {"roles": 1}}, "is not a report of the probe"),
        ({"options": {"users": []}, "scene": {}}, "unknown options: users"),
        ({"options": {"inactive_value": 0}, "scene": {}}, "inactive_value must be one of"),
        ({"options": {}, "scene": {"flows": -1}}, "scene.flows"),
        ({"options": {}, "scene": {"flows": 10**9}}, "scene.flows"),
        ({"options": {}, "scene": {"roles": ["boss"]}}, "a role must be one of"),
    ],
)
def test_another_file(like, capsys, report, message):
    with pytest.raises(SystemExit) as caught:
        like(report)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
