from __future__ import annotations

import json

import pytest
from trifacta_emulator.__main__ import emulator_of


@pytest.fixture
def like(tmp_path):
    """Return a function that makes an emulator from a report and further arguments."""

    def make(report, *arguments):
        file = tmp_path / "answers.json"
        file.write_text(report if isinstance(report, str) else json.dumps(report))
        return emulator_of(["--port", "0", "--like", str(file), *arguments])

    return make


OPTIONS = {"product_version": "6.0.1", "instance_type": "prod", "inactive_value": False, "cancel_status": 202}


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
    assert (options.cancel_status, options.product_version, options.inactive_value) == (200, "9.7.0", False)
    assert [user.email for user in options.users] == ["me@example.com"]
    assert [flow.name for flow in options.flows] == ["A"]


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
