"""The public surface of the client: what users may import."""

from __future__ import annotations

import inspect

from airflow_provider_trifacta import client
from airflow_provider_trifacta.client import errors

PUBLIC = {
    *("ClientConfig", "Clock", "TrifactaClient", "resolve_base_url"),
    *(
        "Connection",
        "Deployment",
        "Flow",
        "FlowImport",
        "ImportResult",
        "ImportRule",
        "JobGroup",
        "Person",
        "Recipe",
        "Release",
    ),
}


def test_the_members_are_these():
    kinds = {name for name, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, BaseException)}
    assert set(client.__all__) == PUBLIC | kinds
    assert sorted(client.__all__) == client.__all__
    assert all(hasattr(client, name) for name in client.__all__)


def test_nothing_else_is_there_by_accident():
    others = {
        name
        for name, one in vars(client).items()
        if not name.startswith("_") and name != "annotations" and not inspect.ismodule(one)
    }
    assert others == set(client.__all__)
