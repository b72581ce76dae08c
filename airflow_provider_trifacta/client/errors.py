"""Every error of this package: one root, and a class for each case that a caller treats
differently.

::

    TrifactaError
    ├── ConfigurationError
    │   └── MissingConnectionError
    ├── ConnectionLookUpError
    ├── InvalidInputError
    ├── TransportError                    no answer came
    │   ├── ConnectError
    │   ├── TLSError
    │   ├── RequestTimeoutError
    │   └── ConnectionLostError
    ├── UnexpectedResponseError
    │   └── AnswerTooLargeError
    ├── RedirectError
    ├── APIError                          the server answers with an error status
    │   ├── BadRequestError
    │   ├── AuthenticationError
    │   ├── PermissionDeniedError
    │   ├── NotFoundError
    │   │   ├── GoneError
    │   │   └── DeploymentManagerMissingError
    │   ├── PayloadTooLargeError
    │   ├── RateLimitError
    │   ├── ServerError
    │   └── GatewayPageError          a 4xx of what stands in front of the API
    ├── PackageError                      a file cannot be read or sent
    │   ├── PackageNotFoundError
    │   ├── PackageFormatError
    │   ├── PackageTooLargeError
    │   ├── WrongPackageError
    │   └── PackageChangedError
    ├── DestinationError
    ├── SourceError
    ├── TemporarySpaceError
    ├── JournalUnavailableError           from here on: promotions, and waits
    ├── DroppedObjectsError
    ├── ReleaseNotLiveError
    ├── UnexpectedLiveReleaseError
    ├── PromotionNotProvenError
    │   ├── PromotionRolledBackError
    │   └── RollbackOwedError
    ├── OlderPackageError
    ├── AmbiguousSubmissionError
    ├── InterruptedChangeError
    ├── AmbiguousNameError
    ├── DryRunFailedError
    ├── MissingMappingError
    ├── ReleaseDeletedError
    ├── ReleaseSupersededError
    ├── FailedWaitError
    │   └── WaitOutageError
    ├── RunNotStartedError
    └── JobFailedError

Each class has a ``code`` of its own, for programs. The root has the fields that all of them share,
and the decisions that they carry.
"""

from __future__ import annotations

import typing

from .foreign_words import one_line as _one_line

# The package exports every name of this module, so it has no other names when it runs.
if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class TrifactaError(Exception):
    """Root of all errors of this package.

    The fields that a reader or a callback may need are given as keywords. They survive pickling.

    The text of an error is its message, then ``standing``, then ``advice``. Each of them is one
    line, cut, and without the credentials of URLs: see ``client.foreign_words``.

    :param message: what happened, and what was and was not changed
    :param fields: values for the fields below, such as ``release_id=7``
    """

    code: typing.ClassVar[str] = "trifacta"
    #: The same *read* may succeed in a moment, so the client sends it again.
    transient: typing.ClassVar[bool] = False
    #: A later try of the whole task may succeed, so Airflow's ``retries`` apply. Others need a
    #: person first.
    retryable: bool = False
    #: True where the request did not leave this host, or not as a whole: the server cannot have
    #: acted on it.
    unsent: bool = False
    #: How production stands, where a change was begun before the error. It is part of the text.
    standing: str = ""
    #: What to do next. A task group replaces it where clearing the failed task alone would not
    #: help.
    advice: str = ""
    deployment_id: int | None = None  #: The deployment that the error is about.
    release_id: int | None = None  #: The release that the error is about.
    live_id: int | None = None  #: The release that is live as far as is known.
    job_group_ids: Sequence[int] = ()  #: The job groups that the error is about, newest first.
    flow_ids: Sequence[int] = ()  #: The flows that the error is about.

    def __init_subclass__(cls, *, code: str, **decisions: bool) -> None:
        cls.code = code
        for name, value in decisions.items():
            setattr(cls, name, value)

    def __init__(self, message: str = "", **fields: Any) -> None:
        # Whoever makes an error may put foreign words into it: they are made safe here.
        super().__init__(_one_line(message))
        for name, value in fields.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, value)

    @property
    def told(self) -> str:
        """What happened, and how production stands: the text without the advice."""
        sentences = (super().__str__(), _one_line(self.standing))
        return " ".join(filter(None, sentences))

    def __str__(self) -> str:
        sentences = (self.told, _one_line(self.advice))
        return " ".join(filter(None, sentences))


