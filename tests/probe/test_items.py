"""Each choice of the emulator is found out, and an emulator that is started like the report gives the same report."""

from __future__ import annotations

import pytest
from trifacta_emulator import EmulatorOptions
from trifacta_emulator.options import choices

from airflow_provider_trifacta.probe.calls import CALLS
from airflow_provider_trifacta.probe.items import ITEMS, OPTIONS

#: Choices that cannot be seen from outside, and why.
UNSEEN: dict[str, str] = {}
OTHERS = [
    pytest.param(name, value, id=f"{name}-{value}")
    for name, values in choices().items()
    for value in values
    if value != getattr(EmulatorOptions(), name) and name not in UNSEEN
]


def found(report, name):
    return next(one for one in report.json["items"] if one["item"] == name)


def test_each_choice_has_an_item_or_a_reason():
    readings = {one.name: one.values for one in OPTIONS}
    assert readings.keys() | UNSEEN.keys() == choices().keys()
    assert not readings.keys() & UNSEEN.keys()
    for name, values in readings.items():
        assert set(values) == set(choices()[name])
        assert values[0] == getattr(EmulatorOptions(), name), f"{name}: our reading is the emulator's default"
    assert len({one.name for one in ITEMS}) == len(ITEMS)


def test_a_change_only_names_what_the_probe_made():
    changes = [call for call in CALLS if call.method != "GET"]
    made = ("{own}", "{first}", "{second}", "{idle}", "{token}")
    elsewhere = [call.key for call in changes if not any(one in call.path for one in made)]
    assert elsewhere == ["token", "created", "twin"]
    runs = [call.key for call in CALLS if call.path.endswith("/run")]
    assert runs == ["run", "run_first"]
    keys = [call.key for call in CALLS]
    assert keys.index("run") < keys.index("first"), "nothing can run before there is a release"


def test_the_defaults(furnished, probe, left_behind):
    emulator = furnished()
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 0
    assert {one["item"]: one["verdict"] for one in report.json["items"] if one["verdict"] != "confirmed"} == {}
    assert left_behind(emulator) == []


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_each_switched_choice_is_found_out(furnished, probe, like, left_behind, name, value):
    emulator = furnished(**{name: value})
    report = probe(emulator.url, "--write", probe.name)
    assert report.json["options"][name] == value
    assert found(report, name)["verdict"] == "refuted"
    options = {one: getattr(EmulatorOptions(), one) for one in choices()} | report.json["options"]
    assert {one: options[one] for one in choices()} == {one: getattr(emulator.options, one) for one in choices()}
    assert left_behind(emulator) == []
    assert (
        probe(like(report).url, "--write", probe.name, login="admin@example.com", password="admin-password").out
        == report.out
    )
