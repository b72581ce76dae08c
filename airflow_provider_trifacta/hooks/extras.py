"""The extras of an Airflow connection: how each is read, and what it may look like as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyjson5

from ..client.config import refuse_mask, refuse_pem
from ..client.errors import ConfigurationError
from ..client.gate import logger
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
    # The query of a URI whose password is not encoded holds a part of it: only what looks like a
    # name is shown.
    unknown = sorted(
        {name if _NAME.fullmatch(name) else "(not shown)" for name in set(extras) - set(_READERS)}
    )
    if unknown:
        words = "Connection %s has extras that are not known and have no effect: %s. Known are: %s."
        log.warning(words, conn_id, listed(unknown), ", ".join(_READERS))
    return {
        name: read(name, extras[name])
        for name, read in _READERS.items()
        if not _absent(extras.get(name))
    }


def _unusable(name: str, must: str, value: object = None) -> ConfigurationError:
    """Return the error of an extra.

    :param name: the extra
    :param must: what it must be
    :param value: what it is, if that may be shown
    """
    said = "" if value is None else f", not {shown(repr(value))}"
    return ConfigurationError(f"The connection's extra {name!r} must be {must}{said}.")


def _is_path(path: object, kind: Callable[[Path], bool]) -> bool:
    """Tell whether there is a file or folder of this path. False for a text that cannot
    be a path.
    """
    try:
        return isinstance(path, str) and kind(Path(path))
    except (OSError, ValueError):
        return False


def _absent(value: object) -> bool:
    """Tell whether an extra is blank: null from the connection form, or an empty text
    from a URI.
    """
    return value is None or (isinstance(value, str) and not value.strip())


def _parsed(value: object) -> object:
    """Read a text that holds JSON: a connection URI gives every extra as text.

    Airflow 2's form turns stored lists and objects into Python's notation, which JSON5 covers.
    """
    if isinstance(value, str):
        try:
            return pyjson5.decode(value)
        except pyjson5.Json5Exception:
            return value.strip()
    return value


def _verify(name: str, value: object) -> bool | str:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    refuse_pem(name, value)
    if isinstance(value, str) and _is_path(value.strip(), Path.exists):
        return value.strip()
    raise _unusable(name, "true, false or the path of a CA bundle that exists on this host")


def _cert(name: str, value: object) -> str | tuple[str, str] | None:
    refuse_pem(name, value)
    parsed = _parsed(value)
    paths = [parsed] if isinstance(parsed, str) else parsed
    for path in paths if isinstance(paths, list) else []:
        refuse_pem(name, path)
    if (
        isinstance(paths, list)
        and len(paths) in (1, 2)
        and all(_is_path(path, Path.is_file) for path in paths)
    ):
        return paths[0] if len(paths) == 1 else (paths[0], paths[1])
    files = (
        "the path of a PEM file, or a list of two paths (certificate, key), that exist on this host"
    )
    raise _unusable(name, files)


def _proxies(name: str, value: object) -> dict[str, str]:
    refuse_mask(
        f"extra {name!r}", value
    )  # Airflow masks extras of this name, proxy URLs may hold passwords
    parsed = _parsed(value)
    if isinstance(parsed, str) and "://" in parsed:
        check_proxy(parsed, f"The connection's extra {name!r}")
        return {"http": parsed, "https": parsed}
    if isinstance(parsed, dict) and all(
        isinstance(part, str) and part for pair in parsed.items() for part in pair
    ):
        return parsed
    # The value is not shown: proxy URLs may hold passwords.
    by_scheme = (
        'an object of proxy URLs by scheme such as {"https": "http://proxy.example.com:3128"}'
    )
    raise _unusable(name, f"one proxy URL (with http:// or https://), or {by_scheme}")


def _number(name: str, value: object) -> float:
    parsed = _parsed(value)
    if isinstance(parsed, (int, float)) and not isinstance(parsed, bool) and abs(parsed) < math.inf:
        return parsed
    raise _unusable(name, "a number", value)


def _whole(name: str, value: object, least: int, most: float, must: str) -> int:
    number = _number(name, value)
    if number != int(number) or not least <= number <= most:
        raise _unusable(name, must, value)
    return int(number)


def _seconds(name: str, value: object) -> float:
    number = _number(name, value)
    if number <= 0:
        raise _unusable(name, "more than 0 seconds", value)
    return float(min(number, _MOST_SECONDS))


def _user_agent(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _unusable(name, "a text", value)
    return value.strip()


_retries = partial(
    _whole, least=0, most=_MOST_READ_RETRIES, must=f"a whole number from 0 to {_MOST_READ_RETRIES}"
)
_size = partial(_whole, least=1, most=math.inf, must="a whole number of bytes and more than 0")
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