class ConfigurationError(TrifactaError, code="configuration"):
    """The connection is incomplete, contradicts itself, or holds a value that cannot be used."""


class MissingConnectionError(ConfigurationError, code="missing_connection"):
    """Airflow knows no connection of this id, or could not ask for it."""


class ConnectionLookUpError(TrifactaError, code="connection_look_up", retryable=True):
    """A wait could not read the connection: Airflow's API, database or secrets backend failed."""


class InvalidInputError(TrifactaError, code="invalid_input"):
    """An argument cannot be used, such as an id or a mode. Nothing was sent."""


class TransportError(TrifactaError, code="transport", transient=True, retryable=True):
    """No answer came."""


class ConnectError(TransportError, code="connect", unsent=True):
    """No connection could be made, so nothing was sent."""


class TLSError(TransportError, code="tls", transient=False):
    """TLS failed, usually because this host does not trust the server's certificate."""

    #: What is wrong: ``expired``, ``not_yet_valid``, ``wrong_name``, ``unknown_authority``,
    #: ``client_certificate_required``, ``client_certificate_refused``, ``key_mismatch``,
    #: ``key_encrypted``, ``unreadable_file``, ``no_tls``, ``protocol_version``, or empty.
    reason: str = ""


class RequestTimeoutError(TransportError, code="request_timeout"):
    """The server did not answer in time. What it did with the request is unknown."""


class ConnectionLostError(TransportError, code="connection_lost"):
    """The connection broke after it was made. What the server did with the request is unknown."""


class UnexpectedResponseError(TrifactaError, code="unexpected_response", retryable=True):
    """The answer is not as the API documents it.

    It is not JSON, or a field is missing or of another type.
    """


class AnswerTooLargeError(UnexpectedResponseError, code="answer_too_large"):
    """The answer has more bytes, lists or objects than this process reads of one.

    It was not read to its end.
    """


class RedirectError(TrifactaError, code="redirect"):
    """The server redirects to a login page or another host.

    Credentials are not sent there. A read is ``retryable``.
    """


class APIError(TrifactaError, code="api"):
    """The API answered with an error status. Subclasses tell the cases apart."""

    method: str = ""  #: HTTP method of the request.
    path: str = ""  #: Path of the request, without host and query.
    status: int = 0  #: HTTP status of the answer.
    name: str | None = None  #: The API's name of the exception, if it gave one.
    #: Value of ``x-trifacta-request-id``, for the server's administrator.
    request_id: str | None = None
    retry_after: float | None = None  #: Seconds that the server asked to wait, if it did.
    from_api: bool = False  #: Whether the body is the API's own error, and not the page of a proxy.


class BadRequestError(APIError, code="bad_request"):
    """400, 415, 422 and every other 4xx without a class of its own: the request is refused."""


class AuthenticationError(APIError, code="authentication"):
    """401, or the API's ``InvalidAccessTokenException``.

    The credentials are missing, wrong or expired.
    """


class PermissionDeniedError(APIError, code="permission_denied"):
    """403: the user is known but may not do this."""


class NotFoundError(APIError, code="not_found"):
    """404: there is no such object, or this user cannot see it.

    A 400 to a read that sends only an id says the same.
    """


class GoneError(NotFoundError, code="gone"):
    """410: the object was deleted."""


class DeploymentManagerMissingError(NotFoundError, code="deployment_manager_missing"):
    """The instance does not know ``GET /v4/deployments``: it has no Deployment Manager."""


class PayloadTooLargeError(APIError, code="payload_too_large"):
    """413: the server, or a proxy in front of it, takes no upload of this size."""


class RateLimitError(APIError, code="rate_limit", transient=True, retryable=True):
    """429: too many requests."""


class ServerError(APIError, code="server", transient=True, retryable=True):
    """5xx (and 408, 425): the server failed or is busy."""


class GatewayPageError(APIError, code="gateway_page", transient=True, retryable=True):
    """A 4xx without the API's own error body: something in front of the API answered.

    It says nothing about objects.
    """


class PackageError(TrifactaError, code="package"):
    """The package file cannot be promoted. Nothing was sent."""


