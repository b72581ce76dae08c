from __future__ import annotations

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_client_reaches_it_behind_a_proxy(monkeypatch, request, name):
    for exempt in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exempt, raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    emulator = request.getfixturevalue("trifacta_emulator")
    user = {"login": "admin@example.com", "password": "admin-password"}
    with TrifactaClient(ClientConfig(base_url=emulator.url, read_retries=0, **user)) as client:
        assert client.people.current().email == "admin@example.com"
