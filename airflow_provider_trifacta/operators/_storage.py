"""What reading and writing packages share: URLs, temporary copies, and the words of a storage that fails."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .._compat import redact
from ..client.errors import InvalidInputError, TemporarySpaceError
from ..client.texts import shown

#: Schemes of storages where an object appears as a whole. Elsewhere a file grows under its name.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az")
#: Bytes copied at a time.
BLOCK_SIZE = 1024 * 1024
#: Characters of a storage's words that are quoted in an error.
_EXCERPT = 600

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# A scheme has two letters at least, so that no drive letter is taken for one.
_ONE_SLASH = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)", re.IGNORECASE)
#: Credentials in URLs: before the host, and in the query of a signed request.
_SIGNED = "(?:X-Amz-)?(?:Signature|Credential|Security-Token)|AWSAccessKeyId|sig|token"
_IN_URLS = (
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), r"\1:***@"),
    (re.compile(rf"\b({_SIGNED})=[^&\s'\"]+", re.IGNORECASE), r"\1=***"),
)


def is_url(path: str) -> bool:
    """Tell a URL from a local path, which may hold ``://`` further on."""
    return _URL.match(path) is not None


def check_url(path: str) -> None:
    """Refuse a URL that would not mean what it says, before anything is opened or sent.

    :param path: a local path, which passes, or a URL
    :raises InvalidInputError: one slash after the scheme, a control character, or no object
    """
    if found := _ONE_SLASH.match(path):
        scheme = found[1]
        raise InvalidInputError(
            f"package_path is {path!r}, with one slash after {scheme!r}. Write {scheme}://. pathlib.Path drops the "
            "second slash of a URL: give a text or an ObjectStoragePath."
        )
    if not is_url(path):
        return
    if not path.isprintable():
        raise InvalidInputError(f"package_path is {path!r}: its control character would be left out of the name.")
    place = path.partition("://")[2]
    if path.endswith("/") or "/" not in place:
        raise InvalidInputError(f"package_path must name a file, and {path} is a folder.")


def without_file_scheme(path: str) -> str:
    """Return the local path that a ``file://`` or ``local://`` URL means, as ``ObjectStoragePath`` reads it.

    :param path: any path or URL; others stay as they are
    :raises InvalidInputError: it is not ``file:///``, with three slashes
    """
    scheme, _, rest = path.partition(":")
    if scheme.lower() not in ("file", "local") or not rest.startswith("/"):
        return path
    if not rest.startswith("///"):
        raise InvalidInputError(f"package_path is {path}, and the URL of a file begins with {scheme}:///.")
    return rest[2:]


@contextmanager
def temporary_space() -> Iterator[None]:
    """Name a temporary directory that is missing, read-only or full.

    :raises TemporarySpaceError: in place of the system's error
    """
    try:
        yield
    except OSError as error:
        raise TemporarySpaceError(
            f"This worker has no room for a temporary copy of the package: {error}. Nothing was sent or saved. Free "
            "some space, or set TMPDIR to a directory that can be written to."
        ) from error


def temporary_file() -> BinaryIO:
    """Open a temporary file without a name.

    :raises TemporarySpaceError: there is no room for it
    """
    with temporary_space():
        return tempfile.TemporaryFile(prefix="trifacta-package-")


def copy(source: BinaryIO, target: BinaryIO) -> None:
    """Copy a file into a temporary one.

    :raises TemporarySpaceError: the temporary one cannot be written
    """
    while block := source.read(BLOCK_SIZE):
        with temporary_space():
            target.write(block)
    with temporary_space():
        target.flush()


def storage_words(error: BaseException) -> str:
    """Return what a storage said, on one line and without credentials."""
    text = redact(" ".join(f"{type(error).__name__}: {error}".split())).rstrip(".")
    for pattern, replacement in _IN_URLS:
        text = pattern.sub(replacement, text)
    return shown(text, _EXCERPT)


def needs(path: str) -> str:
    """Return the advice for a storage that cannot be used at all; nothing for a local path."""
    if not is_url(path):
        return ""
    return (
        " Object storage needs the provider of its scheme and its fsspec package, for example "
        "apache-airflow-providers-amazon[s3fs] for s3://."
    )