class PackageNotFoundError(PackageError, code="package_not_found"):
    """There is no readable regular file at the given path on this host."""


class PackageFormatError(PackageError, code="package_format"):
    """The file is not a flow package.

    It is no ZIP, or does not hold exactly one readable flow definition.
    """


class PackageTooLargeError(PackageError, code="package_too_large"):
    """The package is larger than it may be.

    Or it unpacks to far more than a flow package can hold (a ZIP bomb).
    """


class WrongPackageError(PackageError, code="wrong_package"):
    """The file holds another package than expected: its path was written to in the meantime."""


class PackageChangedError(PackageError, code="package_changed", retryable=True):
    """The file changed while it was sent. The upload was broken off before its end."""


class DestinationError(TrifactaError, code="destination", retryable=True):
    """An exported package cannot be saved where it should go. The instance was not changed."""


class SourceError(TrifactaError, code="source", retryable=True):
    """The storage of a package cannot be read now. Nothing was sent.

    Where it has no such package, see `PackageNotFoundError`.
    """


class TemporarySpaceError(TrifactaError, code="temporary_space", retryable=True):
    """The worker has no temporary directory, or no room in it. Nothing was sent or saved."""


class JournalUnavailableError(TrifactaError, code="journal_unavailable", retryable=True):
    """Airflow's task state store cannot note what is about to be asked for. It was not sent."""


class DroppedObjectsError(TrifactaError, code="dropped_objects"):
    """The import left objects of the package out. The release exists and is live."""


class ReleaseNotLiveError(TrifactaError, code="release_not_live"):
    """Another release is live now, or none.

    The release was live before, or the package was imported before.
    """


class UnexpectedLiveReleaseError(TrifactaError, code="unexpected_live_release"):
    """Another release is live than expected, or another import ran at the same time.

    The text says what was written.
    """


class PromotionNotProvenError(TrifactaError, code="promotion_not_proven"):
    """A release was promoted, and nothing proves that it is live and good.

    The text says what is live.
    """


class PromotionRolledBackError(PromotionNotProvenError, code="promotion_rolled_back"):
    """A promotion failed, and the release that was live before it is live again."""


class RollbackOwedError(PromotionNotProvenError, code="rollback_owed"):
    """A promotion failed, and its rollback did not end: the promoted release is live, or may be."""


class OlderPackageError(TrifactaError, code="older_package"):
    """The package was exported before the one that is live. Nothing was written."""


class AmbiguousSubmissionError(TrifactaError, code="ambiguous_submission"):
    """It is unknown whether a change was made.

    A person has to look before anything is sent again.
    """


class InterruptedChangeError(TrifactaError, code="interrupted_change"):
    """An earlier try was cut off and may have acted.

    Acting again could undo what a person did in the meantime.
    """


class AmbiguousNameError(TrifactaError, code="ambiguous_name"):
    """Several objects have the given name, or no object has it."""

    found_ids: Sequence[int] = ()  #: Those that have it.
    similar: Sequence[str] = ()  #: The nearest names, if no object has it.


class DryRunFailedError(TrifactaError, code="dry_run_failed"):
    """The dry run of an import found something that would go wrong. Nothing was written."""


class MissingMappingError(TrifactaError, code="missing_mapping"):
    """The server holds an import up, because it lacks mappings. Nothing was imported."""

    #: The arguments to write, by name; the values are to be filled in.
    mapping: Mapping[str, Mapping[str, Any]] = {}


class ReleaseDeletedError(TrifactaError, code="release_deleted"):
    """The release that is waited for does not exist (any more), so it can never become active."""


class ReleaseSupersededError(TrifactaError, code="release_superseded"):
    """A newer release of the deployment is live instead of the one that is waited for."""


class FailedWaitError(TrifactaError, code="failed_wait"):
    """A wait in the triggerer failed and cannot go on. The text names the error."""


class WaitOutageError(FailedWaitError, code="wait_outage", retryable=True):
    """The trigger saw transient errors for longer than ``tolerated_outage``."""


class RunNotStartedError(TrifactaError, code="run_not_started"):
    """A deployment has nothing to run, and nothing was started."""


class JobFailedError(TrifactaError, code="job_failed"):
    """A job group ended as Failed or Canceled, or in an unknown state, which is no success."""
