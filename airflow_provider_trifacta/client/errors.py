"""Every error the client raises: one root, and a class for each case that a caller would treat differently.

Two class attributes carry the decisions, so that every mode and layer takes the same ones:

* ``transient``: the same *read* may well succeed in a moment; the client asks again by itself.
* ``retryable``: a later attempt of the whole task may succeed, so Airflow's ``retries`` apply and a waiting
  sensor goes on for a while. Everything else needs a person first and must not be repeated blindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class TrifactaError(Exception):
    """Root of all errors of this package.

    The fields that a reader or a callback may need are given as keywords. They survive pickling.

    :param message: the whole text for the reader: what happened, what was and was not changed, what to do next
    :param fields: values for the fields below, such as ``release_id=7``
    """

    #: A stable name of the case, for programs.
    code: ClassVar[str] = "trifacta_error"
    transient: ClassVar[bool] = False
    retryable: ClassVar[bool] = False
    #: True where the request did not leave this host, or not as a whole: the server cannot have acted on it.
    unsent: bool = False
    #: How production stands, where a change was begun before the error. It is part of the text.
    standing: str = ""
    #: The deployment that the error is about.
    deployment_id: int | None = None
    #: The release that the error is about.
    release_id: int | None = None
    #: The release that is live as far as is known.
    live_id: int | None = None
    #: The job groups that the error is about.
    job_group_ids: Sequence[int] = ()

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        for name, value in fields.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"{super().__str__()} {self.standing}".rstrip()


class ConfigurationError(TrifactaError):
    """The connection is incomplete, contradictory or holds a value that cannot be used."""


class JournalUnavailableError(TrifactaError):
    """Airflow's task state store takes no note of what is about to be asked for. Nothing was sent."""

    retryable = True


class MissingConnectionError(ConfigurationError):
    """Airflow knows no connection of this id, or could not ask for it."""


class ConnectionLookUpError(TrifactaError):
    """Airflow could not read the connection during a wait: its API, database or secrets backend failed."""

    retryable = True


class InvalidInputError(TrifactaError):
    """An argument (an id, a mode) is not usable; nothing was sent."""


class PackageError(TrifactaError):
    """The package file cannot be promoted; nothing was sent."""


class PackageNotFoundError(PackageError):
    """There is no readable regular file at the given path on this host."""


class PackageFormatError(PackageError):
    """The file is not a flow package: no ZIP, or not exactly one readable flow definition in it."""


class PackageTooLargeError(PackageError):
    """The package is larger than it may be, or would unpack to far more than a flow package can hold (a ZIP bomb)."""


class WrongPackageError(PackageError):
    """The file holds another package than it should: something else was written to its path."""


class PackageChangedError(PackageError):
    """The file changed while it was being sent. The upload was broken off before its end."""

    retryable = True


class DestinationError(TrifactaError):
    """An exported package cannot be saved where it should go. The instance was not changed."""

    retryable = True


class SourceError(TrifactaError):
    """The storage that a package is in cannot be read just now. Nothing was sent.

    A package that is not there is a :class:`PackageNotFoundError`.
    """

    retryable = True


class TemporarySpaceError(TrifactaError):
    """The worker has no temporary directory, or no room in it. Nothing was sent or saved."""

    retryable = True


class TransportError(TrifactaError):
    """No answer was obtained."""

    transient = True
    retryable = True


class ConnectError(TransportError):
    """No connection came about, so nothing was sent."""

    unsent = True


class TLSError(TransportError):
    """TLS failed, usually in the handshake, because the server's certificate is not trusted."""

    transient = False
    #: What is wrong: ``expired``, ``not_yet_valid``, ``wrong_name``, ``unknown_authority``,
    #: ``client_certificate_required``, ``client_certificate_refused``, ``key_mismatch``, ``key_encrypted``,
    #: ``unreadable_file``, ``no_tls``, ``protocol_version``, or empty.
    reason: str = ""


class RequestTimeoutError(TransportError):
    """The server did not answer in time. What it did with the request is unknown."""


class ConnectionLostError(TransportError):
    """The connection broke after it was made. What the server did with the request is unknown."""


class UnexpectedResponseError(TrifactaError):
    """An answer came that the API does not document: no JSON, or a field missing or of another type."""

    retryable = True


