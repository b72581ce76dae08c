"""One call to the API: what is sent, how a package is uploaded, and what it may cost."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, BinaryIO, Final

from .errors import PackageChangedError, RequestTimeoutError
from .limits import MOST_KEPT, MOST_OF_A_CALL, ROW, Limit

#: Bytes sent at a time. Few enough that a slow line takes them within the connect timeout, which
#: governs sending too.
BLOCK_SIZE = 256 * 1024
#: Seconds between two calls of an upload's progress.
PROGRESS_INTERVAL = 15.0
#: The header by which a server takes a request once [P: AAC25].
EXECUTION_ID = "x-execution-id"
#: What a write returns if the server has taken a request of the same execution id before: it
#: answers 304 [P: AAC25].
ACCEPTED_BEFORE: Final = object()


@dataclass
class Budget:
    """The bounds of one call, with its repetitions, its redirects and, for a list, its pages.

    A server cannot stretch them: the connection looks at ``end`` before each block.

    :param seconds: how long the call may take in all
    :param option: the extra that this time follows, for the error
    :param end: when the time is over, by the monotonic clock
    :param bytes_left: bytes that all its answers may still have together
    :param kept_left: bytes of texts that may still be kept of the rows of a list
    :param pages: how many pages of a list were read
    """

    seconds: float
    option: str
    end: float
    bytes_left: int = MOST_OF_A_CALL
    kept_left: int = MOST_KEPT
    pages: int = 0

    def left(self) -> float:
        """Return the seconds that are left; 0 or less if there are none."""
        return self.end - time.monotonic()

    def exceeded(self, what: str) -> RequestTimeoutError:
        """Return the error of a call that took too long.

        :param what: the request
        """
        return RequestTimeoutError(
            f"{what} did not end within {self.seconds:g} s, its repetitions included. A larger"
            f" extra {self.option!r} waits longer."
        )


class Exchange(threading.local):
    """The present request of a thread: a thread sends one at a time."""

    #: Method and path, for an error.
    what: str
    budget: Budget
    #: Whether a byte of it has left. Until then no server can have acted on it.
    begun = True
    #: Whether it needs a connection of its own: a server may close a kept one at the moment when it
    #: is sent.
    alone = False

    def left(self) -> float:
        """Return the seconds that its call has left.

        :raises RequestTimeoutError: there are none
        """
        left = self.budget.left()
        if left <= 0:
            raise self.budget.exceeded(self.what)
        return left


exchange = Exchange()


@dataclass(eq=False)
class MultipartFile:
    """A ``multipart/form-data`` body with exactly one file part, its last, for ``requests``'
    ``data=`` argument.

    It has a length and can be iterated, but has no ``read``. So ``requests`` sends an exact
    Content-Length, and the blocks as they are, without a copy of the file in memory. Iterating
    again starts over.

    :param file: an open, seekable binary file
    :param size: bytes of the file that are sent; another size at sending is an error
    :param filename: name given to the server
    :param part: name of the part
    :param progress: called with (bytes of the file sent, size, seconds since the first block) every
        15 seconds
    :param before_end: called before the last bytes leave. An error that it raises breaks the upload
        off, and a server cannot take a broken-off body for a package
    :param fields: further parts, by name: texts
    """

    file: BinaryIO
    size: int
    filename: str
    part: str = field(default="data", kw_only=True)
    progress: Callable[[int, int, float], None] | None = field(default=None, kw_only=True)
    before_end: Callable[[], None] | None = field(default=None, kw_only=True)
    fields: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    #: Whether the last bytes were handed to the connection. Until then the server cannot have taken
    #: the package.
    sent_completely: bool = field(default=False, init=False)
    _boundary: str = field(default_factory=partial(secrets.token_hex, 16), init=False)

    @property
    def content_type(self) -> str:
        """The header that tells where the part begins and ends."""
        return f"multipart/form-data; boundary={self._boundary}"

    @cached_property
    def _ends(self) -> tuple[bytes, bytes]:
        """What comes before and after the bytes of the file."""
        # Quotes and line breaks as browsers write them (WHATWG form submission).
        quoted = self.filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        begin = f"--{self._boundary}\r\nContent-Disposition: form-data; name="
        head = ""
        for name, text in self.fields.items():
            head += f'{begin}"{name}"\r\n\r\n{text}\r\n'
        head += f'{begin}"{self.part}"; filename="{quoted}"\r\n'
        head += "Content-Type: application/zip\r\n\r\n"
        tail = f"\r\n--{self._boundary}--\r\n"
        return head.encode("utf-8", "replace"), tail.encode()

    def __len__(self) -> int:
        return self.size + sum(map(len, self._ends))

    def __iter__(self) -> Iterator[bytes]:
        self.sent_completely = False
        self.file.seek(0)
        head, tail = self._ends
        yield head
        sent = 0
        began = time.monotonic()
        last_progress = began
        while sent < self.size:
            block = self.file.read(min(BLOCK_SIZE, self.size - sent))
            if not block:
                raise PackageChangedError(
                    f"The package became shorter while it was sent ({sent} of {self.size} bytes"
                    " were there). Nothing was imported. Do not write to it while it is promoted."
                )
            yield block
            sent += len(block)
            if self.progress and time.monotonic() - last_progress >= PROGRESS_INTERVAL:
                last_progress = time.monotonic()
                self.progress(sent, self.size, last_progress - began)
        if self.before_end:
            self.before_end()
        self.sent_completely = True
        yield tail


@dataclass
class Request:
    """What is sent, and where its answer goes.

    ``limit`` says what the answer may hold. ``build`` makes models of it, before the next answer of
    any request is parsed. ``raw`` asks for the bytes of the answer in place of JSON.
    """

    method: str
    path: str
    budget: Budget
    params: Mapping[str, Any] | None = None
    json: object = None
    body: MultipartFile | None = None
    file: BinaryIO | None = None
    slow: bool = False
    parse: bool = True
    execution_id: str | None = None
    limit: Limit = ROW
    build: Callable[[object], Any] | None = None
    raw: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Its own headers."""
        headers: dict[str, str] = {}
        if self.file or self.raw:
            headers["Accept"] = "*/*"
        if self.body:
            headers["Content-Type"] = self.body.content_type
        if self.execution_id:
            headers[EXECUTION_ID] = self.execution_id
        return headers
