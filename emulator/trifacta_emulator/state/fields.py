"""Reads the fields of a JSON object, with an error that says which field of which
object is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from trifacta_emulator.checks import check, is_whole_number

_MISSING = object()
_EXAMPLE_TIME = "2024-01-01T00:00:00.000Z"


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
        unknown = ", ".join(sorted(self._left))
        check(not unknown, f"{self.place} has unknown fields: {unknown}")

    def rest(self) -> dict[str, Any]:
        """Take all fields that are left."""
        rest = self._left
        self._left = {}
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

    def number(
        self,
        name: str,
        default: Any = _MISSING,
        *,
        most: int = 10**18,
    ) -> Any:
        """Take a whole number of at least 0.

        :param name: its name
        :param default: see :meth:`take`; ``None`` also allows ``null``
        :param most: upper bound
        :raises ValueError: it is something else
        """
        number = self._of_kind(name, default, int, "a whole number")
        valid = number is None
        if is_whole_number(number):
            valid = 0 <= number <= most
        self._check(name, valid, f"be a number from 0 to {most}")
        return number

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
        moment = self.take(name, default)
        if isinstance(moment, str):
            return self._parsed_time(name, moment)
        may_be_null = default is None
        valid = isinstance(moment, datetime) or (moment is None and may_be_null)
        self._check(name, valid, f"be a time such as {_EXAMPLE_TIME}")
        return moment

    def _parsed_time(self, name: str, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise ValueError(
                f"{self.place}.{name} must be a time such as {_EXAMPLE_TIME}"
            ) from error
        self._check(name, moment.tzinfo is not None, "be a time with a time zone")
        return moment

    def mapping(self, name: str, default: Any = _MISSING) -> dict[str, Any]:
        """Take an object.

        :param name: its name
        :param default: see :meth:`take`
        :raises ValueError: it is something else
        """
        fields: dict[str, Any] = self._of_kind(name, default, dict, "an object")
        return fields

    def items(self, name: str, kind: type) -> list[Any]:
        """Take a list of values of one kind; a missing one is empty.

        :param name: its name
        :param kind: the kind of its values
        :raises ValueError: it is something else
        """
        items = self._of_kind(name, [], list, "a list")
        for item in items:
            fits = isinstance(item, kind) and not isinstance(item, bool)
            self._check(name, fits, f"hold values of the kind {kind.__name__}")
        return list(items)

    def objects(self, name: str) -> Iterator[Fields]:
        """Take a list of objects; a missing one is empty.

        :param name: its name
        :raises ValueError: it is something else
        """
        objects = self._of_kind(name, [], list, "a list")
        for number, fields in enumerate(objects):
            place = f"{self.place}.{name}[{number}]"
            yield Fields(fields, place.removeprefix("state."))

    def _of_kind(
        self,
        name: str,
        default: Any,
        kind: type,
        words: str,
    ) -> Any:
        value = self.take(name, default)
        may_be_null = default is None
        allowed = isinstance(value, kind) or (value is None and may_be_null)
        self._check(name, allowed, f"be {words}")
        return value

    def _check(self, name: str, valid: bool, words: str) -> None:
        check(valid, f"{self.place}.{name} must {words}")


def checked_rows(
    tables: Mapping[str, Any],
    columns: Mapping[str, Mapping[str, str]],
    place: str,
) -> Any:
    """Check the tables of a flow.

    :param tables: the rows by table
    :param columns: by table: the columns that refer to other tables
    :param place: where it stands in its document, for errors
    :returns: the tables
    :raises ValueError: a table is missing or unknown, or a row lacks its id or a reference
    """
    names = ", ".join(columns)
    check(tables.keys() == columns.keys(), f"{place} must have exactly the tables {names}")
    for table, rows in tables.items():
        check(isinstance(rows, list), f"{place}.{table} must be a list")
        for row in rows:
            _check_row(row, columns[table], f"{place}.{table}")
    for flow in tables["flows"]:
        named = isinstance(flow.get("name"), str)
        check(named, f"{place}.flows holds a row without a name")
    return tables


def _check_row(row: Any, references: Collection[str], place: str) -> None:
    check(isinstance(row, dict), f"{place} must hold objects")
    check(is_whole_number(row.get("id")), f"{place} holds a row without an id")
    for column in references:
        valid = column in row
        if valid and row[column] is not None:
            valid = is_whole_number(row[column])
        check(valid, f"{place} holds a row whose {column} is neither an id nor null")
