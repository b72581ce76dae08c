"""Errors in the vendor's shape: ``{"exception": {"name", "message", "details"}}`` [P: AAC25].

::

    Exception
    ├── ApiError                   an answer with an error status
    │   ├── AccessError            403
    │   └── ValidationError        400: the body or a parameter is refused
    │       └── EmbedError         400: an association cannot be embedded
    └── MissingObjectError         the options decide the status
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Literal

from starlette.responses import JSONResponse, Response

# 403, 404 and 410 are recorded [P: AYX]. ``TooManyRequestsException`` is the vendor's own example
# [P: AAC25]. ``AjaxUnauthorized`` is [M]. The other names are our choice [?], because no page shows
# them.
_NAMES = {
    400: "ApiValidationFailed",
    401: "AjaxUnauthorized",
    403: "AccessControlException",
    404: "DataNotFoundException",
    405: "MethodNotAllowedException",
    410: "GoneException",
    415: "UnsupportedMediaTypeException",
    429: "TooManyRequestsException",
    500: "InternalServerErrorException",
}
_MESSAGES = {400: "Input validation failed", 403: "Permission denied"}


class ApiError(Exception):
    """An answer with an error status.

    :param status: HTTP status, 4xx or 5xx
    :param details: what is wrong, for a person
    :param headers: extra response headers
    :param name: name of the exception; ``None`` = the usual one of the status
    :param message: its message; ``None`` = the usual one of the status
    """

    def __init__(
        self,
        status: int,
        details: str,
        headers: dict[str, str] | None = None,
        *,
        name: str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.headers = headers
        self.name = name or _NAMES.get(status)
        self.message = message or _MESSAGES.get(status)


class AccessError(ApiError):
    """A 403 ``AccessControlException`` [P: AYX, VC].

    :param details: what is not permitted, and to whom
    :param message: ``Permission denied``, or the other recorded one
    """

    def __init__(self, details: str, message: str = "Permission denied") -> None:
        super().__init__(403, details, message=message)

    @classmethod
    def to(cls, kind: str, object_id: int | str) -> AccessError:
        """Refuse an object. An unknown one can be refused in the same words [P: AYX].

        :param kind: plural name of the resource, as in its path
        :param object_id: the requested id
        """
        return cls(f"The user has no access to {kind} {object_id}")


class ValidationError(ApiError):
    """A 400 ``ApiValidationFailed`` for a body [P: AYX]; the same for a parameter or a package [I].

    :param details: what is wrong with the input, with the name of the field
    :param name: name of the exception, where another one is recorded
    """

    def __init__(self, details: str, name: str | None = None) -> None:
        super().__init__(400, details, name=name)


class EmbedError(ValidationError):
    """A 400 ``ValidationFailed`` for an embed [P: AAC25].

    :param details: what cannot be embedded, and what can be
    """

    def __init__(self, details: str) -> None:
        super().__init__(details, "ValidationFailed")


class MissingObjectError(Exception):
    """An object does not exist, or does not exist any more. The options decide the status of the
    answer.

    :param kind: plural name of the resource, as in its path
    :param object_id: the requested id
    :param reason: ``"unknown"`` (never existed) or ``"deleted"`` (soft-deleted)
    """

    def __init__(
        self,
        kind: str,
        object_id: int | str,
        reason: Literal["unknown", "deleted"],
    ) -> None:
        wording = "does not exist" if reason == "unknown" else "has been deleted"
        super().__init__(f"{kind} {object_id} {wording}")
        self.kind = kind
        self.object_id = object_id
        self.reason = reason


def route_not_found(method: str, path: str) -> ApiError:
    """Make the 404 for an unknown path, and for a known one with another method [P: AYX].

    :param method: HTTP method of the request
    :param path: path of the request, as it was asked. The query is left out: our choice [?]
    """
    return ApiError(
        404,
        f"Cannot {method} {path}",
        name="RouteNotFoundException",
        message="This route does not exist",
    )


def error_response(
    error: ApiError,
    status: int | None = None,
    *,
    old_style: bool = False,
) -> Response:
    """Make the answer for an error.

    :param error: the error to report
    :param status: HTTP status in place of the error's own
    :param old_style: a 403 as release 6.0 writes it: without ``details``, as indented JSON [P: VC]
    """
    try:
        phrase = HTTPStatus(error.status).phrase
    except ValueError:
        phrase = "Unknown Error"
    exception: dict[str, Any] = {
        "name": error.name or phrase.replace(" ", ""),
        "message": error.message or phrase,
    }
    status = status or error.status
    if old_style and error.status == 403:
        body = json.dumps({"exception": exception}, indent=2)
        return Response(body, status, headers=error.headers, media_type="application/json")
    exception["details"] = error.details
    return JSONResponse({"exception": exception}, status, headers=error.headers)
