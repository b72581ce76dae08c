"""Names whose place differs between Airflow versions. Each has its own ``try``, as they moved at different times."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow import __version__
from airflow.configuration import conf
from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined, unused-ignore]

if TYPE_CHECKING:  # types are checked against the newest Airflow
    from airflow.sdk import (
        Asset,
        AssetAlias,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        TaskGroup,
    )
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferralError,
        TaskDeferralTimeout,
    )
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.log import mask_secret
else:
    try:  # Airflow 3.0; the provider does not support the datasets of Airflow 2
        from airflow.sdk import Asset, AssetAlias
    except ImportError:
        Asset = AssetAlias = None

    try:  # Airflow 3.1
        from airflow.sdk import BaseHook
    except ImportError:
        from airflow.hooks.base import BaseHook

    try:  # Airflow 3.0
        from airflow.sdk import BaseOperator
    except ImportError:
        from airflow.models import BaseOperator

    try:  # Airflow 3.0
        from airflow.sdk import BaseOperatorLink
    except ImportError:
        from airflow.models import BaseOperatorLink

    try:  # Airflow 3.0
        from airflow.sdk import BaseSensorOperator
    except ImportError:
        from airflow.sensors.base import BaseSensorOperator

    try:  # Airflow 3.0
        from airflow.sdk import Connection
    except ImportError:
        from airflow.models import Connection

    try:  # Airflow 3.0
        from airflow.sdk import Context
    except ImportError:
        from airflow.utils.context import Context

    try:  # Airflow 3.0
        from airflow.sdk import TaskGroup
    except ImportError:
        from airflow.utils.task_group import TaskGroup

    try:  # Airflow 3.0
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom

    try:  # Airflow 3.0
        from airflow.sdk.log import mask_secret
    except ImportError:
        from airflow.utils.log.secrets_masker import mask_secret

    try:  # Airflow 3.2
        from airflow.sdk.exceptions import (
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferralError,
            TaskDeferralTimeout,
        )
    except ImportError:
        from airflow.exceptions import (
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferralError,
        )

        try:  # Airflow 3.0
            from airflow.exceptions import TaskDeferralTimeout
        except ImportError:
            TaskDeferralTimeout = TaskDeferralError


#: Whether tasks have a state store that a retry can read (Airflow 3.3).
KEEPS_STATE = tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 3)


def _secrets_masker() -> Any:
    """Return Airflow's module that knows the secrets and the names of secret fields."""
    # Airflow 3.1, Airflow 3.0, Airflow 2
    for name in ("airflow.sdk._shared", "airflow.sdk.execution_time", "airflow.utils.log"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(f"{name}.secrets_masker")
    raise ImportError("This Airflow has no secrets_masker module.")


def looks_secret(name: str) -> bool:
    """Tell whether Airflow masks values of this name, by its ``sensitive_var_conn_names``."""
    return bool(_secrets_masker().should_hide_value_for_key(name))


def redact(text: str) -> str:
    """Return a text without the secrets that Airflow knows: those of the connections that this process has read."""
    return str(_secrets_masker().redact(text))


def first_look(context: Context, operator: BaseSensorOperator) -> datetime:
    """Return when a rescheduled sensor polled first; now, if this is the first poll."""
    ti: Any = context["ti"]
    if hasattr(ti, "get_first_reschedule_date"):  # Airflow 3.0
        first = ti.get_first_reschedule_date(context)
    else:
        from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found, unused-ignore]

        first = _orig_start_date(
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=ti.map_index,
            try_number=(ti.max_tries or 0) - (operator.retries or 0) + 1,
        )
    return first or datetime.now(timezone.utc)


def task_states(context: Context, task_ids: Sequence[str]) -> list[str | None]:
    """Return the states of other tasks of the run; in a mapped group, of those at the same map index.

    :param task_ids: the tasks
    :returns: their states in the same order, such as ``"success"``; None if a task has no state
    """
    ti: Any = context["ti"]
    if hasattr(ti, "get_task_states"):  # Airflow 3.0
        found = ti.get_task_states(
            dag_id=ti.dag_id, map_index=ti.map_index, task_ids=list(task_ids), run_ids=[ti.run_id]
        ).get(ti.run_id, {})
        names = task_ids if ti.map_index < 0 else [f"{one}_{ti.map_index}" for one in task_ids]
        states = [found.get(one) for one in names]
    else:
        run: Any = context["dag_run"]
        instances = [run.get_task_instance(one, map_index=ti.map_index) for one in task_ids]
        states = [instance and instance.state for instance in instances]
    return [None if state is None else str(state) for state in states]


def object_storage_path(url: str) -> Any:
    """Return the ``ObjectStoragePath`` of a URL. It is imported late: it loads fsspec, which few DAG files need."""
    try:  # Airflow 3.0
        from airflow.sdk import ObjectStoragePath
    except ImportError:
        from airflow.io.path import ObjectStoragePath  # type: ignore[no-redef, import-not-found, unused-ignore]
    return ObjectStoragePath(url)


def operator_lineage(**parts: Any) -> Any:
    """Return what an operator tells OpenLineage. It is imported late, because its provider is optional."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(**parts)


__all__ = [
    "KEEPS_STATE",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "AssetAlias",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Connection",
    "Context",
    "TaskDeferralError",
    "TaskDeferralTimeout",
    "TaskGroup",
    "XCom",
    "conf",
    "first_look",
    "looks_secret",
    "mask_secret",
    "object_storage_path",
    "operator_lineage",
    "redact",
    "task_states",
]
