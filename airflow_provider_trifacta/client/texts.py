"""Texts on their way to a reader: a log, an error, a command line, an XCom or an asset's extra."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .foreign_words import MOST_CHARACTERS as MOST_CHARACTERS
from .foreign_words import one_line
from .foreign_words import shown as shown

#: Entries of a list of texts from outside that are shown.
MOST_ENTRIES = 20
#: Levels of JSON that are kept of an answer. What is deeper becomes a text, so that code may go
#: down into the rest.
MOST_LEVELS = 100


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
