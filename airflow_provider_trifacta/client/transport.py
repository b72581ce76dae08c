"""One request to the API: credentials, timeouts, redirects, repetitions and errors. The only user of ``requests``.

This is the one gate that each exchange passes: who gets the credentials, how long it takes, how much is kept of an
answer, and that what leaves is an error of :mod:`.errors`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from .adapter import TrifactaAdapter, begin_exchange, was_sent
from .budget import Budget
from .config import ClientConfig, host_of
from .errors import (
    ConfigurationError,
    InvalidInputError,
    RedirectError,
    TransportError,
    TrifactaError,
    UnexpectedResponseError,
)
from .responses import Answer, Redactor, read_answer, read_json, transport_error
from .retries import WRITE_RETRIES, may_repeat_read, may_repeat_write, retrying
from .upload import MultipartFile

#: Redirects of one read that are followed, within the same host.
_MAX_REDIRECTS = 3
#: Seconds that one block of an upload may take to leave: ``requests`` sends under its connect timeout.
_UPLOAD_BLOCK_TIMEOUT = 60.0
#: How many of the largest answers one call may get, with its repetitions and pages.
_ANSWERS_OF_A_CALL = 8
#: What the libraries raise for an answer that they cannot read, beside their own errors.
_GARBLED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    EOFError,
    HTTPException,
)


_PORTS = {"http": 80, "https": 443}


class _Server(NamedTuple):
    """Who gets a request."""

    scheme: str
    host: str
    port: int

    @property
    def origins(self) -> tuple[str, ...]:
        """The beginnings of this server's URLs, as they are sent."""
        name = f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}"
        return (f"{name}:{self.port}/", f"{name}/") if self.port == _PORTS[self.scheme] else (f"{name}:{self.port}/",)


def _server_of(url: str) -> _Server | None:
    """Return the server of a URL, as it is sent. None where it cannot be told for sure.

    ``requests`` and ``urllib3`` choose the server with different parsers, by their versions, and the two understand
    odd URLs in different ways. Only a URL that both read alike has a server.
    """
    try:
        ours, theirs = urlsplit(url), parse_url(url)
        port, their_port = ours.port, theirs.port
    except (ValueError, LocationParseError):
        return None
    scheme, host = ours.scheme.lower(), (ours.hostname or "").lower()
    usual = _PORTS.get(scheme)
    same = (scheme, host, port or usual) == (
        (theirs.scheme or "").lower(),
        (theirs.host or "").lower().strip("[]"),
        their_port or usual,
    )
    if not same or not host or usual is None or "@" in ours.netloc or theirs.auth is not None:
        return None
    return _Server(scheme, host, port or usual)


def _prepared(url: str) -> str | None:
    """Return a URL as it is sent, None where it cannot be."""
    try:
        return requests.Request("GET", url).prepare().url
    except (ValueError, LocationParseError):  # the errors of requests are ValueErrors here
        return None


@lru_cache(maxsize=64)
def _server_at(url: str) -> _Server | None:
    """Return the server of a URL that a person wrote, with a host in any script."""
    return _server_of(_prepared(url) or "")


def _may_follow(old: _Server | None, new: _Server | None) -> bool:
    """Tell whether the credentials may go from one server to the other: it is the same, or the same over https."""
    if old is None or new is None or old.host != new.host:
        return False
    return old == new or (old.scheme, new.scheme) == ("http", "https")


class _Session(requests.Session):
    """A session that leaves redirects alone: ``requests`` would parse a target, and read a whole body, for nobody."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[requests.Response]:
        """Follow nothing."""
        yield from ()


class _Credentials(requests.auth.AuthBase):
    """Sets the header itself: header dictionaries lose to a ``.netrc`` file, and text is UTF-8 here.

    ``requests`` calls it last, with the request as it is sent. One to another server gets no credentials and is not
    sent.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._base_url = config.base_url
        if config.login:
            pair = f"{config.login}:{config.password}".encode()
            self._value = f"Basic {base64.b64encode(pair).decode()}"
        else:
            self._value = f"Bearer {config.password}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url = request.url or ""
        server = _server_at(self._base_url)
        if server is None:
            raise ConfigurationError("The connection's host makes no usable URL.")
        # What begins with the origin goes there: a slash ends the host for every parser.
        if not url.startswith(server.origins) and not _may_follow(server, _server_of(url)):
            raise RedirectError(f"A request would have gone to another server than {server.host}. It was not sent.")
        request.headers["Authorization"] = self._value.encode()  # type: ignore[assignment]
        return request


