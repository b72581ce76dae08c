"""What an operator knows, told to Airflow as soon as it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._compat import Context


class Facts:
    """Collects what is known, and pushes each fact once, as soon as it is known.

    An unknown fact is None in the return value and not pushed: Airflow 3 takes a null XCom for a missing one.

    :param context: the task's context
    """

    def __init__(self, context: Context) -> None:
        self._ti = context["ti"]
        self.values: dict[str, Any] = {}

    def add(self, **facts: Any) -> None:
        """Note facts and push those that are not None."""
        for key, value in facts.items():
            self.values[key] = value
            if value is not None:
                self._ti.xcom_push(key=key, value=value)
