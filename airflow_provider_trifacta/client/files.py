"""Files of this host that are opened by a path that somebody else chose."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

#: Without waiting for a writer, and without a terminal that would steer this process.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class SpecialFileError(OSError):
    """A path names a pipe, a socket or a device. Opening it may wait without end, or act."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file to read it. This never waits for another process.

    Both the path and the opened file are checked: what the path names may be swapped in between.

    :param path: path on this host
    :returns: the open file
    :raises IsADirectoryError: it is a folder
    :raises SpecialFileError: it is neither a file nor a folder
    :raises OSError: it cannot be opened
    :raises ValueError: it cannot be a path
    """
    refuse_special(Path(path).stat())
    descriptor = os.open(path, _FLAGS)
    try:
        refuse_special(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def refuse_special(status: os.stat_result) -> None:
    """Refuse what is no regular file.

    :param status: what the system says about it
    :raises IsADirectoryError: it is a folder
    :raises SpecialFileError: it is neither a file nor a folder
    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("a folder")
    if not stat.S_ISREG(status.st_mode):
        raise SpecialFileError("a pipe, a socket or a device")
