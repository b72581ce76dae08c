"""Complete lists from an API that hands out 25 items unless asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import UnexpectedResponseError

if TYPE_CHECKING:
    from .transport import Transport

#: Items asked for at a time.
PAGE_SIZE = 100
#: The API's own page size (D64: "limit" defaults to 25). A server that ignores ``limit`` still gives this many,
#: so only a shorter page is surely the last one.
_SERVER_DEFAULT = 25


def list_all(transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """Read every page of a list.

    Ends on a page that is shorter than the API's default. Some servers ignore ``offset`` and repeat themselves, and
    then the list is only taken where it is surely whole.

    :param path: path of the list
    :param params: further query parameters
    :returns: the items, each once, in the server's order
    :raises UnexpectedResponseError: when an answer is no list, or it cannot be told whether the list is whole: acting
        on part of a list would be a silent doubt
    """
    items: dict[object, Mapping[str, Any]] = {}
    while True:
        query = {**(params or {}), "limit": PAGE_SIZE, "offset": len(items)}
        page, _ = _read_page(transport, path, query)
        before = len(items)
        items.update((item["id"], item) for item in page if item["id"] not in items)
        if len(page) < _SERVER_DEFAULT:
            return list(items.values())
        if len(items) == before:
            break
    # A page came again. Where the server tells no count, a round number of items is a page and not a list.
    page, count = _read_page(transport, path, {**(params or {}), "noLimit": "true", "includeCount": "true"})
    items.update((item["id"], item) for item in page if item["id"] not in items)
    whole = len(items) == count if isinstance(count, int) else bool(len(items) % _SERVER_DEFAULT)
    if not whole:
        raise UnexpectedResponseError(
            f"GET {path} repeats itself after {len(items)} items and ignores the offset, so the list cannot be read to "
            "its end."
        )
    return list(items.values())


def _read_page(transport: Transport, path: str, query: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], object]:
    body = transport.read(path, query)
    page = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(page, list) or not all(isinstance(item, Mapping) and "id" in item for item in page):
        raise UnexpectedResponseError(f'GET {path} did not answer a list of objects under "data".')
    return page, body.get("count") if isinstance(body, Mapping) else None
