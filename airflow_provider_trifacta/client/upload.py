"""The body of an upload: one multipart part, streamed from an open file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO

from .errors import PackageChangedError

#: Bytes read and sent at a time. Large enough for curl's speed, small enough that a slow line can take one
#: block within the connect timeout, which governs sending too.
BLOCK_SIZE = 256 * 1024


class MultipartFile:
    """A ``multipart/form-data`` body with exactly one file part, for ``requests``' ``data=`` argument.

    It has a length and can be iterated, but has no ``read``: that is what makes ``requests`` send an exact
    Content-Length and the blocks as they are, without a copy of the file in memory. Iterating again starts over.

    :param file: an open, seekable binary file
    :param size: bytes of the file that are sent; another size at sending is an error
    :param filename: name given to the server
    :param name: name of the part
    :param progress: called with (bytes of the file sent, size) after each block
    :param before_end: called before the last bytes go out; an error it raises breaks the upload off, and a server
        cannot take a broken-off body for a package
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        filename: str,
        *,
        name: str = "data",
        progress: Callable[[int, int], None] | None = None,
        before_end: Callable[[], None] | None = None,
    ) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._before_end = before_end
        boundary = secrets.token_hex(16)
        # Quotes and line breaks as browsers write them (WHATWG form submission).
        quoted = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        self._head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{name}"; filename="{quoted}"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        ).encode("utf-8", "replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        #: True from the moment the last bytes are handed to the connection: from then on an error says nothing
        #: about what the server did. Until then it cannot have taken the package.
        self.sent_completely = False

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        self.sent_completely = False
        self._file.seek(0)
        yield self._head
        sent = 0
        while sent < self._size:
            block = self._file.read(min(BLOCK_SIZE, self._size - sent))
            if not block:
                raise PackageChangedError(
                    f"The package became shorter while it was sent ({sent} of {self._size} bytes were there). "
                    "Nothing was imported. Do not write to a package while it is promoted."
                )
            yield block
            sent += len(block)
            if self._progress:
                self._progress(sent, self._size)
        if self._before_end:
            self._before_end()
        self.sent_completely = True
        yield self._tail
