from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.releases import Releases


@pytest.fixture
def lagging(monkeypatch):
    """Return a function that makes lists lag: after the next change they show how it was before, so many times."""

    def arm(reads):
        read, before = Releases.list, []
        left = [reads]

        def list_of(self, deployment_id, **options):
            now = read(self, deployment_id, **options)
            if not before:
                before.append(now)
                return now
            if left[0] and {(one.id, one.active) for one in now} != {(one.id, one.active) for one in before[0]}:
                left[0] -= 1
                return before[0]
            return now

        monkeypatch.setattr(Releases, "list", list_of)

    return arm
