"""Rows and values of a flow definition, in which everything may be missing or odd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Characters of a text that are kept. Many rows may refer to one text, and each reader makes its own of it.
_LONGEST = 500
#: Characters of a name that count when names are sorted.
_SORTED_BY = 100


def rows_of(data: object, table: str) -> list[Mapping[str, Any]]:
    """Return a table of the definition; what is missing or of another type is left out."""
    rows = data.get(table) if isinstance(data, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def everywhere(data: object, table: str) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Find the rows of a table in the whole package and within its flows, each with its flow's id."""
    for row in rows_of(data, table):
        yield id_of(row.get("flowId")), row
    for flow in rows_of(data, "flows"):
        for row in rows_of(flow, table):
            yield id_of(flow.get("id")), row


def sortable(name: str | None) -> tuple[str, str]:
    """Return what names are sorted by."""
    start = (name or "")[:_SORTED_BY]
    return start.casefold(), start


def id_of(value: object) -> int | None:
    """Return an id of the definition; None for what is none, such as a number too long to be written."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def text_of(value: object) -> str | None:
    """Return the beginning of a text of the definition, fit to be written again; None for what is no text.

    JavaScript writes half of a surrogate pair, which no encoding can; U+FFFD stands for it.
    """
    if not isinstance(value, str):
        return None
    start = value[:_LONGEST]
    return start if start.isascii() else start.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
