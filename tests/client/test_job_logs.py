"""The end of a job's log: bounded, and fit for a reader, also of a ZIP that holds anything."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient, job_logs
from airflow_provider_trifacta.client.errors import AnswerTooLargeError, UnexpectedResponseError
from airflow_provider_trifacta.client.job_logs import end_of_log
from airflow_provider_trifacta.client.limits import JOB_LOG

PASSWORD = "a-long-password"


def packed(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def lines(numbers, time="2026-12-01 10:00:00.000"):
    return "".join(f"{time} INFO line {number}\n" for number in numbers)


def test_the_last_lines_are_kept():
    log = end_of_log(packed({"jobs/7/job.log": lines(range(120)), "jobs/7/other.txt": "no\n"}))
    assert log.is_cut
    assert [line.rpartition(" ")[2] for line in log.lines] == [str(one) for one in range(70, 120)]


def test_a_short_log_is_whole():
    log = end_of_log(packed({"job.log": lines(range(3))}))
    assert (len(log.lines), log.is_cut) == (3, False)


def test_the_job_that_ended_last_comes_last():
    later = lines([1], "2026-12-01 10:00:09.000") + "  at a.b.C\n"
    log = end_of_log(packed({"jobs/8/job.log": later, "jobs/7/job.log": lines([0])}))
    assert [line.split()[-1] for line in log.lines] == ["0", "1", "a.b.C"]


def test_half_a_line_is_left_out(monkeypatch):
    monkeypatch.setattr(job_logs, "_KEPT", 100)
    log = end_of_log(packed({"job.log": f"{PASSWORD * 50}\n{lines([1])}"}))
    assert [line.split()[-1] for line in log.lines] == ["1"]
    assert log.is_cut


def test_a_zip_bomb_is_refused():
    bomb = packed({"job.log": b"\0" * (65 * 1024 * 1024)})
    assert len(bomb) < 100_000
    with pytest.raises(AnswerTooLargeError):
        end_of_log(bomb)


def test_many_small_logs_are_one_bomb(monkeypatch):
    monkeypatch.setattr(job_logs, "_MOST_UNPACKED", 1000)
    with pytest.raises(AnswerTooLargeError):
        end_of_log(packed({f"{number}/job.log": "a" * 300 for number in range(5)}))


def test_a_long_list_of_files_is_refused_before_it_is_read():
    with pytest.raises(AnswerTooLargeError):
        end_of_log(packed({f"{number}/{'a' * 200}/job.log": "" for number in range(2000)}))


def encrypted():
    content = bytearray(packed({"job.log": "secret\n"}))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.index(signature) + at
        content[place : place + 2] = struct.pack("<H", 1)
    return bytes(content)


def damaged():
    content = bytearray(packed({"job.log": lines(range(50))}))
    content[60] ^= 255
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Sign in</html>",
        packed({"job.log": "a\n"})[:-10],
        packed({"readme.txt": "a\n"}),
        encrypted(),
        damaged(),
    ],
    ids=["empty", "page", "cut", "no log", "encrypted", "damaged"],
)
def test_what_is_no_log_is_refused(content):
    with pytest.raises(UnexpectedResponseError):
        end_of_log(content)


@pytest.fixture
def log_of(scripted):
    """Return a function that serves bytes as the log of a job group, and reads them."""

    def read(content):
        server = scripted(lambda _: (200, {"Content-Type": "application/zip"}, content))
        config = ClientConfig(base_url=server.url, login="me", password=PASSWORD, read_retries=0)
        with TrifactaClient(config) as client:
            return client.job_groups.log(5).lines

    return read


def test_lines_are_fit_for_a_reader(log_of):
    foreign = f"a \x1b[31mred {PASSWORD}\n{'x' * 5000}\n::group::b\r\n"
    first, long, third = log_of(packed({"job.log": foreign}))
    assert PASSWORD not in first
    assert first.isprintable()
    assert len(long) < 500
    assert third == "::group::b"


def test_a_large_answer_is_refused(log_of):
    with pytest.raises(AnswerTooLargeError):
        log_of(b"\0" * (JOB_LOG.size + 1))
