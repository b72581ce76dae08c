"""Errors in the vendor's shape: ``{"exception": {"name", "message", "details"}}`` [P: AAC25]."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from starlette.responses import JSONResponse

# ``ValidationFailed`` and ``TooManyRequestsException`` are the vendor's own examples [P: AAC25];
# ``AjaxUnauthorized`` is [M]; the other names are our choice, as no page shows them.
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
    """
    An answer with an error status.

    :param status: HTTP status, 4xx or 5xx.
    :param details: what is wrong, for a human.
    :param headers: extra response headers.
    """

    def __init__(self, status: int, details: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.headers = headers


class ValidationError(ApiError):
    """
    A 400 ``ValidationFailed`` [P: AAC25].

    :param details: what is wrong with the input.
    """

    def __init__(self, details: str) -> None:
        super().__init__(400, details)


class MissingObjectError(Exception):
    """
    An object is not there; the options decide which status that becomes.

    :param kind: plural name of the resource, as in its path.
    :param object_id: the id that was asked for.
    :param reason: ``"unknown"`` (never existed) or ``"deleted"`` (soft-deleted).
    """

    def __init__(self, kind: str, object_id: int | str, reason: Literal["unknown", "deleted"]) -> None:
        wording = "does not exist" if reason == "unknown" else "has been deleted"
        super().__init__(f"{kind} {object_id} {wording}")
        self.reason = reason


def route_not_found(method: str, path: str) -> JSONResponse:
    """
    Make the 404 of a path that is unknown [P: AYX].

    :param method: HTTP method that was asked for.
    :param path: path that was asked for.
    """
    details = f"Cannot {method} {path}"
    exception = {"name": "RouteNotFoundException", "message": "This route does not exist", "details": details}
    return JSONResponse({"exception": exception}, status_code=404)


def error_response(error: ApiError, status: int | None = None) -> JSONResponse:
    """
    Make the vendor's error body.

    :param error: what to report.
    :param status: HTTP status in place of the error's own.
    """
    try:
        phrase = HTTPStatus(error.status).phrase
    except ValueError:
        phrase = "Unknown Error"
    name = _NAMES.get(error.status, phrase.replace(" ", ""))
    message = _MESSAGES.get(error.status, phrase)
    body = {"exception": {"name": name, "message": message, "details": error.details}}
    return JSONResponse(body, status_code=status or error.status, headers=error.headers)
