"""Assets that stand for deployments: what operators announce is accepted as it is, and nothing
else.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from airflow import __version__ as version

from airflow_provider_trifacta import assets
from airflow_provider_trifacta._compat import Asset, AssetAlias
from airflow_provider_trifacta.assets import deployment_asset, deployment_uri, sanitize_uri
from airflow_provider_trifacta.client.config import resolve_base_url
from airflow_provider_trifacta.client.errors import ConfigurationError, InvalidInputError
from airflow_provider_trifacta.get_provider_info import get_provider_info
from airflow_provider_trifacta.operators._base import Attempt
from airflow_provider_trifacta.operators.release import CreateReleaseOperator

on_airflow_3 = pytest.mark.skipif(Asset is None, reason="there are assets on Airflow 3")

HOSTS = [
    "trifacta.example.com",
    "Trifacta.Example.COM:3005",
    "http://trifacta.example.com/base/path",
    "https://trifacta.example.com:443/Base",
    "[2001:DB8::5]:3005",
    "10.0.0.1:80/x/deployments",
    "trifacta.example.com/a%20b",
    "x/" + "long/" * 200,
]


@pytest.mark.parametrize("host", HOSTS)
def test_what_operators_announce_stays_as_it_is(host):
    uri = deployment_uri(resolve_base_url(host), 4)
    assert sanitize_uri(urlsplit(uri)).geturl() == uri


@pytest.mark.fuzz
def test_it_is_never_refused_whatever_the_connection_has(rounds):
    """A refusal would fail a task after it made a release live."""
    dice = random.Random(27)
    letters = "aZ9.-_~:/%[]@?# éß\\"
    accepted = 0
    for _ in range(rounds(5000)):
        host = "".join(dice.choice(letters) for _ in range(dice.randint(1, 12)))
        try:
            base_url = resolve_base_url(host, port=dice.choice([None, 80, 3005]))
        except ConfigurationError:
            continue
        accepted += 1
        uri = deployment_uri(base_url, 4)
        parts = urlsplit(uri)
        # As Airflow does before it asks.
        parts = parts._replace(path=parts.path.rstrip("/") or "/")
        assert sanitize_uri(parts).geturl() == uri
    assert accepted > 100


@pytest.mark.parametrize(
    "uri",
    [
        "trifacta://",
        "trifacta:///deployments/4",
        "trifacta://host",
        "trifacta://host/",
        "trifacta://host/deployments",
        "trifacta://host/deployments/orders",
        "trifacta://host/deployments/0",
        "trifacta://host/deployments/04",
        "trifacta://host/deployments/4/releases",
        "trifacta://host/deployment/4",
        "trifacta://host/Deployments/4",
        "trifacta://host//deployments/4",
        "trifacta://host/v4/deployments/4",
        "trifacta://host:port/deployments/4",
        "trifacta://host:0/deployments/4",
        "trifacta://host:99999/deployments/4",
        "trifacta://me:hushhush@host/deployments/4",
        "trifacta://me@host/deployments/4",
        "trifacta://host/deployments/4?a=b",
        "trifacta://host/deployments/4#a",
        "trifacta://https://host/deployments/4",
        "trifacta://a b/deployments/4",
    ],
)
def test_what_no_operator_can_announce_is_refused(uri):
    with pytest.raises(ValueError, match="never gets an event") as caught:
        sanitize_uri(urlsplit(uri))
    assert "hushhush" not in str(caught.value)


@on_airflow_3
@pytest.mark.every_airflow
@pytest.mark.usefixtures("airflow_db")
def test_airflow_asks_the_provider():
    assert Asset("trifacta://HOST:3005/deployments/4").uri == "trifacta://host:3005/deployments/4"
    with pytest.raises(ValueError, match="never gets an event"):
        Asset("trifacta://host/deployment/4")
    (entry,) = get_provider_info()["asset-uris"]
    assert entry["factory"] == f"{assets.__name__}.deployment_asset"


@on_airflow_3
@pytest.mark.every_airflow
@pytest.mark.parametrize("host", HOSTS)
def test_an_author_gets_the_asset_of_the_operators(host):
    from airflow.sdk.execution_time.context import OutletEventAccessors

    alias, events = AssetAlias("releases"), OutletEventAccessors()
    operator = CreateReleaseOperator(task_id="t", package_path="p", outlets=[alias])
    config = SimpleNamespace(base_url=resolve_base_url(host))
    attempt = Attempt(operator, {"ti": None, "outlet_events": events})
    attempt.announce_live(SimpleNamespace(config=config), 4, release_id=5)
    (event,) = events[alias].asset_alias_events
    asset = deployment_asset("4", host=host)
    assert (event.dest_asset_key.name, event.dest_asset_key.uri) == (asset.name, asset.uri)


@on_airflow_3
@pytest.mark.every_airflow
def test_the_fields_of_a_connection_make_one_asset():
    same = [
        deployment_asset(4, host="trifacta.example.com", port=3005, schema="https"),
        deployment_asset(4, host="https://TRIFACTA.example.com:3005", extra={"team": "a"}),
        deployment_asset(4, host="http://trifacta.example.com:3005/"),
    ]
    assert {asset.uri for asset in same} == {"trifacta://trifacta.example.com:3005/deployments/4"}
    assert same[1].extra == {"team": "a"}


@on_airflow_3
@pytest.mark.every_airflow
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"deployment_id": 0, "host": "host"}, InvalidInputError),
        ({"deployment_id": "orders", "host": "host"}, InvalidInputError),
        ({"deployment_id": 4, "host": ""}, ConfigurationError),
        ({"deployment_id": 4, "host": "me:hushhush@host"}, ConfigurationError),
    ],
)
def test_fields_of_no_instance_are_refused(fields, error):
    with pytest.raises(error):
        deployment_asset(**fields)


@pytest.mark.every_airflow
@pytest.mark.skipif(not version.startswith("2."), reason="Airflow 3 has assets")
def test_airflow_2_is_named():
    with pytest.raises(ImportError):
        deployment_asset(4, host="host")
