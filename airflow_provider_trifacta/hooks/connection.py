"""From an Airflow connection to the client's configuration: the extras, and what they may look like as text."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyjson5

from ..client.config import (
    DEFAULT_CONNECT_TIMEOUT,
    DEFAULT_MAX_ANSWER_SIZE,
    DEFAULT_MAX_PACKAGE_SIZE,
    DEFAULT_READ_RETRIES,
    DEFAULT_READ_TIMEOUT,
    DEFAULT_UPLOAD_TIMEOUT,
    DEFAULT_USER_AGENT,
    ClientConfig,
    refuse_mask,
    refuse_pem,
    resolve_base_url,
)
from ..client.errors import ConfigurationError
from ..client.proxies import check_environment, check_proxy
from ..client.texts import listed, shown

if TYPE_CHECKING:
    from .._compat import Connection

log = logging.getLogger(__name__)

#: A read is asked again this often at most; more would only hide an outage.
_MOST_READ_RETRIES = 10
#: Seconds that a timeout has at most: what the system's clocks take.
_MOST_SECONDS = 10**9


def config_from_connection(connection: Connection) -> ClientConfig:
    """Validate a connection and turn it into the client's configuration.

    :param connection: a connection of type ``trifacta``
    :raises ConfigurationError: naming the field or extra that cannot be used
    """
    extras = _extras(connection)
    unknown = sorted(set(extras) - set(_READERS))
    if unknown:
        log.warning(
            "Connection %s has extras that are not known and have no effect: %s. Known are: %s.",
            connection.conn_id,
            listed(unknown),
            ", ".join(_READERS),
        )
    values = {name: read(name, extras.get(name)) for name, read in _READERS.items()}
    config = ClientConfig(
        base_url=resolve_base_url(connection.host, schema=connection.schema, port=_port(connection.port)),
        login=connection.login or None,
        password=connection.password or "",
        **values,
    )
    check_environment(config.base_url, config.proxies)
    return config


def _extras(connection: Connection) -> Mapping[str, Any]:
    raw: Any = connection.extra
    if isinstance(raw, Mapping):  # airflow.sdk.Connection(extra={...}) keeps it as it was given
        return raw
    if not raw or not raw.strip():
        return {}
    try:
        # Read here and not through extra_dejson, which turns unreadable text into nothing.
        extras = json.loads(raw)
    except (ValueError, RecursionError):
        extras = None
    if not isinstance(extras, dict):
        raise ConfigurationError("The connection's extra is not a JSON object. Correct or empty it.")
    return extras


def _port(value: object) -> int | None:
    if value in (None, "", 0, "0"):  # some of Airflow's pages send 0 for a blank port
        return None
    try:
        return int(str(value))
    except ValueError:
        raise ConfigurationError(f"The connection's port must be a number, not {_said(value)}.") from None


def _said(value: object) -> str:
    return shown(repr(value))


def _is_path(path: object, kind: Callable[[Path], bool]) -> bool:
    """Tell whether there is a file or folder of this path; what the system cannot even ask for is not there."""
    try:
        return isinstance(path, str) and kind(Path(path))
    except (OSError, ValueError):
        return False


def _absent(value: object) -> bool:
    """Blank fields of the connection form arrive as null, blank query parameters of a URI as empty text."""
    return value is None or (isinstance(value, str) and not value.strip())


def _parsed(value: object) -> object:
    """Read a text that holds JSON; a connection URI can bring nothing but text.

    Airflow 2's form turns stored lists and objects into Python's notation, which JSON5 covers.
    """
    if isinstance(value, str):
        try:
            return pyjson5.decode(value)
        except pyjson5.Json5Exception:
            return value.strip()
    return value


def _verify(name: str, value: object) -> bool | str:
    if _absent(value):
        return True
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    refuse_pem(name, value)
    if isinstance(value, str) and _is_path(value.strip(), Path.exists):
        return value.strip()
    raise ConfigurationError(
        f"The connection's extra {name!r} must be true, false or the path of a CA bundle that exists on this host."
    )


def _cert(name: str, value: object) -> str | tuple[str, str] | None:
    if _absent(value):
        return None
    refuse_pem(name, value)
    parsed = _parsed(value)
    paths = [parsed] if isinstance(parsed, str) else parsed
    for path in paths if isinstance(paths, list) else []:
        refuse_pem(name, path)
    if isinstance(paths, list) and len(paths) in (1, 2) and all(_is_path(path, Path.is_file) for path in paths):
        return paths[0] if len(paths) == 1 else (paths[0], paths[1])
    raise ConfigurationError(
        f"The connection's extra {name!r} must be the path of a PEM file, or a list of two paths (certificate, key), "
        "that exist on this host."
    )


def _proxies(name: str, value: object) -> dict[str, str]:
    refuse_mask(f"extra {name!r}", value)  # Airflow masks extras of this name, proxy URLs may hold passwords
    if _absent(value):
        return {}
    parsed = _parsed(value)
    if isinstance(parsed, str) and "://" in parsed:
        check_proxy(parsed, f"The connection's extra {name!r}")
        return {"http": parsed, "https": parsed}
    if isinstance(parsed, dict) and all(isinstance(part, str) and part for pair in parsed.items() for part in pair):
        return parsed
    # The value is not shown: proxy URLs may hold passwords.
    raise ConfigurationError(
        f"The connection's extra {name!r} must be one proxy URL (with http:// or https://), or an object of proxy "
        'URLs by scheme such as {"https": "http://proxy.example.com:3128"}.'
    )


def _number(name: str, value: object) -> float:
    parsed = _parsed(value)
    if isinstance(parsed, (int, float)) and not isinstance(parsed, bool) and abs(parsed) < math.inf:
        return parsed
    raise ConfigurationError(f"The connection's extra {name!r} must be a number, not {_said(value)}.")


_Default = TypeVar("_Default", float, None)


def _seconds(default: _Default) -> Callable[[str, object], float | _Default]:
    def read(name: str, value: object) -> float | _Default:
        if _absent(value):
            return default
        number = _number(name, value)
        if number <= 0:
            raise ConfigurationError(
                f"The connection's extra {name!r} must be more than 0 seconds, not {_said(value)}."
            )
        return float(min(number, _MOST_SECONDS))

    return read


def _size(default: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        if _absent(value):
            return default
        number = _number(name, value)
        if number != int(number) or number <= 0:
            raise ConfigurationError(
                f"The connection's extra {name!r} must be a whole number of bytes and more than 0, not {value!r}."
            )
        return int(number)

    return read


def _read_retries(name: str, value: object) -> int:
    if _absent(value):
        return DEFAULT_READ_RETRIES
    number = _number(name, value)
    if number != int(number) or not 0 <= number <= _MOST_READ_RETRIES:
        raise ConfigurationError(
            f"The connection's extra {name!r} must be a whole number from 0 to {_MOST_READ_RETRIES}, "
            f"not {_said(value)}."
        )
    return int(number)


def _user_agent(name: str, value: object) -> str:
    if _absent(value):
        return DEFAULT_USER_AGENT
    if not isinstance(value, str):
        raise ConfigurationError(f"The connection's extra {name!r} must be a text, not {_said(value)}.")
    return value.strip()


#: How each extra is read. The names are those of :class:`~airflow_provider_trifacta.client.ClientConfig`.
_READERS: dict[str, Callable[[str, object], Any]] = {
    "verify": _verify,
    "cert": _cert,
    "proxies": _proxies,
    "connect_timeout": _seconds(DEFAULT_CONNECT_TIMEOUT),
    "read_timeout": _seconds(DEFAULT_READ_TIMEOUT),
    "upload_timeout": _seconds(DEFAULT_UPLOAD_TIMEOUT),
    "read_retries": _read_retries,
    "user_agent": _user_agent,
    "total_timeout": _seconds(None),
    "upload_total_timeout": _seconds(None),
    "max_answer_size": _size(DEFAULT_MAX_ANSWER_SIZE),
    "max_package_size": _size(DEFAULT_MAX_PACKAGE_SIZE),
}
