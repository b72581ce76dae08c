from __future__ import annotations

import pytest
import requests
from trifacta_emulator.http.secrets import harmless, without_secrets

CANARY = "canary-9f3b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, CANARY)
            for name in (
                "Authorization",
                "Proxy-Authorization",
                "Cookie",
                "X-Auth-Token",
                "X-API-Key",
            )
        ),
        *(
            (name, CANARY)
            for name in ("apikey", "X-Csrf-Token", "client-secret", "X-Amz-Signature", "Password")
        ),
        ("X-Forwarded-For", f"Bearer {CANARY}"),
        ("X-Original", f"Basic {CANARY}"),
    ],
)
def test_no_credential_is_kept(api, name, value):
    """Neither as a header, nor in the query, nor over HTTP."""
    query = {name: value, "limit": "1"}
    requests.get(f"{api.emulator.url}/v4/flows", headers={name: value}, params=query, timeout=30)
    assert CANARY not in str(api.emulator.calls)
    assert CANARY not in requests.get(f"{api.emulator.url}/emulator/calls", timeout=30).text
    [call] = api.emulator.calls
    assert "limit=1" in call.query


def test_other_headers_stay():
    headers = {"x-execution-id": "7", "user-agent": "a", "content-type": "b", "x-author": "c"}
    assert harmless(headers) == headers
    assert (
        without_secrets("embed=releases&limit=1&x&access_token=a%20b")
        == "embed=releases&limit=1&x&access_token=***"
    )
