"""Connections of an instance: what object import rules map to."""

from __future__ import annotations

from .models import Connection
from .paging import list_all
from .transport import Transport


class Connections:
    """Calls below ``/v4/connections``. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Connection]:
        """Return the connections that the user can see."""
        return [Connection.from_json(item) for item in list_all(self._transport, "/v4/connections")]
