"""Calls about flows, and what a package holds."""

from __future__ import annotations

import io

from trifacta_emulator import read_package

COUNTED = (
    "flows",
    "flownodes",
    "flowedges",
    "recipes",
    "datasources",
    "outputobjects",
    "writesettings",
)


def export(api, flow_id=1001, **params):
    response = api.get(f"/v4/flows/{flow_id}/package", params=params)
    assert response.status_code == 200, response.text
    return response.content


def read(content):
    return read_package(io.BytesIO(content))


def counts(package):
    return {table: len(package.tables[table]) for table in COUNTED}


def post(api, package, path="package", part="data", **kwargs):
    return api("POST", f"/v4/flows/{path}", files={part: ("flow.zip", package)}, **kwargs)
