"""What came from outside, made fit for a log, an error, the command line, an XCom or an asset's extra."""

from __future__ import annotations

import json
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
    looked_at = whole[: most * _LOOKED_AT]
    return _cut(" ".join(looked_at.split()), most, more=len(whole) > len(looked_at))


def _cut(line: str, most: int, *, more: bool = False) -> str:
    spelled = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line[: most + 1])
    return spelled if len(spelled) <= most and not more else f"{spelled[:most]}..."


def quoted(text: object) -> str:
    """Return :func:`shown` in quotes; ``None`` for None."""
    return "None" if text is None else f"'{shown(text)}'"


def listed(texts: Iterable[object], most: int = MOST_ENTRIES, *, between: str = ", ") -> str:
    """Return the first of some texts, each as :func:`shown` shows it, and how many more there are.

    :param texts: any number of them
    :param most: how many are named
    :param between: what stands between two of them
    """
    every = list(texts)
    named = between.join(map(shown, every[:most]))
    return f"{named} and {len(every) - most} more" if len(every) > most else named


def shown_json(value: object, most: int = MOST_CHARACTERS) -> str:
    """Write a value of JSON as :func:`shown` shows it, white space as it is; the type of what cannot be written."""
    try:
        return _cut(json.dumps(value, default=str), most)
    except (ValueError, RecursionError):  # nested too deeply
        return f"a {type(value).__name__}"


def shown_within(value: Any, most: int | None = None) -> Any:
    """Return a value of JSON in which every text, and every key, is as :func:`shown` shows it.

    :param value: what :mod:`json` reads
    :param most: how many entries of each list are kept; all if it is left out
    """
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {shown(key): shown_within(one, most) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_within(one, most) for one in value[:most]]
    return value
