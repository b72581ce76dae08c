"""Everything the client needs to know of an instance, checked once."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv6Address
from urllib.parse import quote, quote_plus, unquote, urlsplit

from .. import __version__
from .errors import ConfigurationError
from .proxies import check_proxy
from .texts import shown

#: Seconds for a whole call, with its repetitions: this at least, and so many times the wait for one
#: answer.
_SHORTEST_CALL = 300.0
_SHORTEST_UPLOAD = 3600.0
_WAITS_IN_A_CALL = 5
_WAITS_IN_AN_UPLOAD = 6
#: Bytes of a package that is exported.
DEFAULT_MAX_PACKAGE_SIZE = 256 * 1024 * 1024

#: What Airflow shows instead of a stored secret. It comes back when such a view is saved as a new
#: connection.
_MASK = "***"
#: Characters that a secret must have to be replaced in an answer that is not an error.
_SHORTEST_IN_ANSWERS = 8


#: A scheme where a name should be: ``https:/name``, ``https//name``, or ``https`` alone.
_HALF_A_SCHEME = re.compile(r"https?([:/\\]|$)", re.IGNORECASE)
#: The page of one object, or of the login. No instance is behind such a path.
_PAGE = re.compile(r"/((deployments|flows|jobs)/[0-9]+(/.*)?|login)", re.IGNORECASE)
_IN_A_URI = (
    "In a connection URI, encode the whole address as its host:"
    " trifacta://LOGIN:PASSWORD@https%3A%2F%2FNAME%2FPATH."
)
#: The three parts of an access token (JWT). The first one begins with ``{"``.
_TOKEN = re.compile(r"eyJ[\w-]+=*\.[\w-]+=*\.[\w-]*=*", re.ASCII)
_BEARER = re.compile(r"(authorization:\s*)?bearer\s", re.IGNORECASE)
#: Base64 has two alphabets.
_URL_SAFE = str.maketrans("+/", "-_")
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


@dataclass(frozen=True)
class ClientConfig:
    """Where an instance is, and how to talk to it.

    With a ``login`` the password is its password (Basic). Without one it is an access token
    (Bearer). Vendor pages [R]: API Authentication, Manage API Access Tokens v4.

    :param base_url: scheme, host, port and base path, without ``/v4``; see :func:`resolve_base_url`
    :param password: the login's password, or the access token
    :param login: user name, or None for token authentication
    :param verify: True, False, or the path of a CA bundle
    :param cert: client certificate: one PEM path, or a pair of certificate and key
    :param proxies: proxy URL by scheme, as ``requests`` takes it; the environment's proxies apply
        too
    :param connect_timeout: seconds to wait for the connection
    :param read_timeout: seconds to wait for an answer to begin, and between two pieces of it
    :param upload_timeout: the same for an upload, an export or a run: the server does the work
        within that request
    :param read_retries: how often a failed read is sent again; it does not apply to writes
    :param user_agent: how requests name themselves; some servers allow or count them by that
    :param total_timeout: seconds for a whole call, with its repetitions, redirects and pages; None
        for 5 times ``read_timeout``, and at least 300
    :param upload_total_timeout: the same for an upload, an export or a run; None for 6 times
        ``upload_timeout``, and at least 3,600
    :param max_package_size: bytes that a package may have that is exported, or copied from object
        storage
    :param hidden: more texts that must not be shown, such as the values of run parameters whose
        names look secret
    :raises ConfigurationError: there are no usable credentials, or a value cannot be used
    """

    base_url: str
    password: str = field(repr=False)
    login: str | None = None
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    upload_timeout: float = 600.0
    read_retries: int = 4
    user_agent: str = f"airflow-provider-trifacta/{__version__}"
    total_timeout: float | None = None
    upload_total_timeout: float | None = None
    max_package_size: int = DEFAULT_MAX_PACKAGE_SIZE
    hidden: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        refuse_pem("verify", self.verify)
        certificates = self.cert if isinstance(self.cert, tuple) else (self.cert,)
        for path in certificates:
            refuse_pem("cert", path)
        for url in self.proxies.values():
            check_proxy(url, "A URL in the connection's proxies")
        if not self.password:
            raise ConfigurationError(
                "The connection has no password. Put the login's password there, or an access token"
                " with the login left empty."
            )
        for name, value in (("login", self.login), ("password", self.password)):
            refuse_mask(name, value)
            # Header injection, and the usual line break at the end of a secret read from a file.
            has_control_character = value and not value.isprintable()
            _refuse(
                has_control_character,
                f"{name} holds a line break or another control character. Remove it.",
            )
            has_space_around = value and value != value.strip()
            _refuse(has_space_around, f"{name} begins or ends with a space. Remove it.")
        agent = self.user_agent
        is_plain = agent.isascii() and agent.isprintable()
        _refuse(
            not agent.strip() or not is_plain,
            f"user_agent must be printable ASCII text, not {shown(agent)!r}.",
        )
        has_colon = ":" in (self.login or "")
        _refuse(has_colon, "login holds a colon, which Basic authentication excludes.")
        self._check_token()

    def _check_token(self) -> None:
        """Refuse an access token that would not be sent as one: a server only answers 401 to it."""
        bearer = _BEARER.match(self.password)
        if self.login:
            words = (
                "password is an access token, and there is a login. Leave the login empty for a"
                " token."
            )
            _refuse(bearer or _TOKEN.fullmatch(self.password), words)
            return
        _refuse(bearer, "password begins with 'Bearer'. Give the access token alone.")
        quoted = self.password[0] in _QUOTES or self.password[-1] in _QUOTES
        _refuse(
            quoted,
            "password has a quote around it. Without a login it is an access token: give it alone.",
        )
        words = (
            "password holds a space, and without a login it is an access token, which has none. "
        )
        _refuse(
            " " in self.password,
            f"{words}Give the token alone, or the login that the password belongs to.",
        )

    @cached_property
    def seconds_of_a_call(self) -> float:
        """Seconds that a whole call may take."""
        usual = max(self.read_timeout * _WAITS_IN_A_CALL, _SHORTEST_CALL)
        return usual if self.total_timeout is None else self.total_timeout

    @cached_property
    def seconds_of_an_upload(self) -> float:
        """Seconds that an upload, an export or a run may take."""
        usual = max(self.upload_timeout * _WAITS_IN_AN_UPLOAD, _SHORTEST_UPLOAD)
        return usual if self.upload_total_timeout is None else self.upload_total_timeout

    @property
    def without_repetitions(self) -> ClientConfig:
        """The same, except that a failed read is not sent again.

        The caller asks again by itself, as a wait does at its next poll.
        """
        return replace(self, read_retries=0) if self.read_retries else self

    @property
    def insecure(self) -> str:
        """What is unsafe about the connection, for a warning; empty if nothing is."""
        if self.base_url.startswith("http://"):
            return "uses plain http: credentials cross the network unencrypted."
        if self.verify is False:
            return "does not verify the server's certificate: credentials may go to another server."
        return ""

    @cached_property
    def secrets(self) -> list[str]:
        """Every text that must not be shown, longest first.

        That is the password or token, the passwords of proxies (the environment's too), and what
        Basic authentication makes of them, and what is hidden. Each is there as it stands in URLs,
        in JSON, in HTML, in base64, and in text whose white space was folded.
        """
        pairs = [(self.login or "", self.password)]
        for login, password in proxy_logins(
            [*self.proxies.values(), *environment_proxies(self.base_url).values()]
        ):
            pairs += [(login, password), (unquote(login), unquote(password))]
        forms: set[str] = set()
        for login, password in pairs:
            basic = base64.b64encode(f"{login}:{password}".encode("utf-8", "replace"))
            forms |= _forms_of(password)
            forms |= _forms_of(basic.decode())
        for secret in self.hidden:
            forms |= _forms_of(secret)
        forms.discard("")
        return sorted(forms, key=len, reverse=True)

    @cached_property
    def long_secrets(self) -> list[str]:
        """Those that are replaced in an answer that is not an error.

        A short one may be a part of any name.
        """
        return [secret for secret in self.secrets if len(secret) >= _SHORTEST_IN_ANSWERS]


def _forms_of(secret: str) -> set[str]:
    """Return a secret as it stands in URLs, JSON, HTML, base64, and where white space is folded."""
    written = secret.encode("utf-8", "replace").decode()
    return {
        secret,
        unquote(written),
        quote(written, safe=""),
        quote_plus(written),
        quote(written),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        " ".join(secret.split()),
        *_within_base64(written),
        *_within_base64(json.dumps(secret)[1:-1]),
    }


def _within_base64(secret: str) -> Iterator[str]:
    """Yield what shows a secret within the base64 of a longer text.

    Base64 writes three bytes as four characters. So the text depends on where the secret begins,
    and its first and last character also on what is beside it.
    """
    content = secret.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + content).decode()
        whole = encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        if len(whole) >= _SHORTEST_IN_ANSWERS:
            yield whole
            yield whole.translate(_URL_SAFE)


def _unusable(words: str) -> ConfigurationError:
    return ConfigurationError(f"The connection's {words}")


def _refuse(wrong: object, words: str) -> None:
    if wrong:
        raise _unusable(words)


def refuse_mask(name: str, value: object) -> None:
    """Refuse what Airflow shows instead of a secret.

    :param name: name of the field or extra
    :param value: its value
    :raises ConfigurationError: it is the mask
    """
    _refuse(
        value == _MASK,
        f"{name} is {_MASK}, the mask that Airflow shows instead of a secret; the real one was"
        " overwritten when a masked view was saved. Enter it again.",
    )


def refuse_pem(name: str, value: object) -> None:
    """Refuse a certificate or key in place of its path, without showing it.

    :param name: name of the extra
    :param value: its value
    :raises ConfigurationError: it is one
    """
    marks = ("-----BEGIN", "\n", "\\n")
    is_pem = isinstance(value, str) and any(mark in value for mark in marks)
    words = (
        "holds a certificate or key where its path belongs. Save it as a file on every worker, and"
        " give the path."
    )
    _refuse(is_pem, f"extra {name!r} {words}")


def resolve_base_url(
    host: str | None, *, schema: str | None = None, port: int | None = None
) -> str:
    """Put the fields of a connection together into one base URL.

    ``host`` may be a bare name, ``name:port``, ``name/base/path`` or a full URL. https is the
    default. Without a port the scheme's own applies: self-managed instances often listen on 3005
    [R], but that is never guessed.

    :param host: the connection's host
    :param schema: ``http`` or ``https``, or nothing
    :param port: port number, or nothing
    :returns: the base URL
    :raises ConfigurationError: the fields cannot be used or contradict each other; the message
        names them
    """
    text = (host or "").strip()
    # Before it is parsed: what is wrong with it may quote the password.
    _refuse("@" in text, "host holds credentials (user@host). Put them into login and password.")
    if not text:
        raise ConfigurationError(
            "The connection has no host. Enter the instance's name or URL, for example"
            " https://trifacta.example.com."
        )
    # The libraries raise a raw error for half of a surrogate pair.
    _refuse(
        text != text.encode("utf-8", "replace").decode(),
        f"host {shown(text)!r} is not a host or URL.",
    )
    has_scheme = "://" in text
    # What a terminal would obey, and what no URL has.
    _refuse(not text.isprintable(), f"host {shown(text)!r} is not a host or URL.")
    name = text.partition("://")[2] if has_scheme else text
    if _HALF_A_SCHEME.match(name) or (has_scheme and name.startswith("/")):
        raise _unusable(
            f"host {shown(text)!r} has a scheme in place of a name. Write https://NAME. {_IN_A_URI}"
        )
    schemes = ("http", "https")
    scheme_field = (schema or "").strip().lower().removesuffix("://")
    # A URI whose password is not encoded puts a part of it there.
    _refuse("@" in scheme_field, f"schema holds '@'. {_IN_A_URI} Encode login and password too.")
    if scheme_field not in ("", *schemes):
        raise _unusable(f"schema must be http or https, not {shown(schema)!r}. {_IN_A_URI}")
    text = _with_brackets(text)
    try:
        url = urlsplit(text if has_scheme else f"//{text}")
        host_port = url.port
    except ValueError as error:
        raise _unusable(f"host {shown(text)!r} is not a host or URL: {error}.") from None
    if has_scheme and url.scheme not in schemes:
        raise _unusable(f"host must start with http:// or https://, not {url.scheme}://.")
    _refuse(url.query or url.fragment, "host must not hold '?' or '#': give the base URL only.")
    if not url.hostname or any(character.isspace() for character in text):
        raise _unusable(f"host {shown(text)!r} is not a host or URL.")
    _refuse(
        has_scheme and scheme_field not in ("", url.scheme),
        f"host says {url.scheme}:// but its schema field says {scheme_field}. Leave one out.",
    )
    _refuse(
        port is not None and host_port not in (None, port),
        f"host says port {host_port} but its port field says {port}. Leave one out.",
    )
    path = url.path.rstrip("/")
    if path.rsplit("/", 1)[-1].lower() == "v4":
        raise _unusable(f"host {shown(text)!r} ends with /v4. Leave that out; the client adds it.")
    page = _PAGE.search(path)
    if page and page.end() == len(path):
        raise _unusable(
            f"host {shown(text)!r} is the address of a page. Leave out the path {shown(page[0])!r}."
        )
    final_port = port if host_port is None else host_port
    _refuse(
        final_port is not None and not 0 < final_port < 65536,
        f"port {final_port} is not between 1 and 65535.",
    )
    scheme = url.scheme if has_scheme else (scheme_field or "https")
    name = host_of(url.geturl())
    netloc = name if final_port is None else f"{name}:{final_port}"
    return f"{scheme}://{netloc}{path}"


def host_of(url: str) -> str:
    """Return the host of a URL as it stands in URLs: an IPv6 address in brackets.

    :param url: a URL with a host
    """
    name = urlsplit(url).hostname or ""
    return f"[{name}]" if ":" in name else name


def _with_brackets(text: str) -> str:
    """Put brackets around an IPv6 address that has none.

    Airflow takes them off the host of a connection's URI.
    """
    scheme, separator, rest = text.rpartition("://")
    address, slash, path = rest.partition("/")
    try:
        IPv6Address(address)
    except ValueError:
        return text
    return f"{scheme}{separator}[{address}]{slash}{path}"


def check_environment(base_url: str, proxies: Mapping[str, str]) -> None:
    """Refuse a proxy of the environment that would be used but cannot be.

    :param base_url: the instance
    :param proxies: the connection's own proxies, which come first
    :raises ConfigurationError: it cannot be used; the error names the kind of variable, and nothing
        of its value
    """
    from requests.utils import select_proxy  # not at the top: parsing a DAG needs no HTTP library

    of_environment = environment_proxies(base_url)
    chosen = select_proxy(base_url, {**of_environment, **proxies})
    if not chosen or chosen in proxies.values():
        return
    schemes = sorted(scheme for scheme, url in of_environment.items() if url == chosen)
    variables = " or ".join(f"{scheme.upper()}_PROXY" for scheme in schemes)
    check_proxy(chosen, f"The proxy of this worker's environment ({variables})")


def environment_proxies(base_url: str) -> dict[str, str]:
    """Return the environment's proxies by scheme; none if ``NO_PROXY`` exempts the instance."""
    from requests.utils import get_environ_proxies

    proxies: dict[str, str] = dict(get_environ_proxies(base_url))
    proxies.pop("no", None)
    return proxies


def proxy_logins(urls: Iterable[str]) -> list[tuple[str, str]]:
    """Return login and password, as they are written, of each proxy URL that has a password."""
    logins: list[tuple[str, str]] = []
    for url in urls:
        with suppress(ValueError):
            parts = urlsplit(url if "://" in url else f"http://{url}")
            if parts.password:
                logins.append((parts.username or "", parts.password))
    return logins
