"""How an answer is read: in the time and size of the call, from bytes to JSON or a file."""

from __future__ import annotations

import errno
import http.client
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.errors import MissingHeaderBodySeparatorDefect
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import requests
import urllib3
from urllib3.util.response import assert_header_parsing

from .calls import exchange
from .errors import (
    AnswerTooLargeError,
    DestinationError,
    PackageTooLargeError,
    TemporarySpaceError,
    UnexpectedResponseError,
)
from .limits import ERROR_PAGE, FREE, MOST_OF_A_CALL, memory
from .structure import holds_more_parts, text_of
from .texts import MOST_LEVELS

if TYPE_CHECKING:
    from .calls import Request
    from .config import ClientConfig
    from .limits import Claim
    from .redact import Redactor

#: Bytes that may come before the body of an answer: interim answers, the status line and the
#: headers.
_LARGEST_HEAD = 1024 * 1024
#: Bytes of one line if a reader asks for a line of any length, as older versions of ``urllib3`` do
#: for a chunk.
_LONGEST_LINE = 64 * 1024
#: Bytes of an answer that are read at a time.
_BLOCK = 64 * 1024
#: How the escapes of JSON, HTML and URLs begin, and what UTF-16 and UTF-32 hold.
_MARKS_OF_ESCAPES = (b"\\", b"\0", b"&", b"%")


class _Incoming(io.RawIOBase):
    """What arrives on a connection, in the time that the call has left.

    A timeout of a socket begins again with each byte, so a server that drips could stretch it
    without end.
    """

    def __init__(self, sock: Any, source: Any) -> None:
        self._sock = sock
        self._source = source
        #: Bytes that may still come before the body; None in the body, whose reader counts.
        self.head_left: int | None = _LARGEST_HEAD

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._source.fileno())

    def close(self) -> None:
        self._source.close()
        super().close()

    def readinto(self, buffer: Any) -> int | None:
        left = exchange.left()
        timeout = self._sock.gettimeout()
        if timeout is None or timeout > left:
            self._sock.settimeout(left)
        try:
            count: int | None = self._source.readinto(buffer)
        except TimeoutError:
            if exchange.budget.left() <= 0:
                raise exchange.budget.exceeded(exchange.what) from None
            raise
        if self.head_left is not None:
            self.head_left -= count or 0
            if self.head_left < 0:
                words = (
                    f"{exchange.what} was answered with more than {_LARGEST_HEAD} bytes of headers."
                )
                raise UnexpectedResponseError(words)
        return count


class _Reader(io.BufferedReader):
    """A buffer over :class:`_Incoming` that never reads without a limit, even if a server announces
    none.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise http.client.HTTPException("the answer announces a piece of negative length")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return super().readline(size)
        line = super().readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise http.client.HTTPException("the answer holds a line that is too long")
        return line


class BoundedResponse(http.client.HTTPResponse):
    """An answer as the connection gives it, within the bounds of the call."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._incoming = _Incoming(sock, self.fp.detach())
        self.fp = _Reader(self._incoming)

    def begin(self) -> None:
        """Read the head.

        :raises UnexpectedResponseError: its headers cannot be read. ``urllib3`` would take that for
            a lost connection
        """
        try:
            super().begin()
        except (http.client.BadStatusLine, http.client.UnknownProtocol):
            raise  # there are no headers, or they are not HTTP's
        except http.client.HTTPException as error:
            # There are more headers than it reads, or a line is too long.
            raise _unreadable_headers(str(error)) from None
        self._incoming.head_left = None
        try:
            assert_header_parsing(self.msg)
        except (urllib3.exceptions.HeaderParsingError, TypeError):
            # ``urllib3`` would log them whole, and go on without those that tell where the body
            # ends.
            defects = map(type, self.msg.defects)
            no_colon = MissingHeaderBodySeparatorDefect in defects
            why = "a header line has no colon" if no_colon else "they are not of HTTP"
            raise _unreadable_headers(why) from None

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise UnexpectedResponseError(
                f"{exchange.what} was answered with a switch to another protocol, which was not"
                " asked for."
            )
        # Other interim answers are passed over like 100. If not, the next request on this
        # connection would take the real answer, which comes after one, for its own.
        if 100 < status < 200:
            status = 100
        return version, status, reason


def _unreadable_headers(why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"{exchange.what} was answered with headers that cannot be read: {why}."
    )


