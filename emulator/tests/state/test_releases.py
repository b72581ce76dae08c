from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from trifacta_emulator import EmulatorOptions, read_package
from trifacta_emulator.state.store import Store


def test_one_active_among_threads(clock, package):
    store, parsed = Store(EmulatorOptions(clock=clock)), read_package(io.BytesIO(package))
    store.create_deployment("prod")
    store.create_release(1, parsed)

    def work(number):
        store.create_release(1, parsed)
        present = store.releases(1)
        store.update_release(present[number % len(present)].id, active=True)
        return sum(row.active for row in store.releases(1))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(200))) == {1}


def test_a_release_shows_the_uuid_of_its_package_or_one_of_its_own(clock, package):
    parsed = read_package(io.BytesIO(package))
    shown = {}
    for choice in ("package", "own"):
        store = Store(EmulatorOptions(clock=clock, package_uuid=choice))
        store.create_deployment("prod")
        shown[choice] = [store.create_release(1, parsed).package_uuid for _ in range(2)]
    assert shown["package"] == [parsed.uuid, parsed.uuid]
    assert len({parsed.uuid, *shown["own"]}) == 3


@pytest.mark.parametrize("touches", [True, False])
@pytest.mark.parametrize("how", ["an import", "an activation"])
def test_whether_a_replaced_release_gets_a_new_time(clock, package, touches, how):
    store = Store(EmulatorOptions(clock=clock, replacing_touches_updated_at=touches))
    parsed = read_package(io.BytesIO(package))
    store.create_deployment("prod")
    old = store.create_release(1, parsed)
    if how == "an activation":
        replaced = store.create_release(1, parsed)
        clock.advance(seconds=5)
        store.update_release(old.id, active=True)
    else:
        replaced = old
        clock.advance(seconds=5)
        store.create_release(1, parsed)
    after = store.release(replaced.id)
    assert not after.active
    assert (after.updated_at != replaced.updated_at) == touches
