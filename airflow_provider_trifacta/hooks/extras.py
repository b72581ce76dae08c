"""The extras of an Airflow connection: how each is read, and what it may look like as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyjson5

from ..client.config import refuse_mask, refuse_pem
from ..client.errors import ConfigurationError
from ..client.foreign_words import logger
from ..client.proxies import check_proxy
from ..client.texts import listed, shown

log = logger(__name__)

#: A read is sent again this often at most: more would only hide an outage.
_MOST_READ_RETRIES = 10
_NAME = re.compile(r"[\w.-]{1,60}", re.ASCII)
#: Seconds that a timeout has at most: the system's clocks take no more.
_MOST_SECONDS = 10**9


def read_extras(extras: Mapping[str, Any], conn_id: str | None) -> dict[str, Any]:
    """Turn the extras of a connection into fields of the client's configuration.

    :param extras: the extras, as JSON values or as text
    :param conn_id: the connection, for a warning about extras that are not known
    :returns: the fields that are set
    :raises ConfigurationError: an extra cannot be used; the error names it
    """
    unknown = extras.keys() - _READERS.keys()
    if unknown:
        words = "Connection %s has extras that are not known and have no effect: %s. Known are: %s."
        log.warning(words, conn_id, listed(_safe_names(unknown)), ", ".join(_READERS))
    fields: dict[str, Any] = {}
    for name, read in _READERS.items():
        extra = extras.get(name)
        if not _is_blank(extra):
            fields[name] = read(name, extra)
    return fields


def _safe_names(names: Collection[str]) -> list[str]:
    """Return what may be shown of the names of extras.

    The query of a URI whose password is not encoded holds a part of it: only what looks like a name
    is shown.
    """
    safe = {name if _NAME.fullmatch(name) else "(not shown)" for name in names}
    return sorted(safe)


def _unusable(name: str, must: str, value: object = None) -> ConfigurationError:
    """Return the error of an extra.

    :param name: the extra
    :param must: what it must be
    :param value: what it is, if that may be shown
    """
    instead = "" if value is None else f", not {shown(repr(value))}"
    return ConfigurationError(f"The connection's extra {name!r} must be {must}{instead}.")


def _is_path(path: object, kind: Callable[[Path], bool]) -> bool:
    """Tell whether a path exists. A text that cannot be a path does not."""
    try:
        return isinstance(path, str) and kind(Path(path))
    except (OSError, ValueError):
        return False


def _is_blank(value: object) -> bool:
    """Tell whether an extra is blank: null from the form, or an empty text from a URI."""
    return value is None or (isinstance(value, str) and not value.strip())


def _parsed(value: object) -> object:
    """Read a text that holds JSON: a connection URI gives every extra as text.

    Airflow 2's form turns stored lists and objects into Python's notation, which JSON5 covers.
    """
    if not isinstance(value, str):
        return value
    try:
        return pyjson5.decode(value)
    except pyjson5.Json5Exception:
        return value.strip()


def _verify(name: str, value: object) -> bool | str:
    if isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    refuse_pem(name, value)
    if text and _is_path(text, Path.exists):
        return text
    raise _unusable(name, "true, false or the path of a CA bundle that exists on this host")


def _cert(name: str, value: object) -> str | tuple[str, str] | None:
    refuse_pem(name, value)
    parsed = _parsed(value)
    paths: list[Any] = parsed if isinstance(parsed, list) else [parsed]
    for path in paths:
        refuse_pem(name, path)
    are_files = all(_is_path(path, Path.is_file) for path in paths)
    if are_files and len(paths) == 1:
        return str(paths[0])
    if are_files and len(paths) == 2:
        return paths[0], paths[1]
    files = "the path of a PEM file, or a list of two paths (certificate, key)"
    raise _unusable(name, f"{files}, that exist on this host")


def _proxies(name: str, value: object) -> dict[str, str]:
    # Airflow masks extras of this name, because proxy URLs may hold passwords.
    refuse_mask(f"extra {name!r}", value)
    parsed = _parsed(value)
    if isinstance(parsed, str) and "://" in parsed:
        check_proxy(parsed, f"The connection's extra {name!r}")
        return {"http": parsed, "https": parsed}
    if isinstance(parsed, dict) and _are_texts([*parsed.keys(), *parsed.values()]):
        return parsed
    # The value is not shown: proxy URLs may hold passwords.
    example = '{"https": "http://proxy.example.com:3128"}'
    by_scheme = f"an object of proxy URLs by scheme such as {example}"
    raise _unusable(name, f"one proxy URL (with http:// or https://), or {by_scheme}")


def _are_texts(values: list[object]) -> bool:
    return all(isinstance(value, str) and value for value in values)


def _number(name: str, value: object) -> float:
    parsed = _parsed(value)
    if isinstance(parsed, bool) or not isinstance(parsed, (int, float)):
        raise _unusable(name, "a number", value)
    if not abs(parsed) < math.inf:  # NaN is not a number either
        raise _unusable(name, "a number", value)
    return parsed


def _whole(name: str, value: object, least: int, most: float, must: str) -> int:
    number = _number(name, value)
    whole = int(number)
    if whole != number or not least <= number <= most:
        raise _unusable(name, must, value)
    return whole


def _retries(name: str, value: object) -> int:
    must = f"a whole number from 0 to {_MOST_READ_RETRIES}"
    return _whole(name, value, least=0, most=_MOST_READ_RETRIES, must=must)


def _size(name: str, value: object) -> int:
    must = "a whole number of bytes and more than 0"
    return _whole(name, value, least=1, most=math.inf, must=must)


def _seconds(name: str, value: object) -> float:
    number = _number(name, value)
    if number <= 0:
        raise _unusable(name, "more than 0 seconds", value)
    return float(min(number, _MOST_SECONDS))


def _user_agent(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _unusable(name, "a text", value)
    return value.strip()


#: How each extra is read. The names are those of
#: :class:`~airflow_provider_trifacta.client.ClientConfig`.
_READERS: dict[str, Callable[[str, object], Any]] = {
    "verify": _verify,
    "cert": _cert,
    "proxies": _proxies,
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "upload_timeout": _seconds,
    "read_retries": _retries,
    "user_agent": _user_agent,
    "max_package_size": _size,
}