class Answer(NamedTuple):
    """An HTTP answer that was read: as much of it as came, for an error."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_html(self) -> bool:
        """Whether it is a page for people."""
        return "html" in self.headers.get("Content-Type", "").lower()

    def json(
        self, request: Request, config: ClientConfig, redactor: Callable[[], Redactor]
    ) -> object:
        """Return the JSON body, without secrets that a server echoes; None for an empty one.

        :param request: what was asked, for an error
        :param config: has the limits and the secrets
        :param redactor: makes what takes the secrets out, if there are any
        :raises AnswerTooLargeError: the body holds too much
        :raises UnexpectedResponseError: it is not JSON
        """
        content = self.content
        if self.status == 204 or not content:
            return None
        if holds_more_parts(content, request.limit.parts):
            raise AnswerTooLargeError(
                f"{request.method} {request.path} answered more than {request.limit.parts} objects,"
                f" lists, commas and colons. That is more than is read of {request.limit.kind}."
            )
        if not _is_unusual(content, config):
            with suppress(ValueError):  # the error is made below
                return json.loads(text_of(content))
        from .redact import read_unusual_json

        what = f"{request.method} {request.path} answered {self.status}"
        return read_unusual_json(content, self.headers, what, redactor())


def _is_unusual(content: bytes, config: ClientConfig) -> bool:
    """Tell whether a body has a secret, an escape that could hide one, or many levels.

    Most answers have none of them.
    """
    containers = content.count(b"[") + content.count(b"{")
    if containers > MOST_LEVELS or any(mark in content for mark in _MARKS_OF_ESCAPES):
        return True
    secrets = (secret.encode("utf-8", "replace") for secret in config.long_secrets)
    return any(secret in content for secret in secrets)


def read_answer(
    response: requests.Response, request: Request, config: ClientConfig, claim: Claim
) -> Answer:
    """Read the body of an answer, up to a limit.

    An error's body may break off, as with a server that refuses an upload and closes: its status is
    what matters.

    :param response: the answer, of which the head was read
    :param request: what was asked. If it asks for a file, the body goes there, and not into the
        answer
    :param config: has the limit of a file
    :param claim: takes the room that the body needs in the memory of the process
    :returns: the answer
    :raises requests.RequestException: the body of a success broke off
    :raises DestinationError: the file cannot be written
    :raises TemporarySpaceError: there is no room for it
    :raises PackageTooLargeError: the file is larger than the connection allows
    :raises AnswerTooLargeError: the answer is too large
    :raises UnexpectedResponseError: it is packed in an unknown way
    """
    content = bytearray()
    file = request.file
    budget = request.budget
    limit = request.limit if 200 <= response.status_code < 300 else ERROR_PAGE
    most = min(limit.size, budget.bytes_left)
    too_large = AnswerTooLargeError(
        f"{request.method} {request.path} answered more than the {limit.size} bytes that are read"
        f" of {limit.kind}, or more than {MOST_OF_A_CALL} bytes in all answers to this call."
    )
    kind = response.headers.get("Content-Type", "").lower()
    # A page or a JSON text is an error in the place of the file.
    may_be_file = response.status_code == 200 and "html" not in kind and "json" not in kind
    try:
        if file and may_be_file:
            _save(response, file, config.max_package_size)
            return Answer(response.status_code, response.headers, b"")
        announced = _announced(response)
        if response.status_code < 300 and announced is not None and announced > most:
            raise too_large
        for block in _blocks(response):
            if len(content) <= FREE < len(content) + len(block):
                memory.take(claim, limit.size if announced is None else announced, exchange.left)
            content += block
            if len(content) > most:
                raise too_large
    except (requests.RequestException, UnexpectedResponseError):
        if response.status_code < 400:
            raise
    finally:
        response.close()
        budget.bytes_left -= len(content)
    return Answer(response.status_code, response.headers, bytes(content))


def _announced(response: requests.Response) -> int | None:
    """Return how many bytes a body has, if the head of the answer says that."""
    length = response.headers.get("Content-Length", "")[:20]
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    chunked = getattr(response.raw, "chunked", False)
    if chunked or encoding not in ("", "identity"):
        return None
    return int(length) if length.isdecimal() else None


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield a body in blocks, unpacked if the server packs it although it was asked not to.

    It is unpacked here and in bounded steps: some versions of ``urllib3`` unpack a whole block into
    memory, and each ``Content-Encoding`` as often as it is named.

    :raises requests.RequestException: the body broke off
    :raises UnexpectedResponseError: it is packed in another way, or not as it says
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from _sent_blocks(response)
        return
    if encoding not in ("gzip", "x-gzip"):
        raise UnexpectedResponseError(
            f"The answer is packed as {encoding[:40]!r}, which was not asked for."
        )
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
        raise UnexpectedResponseError("The answer says that it is gzip, but it is not.") from None
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
    has_body = response.status_code not in (204, 304) and not getattr(
        response.raw, "chunked", False
    )
    if has_body and announced.isdecimal() and int(announced[:20]) != size:
        raise requests.ConnectionError(f"the body ended after {size} of {announced[:20]} bytes")
    response.raw.release_conn()  # read to its end: the connection may be used again


def _save(response: requests.Response, file: BinaryIO, limit: int) -> None:
    size = 0
    announced = response.headers.get("Content-Length", "")[:20]
    too_large = PackageTooLargeError(
        f"The exported package is larger than {limit} bytes. Nothing was saved. A larger extra"
        " 'max_package_size' allows it."
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
                    f"This worker has no room for the file while it is received: {error}. Nothing"
                    " was saved. Free some space, or set TMPDIR to a directory with more of it."
                ) from None
            raise DestinationError(
                f"The file cannot be kept while it is received: {error}."
            ) from None
