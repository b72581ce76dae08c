"""ZIPs from outside: what is read of one is bounded, because a small one may unpack to anything."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

#: What :mod:`zipfile` raises for damaged, encrypted (RuntimeError) and unknown members.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
#: With other methods Python unpacks pieces of any size, so memory has no limit.
PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Bounded:
    """A file as :mod:`zipfile` sees it."""

    def __init__(self, file: BinaryIO, most: int, refused: Callable[[int], Exception]) -> None:
        self._file = file
        self._most = most
        self._refused = refused
        self.opening = True
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if self.opening and size > self._most:
            raise self._refused(size)
        return self._file.read(size)

    def close(self) -> None:
        """Leave the file open, because its owner may still read it."""


def open_zip(
    file: BinaryIO, most_listed: int, refused: Callable[[int], Exception]
) -> zipfile.ZipFile:
    """Open a ZIP. That reads the whole list of its members at once, so that read needs a limit.

    :param file: the ZIP, which stays open
    :param most_listed: bytes that the list may have
    :param refused: makes the error for a longer list, of its size in bytes
    :returns: the archive
    """
    bounded = _Bounded(file, most_listed, refused)
    archive = zipfile.ZipFile(bounded)
    bounded.opening = False
    return archive
