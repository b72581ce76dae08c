"""Values from outside: ids that a user gave, and texts on their way to a reader.

A reader is a log, an error, the command line, an XCom or an asset's extra.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .errors import InvalidInputError
from .gate import MOST_CHARACTERS as MOST_CHARACTERS
from .gate import one_line
from .gate import shown as shown

#: No id has more digits, and Python refuses to read very many.
_DIGITS = re.compile("[0-9]{1,30}")
#: Entries of a list of texts from outside that are shown.
MOST_ENTRIES = 20
#: Levels of JSON that are kept of an answer. What is deeper becomes a text, so that code may go
#: down into the rest.
MOST_LEVELS = 100
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


def quoted(text: object) -> str:
    """Return :func:`shown` in quotes; ``None`` for None."""
    return "None" if text is None else f"'{shown(text)}'"


def called(kind: str, number: object, name: object) -> str:
    """Return what a log calls an object, such as ``deployment 'Orders' (4)``.

    It is ``deployment 4`` if its name is not known.
    """
    if name is None:
        return f"{kind} {number}"
    return f"{kind} {quoted(name)} ({number})"


def sentence(text: str) -> str:
    """Return a text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def listed(texts: Iterable[object], most: int = MOST_ENTRIES, *, between: str = ", ") -> str:
    """Return the first of some texts, each as :func:`shown` shows it, and how many more there are.

    :param texts: any number of them
    :param most: how many are named
    :param between: what stands between two of them
    :returns: the list as one text
    """
    every = list(texts)
    named = between.join(map(shown, every[:most]))
    more = len(every) - most
    return f"{named} and {more} more" if more > 0 else named


def shown_json(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return a value of JSON as text, with its white space; its type if that fails."""
    try:
        return one_line(json.dumps(value, default=str), most)
    except (ValueError, RecursionError):  # nested too deeply
        return f"a {type(value).__name__}"


def shown_within(value: Any, most: int | None = None) -> Any:
    """Return a value of JSON in which every text, and every key, is as :func:`shown` shows it.

    :param value: what :mod:`json` reads
    :param most: how many entries of each list are kept; all if it is left out
    :returns: the same value, fit for a reader
    """
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {shown(key): shown_within(entry, most) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_within(entry, most) for entry in value[:most]]
    return value