class RedirectError(TrifactaError):
    """The server redirects to a login page or another host; credentials are not sent there."""


class APIError(TrifactaError):
    """The API answered with an error status. Subclasses tell the cases apart.

    :param method: HTTP method of the request
    :param path: path of the request, without host and query
    :param status: HTTP status of the answer
    :param name: the API's name of the exception, where it gave one
    :param request_id: value of ``x-trifacta-request-id``, for the server's administrator
    :param retry_after: seconds that the server asked to wait, where it did
    :param from_api: whether the body is the API's own error, and not the page of a proxy
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str = "",
        path: str = "",
        status: int = 0,
        name: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        from_api: bool = False,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.status = status
        self.name = name
        self.request_id = request_id
        self.retry_after = retry_after
        self.from_api = from_api


class BadRequestError(APIError):
    """400, 415, 422 and every other 4xx without a class of its own: the request itself is refused."""


class AuthenticationError(APIError):
    """401: the credentials are missing, wrong or expired."""


class PermissionDeniedError(APIError):
    """403: the user is known but may not do this."""


class NotFoundError(APIError):
    """404: there is no such object, or this user cannot see it. A 400 to a read that sends only an id says the same."""


class GoneError(NotFoundError):
    """410: the object was deleted."""


class DeploymentManagerMissingError(NotFoundError):
    """404 of an unknown path for deployments or releases: this instance has no Deployment Manager."""


class PayloadTooLargeError(APIError):
    """413: the server, or a proxy before it, takes no upload of this size."""


class RateLimitError(APIError):
    """429: too many requests."""

    transient = True
    retryable = True


class ServerError(APIError):
    """5xx (and 408, 425): the server failed or is busy."""

    transient = True
    retryable = True


class ReleaseDeletedError(TrifactaError):
    """The release that is waited for does not exist (any more), so it can never become active."""


class ReleaseSupersededError(TrifactaError):
    """A newer release of the deployment is live instead of the one that is waited for."""


class FailedWaitError(TrifactaError):
    """A wait elsewhere (in the triggerer) failed for good; the text names the error."""


class PassingWaitError(FailedWaitError):
    """The trigger saw transient errors for longer than ``tolerated_outage``."""

    retryable = True


class DroppedObjectsError(TrifactaError):
    """The import left objects of the package out. The release exists and is live."""


class ReleaseNotLiveError(TrifactaError):
    """The package was imported before, but another release is live now: somebody decided so since."""


class UnexpectedLiveReleaseError(TrifactaError):
    """Another release is live than was to be expected, or somebody imported at the same time.

    The text says what was written, if anything.
    """


class PromotionNotProvenError(TrifactaError):
    """A release was promoted, but the step that was to see it through did not: it was skipped, or not run again."""


class OlderPackageError(TrifactaError):
    """The package was exported before the one that is live. Nothing was written."""


class AmbiguousSubmissionError(TrifactaError):
    """It is unknown whether a change was made. A person has to look before anything is sent again."""

    #: After a run: the job groups that appeared since it was asked for, newest first.
    job_group_ids: Sequence[int] = ()


class InterruptedChangeError(TrifactaError):
    """An attempt before was cut off and may have acted; acting again could undo what a person did since."""


class AmbiguousNameError(TrifactaError):
    """Several objects have the name that was given, or none has it."""


class DryRunFailedError(TrifactaError):
    """The dry run of an import found something that would go wrong. Nothing was written."""


class RunNotStartedError(TrifactaError):
    """A deployment has nothing to run, and nothing was started."""


class JobFailedError(TrifactaError):
    """A job group ended as Failed or Canceled, or in a state that is not known, which is no success either."""


#: The class for each error status that has one; :func:`api_error_class` decides the rest.
_STATUS_CLASSES: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ServerError,
    410: GoneError,
    413: PayloadTooLargeError,
    425: ServerError,
    429: RateLimitError,
}


def api_error_class(status: int) -> type[APIError]:
    """Tell which class stands for an HTTP error status.

    :param status: HTTP status, 400 or above
    """
    return _STATUS_CLASSES.get(status, ServerError if status >= 500 else BadRequestError)
