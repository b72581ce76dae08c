from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.promotion.baseline import Baseline

START = datetime(2024, 5, 6, tzinfo=timezone.utc)


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


@pytest.fixture
def packages(make_package):
    """Packages by a letter; later letters are exported later."""
    made = {}

    def get(letter):
        if letter not in made:
            made[letter] = make_package(flow_name=letter, exported_at=START + timedelta(hours=ord(letter)))
        return made[letter]

    return get


@pytest.fixture
def take_baseline(client):
    return lambda: Baseline.read(client, 1)


@pytest.fixture
def client(emulator, time):
    config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password")
    with TrifactaClient(config, transport=Transport(config, sleep=lambda seconds: None), clock=time) as client:
        yield client
