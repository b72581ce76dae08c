"""Reads the fields of a JSON object, with an error that says which field of which
object is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from trifacta_emulator.checks import check

_MISSING = object()


class Fields:
    """The fields of one JSON object. Each is taken once; :meth:`end` refuses those that nobody
    took.

    :param value: the JSON value
    :param place: where it stands in its document, for errors
    :raises ValueError: it is not an object
    """

    def __init__(self, value: Any, place: str) -> None:
        check(isinstance(value, dict), f"{place} must be an object")
        self._left: dict[str, Any] = dict(value)
        self.place = place

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def end(self) -> None:
        """Refuse the fields that are left.

        :raises ValueError: there are some
        """
        check(not self._left, f"{self.place} has unknown fields: {', '.join(sorted(self._left))}")

    def rest(self) -> dict[str, Any]:
        """Take all fields that are left."""
        rest, self._left = self._left, {}
        return rest

    def take(self, name: str, default: Any = _MISSING) -> Any:
        """Take a field of any kind.

        :param name: its name
        :param default: its value if it is missing; without one it is required
        :raises ValueError: it is required and missing
        """
        if name in self._left:
            return self._left.pop(name)
        check(default is not _MISSING, f"{self.place}: {name} is required")
        return default

    def text(self, name: str, default: Any = _MISSING) -> Any:
        """Take a text.

        :param name: its name
        :param default: see :meth:`take`; ``None`` also allows ``null``
        :raises ValueError: it is something else
        """
        return self._of_kind(name, default, str, "a text")

    def number(self, name: str, default: Any = _MISSING, *, most: int = 10**18) -> Any:
        """Take a whole number of at least 0.

        :param name: its name
        :param default: see :meth:`take`; ``None`` also allows ``null``
        :param most: upper bound
        :raises ValueError: it is something else
        """
        value = self._of_kind(name, default, int, "a whole number")
        in_range = value is None or 0 <= value <= most
        check(
            in_range and not isinstance(value, bool),
            f"{self.place}.{name} must be a number from 0 to {most}",
        )
        return value

    def flag(self, name: str, default: Any = _MISSING) -> bool:
        """Take true or false.

        :param name: its name
        :param default: see :meth:`take`
        :raises ValueError: it is something else
        """
        return bool(self._of_kind(name, default, bool, "true or false"))

    def time(self, name: str, default: Any = _MISSING) -> Any:
        """Take a time, as the API writes it.

        :param name: its name
        :param default: see :meth:`take`; ``None`` also allows ``null``
        :raises ValueError: it is something else, or has no time zone
        """
        value = self.take(name, default)
        if value is None or isinstance(value, datetime):
            check(value is not None or default is None, f"{self.place}.{name} must be a time")
            return value
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except (AttributeError, ValueError) as error:
            raise ValueError(
                f"{self.place}.{name} must be a time such as 2024-01-01T00:00:00.000Z"
            ) from error
        check(moment.tzinfo is not None, f"{self.place}.{name} must be a time with a time zone")
        return moment

    def mapping(self, name: str, default: Any = _MISSING) -> dict[str, Any]:
        """Take an object.

        :param name: its name
        :param default: see :meth:`take`
        :raises ValueError: it is something else
        """
        found: dict[str, Any] = self._of_kind(name, default, dict, "an object")
        return found

    def items(self, name: str, kind: type) -> list[Any]:
        """Take a list of values of one kind; a missing one is empty.

        :param name: its name
        :param kind: the kind of its values
        :raises ValueError: it is something else
        """
        values = self._of_kind(name, [], list, "a list")
        for value in values:
            fits = isinstance(value, kind) and not isinstance(value, bool)
            check(fits, f"{self.place}.{name} must hold values of the kind {kind.__name__}")
        return list(values)

    def objects(self, name: str) -> Iterator[Fields]:
        """Take a list of objects; a missing one is empty.

        :param name: its name
        :raises ValueError: it is something else
        """
        for number, value in enumerate(self._of_kind(name, [], list, "a list")):
            yield Fields(value, f"{self.place}.{name}[{number}]".removeprefix("state."))

    def _of_kind(self, name: str, default: Any, kind: type, words: str) -> Any:
        value = self.take(name, default)
        allowed = isinstance(value, kind) or (value is None and default is None)
        check(allowed, f"{self.place}.{name} must be {words}")
        return value


def checked_rows(
    value: Mapping[str, Any], columns: Mapping[str, Mapping[str, str]], place: str
) -> Any:
    """Check the tables of a flow.

    :param value: the rows by table
    :param columns: by table: the columns that refer to other tables
    :param place: where it stands in its document, for errors
    :returns: the tables
    :raises ValueError: a table is missing or unknown, or a row lacks its id or a reference
    """
    check(set(value) == set(columns), f"{place} must have exactly the tables {', '.join(columns)}")
    for table, rows in value.items():
        check(isinstance(rows, list), f"{place}.{table} must be a list")
        for row in rows:
            check(isinstance(row, dict), f"{place}.{table} must hold objects")
            check(_is_id(row.get("id")), f"{place}.{table} holds a row without an id")
            for column in columns[table]:
                refers = column in row and (row[column] is None or _is_id(row[column]))
                check(
                    refers, f"{place}.{table} holds a row whose {column} is neither an id nor null"
                )
    for row in value["flows"]:
        check(isinstance(row.get("name"), str), f"{place}.flows holds a row without a name")
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
