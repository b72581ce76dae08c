"""From an HTTP answer, or the lack of one, to JSON or an error that says what happened and what to do next."""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from .budget import Budget
from .config import ClientConfig, host_of
from .errors import (
    APIError,
    ConnectError,
    ConnectionLostError,
    DeploymentManagerMissingError,
    DestinationError,
    NotFoundError,
    PackageTooLargeError,
    RequestTimeoutError,
    TemporarySpaceError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
    api_error_class,
)
from .retries import parse_retry_after
from .secrets import secrets_of
from .texts import shown

#: Bytes of an answer that are read at a time.
_BLOCK = 64 * 1024
#: One list or object of JSON for so many bytes that an answer may have: empty ones take much memory for few bytes.
_BYTES_OF_A_CONTAINER = 32
#: Levels of JSON that are kept; what is deeper becomes a text. What reads answers may go down into them.
_DEEPEST = 100
_TOKENS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
#: Characters of a foreign text (an HTML page, a long message) that are quoted in an error.
_EXCERPT = 400
#: Characters that a secret must have to be replaced in an answer that is no error.
_SHORTEST_IN_ANSWERS = 8

_ADVICE = {
    400: "Correct the request as the message says; for a package, check the product version that exported it.",
    401: "Check login and password, or the access token (it may have expired), in the Airflow connection.",
    410: "It was deleted in Trifacta.",
    413: "Raise the upload limit of the server or of the proxy before it.",
    429: "The instance's request quota is used up. Try again later or less often.",
}
#: The first name in a path, what one of it is called, and what a user needs to get at it.
_RESOURCES = {
    "deployments": ("deployment", "Where the instance is both Dev and Prod, the user needs the Deployment role."),
    "releases": ("release", "Where the instance is both Dev and Prod, the user needs the Deployment role."),
    "flows": ("flow", "The user must own the flow, or it must be shared with the user."),
    "connections": ("connection", "The user must own a connection, or it must be shared with the user."),
    "jobGroups": ("job group", "The user must be allowed to see the flow that it runs."),
}
#: What a workspace can switch off, by the end of the path.
_SETTINGS = {"/package": "export", "/releases": "import", "/releases/dryRun": "import"}
_ROUTE_NOT_FOUND = "RouteNotFoundException"
#: Reads that send nothing but an id.
_READ_BY_ID = re.compile(r"/v4/\w+/\d+(/status)?")
_NO_DEPLOYMENT_MANAGER = (
    "This instance has no Deployment Manager, or this user's edition or role does not include it. Check that the "
    "connection's host is the production instance, and ask its administrator."
)


