from __future__ import annotations

import io

import pytest
from trifacta_emulator import EmulatorOptions, MissingObjectError, read_package
from trifacta_emulator.state.store import Store


@pytest.fixture
def store(clock):
    return Store(EmulatorOptions(clock=clock))


@pytest.fixture
def parsed(package):
    return read_package(io.BytesIO(package))


def test_events(store, parsed):
    store.create_deployment("prod")
    first, second = (store.create_release(1, parsed).id for _ in range(2))
    store.update_release(first, active=True)
    store.update_release(first, active=True)
    store.update_release(first, notes="x")
    store.delete_release(second)
    store.delete_deployment(1)
    assert [(event.release_id, event.what) for event in store.events()] == [
        (None, "deployment created"),
        (first, "release created and activated"),
        (first, "release deactivated"),
        (second, "release created and activated"),
        (second, "release deactivated"),
        (first, "release activated"),
        (second, "release deleted"),
        (first, "release deleted"),
        (None, "deployment deleted"),
    ]


@pytest.mark.parametrize("reason", ["unknown", "deleted"])
def test_missing(store, parsed, reason):
    store.create_deployment("prod")
    store.create_release(1, parsed)
    if reason == "deleted":
        store.delete_deployment(1)
    deployment, release = (1, 101) if reason == "deleted" else (2, 102)
    for call in (
        lambda: store.deployment(deployment),
        lambda: store.rename_deployment(deployment, "x"),
        lambda: store.delete_deployment(deployment),
        lambda: store.create_release(deployment, parsed),
        lambda: store.preview_import(deployment, parsed),
        lambda: store.release(release),
        lambda: store.update_release(release, active=True),
        lambda: store.delete_release(release),
    ):
        with pytest.raises(MissingObjectError) as caught:
            call()
        assert caught.value.reason == reason
