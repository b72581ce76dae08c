"""The connection form as each Airflow shows it: one description, two ways to it."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.get_provider_info import get_provider_info
from airflow_provider_trifacta.hooks.extras import _READERS
from airflow_provider_trifacta.hooks.form import CONN_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

pytestmark = pytest.mark.every_airflow

STANDARD = {"host": "host", "schema": "url_schema", "login": "login", "password": "password"}


def test_the_metadata_holds_the_form():
    (kind,) = get_provider_info()["connection-types"]
    assert kind["conn-fields"] == CONN_FIELDS
    assert kind["ui-field-behaviour"] == UI_FIELD_BEHAVIOUR


def test_the_form_shows_what_people_set_and_nothing_is_mandatory():
    assert list(CONN_FIELDS) == ["verify", "cert", "proxies", "read_timeout", "upload_timeout"]
    assert set(CONN_FIELDS) < set(_READERS)
    assert all("null" in field["schema"]["type"] for field in CONN_FIELDS.values())
    assert all({"label", "description", "schema"} <= set(field) for field in CONN_FIELDS.values())


def test_extra_stays_visible():
    assert "extra" not in UI_FIELD_BEHAVIOUR["hidden-fields"]


def test_the_hook_says_the_same_as_the_metadata():
    behaviour = TrifactaHook.get_ui_field_behaviour()
    assert {key.replace("_", "-"): value for key, value in behaviour.items()} == UI_FIELD_BEHAVIOUR


def test_the_widgets_of_airflow_2_are_the_same_fields():
    fields = pytest.importorskip("flask_appbuilder") and TrifactaHook.get_connection_form_widgets()
    kinds = {"StringField": "string", "IntegerField": "integer"}
    assert {
        name: (
            str(unbound.args[0]),
            unbound.kwargs["description"],
            kinds[unbound.field_class.__name__],
        )
        for name, unbound in fields.items()
    } == {
        name: (field["label"], field["description"], field["schema"]["type"][0])
        for name, field in CONN_FIELDS.items()
    }


@pytest.fixture(scope="module")
def hook_meta(airflow_db):  # noqa: ARG001
    """Read the route that the pages of Airflow 3 read, and return our part of it."""
    pytest.importorskip("airflow.api_fastapi.app", reason="Airflow 2 has no such route")
    from airflow import __version__

    if __version__.startswith("3.0."):
        pytest.skip("a plain Airflow 3.0 shows the standard fields only")
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        client = TestClient(create_app())
        token = client.get("/auth/token").json()["access_token"]
        rows = client.get(
            "/ui/connections/hook_meta", headers={"Authorization": f"Bearer {token}"}
        ).json()
    (row,) = [row for row in rows if row["connection_type"] == "trifacta"]
    return row


def test_airflow_3_serves_the_fields(hook_meta):
    assert {
        name: (field["schema"]["title"], field["description"], field["schema"]["type"])
        for name, field in hook_meta["extra_fields"].items()
    } == {
        name: (field["label"], field["description"], field["schema"]["type"])
        for name, field in CONN_FIELDS.items()
    }


def test_airflow_3_serves_the_relabelling(hook_meta):
    assert hook_meta["hook_name"] == "Trifacta"
    for name, label in UI_FIELD_BEHAVIOUR["relabeling"].items():
        shown = hook_meta["standard_fields"][STANDARD[name]]
        assert shown["title"] == label
        assert shown["placeholder"] == UI_FIELD_BEHAVIOUR["placeholders"].get(name)
        assert not shown["hidden"]
