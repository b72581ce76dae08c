"""From an HTTP answer, or the lack of one, to JSON or an error that says what happened and what to do next."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit

import requests
import urllib3

from .config import ClientConfig
from .errors import (
    APIError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
    api_error_class,
)
from .retries import parse_retry_after

#: Characters of a foreign text (an HTML page, a long message) that are quoted in an error.
_EXCERPT = 400

_ADVICE = {
    400: "Correct the request as the message says; for a package, check the product version that exported it.",
    401: "Check login and password, or the access token (it may have expired), in the Airflow connection.",
    403: "Give this user the Deployment role, and check that import and export are enabled in the workspace.",
    404: "Check the id and the base URL. The object may be deleted, or not visible to this user.",
    410: "It was deleted in Trifacta.",
    413: "Raise the upload limit of the server or of the proxy before it.",
    429: "The instance's request quota is used up. Try again later or less often.",
}


class Redactor:
    """Takes the credentials out of text that comes from elsewhere (answers, library messages)."""

    def __init__(self, config: ClientConfig) -> None:
        pair = f"{config.login}:{config.password}".encode()
        secrets = [config.password, quote(config.password, safe=""), base64.b64encode(pair).decode()]
        for proxy in config.proxies.values():
            url = urlsplit(proxy)
            secrets += [part for part in (url.password, url.netloc if url.password else None) if part]
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def read_json(response: requests.Response, method: str, path: str, redact: Redactor) -> object:
    """Return the JSON body of an answer, None for an empty one.

    :raises APIError: for an error status, in the class that fits it
    :raises UnexpectedResponseError: when the body is not JSON
    """
    if response.status_code >= 400:
        raise _api_error(response, method, path, redact)
    if response.status_code == 204 or not response.content:
        return None
    try:
        return json.loads(response.content)
    except ValueError:
        raise UnexpectedResponseError(
            f"{method} {path} answered {response.status_code} with {_describe(response, redact)} instead of JSON. "
            "Check that the connection's host is the base URL of a Trifacta instance and not of a login page or "
            "proxy before it."
        ) from None


def _api_error(response: requests.Response, method: str, path: str, redact: Redactor) -> APIError:
    status = response.status_code
    name, words = _api_words(response)
    request_id = response.headers.get("x-trifacta-request-id")
    parts = [f"{method} {path} answered {status}"]
    parts.append(f": {redact(words)}" if words else f" with {_describe(response, redact)}")
    if request_id:
        parts.append(f" (request id {request_id})")
    message = "".join(parts).rstrip(".") + "."
    if status in _ADVICE:
        message += f" {_ADVICE[status]}"
    return api_error_class(status)(
        message,
        method=method,
        path=path,
        status=status,
        name=name,
        request_id=request_id,
        retry_after=parse_retry_after(response.headers),
    )


def _api_words(response: requests.Response) -> tuple[str | None, str]:
    """Return the exception's name, and the API's own words, from ``{"exception": {name, message, details}}``."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return None, ""
    inner = body.get("exception", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return None, _shorten(inner if isinstance(inner, str) else json.dumps(inner))
    name = inner.get("name")
    words = []
    for key in ("name", "message", "details"):  # details may be any JSON type
        value = inner.get(key)
        if value:
            words.append(value if isinstance(value, str) else json.dumps(value))
    return (name if isinstance(name, str) else None), _shorten(": ".join(words) or json.dumps(inner))


def _describe(response: requests.Response, redact: Redactor) -> str:
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    text = redact(_shorten(response.text))
    return f"{kind} {text!r}" if text else "an empty body"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 3]}..."


def transport_error(
    error: requests.RequestException, method: str, url: str, redact: Redactor, *, upload: bool = False
) -> TransportError:
    """Translate what ``requests`` raised when no answer came.

    :param upload: whether a package was being sent, which changes the advice
    """
    parts = urlsplit(url)
    where = f"{method} {parts.path} at {parts.hostname}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"
    cause = redact(_root_cause_text(error))
    if isinstance(error, requests.exceptions.SSLError):
        return TLSError(
            f"{where} failed in TLS: {cause}. For a private certificate authority give the CA bundle's path in the "
            "extra 'verify'; for a server that speaks plain http use http:// in the host."
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return ConnectError(f"{where} failed at the proxy: {cause}. Check the extra 'proxies' and the environment.")
    if isinstance(error, requests.ConnectTimeout):
        return ConnectError(
            f"{where} could not connect in time. Check host and port, firewalls, and the extra 'connect_timeout'."
        )
    if isinstance(error, requests.ReadTimeout):
        option = "upload_timeout" if upload else "read_timeout"
        return RequestTimeoutError(f"{where} gave no answer in time. A larger extra {option!r} waits longer.")
    links = list(_chain(error))
    if any(isinstance(link, socket.gaierror) for link in links):
        return ConnectError(f"{where} could not connect: the host name is not known ({cause}). Check the host.")
    if any(isinstance(link, urllib3.exceptions.NewConnectionError) for link in links):
        refused = any(isinstance(link, ConnectionRefusedError) for link in links)
        hint = "Check host and port: nothing listens there. Self-managed instances often use port 3005."
        return ConnectError(
            f"{where} could not connect: {cause}. {hint if refused else 'Check the host and the network.'}",
            refused=refused,
        )
    hint = " The server may have refused the file before reading all of it." if upload else ""
    return ConnectionLostError(f"{where} lost its connection: {cause}.{hint}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside an exception: ``urllib3`` nests them in args and reasons, not only as causes."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner: Iterable[object] = (
            *link.args,
            getattr(link, "reason", None),
            link.__cause__,
            link.__context__,
        )
        pending.extend(inner)


def _root_cause_text(error: BaseException) -> str:
    """Return the words of the innermost exception, which is the one that people can act on."""
    *_, root = _chain(error)
    return _shorten(str(root) or type(root).__name__).rstrip(".")
