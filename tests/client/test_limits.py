"""What an answer may hold, by the kind of its call, and what one process reads at the same time."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import tracemalloc
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.calls import MultipartFile
from airflow_provider_trifacta.client.errors import (
    AnswerTooLargeError,
    RequestTimeoutError,
    ServerError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.limits import (
    DESCRIPTION,
    FREE,
    IMPORT,
    LARGEST_IN_A_TRIGGERER,
    MOST_KEPT,
    PAGE,
    ROW,
    STATE,
    WHOLE_LIST,
    Limit,
    Memory,
    memory,
)
from airflow_provider_trifacta.client.structure import holds_more_parts
from airflow_provider_trifacta.client.transport import Transport

MIB = 2**20


def connect(url, **options):
    config = ClientConfig(base_url=url, password="long-token", read_retries=0)
    return TrifactaClient(config, transport=Transport(config, **options))


def package():
    return MultipartFile(io.BytesIO(b"x"), 1, "x.zip")


def answering(body):
    """Return what answers each request alike. It reads uploads, or closing would reset the
    connection."""

    def respond(request):
        request.read_body()
        return 200, {}, body

    return respond


def embedded(client):
    client.releases.source.embedded = True
    return client.releases.list(101)


ROWS = {"data": [{"id": 101, "deployment": {"id": 101}}]}
OBJECT = {"id": 101, "release": {"id": 101}, "releases": ROWS, "paths": {}}
#: Each kind of call: its limit, a small answer, and what asks for it.
KINDS = {
    "job group's state": (
        STATE,
        {"state": "InProgress"},
        lambda client: client.job_groups.status(1),
    ),
    "flow": (ROW, OBJECT, lambda client: client.flows.get(101)),
    "release": (ROW, OBJECT, lambda client: client.releases.get(101)),
    "deployment": (ROW, OBJECT, lambda client: client.deployments.get(101)),
    "person": (ROW, OBJECT, lambda client: client.people.current()),
    "activation": (ROW, OBJECT, lambda client: client.releases.activate(101)),
    "newest flows": (PAGE, ROWS, lambda client: client.flows.newest()),
    "newest job groups": (PAGE, ROWS, lambda client: client.job_groups.newest_states(100)),
    "a run": (PAGE, ROWS, lambda client: client.deployments.run(101, {})),
    "rules": (WHOLE_LIST, {"data": []}, lambda client: client.import_rules.list(101, "value")),
    "inputs": (WHOLE_LIST, {"data": []}, lambda client: client.job_groups.inputs(101)),
    "outputs": (WHOLE_LIST, {"files": []}, lambda client: client.job_groups.outputs(101)),
    "embedded releases": (WHOLE_LIST, OBJECT, embedded),
    "import": (IMPORT, OBJECT, lambda client: client.releases.create(101, package())),
    "dry run": (IMPORT, OBJECT, lambda client: client.releases.dry_run(101, package())),
    "import of flows": (IMPORT, OBJECT, lambda client: client.flows.import_package(package())),
}
NAMES = list(KINDS)


def of_size(body, size):
    """Return an answer of exactly so many bytes."""
    text = json.dumps({**body, "weight": ""})
    return json.dumps({**body, "weight": "x" * (size - len(text))}).encode()


def of_parts(body, parts):
    """Return an answer of exactly so many commas, colons, objects and lists."""
    text = json.dumps({**body, "weight": [1]})
    missing = parts - sum(map(text.count, ",:[{"))
    return json.dumps({**body, "weight": [1] * (missing + 1)}).encode()


@pytest.mark.parametrize("make", [of_size, of_parts])
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_read_up_to_the_limit_of_its_kind(scripted, name, make):
    limit, body, ask = KINDS[name]
    most = limit.size if make is of_size else limit.parts
    for more in (0, 1):
        answer = make(body, most + more)
        with connect(scripted(answering(answer)).url) as client:
            if more:
                with pytest.raises(AnswerTooLargeError) as caught:
                    ask(client)
                assert limit.kind in str(caught.value)
            else:
                ask(client)
    assert memory.held == 0


def test_the_description_of_the_api_has_its_limit(scripted):
    spec = {"paths": {"/v4/x": {"parameters": [{"in": "header", "name": "x-execution-id"}]}}}
    for more in (0, 1):
        answer = of_size(spec, DESCRIPTION.size + more)
        with connect(scripted(answering(answer)).url) as client:
            assert client.description.takes_execution_id("/x") is not bool(more)


@pytest.mark.parametrize("name", NAMES)
def test_a_triggerer_reads_no_more_than_1_mib(scripted, name):
    limit, body, ask = KINDS[name]
    for more in (0, 1):
        answer = of_size(body, min(limit.size, LARGEST_IN_A_TRIGGERER) + more)
        server = scripted(answering(answer))
        with connect(server.url, largest_answer=LARGEST_IN_A_TRIGGERER) as client:
            if more:
                with pytest.raises(AnswerTooLargeError):
                    ask(client)
            else:
                ask(client)
        assert len(server.seen) == 1


def test_what_is_announced_as_too_large_is_not_read(scripted):
    url = scripted(lambda _: (200, {"Content-Length": str(ROW.size + 1)}, b"")).url
    with connect(url) as client, pytest.raises(AnswerTooLargeError):
        client.flows.get(101)


def test_an_error_is_cut_and_its_status_counts(scripted):
    page = b"x" * 8 * MIB
    with connect(scripted(lambda _: (500, {}, page)).url) as client:
        tracemalloc.start()
        with pytest.raises(ServerError):
            client.flows.get(101)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 * MIB


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_json_whose_parts_are_not_counted_is_no_answer(scripted, encoding):
    answer = json.dumps({"id": 101, "name": "\u2200" * 100}, ensure_ascii=False).encode(encoding)
    url = scripted(lambda _: (200, {}, answer)).url
    with connect(url) as client, pytest.raises(UnexpectedResponseError, match="instead of JSON"):
        client.flows.get(101)


def test_an_emoji_does_not_make_a_long_text_four_times_as_long(scripted):
    """Python keeps a text with one emoji with four bytes a character."""
    names = ["x" * 1_000 for _ in range(7_000)]
    answer = json.dumps({"paths": {}, "x": ["\U0001f600", *names]}, ensure_ascii=False).encode()
    with connect(scripted(lambda _: (200, {}, answer)).url) as client:
        tracemalloc.start()
        assert client.description.takes_execution_id("/x") is False
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 40 * MIB


@pytest.mark.parametrize(
    "emoji", ["\U0001f600", "\u0100\U0001f600\U00010000", "x" * 65_520 + "\U0001f600"]
)
@pytest.mark.parametrize("more", ["", "y" * 99_999])
def test_an_emoji_is_read_as_it_was_sent(scripted, emoji, more):
    body = json.dumps({"id": 101, "name": emoji + more}, ensure_ascii=False).encode()
    with connect(scripted(lambda _: (200, {}, body)).url) as client:
        assert client.flows.get(101).name == emoji + more


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"a": [1, 2]}', 4),
        ('["a,b", "c:d", "[{", "\\",:[{"]', 4),
        ('["\\\\", [], "\\\\\\"[", []]', 6),
        ('["\'", [], "\'"]', 4),
        ('["//", [], "/*"]', 4),
        ("[[[[", 4),
    ],
)
def test_parts_are_counted_outside_of_texts(text, parts):
    assert not holds_more_parts(text.encode(), parts)
    assert holds_more_parts(text.encode(), parts - 1)


# A list becomes models page by page


def fat_rows(request):
    """Answer pages whose rows are mostly what no model keeps."""
    query = parse_qs(urlsplit(request.path).query)
    first, count = int(query["offset"][0]), int(query["limit"][0])
    ids = range(first + 1, min(first + count, 2_000) + 1)
    return (
        200,
        {},
        {"data": [{"id": one, "name": f"n{one}", "weight": "x" * 10_000} for one in ids]},
    )


@pytest.mark.parametrize("rows", ["deployments", "flows"])
def test_a_list_keeps_what_its_models_have(scripted, rows):
    """2,000 rows of 10 KB each."""
    with connect(scripted(fat_rows).url) as client:
        tracemalloc.start()
        found = getattr(client, rows).list()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(found) == 2_000
    assert peak < 12 * MIB


def test_the_texts_that_a_list_keeps_are_bounded(scripted):
    def respond(request):
        first = int(parse_qs(urlsplit(request.path).query)["offset"][0])
        return (
            200,
            {},
            {"data": [{"id": first + number + 1, "name": "x" * 9_000} for number in range(100)]},
        )

    server = scripted(respond)
    with connect(server.url) as client, pytest.raises(AnswerTooLargeError):
        client.deployments.list()
    assert len(server.seen) == MOST_KEPT // 900_000 + 1


@pytest.mark.parametrize(
    "paged", [lambda client: client.releases.list(1), lambda client: client.deployments.list()]
)
def test_a_worker_reads_a_list_that_is_longer_than_a_page_as_a_whole(scripted, paged):
    """Some servers ignore the limit."""
    rows = [
        {"id": 900 - number, "deployment": {"id": 1}, "weight": "x" * 3_000}
        for number in range(501)
    ]
    url = scripted(lambda _: (200, {}, {"data": rows, "count": 501})).url
    with connect(url) as client:
        assert len(paged(client)) == 501
    with (
        connect(url, largest_answer=LARGEST_IN_A_TRIGGERER) as client,
        pytest.raises(AnswerTooLargeError),
    ):
        paged(client)


# The memory of a process


def forever():
    return 600.0


class Reader(threading.Thread):
    """Takes room in a memory, and holds it until it is told to stop."""

    def __init__(self, room, instance, size):
        super().__init__(daemon=True)
        self.room, self.instance, self.size = room, instance, size
        self.begun, self.stop = threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.room.claim(self.instance) as claim:
            self.room.take(claim, self.size, forever)
            self.begun.set()
            self.stop.wait(60)

    def end(self):
        self.stop.set()
        self.join(60)


def until(condition):
    """Wait until something is so; fails after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def waiting(room, count):
    until(lambda: len(room.waiting) == count)


