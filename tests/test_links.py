from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_trifacta import links
from airflow_provider_trifacta.links import TrifactaDeploymentLink, TrifactaJobLink
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

pytestmark = pytest.mark.every_airflow


@pytest.mark.parametrize("cls", [GetDeploymentOperator, CreateReleaseOperator, ReleaseActiveSensor])
def test_every_task_has_the_link(cls):
    assert [type(link) for link in cls.operator_extra_links] == [TrifactaDeploymentLink]


@pytest.mark.parametrize(
    ("cls", "links"),
    [
        (RunDeploymentOperator, [TrifactaJobLink, TrifactaDeploymentLink]),
        *(
            (cls, [TrifactaJobLink])
            for cls in (JobGroupSensor, RunFlowOperator, RunJobGroupOperator)
        ),
    ],
)
def test_what_runs_leads_to_its_jobs(cls, links):
    assert [type(link) for link in cls.operator_extra_links] == links


@pytest.mark.parametrize(
    ("pushed", "shown"),
    [
        (["https://a/jobs/1", "https://a/jobs/2"], "https://a/jobs/1"),
        ([], ""),
        (None, ""),
        (["javascript:alert(1)"], ""),
        ([7], ""),
        ("https://a/jobs/1", ""),
    ],
)
def test_the_first_job_group_is_shown(monkeypatch, pushed, shown):
    asked = []

    def get_value(**keywords):
        asked.append(keywords)
        return pushed

    monkeypatch.setattr(links, "XCom", SimpleNamespace(get_value=get_value))
    assert TrifactaJobLink().get_link(None, ti_key="the key") == shown
    assert asked == [{"ti_key": "the key", "key": "job_urls"}]


@pytest.mark.parametrize(
    ("pushed", "shown"),
    [
        ("https://a/deployments/1", "https://a/deployments/1"),
        (None, ""),
        ("javascript:alert(1)", ""),
        ("https://a/\x1b[2J", ""),
        ({"a": 1}, ""),
    ],
)
def test_it_reads_an_xcom_and_nothing_else(monkeypatch, pushed, shown):
    asked = []

    def get_value(**keywords):
        asked.append(keywords)
        return pushed

    monkeypatch.setattr(links, "XCom", SimpleNamespace(get_value=get_value))
    assert TrifactaDeploymentLink().get_link(None, ti_key="the key") == shown
    assert asked == [{"ti_key": "the key", "key": "deployment_url"}]


def test_airflow_has_the_address_of_a_task_that_failed(example_dag, emulator, make_package):
    package = make_package(product_version="99.0.0+1.20990101000000.abcdef0")
    run, tasks = example_dag(
        "promote_and_use_ids", {"deployment_id": 1, "package_path": str(package)}
    )
    assert run.state == "failed"
    create = tasks["create_release"]
    url = f"{emulator.url}/deployments/1"
    stored = create.xcom_pull(task_ids="create_release", key="_link_TrifactaDeploymentLink")
    if stored is None:  # Airflow 2 asks the link when the page is shown
        stored = TrifactaDeploymentLink().get_link(None, ti_key=create.key)
    assert stored == url
