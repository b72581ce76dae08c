"""Ids that a user or a template gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import InvalidInputError
from .foreign_words import shown

#: No id has more digits, and Python refuses to read very many.
_DIGITS = re.compile("[0-9]{1,30}")
#: Characters of a wrong id that are shown.
_MOST_OF_AN_ID = 80


def parse_id(value: object, field: str) -> int:
    """Turn what a user or a template gave into a positive integer id.

    Templates render ids as text and a missing XCom as ``"None"``. So text is accepted, and that
    word is explained.

    :param value: an int, or a string of digits
    :param field: name of the argument, for the message
    :returns: the id
    :raises InvalidInputError: for anything else, naming the field and the value
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    text = value.strip() if isinstance(value, str) else ""
    if _DIGITS.fullmatch(text) and int(text) > 0:
        return int(text)
    gave_nothing = value is None or (isinstance(value, str) and text in ("", "None"))
    hint = ""
    if gave_nothing:
        hint = (
            " An upstream XCom or a template gave nothing: check the task it comes from and the"
            " key's name."
        )
    elif isinstance(value, (dict, list, tuple)):
        hint = " Pick the id out of it, for example with create.output['release_id']."
    raise InvalidInputError(
        f"{field} must be a positive whole number or its digits, not"
        f" {shown(repr(value), _MOST_OF_AN_ID)}.{hint}"
    )


def parse_ids(value: object, field: str) -> list[int]:
    """Check one id, or a list of them, before any request.

    :param value: one id, or a list of them; an id is an int or a string of digits
    :param field: name of the argument, for the message
    :returns: the ids, each once
    :raises InvalidInputError: for anything else, and for an empty list
    """
    entries: Sequence[object] = [value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        entries = value or [value]
    ids = dict.fromkeys(parse_id(entry, field) for entry in entries)
    return list(ids)
