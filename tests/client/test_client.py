"""The resources of the client against the emulator."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AuthenticationError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.packages.flow_package import open_package


@pytest.fixture
def connect(emulator):
    clients = []

    def make(login="admin@example.com", password="admin-password"):
        clients.append(
            TrifactaClient(ClientConfig(base_url=emulator.url, login=login, password=password))
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def create(client, make_package):
    def run(deployment_id=1, **options):
        with open_package(make_package(**options)) as package:
            return client.releases.create(deployment_id, package.body())

    return run


def test_people(client):
    assert client.people.current().email == "admin@example.com"


def test_deployments(client):
    created = client.deployments.create("Second")
    assert created.name == "Second"
    assert created.created_at.tzinfo is not None
    assert client.deployments.get(created.id) == created
    assert [deployment.id for deployment in client.deployments.list()] == [2, 1]


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_a_deployment_needs_a_name(client, emulator, name):
    with pytest.raises(InvalidInputError, match="name must be a text"):
        client.deployments.create(name)
    assert emulator.calls == []


def test_deployments_beyond_the_first_page(client, emulator):
    for number in range(130):
        emulator.store.create_deployment(f"d{number}")
    assert len(client.deployments.list()) == 131


def test_releases(client, create):
    first = create(flow_name="A").release
    second = create(flow_name="A").release
    assert first.active
    assert second.active
    assert second.id > first.id
    assert first.deployment_id == second.deployment_id == 1
    assert not client.releases.get(first.id).active
    assert client.releases.get(second.id) == second
    assert [release.id for release in client.releases.list(1)] == [second.id, first.id]
    client.releases.activate(first.id)
    assert client.releases.get(first.id).active
    assert not client.releases.get(second.id).active
    client.releases.deactivate(first.id)
    assert not any(release.active for release in client.releases.list(1))


def test_the_result_of_an_import(create, emulator):
    emulator.drop_on_next_import({"datasources": [12], "flows": []})
    result = create(uuid="9bae78c0-2fcb-11e9-9523-77f56ed58844")
    assert result.release.package_uuid == "9bae78c0-2fcb-11e9-9523-77f56ed58844"
    assert len(result.primary_flow_ids) == 1
    assert result.dropped == {"datasources": [12]}
    assert create().dropped == {}


def test_releases_of_another_deployment_are_left_out(client, create, emulator):
    emulator.store.create_deployment("Second")
    create(deployment_id=1)
    other = create(deployment_id=2).release
    assert [release.id for release in client.releases.list(2)] == [other.id]


def test_deleted_releases_are_gone(client, create, emulator):
    release = create().release
    emulator.store.delete_release(release.id)
    assert client.releases.list(1) == []
    with pytest.raises(GoneError, match="deleted"):
        client.releases.get(release.id)
    with pytest.raises(NotFoundError):
        client.releases.get(999)


def test_who_may_do_what(connect):
    with pytest.raises(AuthenticationError):
        connect(password="wrong-password").people.current()
    with pytest.raises(PermissionDeniedError, match="Deployment role"):
        connect("author@example.com", "author-password").deployments.list()


def test_a_token_works_as_well_as_a_password(connect, emulator):
    user = ("admin@example.com", "admin-password")
    answer = requests.post(
        f"{emulator.url}/v4/apiAccessTokens", json={"lifetimeSeconds": 60}, auth=user, timeout=30
    )
    token = answer.json()["tokenValue"]
    assert connect(login=None, password=token).people.current().email == "admin@example.com"


def test_uploads_carry_an_exact_length(create, emulator):
    create()
    (call,) = [call for call in emulator.calls if call.method == "POST"]
    headers = {name.lower(): value for name, value in dict(call.headers).items()}
    assert "transfer-encoding" not in headers
    assert int(headers["content-length"]) > 500


def test_a_release_that_may_be_of_any_deployment_is_no_answer(scripted):
    server = scripted(lambda _: (200, {}, {"data": [{"id": 5, "active": True}]}))
    client = TrifactaClient(ClientConfig(base_url=server.url, password="long-token"))
    with pytest.raises(
        UnexpectedResponseError, match=r"which deployment the releases \[5\] belong to"
    ):
        client.releases.list(1)
    client.close()
