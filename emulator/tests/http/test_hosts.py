from __future__ import annotations

import pytest
import requests
from trifacta_emulator import Emulator, ServerOptions
from trifacta_emulator.http.hosts import host_of

PATHS = (
    "/",
    "/v4/people/current",
    "/deployments/1",
    "/emulator/health",
    "/emulator/calls",
    "/nothing",
    "/login",
)


@pytest.mark.parametrize("path", PATHS)
def test_each_path_is_served_under_its_own_names(api, path):
    """A web page whose name was led to this machine says that name."""
    for host in (
        "evil.example.com",
        "evil.example.com:80",
        "10.0.0.1",
        "127.0.0.1.evil.example.com",
        "[::1",
        "a:b:c",
    ):
        answer = api.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["exception"]["name"]) == (
            403,
            "HostNotAllowedException",
        )
    for host in ("localhost", "LOCALHOST:1", "[::1]:3005", "127.0.0.2"):
        assert api.get(path, headers={"Host": host}).status_code != 403


def test_allowed_names():
    server = ServerOptions(allowed_hosts=("Trifacta-Dev", "192.0.2.7"))
    with Emulator(server=server) as emulator:
        for host, status in (
            ("trifacta-dev:3005", 200),
            ("192.0.2.7", 200),
            ("trifacta-prod", 403),
        ):
            answer = requests.get(
                f"{emulator.url}/emulator/health", headers={"Host": host}, timeout=30
            )
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("A.b:1", "a.b"),
        ("[::1]:2", "::1"),
        ("a", "a"),
        ("", ""),
        ("a:b", None),
        ("[::1", None),
        ("a:1:2", None),
    ],
)
def test_host_of(header, name):
    assert host_of(header) == name
