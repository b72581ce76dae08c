"""Everything that the campaign takes from the provider, the emulator and Airflow, in one place."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from unittest import mock

import pendulum
import requests
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferred,
    XComNotFound,
)
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    LateActivation,
    LateCommit,
    PresetFlow,
    Reset,
    RunOutcome,
    Truncate,
    User,
    build_package,
    read_package,
)

import airflow_provider_trifacta
from airflow_provider_trifacta import task_groups
from airflow_provider_trifacta._logs import OneLineLog
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    InterruptedChangeError,
    PackageFormatError,
    TrifactaError,
)
from airflow_provider_trifacta.client.foreign_words import logger
from airflow_provider_trifacta.operators import _base
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import (
    ExportFlowPackageOperator,
    ImportFlowPackageOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
)
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor
from airflow_provider_trifacta.triggers.deployment import DeploymentChangedTrigger
from campaign.clock import Times, VirtualLoop

__all__ = [
    "DAG",
    "DOUBTS",
    "ActivateReleaseOperator",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "Answer",
    "BaseOperator",
    "CreateReleaseOperator",
    "DeploymentChangedTrigger",
    "Emulator",
    "EmulatorOptions",
    "ExportFlowPackageOperator",
    "Fault",
    "GetDeploymentOperator",
    "ImportFlowPackageOperator",
    "JobGroupSensor",
    "LateActivation",
    "LateCommit",
    "PackageFormatError",
    "PresetFlow",
    "ReleaseActiveSensor",
    "Reset",
    "RollbackDeploymentOperator",
    "RunDeploymentOperator",
    "RunFlowOperator",
    "RunJobGroupOperator",
    "RunOutcome",
    "SetImportRulesOperator",
    "TaskDeferralError",
    "TaskDeferred",
    "TrifactaError",
    "Truncate",
    "User",
    "VirtualLoop",
    "XComNotFound",
    "build_package",
    "counting_clears",
    "installed",
    "open_package",
    "promote_flow",
    "read_package",
]

#: The errors by which a task says that it cannot tell what happened.
DOUBTS = (AmbiguousSubmissionError, InterruptedChangeError)


def promote_flow(*, journal: bool, **options: Any) -> Any:
    """Make the group as it is on an Airflow with a task state store, or on one without."""
    with mock.patch.object(task_groups, "KEEPS_STATE", journal):
        return task_groups.promote_flow(**options)


@contextlib.contextmanager
def counting_clears(was_cleared: Callable[[Any], bool], *, each_clear: bool) -> Iterator[None]:
    """Let Airflow count clears as one of its lines does.

    :param was_cleared: tells from the context of a try whether Airflow counted a clear before it
    :param each_clear: whether it counts the clear of a run that has not ended
    """
    with (
        mock.patch.object(_base, "was_cleared", was_cleared),
        mock.patch.object(_base, "COUNTS_EACH_CLEAR", each_clear),
    ):
        yield


@contextlib.contextmanager
def installed(times: Times, send: Any) -> Iterator[None]:
    """Let the provider and Airflow's sensors use another time, and send their requests through the
    campaign.

    :param times: what tells the time
    :param send: called with the adapter, its own ``send``, the request and the keywords
    """
    names = [
        one.name
        for one in pkgutil.walk_packages(
            airflow_provider_trifacta.__path__, "airflow_provider_trifacta."
        )
    ]
    modules = [importlib.import_module(one) for one in names if not one.endswith("__main__")]
    sensors = sys.modules[BaseSensorOperator.__module__]
    now = {
        "now": lambda tz=None: pendulum.instance(times.clock.datetime()).in_timezone(tz or "UTC")
    }
    stand_ins = (
        (time, times.time),
        (pendulum, times.module(pendulum, **now)),
        (datetime, times.datetime),
    )
    real_send, real_lookup = requests.adapters.HTTPAdapter.send, socket.getaddrinfo

    def passing(adapter: Any, request: Any, **keywords: Any) -> Any:
        return send(adapter, real_send, request, **keywords)

    def lookup(host: Any, *args: Any, **keywords: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real_lookup(host, *args, **keywords)

    with contextlib.ExitStack() as stack:

        def put(*args: Any) -> None:
            stack.enter_context(mock.patch.object(*args))

        for module in modules:
            for name, value in list(vars(module).items()):
                for real, stand_in in stand_ins:
                    if value is real:
                        put(module, name, stand_in)
        put(sensors, "time", times.time)
        put(sensors, "timezone", times.module(sensors.timezone, utcnow=times.clock_now))
        put(requests.adapters.HTTPAdapter, "send", passing)
        put(socket, "getaddrinfo", lookup)
        put(BaseOperator, "log", logger("task"))
        put(OneLineLog, "log", logger("task"))
        proxies = [
            one for one in os.environ if one.lower() in ("http_proxy", "https_proxy", "all_proxy")
        ]
        stack.enter_context(mock.patch.dict(os.environ))
        for one in proxies:
            del os.environ[one]
        yield
