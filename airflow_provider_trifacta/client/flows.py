"""Flows: what people design in a Dev instance, and what a package is exported from."""

from __future__ import annotations

from typing import BinaryIO

from .models import comment_of
from .transport import Transport


class Flows:
    """Calls below ``/v4/flows``. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def export(self, flow_id: int, file: BinaryIO, *, comment: str | None = None) -> None:
        """Export a flow as a package (``GET /v4/flows/:id/package``). Every export has a uuid of its own.

        It changes nothing, so it is asked for again after passing failures.

        :param flow_id: the flow
        :param file: where the ZIP goes, open for reading and writing; its content is replaced, and it is rewound
        :param comment: goes into the package, and newer servers show it as the release's notes; the words ``None`` and
            ``undefined`` are no comment
        """
        params = {"comment": comment} if comment_of(comment) else None
        self._transport.download(f"/v4/flows/{flow_id}/package", file, params)
