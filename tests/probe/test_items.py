"""Each choice of the emulator is found out, and an emulator that is started like the report gives
the same report."""

from __future__ import annotations

import io

import pytest
from trifacta_emulator import Answer, EmulatorOptions, Fault, build_package, read_package
from trifacta_emulator.options import choices

from airflow_provider_trifacta.probe.calls import CALLS
from airflow_provider_trifacta.probe.choices import OPTIONS
from airflow_provider_trifacta.probe.items import ITEMS

#: Choices that cannot be seen from outside, and why.
UNSEEN: dict[str, str] = {
    "release_row": (
        "only a request of the same quarter of a second sees it, and the probe sends one at a time"
    ),
}
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
        assert values[0] == getattr(EmulatorOptions(), name), (
            f"{name}: our reading is the emulator's default"
        )
    assert len({one.name for one in ITEMS}) == len(ITEMS)


def test_a_change_only_names_what_the_probe_made():
    changes = [call for call in CALLS if call.method != "GET"]
    made = ("{own}", "{first}", "{second}", "{idle}", "{idle_flow}", "{token}")
    elsewhere = [call.key for call in changes if not any(one in call.path for one in made)]
    assert elsewhere == ["token", "created", "twin", "dry_plain"]
    runs = [call.key for call in CALLS if call.path.endswith("/run")]
    assert runs == ["run", "run_first", "run_flow"]
    keys = [call.key for call in CALLS]
    assert keys.index("run") < keys.index("first"), "nothing can run before there is a release"


def test_the_defaults(furnished, probe, left_behind):
    emulator = furnished()
    report = probe(emulator.url, "--write", probe.name)
    assert report.status == 0
    assert [one["item"] for one in report.json["items"] if one["verdict"] != "confirmed"] == []
    assert not left_behind(emulator)


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_each_switched_choice_is_found_out(furnished, probe, left_behind, name, value):
    emulator = furnished(**{name: value})
    report = probe(emulator.url, "--write", probe.name)
    assert found(report, name)["verdict"] == "refuted"
    options = {one: getattr(EmulatorOptions(), one) for one in choices()} | report.json["options"]
    assert {one: options[one] for one in choices()} == {
        one: getattr(emulator.options, one) for one in choices()
    }
    assert not left_behind(emulator)


SOME = [
    {},
    {
        "product_version": "6.8.0",
        "dry_run_errors": "body",
        "unmapped_connections": "refuse",
        "canceled_word": "Cancelled",
    },
    {
        "instance_type": "dev",
        "unauthorized_body": "text",
        "run_answer": "flow_run",
        "unknown_id_status": 400,
    },
    {"deployment_manager": False, "job_error_shape": "object", "cancel_status": 202},
]


@pytest.mark.parametrize("arguments", [["--write", "Like"], []], ids=["write", "read"])
@pytest.mark.parametrize("options", SOME, ids=range(len(SOME)))
def test_an_emulator_like_the_report_gives_the_same_report(
    furnished, probe, like, options, arguments
):
    emulator = furnished(**options)
    package = read_package(io.BytesIO(build_package(generation="6.8")))
    for number in range(3):
        deployment = emulator.store.create_deployment(f"canary {number}")
        for _ in range(number):
            emulator.store.create_release(deployment.id, package)
    report = probe(emulator.url, *arguments)
    again = probe(
        like(report).url, *arguments, login="admin@example.com", password="admin-password"
    )
    assert (again.out, again.json) == (report.out, report.json)
    assert "confirmed" in report.out
    if not options and not arguments:
        assert found(report, "releases_order")["verdict"] == "confirmed", (
            "what is there is looked at"
        )


def test_arguments_beside_the_report_win(furnished, probe, like):
    report = probe(furnished(inactive_value=False, cancel_status=202).url, "--write", probe.name)
    options = like(
        report, "--choice", "cancel_status=200", "--product-version", "8.6.0", "--flow", "Mine"
    ).options
    assert (options.inactive_value, options.cancel_status, options.product_version) == (
        False,
        200,
        "8.6.0",
    )
    assert [flow.name for flow in options.flows] == ["Mine"]


def test_what_an_instance_does_counts_for_more_than_what_it_says(furnished, probe):
    emulator = furnished()
    words = {"data": [{"id": 7, "status": "Failed"}, {"id": 6, "status": "Cancelled"}]}
    emulator.faults.add(Fault(Answer(200, body=words), path="/v4/jobGroups"))
    jobs = {"data": [{"id": 8, "errorMessage": None}, {"id": 9, "errorMessage": {"message": "?"}}]}
    emulator.faults.add(Fault(Answer(200, body=jobs), path="/v4/jobGroups/7/jobs"))
    options = probe(emulator.url).json["options"]
    assert (options["canceled_word"], options["job_error_shape"]) == ("Cancelled", "object")


def test_an_instance_before_6_8_needs_a_package_of_its_own(furnished, probe):
    report = probe(furnished(product_version="6.4.2").url, "--write", probe.name)
    assert report.status == 0
    assert found(report, "release_notes")["why"] == "needs a package of the probe's own"
    assert found(report, "run_without_output")["verdict"] == "confirmed"
