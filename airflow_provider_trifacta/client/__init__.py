"""The Trifacta v4 API in Python, usable without Airflow.

Importing this package, :mod:`.errors` or :mod:`.package` loads no HTTP library: DAG parsing imports the operators,
and those import these. :class:`TrifactaClient` is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import ClientConfig, resolve_base_url

if TYPE_CHECKING:
    from .client import TrifactaClient

__all__ = ["ClientConfig", "TrifactaClient", "resolve_base_url"]


def __getattr__(name: str) -> Any:
    if name == "TrifactaClient":
        from .client import TrifactaClient

        return TrifactaClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
