"""The logger of operators and sensors."""

from __future__ import annotations

from typing import Any

from .client.foreign_words import logger


class OneLineLog:
    """Gives an operator a logger whose values :mod:`.client.foreign_words` makes safe.

    It has the name that Airflow gives to the logger of an operator, so that its settings apply.
    """

    @property
    def log(self) -> Any:
        """The logger of the operator's class."""
        kind = type(self)
        return logger(f"airflow.task.operators.{kind.__module__}.{kind.__qualname__}")
