"""Errors in the vendor's shape: ``{"exception": {"name", "message", "details"}}`` [P: AAC25].

::

    Exception
    ├── ApiError               an answer with an error status
    │   └── ValidationError    400
    └── MissingObjectError     the options decide the status
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from starlette.responses import JSONResponse

# ``ValidationFailed`` and ``TooManyRequestsException`` are the vendor's own examples [P: AAC25].
# ``AjaxUnauthorized`` is [M]. The other names are our choice [?], because no page shows them.
_NAMES = {
    400: "ValidationFailed",
    401: "AjaxUnauthorized",
    403: "ForbiddenException",
    404: "NotFoundException",
    405: "MethodNotAllowedException",
    410: "GoneException",
    415: "UnsupportedMediaTypeException",
    429: "TooManyRequestsException",
    500: "InternalServerErrorException",
}
_MESSAGES = {400: "Input validation failed"}


class ApiError(Exception):
    """An answer with an error status.

    :param status: HTTP status, 4xx or 5xx
    :param details: what is wrong, for a person
    :param headers: extra response headers
    """

    def __init__(self, status: int, details: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.headers = headers


class ValidationError(ApiError):
    """A 400 ``ValidationFailed`` [P: AAC25].

    :param details: what is wrong with the input
    """

    def __init__(self, details: str) -> None:
        super().__init__(400, details)


class MissingObjectError(Exception):
    """An object does not exist, or does not exist any more. The options decide the status of the answer.

    :param kind: plural name of the resource, as in its path
    :param object_id: the requested id
    :param reason: ``"unknown"`` (never existed) or ``"deleted"`` (soft-deleted)
    """

    def __init__(self, kind: str, object_id: int | str, reason: Literal["unknown", "deleted"]) -> None:
        wording = "does not exist" if reason == "unknown" else "has been deleted"
        super().__init__(f"{kind} {object_id} {wording}")
        self.reason = reason


def route_not_found(method: str, path: str) -> JSONResponse:
    """Make the 404 for an unknown path [P: AYX].

    :param method: HTTP method of the request
    :param path: path of the request
    """
    return _response("RouteNotFoundException", "This route does not exist", f"Cannot {method} {path}", 404)


def error_response(error: ApiError, status: int | None = None) -> JSONResponse:
    """Make the answer for an error.

    :param error: the error to report
    :param status: HTTP status in place of the error's own
    """
    try:
        phrase = HTTPStatus(error.status).phrase
    except ValueError:
        phrase = "Unknown Error"
    name = _NAMES.get(error.status, phrase.replace(" ", ""))
    message = _MESSAGES.get(error.status, phrase)
    return _response(name, message, error.details, status or error.status, error.headers)


def _response(
    name: str, message: str, details: str, status: int, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"exception": {"name": name, "message": message, "details": details}}
    return JSONResponse(body, status_code=status, headers=headers)
