"""Complete lists from an API that hands out 25 items unless asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import UnexpectedResponseError
from .transport import Transport

#: Items asked for at a time.
PAGE_SIZE = 100
#: The API's own page size (D64: "limit" defaults to 25). A server that ignores ``limit`` still gives this many,
#: so only a shorter page is surely the last one.
_SERVER_DEFAULT = 25


def list_all(transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """Read every page of a list.

    Ends on a page that is shorter than the API's default, or brings nothing new: some servers ignore ``offset``
    and repeat themselves.

    :param path: path of the list
    :param params: further query parameters
    :returns: the items, each once, in the server's order
    :raises UnexpectedResponseError: when an answer is no list, or a full page is repeated, so that the rest of the
        list cannot be had: acting on part of a list would be a silent doubt
    """
    items: dict[object, Mapping[str, Any]] = {}
    while True:
        body = transport.read(path, {**(params or {}), "limit": PAGE_SIZE, "offset": len(items)})
        page = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(page, list) or not all(isinstance(item, Mapping) and "id" in item for item in page):
            raise UnexpectedResponseError(f'GET {path} did not answer a list of objects under "data".')
        new = {item["id"]: item for item in page if item["id"] not in items}
        if not new and len(page) == PAGE_SIZE and items:
            raise UnexpectedResponseError(
                f"GET {path} repeats its first {PAGE_SIZE} items and ignores the offset, so the list cannot be read "
                "to its end."
            )
        items.update(new)
        if not new or len(page) < _SERVER_DEFAULT:
            return list(items.values())
