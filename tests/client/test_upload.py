from __future__ import annotations

import io

import pytest

from airflow_provider_trifacta.client import calls
from airflow_provider_trifacta.client.calls import BLOCK_SIZE, MultipartFile


def body(content=b"zip", filename="flow.zip", **options):
    return MultipartFile(io.BytesIO(content), len(content), filename, **options)


def test_there_is_exactly_one_part_and_the_length_is_right():
    upload = body(b"content")
    text = b"".join(upload)
    assert len(upload) == len(text)
    boundary = upload.content_type.partition("boundary=")[2].encode()
    before, part, after = text.split(b"--" + boundary)
    assert (before, after) == (b"", b"--\r\n")
    head, _, content = part.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"",
        b'Content-Disposition: form-data; name="data"; filename="flow.zip"',
        b"Content-Type: application/zip",
    ]
    assert content == b"content\r\n"


def test_a_file_name_cannot_break_the_header():
    text = b"".join(body(filename='a"b\r\nX: 1\u20ac.zip')).decode()
    assert 'filename="a%22b%0D%0AX: 1€.zip"' in text


def test_it_is_streamed_in_blocks_and_can_start_over():
    upload = body(b"x" * (2 * BLOCK_SIZE + 1))
    first = [len(block) for block in upload]
    assert max(first) == BLOCK_SIZE
    assert [len(block) for block in upload] == first


@pytest.mark.parametrize(("seconds_of_a_block", "told"), [(15, [1, 2, 3]), (8, [2]), (1, [])])
def test_progress_is_told_every_fifteen_seconds(monkeypatch, time, seconds_of_a_block, told):
    monkeypatch.setattr(calls, "time", time)
    seen = []
    size = 2 * BLOCK_SIZE + 1
    for block in body(b"x" * size, progress=lambda *numbers: seen.append(numbers)):
        if len(block) == BLOCK_SIZE or len(block) == 1:
            time.sleep(seconds_of_a_block)
    assert seen == [
        (min(blocks * BLOCK_SIZE, size), size, blocks * seconds_of_a_block) for blocks in told
    ]


def test_it_knows_from_when_on_the_server_may_have_it_all():
    upload = body()
    blocks = iter(upload)
    next(blocks)
    next(blocks)
    assert not upload.sent_completely
    next(blocks)
    assert upload.sent_completely
    next(iter(upload))
    assert not upload.sent_completely


def test_it_has_no_read_method_that_would_slow_requests_down():
    assert not hasattr(body(), "read")
