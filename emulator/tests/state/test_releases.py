from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

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
