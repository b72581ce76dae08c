"""Names whose place differs between Airflow versions. One ``try`` for each, because they moved at different times."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # types are checked against the newest Airflow
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, Connection, Context
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
else:
    try:  # Airflow 3.1
        from airflow.sdk import BaseHook
    except ImportError:
        from airflow.hooks.base import BaseHook

    try:  # Airflow 3.0
        from airflow.sdk import BaseOperator
    except ImportError:
        from airflow.models import BaseOperator

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

    try:  # Airflow 3.2
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
    except ImportError:
        from airflow.exceptions import AirflowFailException, AirflowSkipException

__all__ = [
    "AirflowFailException",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "Connection",
    "Context",
]
