from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.promoter import Promoter
from airflow_provider_trifacta.promotion.tries import Tries, TryFacts

START = datetime(2024, 5, 6, tzinfo=timezone.utc)


@pytest.fixture
def lagging(monkeypatch):
    """Return a function that makes lists lag: after the next change they show how it was before, so
    many times."""

    def arm(reads):
        read, before = Releases.list, []
        left = [reads]

        def list_of(self, deployment_id, **options):
            now = read(self, deployment_id, **options)
            if not before:
                before.append(now)
                return now
            if left[0] and {(one.id, one.active) for one in now} != {
                (one.id, one.active) for one in before[0]
            }:
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
            made[letter] = make_package(
                flow_name=letter, exported_at=START + timedelta(hours=ord(letter))
            )
        return made[letter]

    return get


@pytest.fixture
def take_baseline(client):
    return lambda: Baseline.read(client, 1)


@pytest.fixture
def client(emulator, time):
    config = ClientConfig(
        base_url=emulator.url,
        login="admin@example.com",
        password="admin-password",
        upload_timeout=5,
    )
    # The client's own repetitions take no part in the fake time of the wait.
    with TrifactaClient(
        config, transport=Transport(config, sleep=lambda _: None), clock=time
    ) as client:
        yield client


@pytest.fixture
def other_person(client, packages):
    """Return a function that makes a release of package B, as another person would."""

    def create():
        with open_package(packages("B")) as package:
            client.releases.create(1, package.body())

    return create


@pytest.fixture
def promote(client, packages):
    began = datetime.now(timezone.utc)

    def run(letter="A", deployment_id=1, first_attempt=True, began=began, **options):
        # The run of a test begins with the test.
        tries = Tries.begin(TryFacts(1 if first_attempt else 2, 1, 1), run_began=began)
        options = {"tries": tries, **options}
        with open_package(packages(letter)) as package:
            return Promoter(client, deployment_id, package, **options).run()

    return run


@pytest.fixture
def uploads(emulator):
    return lambda: [call for call in emulator.calls if call.method == "POST"]


@pytest.fixture
def ids(emulator):
    return lambda: sorted(release.id for release in emulator.store.releases(1))