#: What is wrong with TLS: by the code of a verification that failed (OpenSSL's X509_V_ERR_...), ...
_VERIFY_REASONS = {
    **dict.fromkeys((2, 18, 19, 20, 21), "unknown_authority"),
    9: "not_yet_valid",
    10: "expired",
    **dict.fromkeys((62, 64), "wrong_name"),
}
#: ... and by the words of the error. Alerts come from the server, and are about the client's certificate.
_TLS_WORDS = (
    ("hostname mismatch", "wrong_name"),
    ("doesn't match", "wrong_name"),
    ("key values mismatch", "key_mismatch"),
    ("key type mismatch", "key_mismatch"),
    ("private key is encrypted", "key_encrypted"),
    ("pem lib", "unreadable_file"),
    ("no start line", "unreadable_file"),
    ("no certificate or crl found", "unreadable_file"),
    ("wrong version number", "no_tls"),
    ("http request", "no_tls"),
    ("record layer failure", "no_tls"),
    ("packet length too long", "no_tls"),
    ("certificate required", "client_certificate_required"),
    ("alert handshake failure", "client_certificate_required"),
    ("alert unknown ca", "client_certificate_refused"),
    ("alert bad certificate", "client_certificate_refused"),
    ("alert certificate", "client_certificate_refused"),
    ("alert unsupported certificate", "client_certificate_refused"),
    ("alert access denied", "client_certificate_refused"),
    ("alert decrypt error", "client_certificate_refused"),
    ("protocol version", "protocol_version"),
    ("unsupported protocol", "protocol_version"),
)
_TLS_ADVICE = {
    "expired": "The server's certificate has expired: its administrator has to renew it. Check this host's clock too.",
    "not_yet_valid": "The server's certificate is not valid yet. Check the clocks of this host and of the server.",
    "wrong_name": "The server's certificate is for another name. Use the name that it holds as the connection's host.",
    "unknown_authority": (
        "This host does not know the authority that signed the server's certificate. Give the path of its CA bundle in "
        "the extra 'verify'."
    ),
    "client_certificate_required": (
        "The server asks for a client certificate. Give its path and that of its key in the extra 'cert'. If there is "
        "one, the server and this host may have no TLS version or cipher in common."
    ),
    "client_certificate_refused": (
        "The server does not accept the client certificate. Check that the extra 'cert' names one that has not expired "
        "and that is signed by an authority that the server trusts."
    ),
    "key_mismatch": (
        "The certificate and the key in the extra 'cert' do not belong together. Give the key that the certificate was "
        "made for."
    ),
    "key_encrypted": "The key in the extra 'cert' is encrypted. Give one without a passphrase.",
    "unreadable_file": (
        "A file named in the extra 'cert' or 'verify' is not PEM, or lacks the certificate or the key. Check both."
    ),
    "no_tls": "The server does not speak TLS on this port. Check the port; for plain http use http:// in the host.",
    "protocol_version": "The server and this host have no TLS version in common. The server needs TLS 1.2 or later.",
    "": (
        "For a private certificate authority give the CA bundle's path in the extra 'verify'; for a server that speaks "
        "plain http use http:// in the host."
    ),
}


class Redactor:
    """Takes the credentials out of text that comes from elsewhere (answers, library messages)."""

    def __init__(self, config: ClientConfig) -> None:
        self._secrets = secrets_of(config)
        # In what is not an error a short password may be a part of any name.
        self._long = [secret for secret in self._secrets if len(secret) >= _SHORTEST_IN_ANSWERS]

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text on one line, without secrets, none of them cut in two either."""
        return shown(self(" ".join(self(text).split())), _EXCERPT)

    def answer(self, content: bytes) -> object:
        """Parse an answer of JSON, with every secret in it replaced: a server may echo what it was sent.

        :raises ValueError: it is not JSON
        :raises RecursionError: it is nested too deeply
        """
        value = _parse(content)
        # Most answers have neither a secret nor an escape that could hide one.
        if b"\\" in content or any(secret.encode("utf-8", "replace") in content for secret in self._long):
            return self._within(value)
        return value

    def _within(self, value: object) -> object:
        if isinstance(value, str):
            for secret in self._long:
                value = value.replace(secret, "***")
            return value
        if isinstance(value, dict):
            return {self._within(key): self._within(one) for key, one in value.items()}
        return [self._within(one) for one in value] if isinstance(value, list) else value


class Answer(NamedTuple):
    """An HTTP answer that was read: as much of it as came, for an error."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_html(self) -> bool:
        """Whether it is a page for people."""
        return "html" in self.headers.get("Content-Type", "").lower()


def read_answer(
    response: requests.Response,
    budget: Budget,
    config: ClientConfig,
    file: BinaryIO | None = None,
) -> Answer:
    """Read the body of an answer, up to a limit.

    An error's body may break off, as with a server that refuses an upload and closes: its status is what matters.

    :param budget: what the call may still cost
    :param config: has the limits
    :param file: where the body goes when it is a file that was asked for; it does not go into the answer
    :raises requests.RequestException: the body of a success broke off
    :raises DestinationError: the file cannot be written
    :raises TemporarySpaceError: there is no room for it
    :raises PackageTooLargeError: the file is larger than the connection allows
    :raises UnexpectedResponseError: the answer is, or it is packed in an unknown way
    """
    content = bytearray()
    limit = min(config.max_answer_size, budget.bytes_left)
    try:
        if file and response.status_code == 200 and not _is_message(response.headers):
            _save(response, file, config.max_package_size)
            return Answer(response.status_code, response.headers, b"")
        for block in _blocks(response):
            content += block
            if len(content) > limit:
                raise UnexpectedResponseError(
                    f"The answer is larger than {config.max_answer_size} bytes, or those to one call are larger "
                    "together than several such answers. A larger extra 'max_answer_size' allows it."
                )
    except (requests.RequestException, UnexpectedResponseError):
        if response.status_code < 400:
            raise
    finally:
        response.close()
        budget.bytes_left -= len(content)
    return Answer(response.status_code, response.headers, bytes(content))


