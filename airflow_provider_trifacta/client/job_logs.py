"""The end of a job's log, out of the ZIP that the instance serves.

The ZIP and each text in it come from outside: what is read of them is bounded, and a ZIP bomb is
refused.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import AnswerTooLargeError, UnexpectedResponseError
from .zips import DAMAGED, PACKED_BY, open_zip

#: Lines of a log that are shown.
MOST_LINES = 50
#: What the name of a log in the ZIP has [P: SAA].
_LOG = "job.log"
#: Bytes of the ZIP's own list of files. One that is honest has a few of them.
_LARGEST_LIST = 256 * 1024
#: Bytes of all logs together after they are unpacked.
_MOST_UNPACKED = 64 * 1024 * 1024
#: Bytes that are unpacked at a time, and bytes that are kept of the end of each log.
_BLOCK = 64 * 1024
_KEPT = 128 * 1024
#: A line begins with a time [P: SAA]. Other lines, such as those of a trace, belong to the one
#: before.
_TIME = re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d.\d{3}")


@dataclass(frozen=True)
class JobLog:
    """The end of the log of a job group.

    :param lines: its last lines, fit for a reader
    :param is_cut: whether there are lines before them
    """

    lines: list[str]
    is_cut: bool


def _too_long_list(size: int) -> AnswerTooLargeError:
    return AnswerTooLargeError(f"The ZIP of the logs has a list of files of {size} bytes.")


def end_of_log(content: bytes) -> JobLog:
    """Return the last lines of the logs in a ZIP, as they stand there.

    Each job of a group has a log of its own. They come in the order in which they end, so the log
    of the job that ended last comes last.

    :param content: the ZIP
    :returns: at most 50 lines, which are not fit for a reader yet
    :raises UnexpectedResponseError: it is no ZIP that can be read, or holds no log
    :raises AnswerTooLargeError: it unpacks to more than is read of it
    """
    try:
        with open_zip(io.BytesIO(content), _LARGEST_LIST, _too_long_list) as archive:
            ends = _ends_of_members(archive)
    except DAMAGED as error:
        raise UnexpectedResponseError(
            f"The answer is not a ZIP that can be read ({type(error).__name__})."
        ) from None
    if not ends:
        raise UnexpectedResponseError(f"The ZIP holds no file whose name has {_LOG!r}.")
    lines: list[str] = []
    is_cut = False
    for end in sorted(ends, key=_last_time):
        lines += end.lines
        is_cut = is_cut or end.is_cut
    return JobLog(lines[-MOST_LINES:], is_cut or len(lines) > MOST_LINES)


def _ends_of_members(archive: zipfile.ZipFile) -> list[JobLog]:
    ends = []
    left = _MOST_UNPACKED
    for member in archive.infolist():
        if _LOG in member.filename:
            end, size = _end_of_member(archive, member, left)
            ends.append(end)
            left -= size
    return ends


def _end_of_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int
) -> tuple[JobLog, int]:
    """Return the end of a log, and the log's size.

    :param left: bytes that may still be unpacked
    """
    end = b""
    size = 0
    for block in _blocks(archive, member):
        size += len(block)
        if size > left:
            raise AnswerTooLargeError(
                f"The logs unpack to more than the {_MOST_UNPACKED} bytes that are read of them."
            )
        end = (end + block)[-_KEPT:]
    lines = end.decode("utf-8", "replace").splitlines()
    if size > len(end):
        lines = lines[1:]  # it begins within a line, which may be half of a secret
    is_cut = size > len(end) or len(lines) > MOST_LINES
    return JobLog(lines[-MOST_LINES:], is_cut), size


def _blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.compress_type not in PACKED_BY:
        raise NotImplementedError("another compression")
    with archive.open(member) as log:
        while block := log.read(_BLOCK):
            yield block


def _last_time(log: JobLog) -> str:
    """Return the time of the last line that has one; an empty text if none has."""
    for line in reversed(log.lines):
        time = _TIME.match(line)
        if time:
            return time[0]
    return ""