@pytest.fixture
def room():
    return Memory(400)


def test_an_instance_has_a_quarter(room):
    first = Reader(room, "a", 60)
    assert first.begun.wait(60)
    second = Reader(room, "a", 60)
    waiting(room, 1)
    other = Reader(room, "b", 100)  # it passes the one that waits for its own instance
    assert other.begun.wait(60)
    assert (room.held, len(room.waiting)) == (160, 1)
    first.end()
    assert second.begun.wait(60)
    assert room.held == 160
    second.end()
    other.end()
    assert (room.held, room.waiting) == (0, [])


def test_all_instances_together_have_no_more_than_there_is(room):
    readers = [Reader(room, name, 100) for name in "abcd"]
    assert all(reader.begun.wait(60) for reader in readers)
    late = Reader(room, "e", 100)
    waiting(room, 1)
    assert room.held == room.size
    later = Reader(room, "f", 10)
    waiting(room, 2)
    readers[0].end()
    assert late.begun.wait(60), "who came first is served first"
    assert not later.begun.is_set()
    readers[1].end()
    assert later.begun.wait(60)
    for reader in (*readers, late, later):
        reader.end()
    assert room.held == 0


def test_a_large_answer_is_not_passed_by_small_ones_of_its_instance(room):
    first = Reader(room, "a", 50)
    assert first.begun.wait(60)
    large = Reader(room, "a", 100)
    waiting(room, 1)
    small = Reader(room, "a", 10)
    waiting(room, 2)
    first.end()
    assert large.begun.wait(60)
    assert not small.begun.is_set()
    large.end()
    assert small.begun.wait(60)
    small.end()


