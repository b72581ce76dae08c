from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests
from trifacta_emulator import (
    Fault,
)


@pytest.fixture
def add(api):
    def _add(effect, **matcher):
        return api.emulator.faults.add(Fault(effect, **matcher))

    return _add


@pytest.fixture
def upload(api):
    """Upload from another thread, with a session of its own."""
    with ThreadPoolExecutor(4) as pool:

        def _upload(package) -> Future[requests.Response]:
            url = f"{api.emulator.url}/v4/deployments/1/releases"
            files = {"data": ("flow.zip", package)}
            return pool.submit(requests.post, url, files=files, auth=api.session.auth, timeout=60)

        yield _upload
        # A test that failed must not leave a thread waiting.
        api.emulator.faults.clear()
