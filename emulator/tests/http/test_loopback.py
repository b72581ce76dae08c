from __future__ import annotations

import os
import subprocess
import sys

import pytest
from trifacta_emulator.http.loopback import is_loopback, without_proxy

LOOPBACK = "localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("environment", "exempt"),
    [
        ({}, LOOPBACK),
        ({"NO_PROXY": "a.example.com, .b.example.com"}, f"a.example.com,.b.example.com,{LOOPBACK}"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, f"a,{LOOPBACK}"),
        ({"no_proxy": "", "NO_PROXY": "b"}, f"b,{LOOPBACK}"),
        ({"no_proxy": "127.0.0.1"}, "127.0.0.1,localhost,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_this_machine_is_exempt_in_addition_to_what_is_already(environment, exempt):
    assert without_proxy(environment) == {"no_proxy": exempt, "NO_PROXY": exempt}


A_TEST = """
import requests


def test_it(trifacta_emulator):
    user = ("admin@example.com", "admin-password")
    answer = requests.get(f"{trifacta_emulator.url}/v4/people/current", auth=user, timeout=10)
    assert answer.json()["email"] == "admin@example.com"
    assert requests.get(trifacta_emulator.url, timeout=10).ok
"""


@pytest.mark.slow
def test_the_fixture_works_behind_a_proxy(tmp_path):
    (tmp_path / "test_it.py").write_text(A_TEST)
    dead = dict.fromkeys(
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"],
        "http://127.0.0.1:9",
    )
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, env={**environment, **dead}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(
            (one, True)
            for one in (
                "127.0.0.1",
                "127.1.2.3",
                "::1",
                "localhost",
                "LOCALHOST",
                "::ffff:127.0.0.1",
            )
        ),
        *(
            (one, False)
            for one in (
                "0.0.0.0",
                "::",
                "10.0.0.1",
                "::ffff:10.0.0.1",
                "fe80::1%eth0",
                "example.com",
                "",
            )
        ),
    ],
)
def test_which_addresses_are_this_machines_alone(host, expected):
    assert is_loopback(host) is expected