def test_more_than_a_share_counts_as_the_share(room):
    reader = Reader(room, "a", 10**9)
    assert reader.begun.wait(60)
    assert room.held == room.share
    reader.end()


def test_who_has_no_time_left_leaves(room):
    def over():
        raise RequestTimeoutError("over")

    first = Reader(room, "a", 100)
    assert first.begun.wait(60)
    with room.claim("a") as claim, pytest.raises(RequestTimeoutError):
        room.take(claim, 1, over)
    assert (room.held, room.waiting) == (100, [])
    first.end()


@pytest.fixture
def gate(raw):
    """Return the url of a server whose answers to /gate stop in their middle until an event is set,
    and the event."""
    opened = threading.Event()

    def talk(connection):
        while request := raw.read_request(connection):
            body = of_size(OBJECT, ROW.size)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body[: 2 * FREE])
            if b"/gate/" in request:
                opened.wait(60)
            connection.sendall(body[2 * FREE :])

    return raw(talk).url, opened


def test_two_reads_of_one_process_wait_for_each_other(gate, monkeypatch):
    url, opened = gate
    monkeypatch.setattr(memory, "size", 4 * ROW.size)
    ends = []

    def read(path):
        with connect(f"{url}{path}") as client:
            ends.append((path, client.flows.get(101).id))

    threads = [threading.Thread(target=read, args=("/gate",), daemon=True)]
    threads[0].start()
    until(lambda: memory.held == ROW.size)
    monkeypatch.setattr(memory, "size", 2 * ROW.size - 1)  # there is no room for two
    monkeypatch.setattr(Memory, "share", ROW.size)
    threads.append(threading.Thread(target=read, args=("/other",), daemon=True))
    threads[1].start()
    waiting(memory, 1)
    assert ends == []
    opened.set()
    for thread in threads:
        thread.join(60)
    assert ends == [("/gate", 101), ("/other", 101)]
    assert (memory.held, memory.waiting) == (0, [])


def test_small_answers_wait_for_nobody(scripted):
    with connect(scripted(lambda _: (200, {}, OBJECT)).url) as client, memory.claim("x") as claim:
        claim.size = memory.size
        memory._held["x"] += memory.size
        assert client.flows.get(101).id == 101
    assert memory.held == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_holds_nothing_of_its_parents_threads():
    with memory.claim("x") as claim, memory.parsing, memory._changed:
        claim.size = memory.size
        memory._held["x"] += memory.size
        child = os.fork()
        if not child:
            free = memory.parsing.acquire(timeout=1) and memory._changed.acquire(timeout=1)
            os._exit(0 if free and memory.held == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memory.held == 0


def test_a_limit_never_grows():
    assert ROW.within(LARGEST_IN_A_TRIGGERER) is ROW
    assert WHOLE_LIST.within(LARGEST_IN_A_TRIGGERER) == Limit(
        WHOLE_LIST.kind, LARGEST_IN_A_TRIGGERER
    )
