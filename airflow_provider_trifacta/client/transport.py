"""One request to the API: credentials, timeouts, redirects, repetitions and errors. The only user of ``requests``."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import LocationParseError

from .adapter import TrifactaAdapter, nothing_sent, was_sent
from .config import ClientConfig, host_of
from .errors import ConfigurationError, RedirectError, TrifactaError, UnexpectedResponseError
from .responses import Answer, Redactor, read_answer, read_json, transport_error
from .retries import WRITE_RETRIES, may_repeat_read, may_repeat_write, retrying
from .upload import MultipartFile

#: Redirects of one read that are followed, within the same host.
_MAX_REDIRECTS = 3
#: Seconds that one block of an upload may take to leave: ``requests`` sends under its connect timeout.
_UPLOAD_BLOCK_TIMEOUT = 60.0


class _Credentials(requests.auth.AuthBase):
    """Sets the header itself: header dictionaries lose to a ``.netrc`` file, and text is UTF-8 here."""

    def __init__(self, config: ClientConfig) -> None:
        if config.login:
            pair = f"{config.login}:{config.password}".encode()
            self._value = f"Basic {base64.b64encode(pair).decode()}"
        else:
            self._value = f"Bearer {config.password}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
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
        self._session = requests.Session()
        # The server's session cookie is not needed, and a stale one must not outlive a changed password.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"Accept": "application/json", "User-Agent": config.user_agent})
        adapter = TrifactaAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def read(self, path: str, params: Mapping[str, Any] | None = None) -> object:
        """GET a path, again after passing failures.

        :param path: path below the base URL, starting with ``/v4``
        :returns: the JSON body
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        loop = retrying(may_repeat_read, self.config.read_retries, self._sleep)
        return loop(self._send, "GET", path, params=params)

    def download(self, path: str, file: BinaryIO, params: Mapping[str, Any] | None = None) -> None:
        """GET a file, again and from its beginning after passing failures.

        :param path: path below the base URL
        :param file: where it goes, in place of what is there; rewound at the end
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            if self._send("GET", path, params=params, file=file) is not None or not file.tell():
                raise UnexpectedResponseError(f"GET {path} did not answer with a file.")
            file.seek(0)

        retrying(may_repeat_read, self.config.read_retries, self._sleep)(attempt)

    def try_out(self, path: str, body: MultipartFile) -> object:
        """POST an upload that changes nothing, again after passing failures.

        :param path: path below the base URL
        :param body: the upload
        :returns: the JSON body of the answer
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        loop = retrying(may_repeat_read, self.config.read_retries, self._sleep)
        return loop(self._send, "POST", path, body=body)

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
        loop = retrying(may_repeat_write, WRITE_RETRIES if repeat else 0, self._sleep)
        return loop(self._send, method, path, json=json, body=body, slow=slow)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: object = None,
        body: MultipartFile | None = None,
        file: BinaryIO | None = None,
        slow: bool = False,
    ) -> object:
        nothing_sent()
        try:
            return self._follow(method, path, params=params, json=json, body=body, file=file, slow=slow)
        except TrifactaError as error:
            # What was not sent as a whole has no effect, even if an answer says otherwise.
            error.unsent = not (body.sent_completely if body else was_sent())
            raise

    def _follow(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None,
        json: object,
        body: MultipartFile | None,
        file: BinaryIO | None,
        slow: bool,
    ) -> object:
        url = f"{self.config.base_url}{path}"
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send_once(method, url, params=params, json=json, body=body, file=file, slow=slow)
            location = answer.headers.get("Location")
            if not (300 <= answer.status < 400 and location):
                break
            target = urljoin(url, location)
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
        return read_json(answer, method, path, self._redact)

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text of the server's, fit for an error: without secrets and on one line."""
        return self._redact.excerpt(text)

    def _shown(self, url: str) -> str:
        """Return a URL for an error: without its query, which may hold a ticket or a secret."""
        parts = urlsplit(url)
        return self._redact.excerpt(f"{parts.scheme}://{host_of(url)}{_port(parts.port)}{parts.path}")

    def _path_of(self, path: str) -> str:
        return urlsplit(f"{self.config.base_url}{path}").path.rstrip("/")

    def _send_once(
        self,
        method: str,
        url: str,
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
            return read_answer(response, file)
        except TrifactaError:
            raise  # from the body's iterator
        except (requests.exceptions.InvalidURL, LocationParseError) as error:  # requests lets the second one through
            raise ConfigurationError(
                f"The connection's host makes no usable URL: {self._redact(str(error))}."
            ) from None
        except requests.RequestException as error:
            raise transport_error(error, method, url, self._redact, upload=body is not None, slow=slow) from None
        except OSError as error:  # a CA bundle or certificate that is not there
            raise ConfigurationError(f"The connection's TLS files cannot be used: {error}.") from None

    def _check_redirect(self, method: str, url: str, target: str) -> None:
        old, new = urlsplit(url), urlsplit(target)
        same_host = old.hostname == new.hostname
        upgrade = old.scheme == "http" and new.scheme == "https"
        same_server = same_host and (upgrade or (old.scheme, old.port) == (new.scheme, new.port))
        if method == "GET" and same_server:
            return
        if same_server and upgrade:
            advice = f"Set the connection's host to {new.scheme}://{host_of(target)}{_port(new.port)}."
        elif same_host and (old.scheme, new.scheme) == ("https", "http"):
            advice = "Credentials are not sent over plain http."
        else:
            advice = (
                "Credentials are not sent there, and changes are never repeated elsewhere. If it is a login page, "
                "check the credentials; if the instance moved, set the connection's host to its new URL."
            )
        raise RedirectError(f"{method} {old.path} was redirected to {self._shown(target)}. {advice}")


def _port(port: int | None) -> str:
    return "" if port is None else f":{port}"