class Transport:
    """Sends requests to one instance. May be shared by threads; close it when done.

    :param config: where and how
    :param sleep: how to wait between repetitions, in seconds
    :param connections: how many connections are kept open; as many as threads share it
    """

    def __init__(
        self, config: ClientConfig, *, sleep: Callable[[float], None] = time.sleep, connections: int = 1
    ) -> None:
        self.config = config
        self._sleep = sleep
        self._redact = Redactor(config)
        self._auth = _Credentials(config)
        self._session: requests.Session = _Session()
        # The server's session cookie is not needed, and a stale one must not outlive a changed password.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update(
            {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": config.user_agent}
        )
        adapter = TrifactaAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def budget(self, *, slow: bool = False) -> Budget:
        """Return what one call may cost.

        :param slow: whether it is an upload, an export or a run
        """
        option = "upload_total_timeout" if slow else "total_timeout"
        size = self.config.max_answer_size * _ANSWERS_OF_A_CALL
        return Budget(self.config.seconds_in_all(slow=slow), option, size)

    def _repeating(self, budget: Budget) -> tenacity.Retrying:
        """Make the loop of a call that changes nothing."""
        return retrying(may_repeat_read, self.config.read_retries, self._sleep, left=budget.left)

    def read(self, path: str, params: Mapping[str, Any] | None = None, *, budget: Budget | None = None) -> object:
        """GET a path, again after passing failures.

        :param path: path below the base URL, starting with ``/v4``
        :param budget: what the call may cost, where it is one of several that share it
        :returns: the JSON body
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        budget = budget or self.budget()
        return self._repeating(budget)(self._send, "GET", path, budget, params=params)

    def download(self, path: str, file: BinaryIO, params: Mapping[str, Any] | None = None) -> None:
        """GET a file, again and from its beginning after passing failures.

        :param path: path below the base URL
        :param file: where it goes, in place of what is there; rewound at the end
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        budget = self.budget(slow=True)

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            if self._send("GET", path, budget, params=params, file=file) is not None or not file.tell():
                raise UnexpectedResponseError(f"GET {path} did not answer with a file.")
            file.seek(0)

        self._repeating(budget)(attempt)

    def try_out(self, path: str, body: MultipartFile) -> object:
        """POST an upload that changes nothing, again after passing failures.

        :param path: path below the base URL
        :param body: the upload
        :returns: the JSON body of the answer
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        budget = self.budget(slow=True)
        return self._repeating(budget)(self._send, "POST", path, budget, body=body)

    def write(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: MultipartFile | None = None,
        slow: bool = False,
        repeat: bool = True,
    ) -> object:
        """Send a change, again only where the server provably did nothing with it.

        :param json: body as JSON, or
        :param body: body as an upload
        :param slow: whether the server works long before it answers, as with an upload
        :param repeat: whether it is sent again at all
        :returns: the JSON body of the answer
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        budget = self.budget(slow=slow or body is not None)
        loop = retrying(may_repeat_write, WRITE_RETRIES if repeat else 0, self._sleep, left=budget.left)
        return loop(self._send, method, path, budget, json=json, body=body, slow=slow)

    def _send(
        self,
        method: str,
        path: str,
        budget: Budget,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        body: MultipartFile | None = None,
        file: BinaryIO | None = None,
        slow: bool = False,
    ) -> object:
        begin_exchange(f"{method} {path}", budget)
        try:
            return self._follow(method, path, budget, params=params, json=json, body=body, file=file, slow=slow)
        except TrifactaError as error:
            # What was not sent as a whole has no effect, even if an answer says otherwise.
            error.unsent = not (body.sent_completely if body else was_sent())
            raise

    def _follow(
        self,
        method: str,
        path: str,
        budget: Budget,
        *,
        params: Mapping[str, Any] | None,
        json: object,
        body: MultipartFile | None,
        file: BinaryIO | None,
        slow: bool,
    ) -> object:
        url = f"{self.config.base_url}{path}"
        for _ in range(_MAX_REDIRECTS + 1):
            budget.check(f"{method} {path}")
            answer = self._send_once(method, url, budget, params=params, json=json, body=body, file=file, slow=slow)
            location = answer.headers.get("Location")
            if not (300 <= answer.status < 400 and location):
                break
            target = self._target(method, url, location)
            self._check_redirect(method, url, target)
            url, params = target, None  # the target brings its own query
        else:
            raise RedirectError(
                f"{method} {path} was redirected more than {_MAX_REDIRECTS} times, last to {self._shown(url)}."
            )
        if answer.status < 300 and answer.is_html and urlsplit(url).path.rstrip("/") != self._path_of(path):
            raise RedirectError(
                f"{method} {path} was redirected to the page {self._shown(url)}, which looks like a login page. Check "
                "the connection's credentials; behind a reverse-proxy single sign-on tokens do not work, use login and "
                "password."
            )
        if 300 <= answer.status < 400:
            raise UnexpectedResponseError(f"{method} {path} answered {answer.status} without a target.")
        return read_json(answer, method, path, self._redact, self.config.max_answer_size)

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text of the server's, fit for an error: without secrets and on one line."""
        return self._redact.excerpt(text)

    def _shown(self, url: str) -> str:
        """Return a URL for an error: without its query, which may hold a ticket or a secret."""
        parts = urlsplit(url)
        return self._redact.excerpt(f"{parts.scheme}://{host_of(url)}{_port(parts.port)}{parts.path}")

    def _target(self, method: str, url: str, location: str) -> str:
        """Return where a redirect leads, as it would be sent."""
        target = None
        # What has no place in a URL is understood differently by those who read it.
        if location.isascii() and location.isprintable() and "\\" not in location:
            try:
                target = _prepared(urljoin(url, location))
            except ValueError:
                target = None
        if target is None or _server_of(target) is None:
            shown = self._redact.excerpt(ascii(location.partition("?")[0].rpartition("@")[2]))
            raise RedirectError(
                f"{method} {urlsplit(url).path} was redirected to {shown}, which is no usable address. Nothing was "
                "sent there. Check what stands between this worker and the instance."
            )
        return target

    def _path_of(self, path: str) -> str:
        return urlsplit(f"{self.config.base_url}{path}").path.rstrip("/")

    def _send_once(
        self,
        method: str,
        url: str,
        budget: Budget,
        *,
        params: Mapping[str, Any] | None,
        json: object,
        body: MultipartFile | None,
        file: BinaryIO | None,
        slow: bool,
    ) -> Answer:
        config = self.config
        slow = slow or body is not None or file is not None
        timeout = (config.connect_timeout, config.upload_timeout if slow else config.read_timeout)
        headers: dict[str, str] = {"Accept": "*/*"} if file else {}
        if body is not None:
            timeout = (max(config.connect_timeout, _UPLOAD_BLOCK_TIMEOUT), config.upload_timeout)
            headers["Content-Type"] = body.content_type
        timeout = (min(timeout[0], max(budget.left(), 0.001)), timeout[1])
        try:
            response = self._session.request(
                method,
                url,
                params=params,
                json=json,
                data=body,  # an iterable with a length is streamed
                headers=headers,
                auth=self._auth,
                timeout=timeout,
                allow_redirects=False,  # followed here, where another host never gets the credentials
                verify=config.verify,
                cert=config.cert,
                proxies=dict(config.proxies) or None,
                stream=True,  # read below, where an error's body may break off
            )
            return read_answer(response, budget, config, file)
        except TrifactaError:
            raise  # from the body's iterator, or of the connection
        except (requests.exceptions.InvalidURL, LocationParseError) as error:  # requests lets the second one through
            raise ConfigurationError(
                f"The connection's host makes no usable URL: {self._redact(str(error))}."
            ) from None
        except requests.RequestException as error:
            raise transport_error(error, method, url, self._redact, upload=body is not None, slow=slow) from None
        except OSError as error:
            if was_sent():
                raise self._lost(method, url, error, body) from None
            # A CA bundle or certificate that is not there.
            raise ConfigurationError(f"The connection's TLS files cannot be used: {error}.") from None
        except HTTPError as error:
            raise self._lost(method, url, error, body) from None
        except _GARBLED as error:
            path, words = urlsplit(url).path, self._redact.excerpt(f"{type(error).__name__}: {error}")
            if not was_sent():
                raise InvalidInputError(f"{method} {path} cannot be sent ({words}).") from None
            raise UnexpectedResponseError(f"{method} {path} was answered with what is not HTTP ({words}).") from None

    def _lost(self, method: str, url: str, error: Exception, body: MultipartFile | None) -> TransportError:
        lost = requests.ConnectionError(error)
        return transport_error(lost, method, url, self._redact, upload=body is not None)

    def _check_redirect(self, method: str, url: str, target: str) -> None:
        old, new = _server_at(url), _server_of(target)
        allowed = _may_follow(old, new)
        if method == "GET" and allowed:
            return
        if allowed and old != new:
            advice = f"Set the connection's host to https://{host_of(target)}{_port(urlsplit(target).port)}."
        elif old and new and old.host == new.host and (old.scheme, new.scheme) == ("https", "http"):
            advice = "Credentials are not sent over plain http."
        else:
            advice = (
                "Credentials are not sent there, and changes are never repeated elsewhere. If it is a login page, "
                "check the credentials; if the instance moved, set the connection's host to its new URL."
            )
        raise RedirectError(f"{method} {urlsplit(url).path} was redirected to {self._shown(target)}. {advice}")


def _port(port: int | None) -> str:
    return "" if port is None else f":{port}"
