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


def test_the_members_are_these_and_nothing_is_there_by_accident():
    kinds = {
        name
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, BaseException)
    }
    members = {
        name
        for name, one in vars(client).items()
        if not name.startswith("_") and name != "annotations" and not inspect.ismodule(one)
    }
    assert members == PUBLIC | kinds
