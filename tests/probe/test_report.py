"""A report holds words of the documents alone: no secret, no host, no name and no text of the
instance."""

from __future__ import annotations

import pytest
from trifacta_emulator import Answer, Fault, PresetToken

from airflow_provider_trifacta.probe.items import ITEMS

CANARY = "canary"
ODD_KEYS = {
    "id": CANARY,
    "name": CANARY,
    "status": CANARY,
    "active": CANARY,
    CANARY: CANARY,
    "latestRelease": CANARY,
}
ODD = {
    **ODD_KEYS,
    "info": {"version": f"9.7.0-{CANARY}"},
    "authorizationRoles": [{"name": CANARY}, {"name": "admin"}],
    "data": [ODD_KEYS, ODD_KEYS],
    "release": {**ODD_KEYS, "notes": CANARY, "packageUuid": CANARY},
    "releases": {"data": [ODD_KEYS]},
    "importRuleChanges": {"value": [ODD_KEYS]},
    "datasources": [{"connectionId": CANARY}],
    "primaryFlowIds": [CANARY],
    "tokenInfo": {"tokenId": "none"},
}


@pytest.mark.parametrize("arguments", [[], ["--write"]], ids=["read", "write"])
def test_of_a_usual_instance(furnished, clean, probe, arguments):
    emulator = furnished()
    emulator.store.create_deployment(f"{CANARY} two")
    clean(emulator, *arguments, *([probe.name] if arguments else []))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ODD),
        (201, ODD),
        (200, [CANARY]),
        (201, CANARY),
        (201, None),
        (400, {"exception": {"name": CANARY, "message": "disabled", CANARY: CANARY}}),
    ],
)
def test_of_an_odd_instance(furnished, clean, probe, status, body):
    """The names of deployments are read as they are, so that the probe goes on to its changes."""
    emulator = furnished()
    for method, path in (
        ("GET", "/v4/**"),
        ("POST", "/v4/**"),
        ("PATCH", "/v4/**"),
        ("DELETE", "/v4/**"),
    ):
        skip = 2 if method == "GET" else 0
        emulator.faults.add(
            Fault(Answer(status, body=body), method=method, path=path, skip=skip, times=None)
        )
    report = clean(emulator, "--write", probe.name)
    assert len(report.json["items"]) == len(ITEMS)
    assert set(report.json["scene"]["roles"] or ()) <= {"admin"}
    assert emulator.store.job_groups() == emulator.store.job_groups()[:1]


def test_of_a_proxy_in_front(furnished, clean):
    emulator = furnished()
    emulator.faults.add(Fault(Answer(200, html=f"<p>{CANARY}</p>"), skip=1, times=None))
    assert {one["verdict"] for one in clean(emulator).json["items"]} == {"not tested"}


def test_of_a_token(furnished, clean):
    emulator = furnished(tokens=(PresetToken(f"{CANARY}-token", f"{CANARY}@example.com"),))
    report = clean(emulator, login="", password=f"{CANARY}-token")
    assert report.json["options"]["api_tokens_enabled"] is True


@pytest.mark.parametrize("fields", [{"password": "wrong-password"}, {"host": "http://127.0.0.1:9"}])
def test_an_instance_that_cannot_be_used(furnished, probe, fields):
    report = (
        probe(**{"url": furnished().url, **fields})
        if "host" not in fields
        else probe(fields["host"])
    )
    assert (report.status, report.out, report.json) == (1, "", None)
    assert report.err.startswith("FAILED: ")


def test_a_package_of_the_user(furnished, probe, make_package):
    """Before 6.8 only packages of the same build are taken, which the probe cannot write."""
    emulator = furnished(product_version="6.8.0")
    own = make_package(generation="6.8", comment="Weekly")
    report = probe(emulator.url, "--write", probe.name, "--package", str(own))
    assert report.status == 0
    verdicts = {one["item"]: one for one in report.json["items"]}
    assert verdicts["package_uuid"]["verdict"] == "confirmed"
    assert verdicts["run_manual"]["verdict"] == "not tested", "that package could run"
    assert len(emulator.store.job_groups()) == 1


def test_a_package_that_is_none(furnished, probe, tmp_path):
    emulator = furnished()
    (tmp_path / "flow.zip").write_bytes(b"not a ZIP")
    assert (
        probe(emulator.url, "--write", probe.name, "--package", str(tmp_path / "flow.zip")).status
        == 1
    )
    assert emulator.calls == []


def test_a_report_that_cannot_be_written(furnished, probe, tmp_path):
    emulator = furnished()
    report = probe(
        emulator.url, "--write", probe.name, "--json", str(tmp_path / "no" / "answers.json")
    )
    assert (report.status, report.out) == (1, "")
    assert {call.method for call in emulator.calls} == {"GET"}
