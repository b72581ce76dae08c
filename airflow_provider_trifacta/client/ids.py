"""One conversion of ids, for operators, sensors and the client alike."""

from __future__ import annotations

from .errors import InvalidInputError

_MOST_DIGITS = 30


def parse_id(value: object, field: str) -> int:
    """Turn what a user or a template gave into a positive integer id.

    Templates render ids as text and a missing XCom as ``"None"``, so text is accepted and that word is explained.

    :param value: an int, or a string of digits
    :param field: name of the argument, for the message
    :raises InvalidInputError: for anything else, naming the field and the value
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str):
        text = value.strip()
        # No id has more digits, and Python refuses to read very many.
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) > 0:
            return int(text)
    hint = ""
    if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
        hint = " An upstream XCom or a template gave nothing: check the task it comes from and the key's name."
    elif isinstance(value, (dict, list, tuple)):
        hint = " Pick the id out of it, for example with create.output['release_id']."
    shown = repr(value)
    if len(shown) > 80:
        shown = f"{shown[:77]}..."
    raise InvalidInputError(f"{field} must be a positive whole number or its digits, not {shown}.{hint}")
