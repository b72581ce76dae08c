"""People: who the credentials belong to."""

from __future__ import annotations

from .models import Person
from .transport import Transport


class People:
    """Calls below ``/v4/people``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def current(self) -> Person:
        """Return the authenticated user (``GET /v4/people/current``).

        :raises TrifactaError: see :mod:`.errors`
        """
        return Person.from_json(self._transport.read("/v4/people/current"))