def _is_message(headers: Mapping[str, str]) -> bool:
    """Tell a page or a JSON text, which stands in the place of a file, from the file."""
    return any(kind in headers.get("Content-Type", "").lower() for kind in ("html", "json"))


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield a body in blocks, unpacked where the server packs what it was asked not to.

    It is unpacked here and in bounded steps: some versions of ``urllib3`` unpack a block into memory whatever comes of
    it, and each ``Content-Encoding`` as often as it is named.

    :raises requests.RequestException: the body broke off
    :raises UnexpectedResponseError: it is packed in another way, or not as it says
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from _sent_blocks(response)
        return
    if encoding not in ("gzip", "x-gzip"):
        raise UnexpectedResponseError(f"The answer is packed as {encoding[:40]!r}, which was not asked for.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for block in _sent_blocks(response):
            piece = unpacker.decompress(block, _BLOCK)
            while piece:
                yield piece
                piece = unpacker.decompress(unpacker.unconsumed_tail, _BLOCK)
            if unpacker.unused_data:
                raise UnexpectedResponseError("The answer goes on after the end of its gzip data.")
    except zlib.error:
        raise UnexpectedResponseError("The answer says that it is gzip, and is not.") from None
    if not unpacker.eof:
        raise requests.ConnectionError("the body ended within its gzip data")


def _sent_blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield a body as it was sent."""
    size = 0
    try:
        for block in response.raw.stream(_BLOCK, decode_content=False):
            size += len(block)
            yield block
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    announced = response.headers.get("Content-Length", "")
    # Older versions of urllib3 take a body that ends early for a whole one.
    has_body = response.status_code not in (204, 304) and not getattr(response.raw, "chunked", False)
    if has_body and announced.isdecimal() and int(announced[:20]) != size:
        raise requests.ConnectionError(f"the body ended after {size} of {announced[:20]} bytes")
    response.raw.release_conn()  # read to its end: the connection may be used again


def _save(response: requests.Response, file: BinaryIO, limit: int) -> None:
    size = 0
    announced = response.headers.get("Content-Length", "")[:20]
    too_large = PackageTooLargeError(
        f"The exported package is larger than {limit} bytes. Nothing was saved. A larger extra 'max_package_size' "
        "allows it."
    )
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    for block in _blocks(response):
        size += len(block)
        if size > limit:
            raise too_large
        try:
            file.write(block)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise TemporarySpaceError(
                    f"This worker has no room for the file while it is received: {error}. Nothing was saved. Free "
                    "some space, or set TMPDIR to a directory with more of it."
                ) from None
            raise DestinationError(f"The file cannot be kept while it is received: {error}.") from None


def read_json(answer: Answer, method: str, path: str, redact: Redactor, largest: int) -> object:
    """Return the JSON body of an answer, None for an empty one.

    :param largest: bytes that an answer may have
    :raises APIError: for an error status, in the class that fits it
    :raises UnexpectedResponseError: when the body is not JSON
    """
    if answer.status >= 400:
        raise _api_error(answer, method, path, redact)
    if answer.status == 204 or not answer.content:
        return None
    containers = answer.content.count(b"[") + answer.content.count(b"{")
    if containers > max(largest // _BYTES_OF_A_CONTAINER, _DEEPEST):
        raise UnexpectedResponseError(
            f"{method} {path} answered {containers} lists and objects, more than an answer may hold. A larger extra "
            "'max_answer_size' allows more."
        )
    try:
        return redact.answer(answer.content)
    except (ValueError, RecursionError):
        raise UnexpectedResponseError(
            f"{method} {path} answered {answer.status} with {_describe(answer, redact)} instead of JSON. "
            "Check that the connection's host is the base URL of a Trifacta instance and not of a login page or "
            "proxy before it."
        ) from None


def _parse(content: bytes) -> Any:
    """Read JSON. What is nested deeper than any answer becomes a text, and null where it holds nothing.

    :raises ValueError: it is not JSON
    """
    try:
        value = json.loads(content)
    except RecursionError:
        pass
    else:
        if content.count(b"[") + content.count(b"{") <= _DEEPEST or not _is_deep(value):
            return value
    text = content.decode(json.detect_encoding(content), "surrogatepass")
    kept: list[str] = []
    depth = at = 0
    quoted = False
    for token in _TOKENS.finditer(text):
        mark = text[token.start()]
        if mark == '"':
            quoted = not quoted
        elif quoted or mark == "\\":
            continue
        elif mark in "[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept.append(text[at : token.start()])
                at = token.start()
        else:
            if depth == _DEEPEST + 1:
                filled = text[at : token.end()].translate(_NO_CONTENT)
                kept.append('"..."' if filled else "null")
                at = token.end()
            depth -= 1
    return json.loads("".join([*kept, text[at:]]))


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


_NO_CONTENT = dict.fromkeys(map(ord, "[]{}, \t\r\n"))


def _api_error(answer: Answer, method: str, path: str, redact: Redactor) -> APIError:
    name, words, from_api = _api_words(answer)
    request_id = answer.headers.get("x-trifacta-request-id")
    parts = [f"{method} {path} answered {answer.status}"]
    parts.append(f": {redact.excerpt(words)}" if words else f" with {_describe(answer, redact)}")
    if request_id:
        parts.append(f" (request id {redact.excerpt(request_id)})")
    message = "".join(parts).rstrip(".") + "."
    error_class = api_error_class(answer.status)
    if _lacks_deployment_manager(answer.status, name, method, path):
        error_class = DeploymentManagerMissingError
        message += f" {_NO_DEPLOYMENT_MANAGER}"
    elif from_api and _refuses_id(answer.status, method, path):
        error_class = NotFoundError
        message += f" {_advice(404, path)}"
    elif advice := _advice(answer.status, path):
        message += f" {advice}"
    return error_class(
        message,
        method=method,
        path=path,
        status=answer.status,
        name=name and redact.excerpt(name),
        request_id=request_id and redact.excerpt(request_id),
        retry_after=parse_retry_after(answer.headers),
        from_api=from_api,
    )


def _lacks_deployment_manager(status: int, name: str | None, method: str, path: str) -> bool:
    """Tell an instance where deployments are unknown from one where this object is."""
    below = path.startswith(("/v4/deployments", "/v4/releases"))
    # A path that is known with another method is answered alike, and reading import rules is not documented.
    may_be_unknown = method == "GET" and path.endswith("ImportRules")
    return status == 404 and name == _ROUTE_NOT_FOUND and below and not may_be_unknown


def _refuses_id(status: int, method: str, path: str) -> bool:
    """Tell a 400 that can only be about the id: the API documents this status for what does not exist, too."""
    return status == 400 and method == "GET" and _READ_BY_ID.fullmatch(path) is not None


def _advice(status: int, path: str) -> str:
    """Return what to do next. A wrong id and a missing permission are answered alike, so both are named."""
    if status not in (403, 404):
        return _ADVICE.get(status, "")
    resource, _, number = path.removeprefix("/v4/").partition("/")
    noun, needed = _RESOURCES.get(resource, ("", "The user must be allowed to use the API."))
    number = number.partition("/")[0]
    setting = next((words for end, words in _SETTINGS.items() if path.endswith(end) and number), None)
    sentences = [
        f"Check the id {number} of the {noun} and this user's permission: the answer does not tell which is wrong."
        if noun and number
        else "Check this user's permission.",
        needed,
        f"Check that {setting} is enabled in the workspace." if setting else "",
        "Check the base URL too; the object may be deleted." if status == 404 else "",
    ]
    return " ".join(filter(None, sentences))


def _api_words(answer: Answer) -> tuple[str | None, str, bool]:
    """Read ``{"exception": {name, message, details}}``.

    :returns: the exception's name; the words of the answer; and whether it is the API's own error, since a gateway may
        answer JSON of another kind
    """
    try:
        body = _parse(answer.content)
    except (ValueError, RecursionError):
        return None, "", False
    inner = body.get("exception", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return None, inner if isinstance(inner, str) else json.dumps(inner), False
    from_api = inner is not body and bool(inner.get("name") or inner.get("message"))
    name = inner.get("name")
    words = []
    for key in ("name", "message", "details"):  # details may be any JSON type
        value = inner.get(key)
        if value:
            words.append(value if isinstance(value, str) else json.dumps(value))
    return (name if isinstance(name, str) else None), ": ".join(words) or json.dumps(inner), from_api


def _describe(answer: Answer, redact: Redactor) -> str:
    kind = answer.headers.get("Content-Type", "no content type").partition(";")[0]
    text = redact.excerpt(answer.content.decode("utf-8", "replace"))
    return f"{kind} {text!r}" if text else "an empty body"


def transport_error(
    error: requests.RequestException,
    method: str,
    url: str,
    redact: Redactor,
    *,
    upload: bool = False,
    slow: bool = False,
) -> TransportError:
    """Translate what ``requests`` raised when no answer came.

    :param upload: whether a package was being sent, which changes the advice
    :param slow: whether the longer timeout applied
    """
    parts = urlsplit(url)
    where = f"{method} {parts.path} at {host_of(url)}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"
    cause = redact.excerpt(_root_cause_text(error)).rstrip(".")
    if isinstance(error, requests.exceptions.SSLError):
        reason = _tls_reason(error)
        tls_error = TLSError(f"{where} failed in TLS: {cause}. {_TLS_ADVICE[reason]}")
        tls_error.reason = reason
        return tls_error
    if isinstance(error, requests.exceptions.ProxyError):
        return ConnectError(f"{where} failed at the proxy: {cause}. Check the extra 'proxies' and the environment.")
    if isinstance(error, requests.ConnectTimeout):
        return ConnectError(
            f"{where} could not connect in time. Check host and port, firewalls, and the extra 'connect_timeout'."
        )
    if isinstance(error, requests.ReadTimeout):
        option = "upload_timeout" if slow else "read_timeout"
        return RequestTimeoutError(f"{where} gave no answer in time. A larger extra {option!r} waits longer.")
    links = list(_chain(error))
    if any(isinstance(link, socket.gaierror) for link in links):
        return ConnectError(f"{where} could not connect: the host name is not known ({cause}). Check the host.")
    if any(isinstance(link, urllib3.exceptions.NewConnectionError) for link in links):
        refused = any(isinstance(link, ConnectionRefusedError) for link in links)
        hint = "Check host and port: nothing listens there. Self-managed instances often use port 3005."
        return ConnectError(
            f"{where} could not connect: {cause}. {hint if refused else 'Check the host and the network.'}"
        )
    hint = " The server may have refused the file before reading all of it." if upload else ""
    return ConnectionLostError(f"{where} lost its connection: {cause}.{hint}")


def _tls_reason(error: BaseException) -> str:
    """Return what is wrong with TLS, as a key of the advice; empty where it is not known."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError) and link.verify_code in _VERIFY_REASONS:
            return _VERIFY_REASONS[link.verify_code]
    words = " ".join(str(link) for link in _chain(error)).lower().replace("_", " ")
    return next((reason for part, reason in _TLS_WORDS if part in words), "")


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
    return str(root) or type(root).__name__
