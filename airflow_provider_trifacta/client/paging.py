"""Complete lists from an API that hands out 25 items unless asked otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .errors import BadRequestError, UnexpectedResponseError

if TYPE_CHECKING:
    from .transport import Transport

#: Items asked for at a time.
PAGE_SIZE = 100
#: The API's own page size (D64: "limit" defaults to 25). A server that ignores ``limit`` still gives this many,
#: so only a shorter page is surely the last one.
_SERVER_DEFAULT = 25
#: The longest list that is read, in rows and in pages. No instance is known to have a tenth of it.
MOST_ROWS = 25_000
MOST_PAGES = 1_000
#: How often a list is begun again that does not stand still.
_MOST_READINGS = 3


def list_all(transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """Read every page of a list.

    All pages share the time and the size that one call has. Ends on a page that is shorter than the API's default.
    Some servers ignore ``offset`` and repeat themselves, and then the list is only taken where it is surely whole.

    :param path: path of the list
    :param params: further query parameters
    :returns: the items, each once, in the server's order
    :raises UnexpectedResponseError: when an answer is no list, or it cannot be told whether the list is whole: acting
        on part of a list would be a silent doubt; or when it has more than :data:`MOST_ROWS` rows or
        :data:`MOST_PAGES` pages
    """
    items: dict[object, Mapping[str, Any]] = {}
    pages = _Pages(transport, path)
    while True:
        query = {**(params or {}), "limit": PAGE_SIZE, "offset": len(items)}
        page, _ = pages.read(query, len(items))
        before = len(items)
        items.update((item["id"], item) for item in page if item["id"] not in items)
        if len(page) < _SERVER_DEFAULT:
            return list(items.values())
        if len(items) == before:
            break
    # A page came again. Where the server tells no count, a round number of items is a page and not a list.
    page, count = pages.read({**(params or {}), "noLimit": "true", "includeCount": "true"})
    items.update((item["id"], item) for item in page if item["id"] not in items)
    whole = len(items) == count if isinstance(count, int) else bool(len(items) % _SERVER_DEFAULT)
    if not whole:
        raise UnexpectedResponseError(
            f"GET {path} repeats itself after {len(items)} items and ignores the offset, so the list cannot be read to "
            "its end."
        )
    return list(items.values())


def list_newest_first(
    transport: Transport,
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    enough: Callable[[Sequence[Mapping[str, Any]]], bool],
) -> tuple[list[Mapping[str, Any]], bool] | None:
    """Read a list from its newest item on, as far as it is needed.

    Each page repeats the last item of the page before. Where it does not, something was deleted between the two
    requests and an item may have slipped through, so the list is read again from its beginning.

    :param path: path of the list
    :param params: further query parameters
    :param enough: called with the items so far, newest first, after each page that is not the last; True ends the
        reading
    :returns: the items, newest first, and whether they fitted on one page; None where the server does not sort, does
        not page, or its list does not stand still: read it with :func:`list_all` then
    :raises UnexpectedResponseError: an answer is no list, or the list is too long, see :func:`list_all`
    """
    query = {**(params or {}), "sort": "-id", "limit": PAGE_SIZE}
    pages = _Pages(transport, path)
    for _ in range(_MOST_READINGS):
        items: list[Mapping[str, Any]] = []
        while True:
            try:
                page, _ = pages.read({**query, "offset": max(len(items) - 1, 0)}, len(items))
            except BadRequestError:
                if items:
                    raise
                return None  # it does not take the parameter
            ids = [item["id"] for item in page]
            if not _descend(ids):
                return None
            if items:
                last = items[-1]["id"]
                if last not in ids:
                    break
                new = [item for item in page if item["id"] < last]
                if not new and len(page) >= _SERVER_DEFAULT:
                    return None  # it repeats itself
                items += new
            else:
                items = list(page)
            if len(page) < _SERVER_DEFAULT or enough(items):
                return items, len(page) == len(items)
    return None


def _descend(ids: Sequence[object]) -> bool:
    numbers = [one for one in ids if isinstance(one, int)]
    return len(numbers) == len(ids) and all(high > low for high, low in pairwise(numbers))


class _Pages:
    """Reads the pages of one list, which share one budget."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._budget = transport.budget()
        self._count = 0

    def read(self, query: Mapping[str, Any], known: int = 0) -> tuple[list[Mapping[str, Any]], object]:
        """Return the rows of a page, and the count that came with it.

        :param query: its query parameters
        :param known: how many rows are known by now
        """
        path = self._path
        self._count += 1
        body = self._transport.read(path, query, budget=self._budget)
        page = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(page, list) or not all(isinstance(item, Mapping) and _is_id(item.get("id")) for item in page):
            raise UnexpectedResponseError(f'GET {path} did not answer a list of objects with ids under "data".')
        if known + len(page) > MOST_ROWS or self._count > MOST_PAGES:
            raise UnexpectedResponseError(
                f"GET {path} has more than {MOST_ROWS} rows or {MOST_PAGES} pages, so it was not read to its end."
            )
        return page, body.get("count") if isinstance(body, Mapping) else None


def _is_id(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
