"""From an error status, or the lack of an answer, to an error that says what happened and what to
do next.

Only a request that failed enters this module.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from . import errors
from .calls import exchange
from .config import host_of
from .redact import parse, text_of_header
from .retries import ROUTE_NOT_FOUND, parse_retry_after
from .tls import file_problem, tls_error, unusable_files

if TYPE_CHECKING:
    from .calls import Request
    from .config import ClientConfig
    from .redact import Redactor
    from .responses import Answer

#: The class of each error status that has one; :func:`api_error_class` decides the rest.
_STATUS_CLASSES: dict[int, type[errors.APIError]] = {
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.ServerError,
    410: errors.GoneError,
    413: errors.PayloadTooLargeError,
    425: errors.ServerError,
    429: errors.RateLimitError,
}


def api_error_class(status: int) -> type[errors.APIError]:
    """Return the class of an HTTP error status.

    :param status: HTTP status, 400 or above
    """
    usual = errors.ServerError if status >= 500 else errors.BadRequestError
    return _STATUS_CLASSES.get(status, usual)


_ADVICE = {
    400: (
        "Correct the request as the message says; for a package, check the product version that"
        " exported it."
    ),
    401: (
        "Check login and password, or the access token (it may have expired), in the Airflow"
        " connection."
    ),
    410: "It was deleted in Trifacta.",
    413: "Raise the upload limit of the server or of the proxy before it.",
    429: "The instance's request quota is used up. Try again later or less often.",
}
#: The first name in a path, what one of it is called, and what a user needs to get at it.
_RESOURCES = {
    "deployments": (
        "deployment",
        "Where the instance is both Dev and Prod, the user needs the Deployment role.",
    ),
    "releases": (
        "release",
        "Where the instance is both Dev and Prod, the user needs the Deployment role.",
    ),
    "flows": ("flow", "The user must own the flow, or it must be shared with the user."),
    "connections": (
        "connection",
        "The user must own a connection, or it must be shared with the user.",
    ),
    "jobGroups": ("job group", "The user must be allowed to see the flow that it runs."),
}
#: What a workspace can switch off, by the end of the path.
_SETTINGS = {
    **dict.fromkeys(
        ("/flows/package", "/flows/package/dryRun", "/releases", "/releases/dryRun"), "import"
    ),
    "/package": "export",
}
#: Names of exceptions that say more than the status beside them, and the status that such an answer
#: counts as.
_STATUS_OF_NAME = {
    "InvalidAccessTokenException": 401,  # seen with status 400 [P: SAA]
    "AccessControlException": 403,
    "DataNotFoundException": 404,
    ROUTE_NOT_FOUND: 404,
    "GoneException": 410,
}
#: Statuses that keep their class, whoever answers: they are about the sender, the form of the
#: request, or the moment.
_OF_ANY_SENDER = (401, 407, 408, 411, 413, 414, 425, 429, 431)
_NOT_THE_API = (
    "This is not the API's own error: something in front of the API answered, so it says nothing"
    " about any object. If this goes on, check the connection's host, and the proxy or gateway on"
    " the way."
)
_MAYBE_NOT_THE_API = (
    "This is not the API's own error, so something in front of the API may have refused them."
)
_UNKNOWN_ROUTE = (
    "This instance does not know this call. Check the connection's host, and the product version."
)
#: Reads that send nothing but an id.
_READ_BY_ID = re.compile(r"/v4/\w+/\d+(/status)?")
_NO_DEPLOYMENT_MANAGER = (
    "This instance has no Deployment Manager, or this user's edition or role does not include it."
    " Check that the connection's host is the production instance, and ask its administrator. The"
    " cloud editions have none: there ImportFlowPackageOperator imports a package into the"
    " workspace (docs/guides/workspaces.md)."
)


def api_error(answer: Answer, request: Request, redact: Redactor) -> errors.APIError:
    """Return the error of an answer with an error status.

    :param answer: the answer
    :param request: the request
    :param redact: takes secrets out of the answer's words
    :returns: the error, in the class that fits
    """
    method, path = request.method, request.path
    name, words, from_api = _api_words(answer)
    request_id = text_of_header(answer.headers, "x-trifacta-request-id")
    if words:
        said = f": {redact.excerpt(words)}"
    else:
        said = f" with {redact.describe(answer.content, answer.headers)}"
    where = f" (request id {redact.excerpt(request_id)})" if request_id else ""
    status = _STATUS_OF_NAME.get(name or "", answer.status) if from_api else answer.status
    kind = api_error_class(status)
    advice = _advice(status, path)
    if _is_of_a_gateway(answer.status, from_api):
        kind, advice = errors.GatewayPageError, _NOT_THE_API
    elif status == 401 and not from_api:
        advice = f"{advice} {_MAYBE_NOT_THE_API}"
    elif from_api and name == ROUTE_NOT_FOUND:
        advice = _UNKNOWN_ROUTE
    elif from_api and _refuses_id(status, request):
        kind, advice = errors.NotFoundError, _advice(404, path)
    happened = f"{method} {path} answered {answer.status}{said}{where}".rstrip(".")
    return kind(
        f"{happened}. {advice}".rstrip(),
        method=method,
        path=path,
        status=answer.status,
        name=name and redact.excerpt(name),
        request_id=request_id and redact.excerpt(request_id),
        retry_after=parse_retry_after(answer.headers),
        from_api=from_api,
    )


def lacks_deployment_manager(error: errors.APIError) -> errors.DeploymentManagerMissingError:
    """Return the error of a call below deployments or releases on an instance that has none of
    both.

    :param error: what the call ended with: the instance does not know the path
    """
    happened = f"{error.method} {error.path} answered {error.status}: {error.name}"
    where = f" (request id {error.request_id})" if error.request_id else ""
    fields = ("method", "path", "status", "name", "request_id", "from_api", "unsent")
    return errors.DeploymentManagerMissingError(
        f"{happened}{where}. {_NO_DEPLOYMENT_MANAGER}",
        **{field: getattr(error, field) for field in fields},
    )


def _is_of_a_gateway(status: int, from_api: bool) -> bool:
    """Tell an answer in place of a verdict: only the API itself can say something of an object."""
    return not from_api and 400 <= status < 500 and status not in _OF_ANY_SENDER


def _refuses_id(status: int, request: Request) -> bool:
    """Tell a 400 that can only be about the id: the API documents this status for what does not
    exist, too.

    With query parameters it may be about one of them.
    """
    sends_only_an_id = request.method == "GET" and not request.params
    return status == 400 and sends_only_an_id and _READ_BY_ID.fullmatch(request.path) is not None


def _advice(status: int, path: str) -> str:
    """Return what to do next.

    A wrong id and a missing permission are answered alike, so both are named.
    """
    resource, _, number = path.removeprefix("/v4/").partition("/")
    noun, needed = _RESOURCES.get(resource, ("", "The user must be allowed to use the API."))
    number = number.partition("/")[0]
    if status == 400 and noun and number.isdecimal():
        # This status is documented for what does not exist, too.
        return (
            f"{_ADVICE[400]} Check the id {number} of the {noun} too, and this user's permission."
        )
    if status not in (403, 404):
        return _ADVICE.get(status, "")
    permission = "Check this user's permission."
    if noun and number.isdigit():
        permission = (
            f"Check the id {number} of the {noun} and this user's permission: the answer does not"
            " tell which is wrong."
        )
    sentences = [permission, needed]
    setting = _setting(path) if number else None
    if setting:
        sentences.append(f"Check that {setting} is enabled in the workspace.")
    if status == 404:
        sentences.append("Check the base URL too; the object may be deleted.")
    return " ".join(sentences)


def _setting(path: str) -> str | None:
    """Return what a workspace must enable for a path; None if nothing is known."""
    for end, setting in _SETTINGS.items():
        if path.endswith(end):
            return setting
    return None


def _api_words(answer: Answer) -> tuple[str | None, str, bool]:
    """Read ``{"exception": {name, message, details}}``.

    :returns: the exception's name; the words of the answer; and whether it is the API's own error,
        since a gateway may answer JSON of another kind
    """
    try:
        body = parse(answer.content)
    except (ValueError, RecursionError):
        return None, "", False
    inner = body.get("exception", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return None, inner if isinstance(inner, str) else json.dumps(inner), False
    from_api = inner is not body and bool(inner.get("name") or inner.get("message"))
    name = inner.get("name")
    words: list[str] = []
    for key in ("name", "message", "details"):
        part = inner.get(key)
        if part:  # details may be any JSON type
            words.append(part if isinstance(part, str) else json.dumps(part))
    name_as_text = name if isinstance(name, str) else None
    return name_as_text, ": ".join(words) or json.dumps(inner), from_api


_PORTS = {"http": 80, "https": 443}
#: What the libraries raise for an answer that they cannot read, apart from their own errors.
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
#: What the system raises for a TLS file that it cannot open.
_FILE_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def failure_of(
    error: Exception, request: Request, url: str, config: ClientConfig, redact: Redactor
) -> Exception:
    """Translate what the libraries raised in place of an answer.

    :param error: what they raised
    :param request: the request
    :param url: where it was sent
    :param config: names the files that TLS needs
    :param redact: takes secrets out of the words of the libraries
    :returns: the error in the class that fits; the same one if it is not theirs
    """
    path = urlsplit(url).path
    # requests lets the second one through.
    if isinstance(error, (requests.exceptions.InvalidURL, LocationParseError)):
        return errors.ConfigurationError(
            f"The connection's host makes no usable URL: {redact(str(error))}."
        )
    if isinstance(error, requests.RequestException):
        return _no_answer(error, request, url, config, redact)
    if isinstance(error, OSError) and not exchange.begun:
        return errors.ConfigurationError(unusable_files(config))
    if isinstance(error, (OSError, HTTPError)):
        return _no_answer(requests.ConnectionError(error), request, url, config, redact)
    if not isinstance(error, _GARBLED):
        return error
    words = redact.excerpt(f"{type(error).__name__}: {error}")
    if not exchange.begun:
        return errors.InvalidInputError(f"{request.method} {path} cannot be sent ({words}).")
    return errors.UnexpectedResponseError(
        f"{request.method} {path} was answered with what is not HTTP ({words})."
    )


def _no_answer(
    error: requests.RequestException,
    request: Request,
    url: str,
    config: ClientConfig,
    redact: Redactor,
) -> errors.TrifactaError:
    parts = urlsplit(url)
    links = list(_chain(error))
    port = parts.port or _PORTS[parts.scheme]
    where = f"{request.method} {parts.path} at {host_of(url)}:{port}"
    # The innermost exception has the words that people can act on.
    cause = redact.excerpt(str(links[-1]) or type(links[-1]).__name__).rstrip(".")

    def came_of(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in links)

    if isinstance(error, requests.exceptions.SSLError):
        return tls_error(links, where, cause, config)
    # Connecting to a server raises none of these, except that a firewall may forbid it.
    if not exchange.begun and came_of(*_FILE_ERRORS) and file_problem(config):
        return errors.ConfigurationError(unusable_files(config))
    # ``urllib3`` blames the proxy for every connection through it that is lost, also after the
    # request has left.
    if isinstance(error, requests.exceptions.ProxyError) and not exchange.begun:
        words = f"failed at the proxy: {cause}. Check the extra 'proxies' and the environment."
    elif isinstance(error, requests.ConnectTimeout):
        words = (
            "could not connect in time. Check host and port, firewalls, and the extra"
            " 'connect_timeout'."
        )
    elif isinstance(error, requests.ReadTimeout):
        option = "upload_timeout" if request.slow else "read_timeout"
        return errors.RequestTimeoutError(
            f"{where} gave no answer in time. A larger extra {option!r} waits longer."
        )
    elif came_of(socket.gaierror):
        words = f"could not connect: the host name is not known ({cause}). Check the host."
    elif came_of(urllib3.exceptions.NewConnectionError):
        hint = "Check the host and the network."
        if came_of(ConnectionRefusedError):
            hint = (
                "Check host and port: nothing listens there. Self-managed instances often use port"
                " 3005."
            )
        words = f"could not connect: {cause}. {hint}"
    else:
        hint = ""
        if request.body:
            hint = " The server may have refused the file before reading all of it."
        return errors.ConnectionLostError(f"{where} lost its connection: {cause}.{hint}")
    return errors.ConnectError(f"{where} {words}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside an exception: ``urllib3`` nests them in args and reasons, not
    only as causes.
    """
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
