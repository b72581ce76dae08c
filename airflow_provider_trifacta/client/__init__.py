"""The Trifacta v4 API in Python, usable without Airflow.

This module is the public surface. The modules below it are internal, and may change in any release, except
:mod:`.errors` and :mod:`.models`, whose classes are all public.

Parsing a DAG loads no HTTP library: the operators import this package, and the client loads one at its first request.

Marks in docstrings and comments name the evidence for what the API does:

* [R] read in the vendor's documents
* [P] seen in a real artefact, such as an exported package or the source of another client
* [I] inferred from these
* [M] from memory of the vendor's documents, not read again
* [?] unknown: the client must work with each possible behaviour
"""

from __future__ import annotations

from .client import Clock, TrifactaClient
from .config import ClientConfig, resolve_base_url
from .errors import (
    AmbiguousNameError,
    AmbiguousSubmissionError,
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectError,
    ConnectionLookUpError,
    ConnectionLostError,
    DeploymentManagerMissingError,
    DestinationError,
    DroppedObjectsError,
    DryRunFailedError,
    FailedWaitError,
    GatewayPageError,
    GoneError,
    InterruptedChangeError,
    InvalidInputError,
    JobFailedError,
    JournalUnavailableError,
    MissingConnectionError,
    MissingMappingError,
    NotFoundError,
    OlderPackageError,
    PackageChangedError,
    PackageError,
    PackageFormatError,
    PackageNotFoundError,
    PackageTooLargeError,
    PayloadTooLargeError,
    PermissionDeniedError,
    PromotionNotProvenError,
    RateLimitError,
    RedirectError,
    ReleaseDeletedError,
    ReleaseNotLiveError,
    ReleaseSupersededError,
    RequestTimeoutError,
    RunNotStartedError,
    ServerError,
    SourceError,
    TemporarySpaceError,
    TLSError,
    TransportError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
    WaitOutageError,
    WrongPackageError,
)
from .imports import FlowImport, ImportResult
from .models import Connection, Deployment, Flow, ImportRule, JobGroup, Person, Recipe, Release

__all__ = [
    "APIError",
    "AmbiguousNameError",
    "AmbiguousSubmissionError",
    "AuthenticationError",
    "BadRequestError",
    "ClientConfig",
    "Clock",
    "ConfigurationError",
    "ConnectError",
    "Connection",
    "ConnectionLookUpError",
    "ConnectionLostError",
    "Deployment",
    "DeploymentManagerMissingError",
    "DestinationError",
    "DroppedObjectsError",
    "DryRunFailedError",
    "FailedWaitError",
    "Flow",
    "FlowImport",
    "GatewayPageError",
    "GoneError",
    "ImportResult",
    "ImportRule",
    "InterruptedChangeError",
    "InvalidInputError",
    "JobFailedError",
    "JobGroup",
    "JournalUnavailableError",
    "MissingConnectionError",
    "MissingMappingError",
    "NotFoundError",
    "OlderPackageError",
    "PackageChangedError",
    "PackageError",
    "PackageFormatError",
    "PackageNotFoundError",
    "PackageTooLargeError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "Person",
    "PromotionNotProvenError",
    "RateLimitError",
    "Recipe",
    "RedirectError",
    "Release",
    "ReleaseDeletedError",
    "ReleaseNotLiveError",
    "ReleaseSupersededError",
    "RequestTimeoutError",
    "RunNotStartedError",
    "ServerError",
    "SourceError",
    "TLSError",
    "TemporarySpaceError",
    "TransportError",
    "TrifactaClient",
    "TrifactaError",
    "UnexpectedLiveReleaseError",
    "UnexpectedResponseError",
    "WaitOutageError",
    "WrongPackageError",
    "resolve_base_url",
]
