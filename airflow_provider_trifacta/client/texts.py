"""What came from outside, made fit for a log, an error, the command line, an XCom or an asset's extra."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Characters of a text from outside that are shown, and entries of a list of them.
MOST_CHARACTERS = 200
MOST_ENTRIES = 20
#: Of a text that is mostly white space, no more than this many characters are looked at for each one that is shown.
_LOOKED_AT = 20


def shown(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return the beginning of a text on one line, with control characters and terminal escapes spelled out.

    Every text that a package, a server or a storage brings passes here on its way to a reader.

    :param text: anything; what is no text is written as one
    :param most: how many characters are returned; three dots stand for the rest
    """
    whole = text if isinstance(text, str) else str(text)
    words = " ".join(whole[: most * _LOOKED_AT].split())[: most + 1]
    spelled = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)
    if len(spelled) <= most and len(whole) <= most * _LOOKED_AT:
        return spelled
    return f"{spelled[:most]}..."


def quoted(text: object) -> str:
    """Return :func:`shown` in quotes; ``None`` for None."""
    return "None" if text is None else f"'{shown(text)}'"


def listed(texts: Iterable[object], most: int = MOST_ENTRIES) -> str:
    """Return the first of some texts, each as :func:`shown` shows it, and how many more there are.

    :param texts: any number of them
    :param most: how many are named
    """
    every = list(texts)
    named = ", ".join(map(shown, every[:most]))
    return f"{named} and {len(every) - most} more" if len(every) > most else named


def shown_within(value: Any) -> Any:
    """Return a value of JSON in which every text, and every key, is as :func:`shown` shows it.

    :param value: what :mod:`json` reads; not nested more deeply than it reads
    """
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {shown(key): shown_within(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_within(one) for one in value]
    return value
