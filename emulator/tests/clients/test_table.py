from __future__ import annotations

import client_table
from trifacta_emulator import Call


def call(method, path, status, query=""):
    return Call(method, path, query, status, {}, 0, 0)


def test_each_client_has_rows_and_no_other():
    """What each client does is compared with its rows by its own test."""
    rows = client_table.rows()
    assert set(rows.values()) <= {client_table.WORKS, client_table.REFUSED, client_table.MISSING}
    assert {one for one in client_table.CLIENTS if client_table.rows(one)} == set(
        client_table.CLIENTS
    )
    assert sum(len(client_table.rows(one)) for one in client_table.CLIENTS) == len(rows)


def test_what_calls_did():
    calls = [
        call("GET", "/v4/jobgroups/7/pdfResults", 404),
        call("GET", "/v4/jobgroups/8/pdfResults", 200),
        call("POST", "/v4/jobGroups/", 400),
        call("GET", "/v4/awsConfigs/current", 404, "limit=1"),
        call("PUT", "/v4/flows/7", 404),
    ]
    assert client_table.done(calls) == {
        "GET /v4/awsConfigs/current?limit=1": client_table.MISSING,
        "GET /v4/jobGroups/:id/pdfResults": client_table.WORKS,
        "POST /v4/jobGroups": client_table.REFUSED,
        "PUT /v4/flows/:id": client_table.MISSING,
    }
