"""Names whose place differs between Airflow versions. Each is looked up by itself, as they moved at
different times.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow import __version__
from airflow.configuration import conf as conf
from airflow.exceptions import AirflowNotFoundException as AirflowNotFoundException  # type: ignore[attr-defined, unused-ignore]

if TYPE_CHECKING:  # types are checked against the newest Airflow
    from airflow.sdk import Asset as Asset
    from airflow.sdk import AssetAlias as AssetAlias
    from airflow.sdk import AssetWatcher as AssetWatcher
    from airflow.sdk import BaseHook as BaseHook
    from airflow.sdk import BaseOperator as BaseOperator
    from airflow.sdk import BaseOperatorLink as BaseOperatorLink
    from airflow.sdk import BaseSensorOperator as BaseSensorOperator
    from airflow.sdk import Connection as Connection
    from airflow.sdk import Context as Context
    from airflow.sdk import TaskGroup as TaskGroup
    from airflow.sdk.exceptions import AirflowFailException as AirflowFailException
    from airflow.sdk.exceptions import AirflowRescheduleException as AirflowRescheduleException
    from airflow.sdk.exceptions import AirflowSensorTimeout as AirflowSensorTimeout
    from airflow.sdk.exceptions import AirflowSkipException as AirflowSkipException
    from airflow.sdk.exceptions import AirflowTaskTimeout as AirflowTaskTimeout
    from airflow.sdk.exceptions import TaskDeferralError as TaskDeferralError
    from airflow.sdk.exceptions import TaskDeferralTimeout as TaskDeferralTimeout
    from airflow.sdk.execution_time.xcom import XCom as XCom
    from airflow.sdk.log import mask_secret as mask_secret


def _first(name: str, *modules: str) -> Any:
    """Return a name from the first of some modules that has it."""
    for module in modules:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    raise ImportError(f"This Airflow has no {name} in {' or '.join(modules)}.")


_EXCEPTIONS = ("airflow.sdk.exceptions", "airflow.exceptions")
#: What can be imported from here, and where it is: in the newest Airflow, and in older ones.
_PLACES = {
    "BaseOperator": ("airflow.sdk", "airflow.models"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models"),
    "Connection": ("airflow.sdk", "airflow.models"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "TaskGroup": ("airflow.sdk", "airflow.utils.task_group"),
    "AirflowFailException": _EXCEPTIONS,
    "AirflowRescheduleException": _EXCEPTIONS,
    "AirflowSensorTimeout": _EXCEPTIONS,
    "AirflowSkipException": _EXCEPTIONS,
    "AirflowTaskTimeout": _EXCEPTIONS,
    "TaskDeferralError": _EXCEPTIONS,
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "mask_secret": ("airflow.sdk.log", "airflow.utils.log.secrets_masker"),
}
if not TYPE_CHECKING:
    for _name, _modules in _PLACES.items():
        globals()[_name] = _first(_name, *_modules)
    try:
        Asset = _first("Asset", "airflow.sdk")
        AssetAlias = _first("AssetAlias", "airflow.sdk")
        TaskDeferralTimeout = _first("TaskDeferralTimeout", *_EXCEPTIONS)
    except ImportError:  # Airflow 2; the provider does not support its datasets
        Asset = None
        AssetAlias = None
        TaskDeferralTimeout = TaskDeferralError


_MAJOR, _MINOR = map(int, __version__.split(".")[:2])
#: Whether tasks have a state store that a retry can read (Airflow 3.3).
KEEPS_STATE = (_MAJOR, _MINOR) >= (3, 3)


def _masker(name: str) -> Any:
    """Return a function of the module that knows the secrets and the names of secret fields."""
    return _first(
        name,
        "airflow.sdk._shared.secrets_masker",  # Airflow 3.1
        "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0
        "airflow.utils.log.secrets_masker",  # Airflow 2
    )


def asset_stores(accessors: Any) -> list[Any]:
    """Return the state stores of the assets that an event trigger watches for (Airflow 3.3).

    :param accessors: what Airflow gives to the trigger; None if it gives nothing
    :returns: a store with ``aget`` and ``aset`` for each asset
    """
    # There is no public way to list them, and several assets may have an equal watcher.
    return [*accessors._by_name.values(), *accessors._by_uri.values()] if accessors else []


def looks_secret(name: str) -> bool:
    """Tell whether Airflow masks values of this name, by its ``sensitive_var_conn_names``."""
    return bool(_masker("should_hide_value_for_key")(name))


def redact(text: str) -> str:
    """Return a text without the secrets that Airflow knows: those of the connections that this
    process has read.
    """
    return str(_masker("redact")(text))


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


#: Whether Airflow counts each clear of a run. Airflow 3.0 and 3.1 count only those of a run that
#: has ended.
COUNTS_EACH_CLEAR = not __version__.startswith(("3.0.", "3.1."))


def was_cleared(context: Context) -> bool:
    """Tell whether a person may have started this try by a clear.

    Airflow 3 counts the clears of a run. Airflow 2 keeps the tries before, and a clear changes
    ``max_tries``.
    """
    ti: Any = context["ti"]
    if hasattr(ti, "get_task_states"):  # Airflow 3.0
        run: Any = context.get("dag_run")
        clears = getattr(run, "clear_number", None) or 0
        return bool(clears > 0)
    before = _max_tries_of_the_try_before(ti)
    return before is not None and before != ti.max_tries


def _max_tries_of_the_try_before(ti: Any) -> int | None:
    """Return the ``max_tries`` that Airflow 2 kept of the try before; None if it kept none."""
    from airflow.models.taskinstancehistory import TaskInstanceHistory  # type: ignore[attr-defined, unused-ignore]
    from airflow.utils.session import create_session

    columns = TaskInstanceHistory
    with create_session() as session:
        earlier = session.query(columns.max_tries).filter(
            columns.dag_id == ti.dag_id,
            columns.run_id == ti.run_id,
            columns.task_id == ti.task_id,
            columns.map_index == ti.map_index,
            columns.try_number == ti.try_number - 1,
        )
        max_tries: int | None = earlier.scalar()
        return max_tries


def task_states(context: Context, task_ids: Sequence[str]) -> list[str | None]:
    """Return the states of other tasks of the run; in a mapped group, of those at the same map
    index.

    :param task_ids: the tasks
    :returns: their states in the same order, such as ``"success"``; None if a task has no state
    """
    ti: Any = context["ti"]
    if hasattr(ti, "get_task_states"):  # Airflow 3.0
        states = _states_by_task_instance(ti, task_ids)
    else:
        states = _states_by_dag_run(context["dag_run"], ti.map_index, task_ids)
    return [None if state is None else str(state) for state in states]


def _states_by_task_instance(ti: Any, task_ids: Sequence[str]) -> list[Any]:
    """Return the states as Airflow 3 gives them, which adds the map index to a name."""
    by_run = ti.get_task_states(
        dag_id=ti.dag_id,
        map_index=ti.map_index,
        task_ids=list(task_ids),
        run_ids=[ti.run_id],
    )
    states = by_run.get(ti.run_id, {})
    suffix = "" if ti.map_index < 0 else f"_{ti.map_index}"
    return [states.get(f"{task_id}{suffix}") for task_id in task_ids]


def _states_by_dag_run(run: Any, map_index: int, task_ids: Sequence[str]) -> list[Any]:
    """Return the states as Airflow 2 gives them."""
    states = []
    for task_id in task_ids:
        instance = run.get_task_instance(task_id, map_index=map_index)
        states.append(instance.state if instance else None)
    return states


def object_storage_path(url: str) -> Any:
    """Return the ``ObjectStoragePath`` of a URL. It is imported late: it loads fsspec, which few
    DAG files need.
    """
    return _first("ObjectStoragePath", "airflow.sdk", "airflow.io.path")(url)


def operator_lineage(**parts: Any) -> Any:
    """Return what an operator tells OpenLineage. It is imported late, because its provider is
    optional.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(**parts)
