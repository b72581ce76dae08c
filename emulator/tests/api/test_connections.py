from __future__ import annotations

import uuid

import pytest
from trifacta_emulator import MissingObjectError, PresetConnection, ValidationError

UUID = "d75255f0-a245-11e7-8618-adc1dbb4bed0"


def test_list_and_read(start):
    """[P: AAC25] [R: D64] Place, parameters and credentials are always there; no secret is."""
    api = start(
        connections=(
            PresetConnection("orders", UUID),
            PresetConnection("stock", type="snowflake", vendor="x"),
        )
    )
    second, first = api.json("/v4/connections")["data"]
    assert first == {
        "id": 12001,
        "uuid": UUID,
        "name": "orders",
        "description": "",
        "type": "jdbc",
        "vendor": "postgres",
        "vendorName": "postgres",
        "host": "postgres.example.com",
        "port": 5432,
        "ssl": False,
        "params": {"connectStrOpts": ""},
        "connectParams": {"vendor": "postgres", "host": "postgres.example.com", "port": 5432},
        "credentials": [{"username": "trifacta"}],
        "credentialType": "basic",
        "credentialsShared": True,
        "isGlobal": False,
        "disableTypeInference": False,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
        "creator": {"id": 1},
        "updater": {"id": 1},
        "workspace": {"id": 1},
    }
    assert (second["id"], second["name"], second["type"], second["vendor"]) == (
        12002,
        "stock",
        "snowflake",
        "x",
    )
    assert str(uuid.UUID(second["uuid"])) == second["uuid"]
    assert api.json("/v4/connections/12001") == first
    assert api.json("/v4/connections/12001", fields="id;name") == {"id": 12001, "name": "orders"}


def test_list_parameters(api):
    for number in range(27):
        api.emulator.store.create_connection(f"connection {number}")
    assert len(api.json("/v4/connections")["data"]) == 25
    assert len(api.json("/v4/connections", noLimit="true")["data"]) == 27
    page = api.json(
        "/v4/connections", limit=2, offset=25, includeCount="true", sort="-id", fields="id"
    )
    assert page == {"data": [{"id": 12002}, {"id": 12001}], "count": 27}
    [row] = api.json("/v4/connections", filter="connection 7", filterType="exact")["data"]
    assert row["name"] == "connection 7"


@pytest.mark.parametrize("options", [{}, {"unknown_id_status": 400}])
def test_unknown(start, options):
    api = start(**options)
    assert api.get("/v4/connections/1").status_code == options.get("unknown_id_status", 404)


def test_who_may_read(start):
    # Connections are no matter of deployments.
    api = start(instance_type="dev")
    assert api.json("/v4/connections") == {"data": []}
    api.session.auth = None
    assert api.get("/v4/connections").status_code == 401


def test_store(api):
    store = api.emulator.store
    one = store.create_connection("orders", UUID, kind="jdbc", vendor="oracle", user_id=2)
    assert (one.uuid, one.vendor, one.creator) == (UUID, "oracle", 2)
    with pytest.raises(ValidationError, match="already"):
        store.create_connection("other", UUID)
    other = store.create_connection("orders")
    assert store.connections() == (one, other)
    assert store.connection(other.id) == other
    with pytest.raises(MissingObjectError):
        store.connection(1)
