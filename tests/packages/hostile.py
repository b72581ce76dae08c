"""Packages that would cost much more than their size, by kind."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
NAME = "flow_f.json"
METADATA = {"uuid": UUID, "trifactaVersion": "8.0.0", "primaryFlowIds": [1]}


def zipped(text, compression=zipfile.ZIP_DEFLATED, name=NAME) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def definition(data: str) -> bytes:
    """Zip a definition with this text as its data, and one flow."""
    return zipped(
        f'{{"metadata": {json.dumps(METADATA)}, "data": {{"flows": [{{"id": 1, "name": "f"}}],'
        f" {data}}}}}"
    )


def rows(count: int, **tables: str) -> str:
    """Write tables, each of the same row many times."""
    return ", ".join(f'"{table}": [{",".join([row] * count)}]' for table, row in tables.items())


def members(count: int) -> bytes:
    """Write a ZIP of many empty members without :mod:`zipfile`, which would take seconds."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    central = (
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        + b"a"
    )
    directory = central * count
    end64 = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), len(local)
    ) + struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return local + directory + end64 + end


def overlapping(count: int, size: int) -> bytes:
    """Write a ZIP whose members are all the same compressed bytes, as the densest bombs do."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b" " * size) + packer.flush()
    checksum = zlib.crc32(b" " * size)
    sizes = (checksum, len(packed), size)
    content = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, *sizes, len(NAME), 0)
        + NAME.encode()
        + packed
    )
    names = [NAME if number == 0 else f"{number:010}" for number in range(count)]
    directory = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, *sizes, len(one), 0, 0, 0, 0, 0, 0
        )
        + one.encode()
        for one in names
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(content), 0)
    return content + directory + end


def kinds():
    """Yield each kind: its name and a function that makes one."""
    million = 1_000_000
    for name, text in {
        "lists": "[],",
        "dicts": "{},",
        "dicts of one": '{"a":1},',
        "lists of one": "[1],",
        "floats": "1.5,",
        "integers": "1234567890123,",
        "short texts": '"é😀",',
    }.items():
        yield f"a million {name}", lambda text=text: definition(f'"x": [{text * million}0]')
        most = min(199_000 if text[0] in "[{" else 499_000, 7_000_000 // len(text.encode()))
        yield (
            f"as many {name} as are read",
            lambda text=text, most=most: definition(f'"x": [{text * most}0]'),
        )
    yield "many keys", lambda: definition(",".join(f'"k{n}":0' for n in range(249_000)))
    yield "brackets in JSON5", lambda: definition(f"x: [{'[],' * 199_000}]")
    yield "dicts in JSON5", lambda: definition(f"x: [{'{a:1},' * 166_000}]")
    yield "a comment", lambda: definition(f'"x": 1 /*{"*" * 8_000_000}*/')
    yield "lines of comments", lambda: definition('"x": 1 ' + "//\n" * 2_000_000)
    yield "escapes", lambda: definition('"x": "' + '\\"' * 4_000_000 + '"')
    yield "texts of a character", lambda: definition('"x": ' + "''" * 4_000_000)
    yield "a wide text", lambda: definition('"x": "😀' + "a" * 8_000_000 + '"')
    yield "a long number", lambda: definition('"x": ' + "1" * 8_000_000)
    yield "a long number in JSON5", lambda: definition("x: " + "1" * 8_000_000)
    yield "deep", lambda: zipped("[" * 8_000_000)
    yield "blanks", lambda: zipped(" " * 300_000_000)
    yield "blanks, bzip2", lambda: zipped(b" " * 10_000_000, zipfile.ZIP_BZIP2)
    yield "blanks, LZMA", lambda: zipped(b" " * 10_000_000, zipfile.ZIP_LZMA)
    count, long = 30_000, "n" * 4_000_000
    yield (
        "outputs of one id",
        lambda: definition(
            rows(count, outputobjects='{"id":1}', writesettings='{"outputObjectId":1}')
        ),
    )
    yield (
        "outputs of one long recipe",
        lambda: definition(
            f'"recipes": [{{"id": 2, "name": "{long}"}}], "flownodes": [{{"id": 3, "scriptId":'
            " 2}], " + rows(count, outputobjects='{"id":1,"flowNodeId":3,"isAdhoc":true}')
        ),
    )
    yield (
        "targets of one long connection",
        lambda: definition(
            f'"connections": [{{"id": 2, "name": "{long}"}}], "outputobjects": [{{"id": 1,'
            ' "writesettings": [' + ",".join(['{"connectionId":2}'] * count) + "]}]"
        ),
    )
    yield (
        "connections",
        lambda: definition(rows(60_000, connections='{"id":1,"name":"n","uuid":"u"}')),
    )
    yield (
        "primary flows",
        lambda: definition('"x": 0, ' + rows(60_000, flows='{"id":1,"name":"n"}')),
    )
    yield (
        "datasets of one id",
        lambda: definition(
            rows(
                20_000,
                datasources='{"id":1}',
                runparameters='{"datasourceId":1,"runParameterEditId":2}',
                runparameteredits='{"id":2,"overrideKey":"k"}',
            )
        ),
    )
    yield (
        "datasets of one long place",
        lambda: definition(
            f'"storagelocations": [{{"id": 2, "type": "s3", "path": "{long}"}}], '
            + rows(100_000, datasources='{"storageLocationId":2}')
        ),
    )
    yield (
        "datasets of one long table",
        lambda: definition(
            '"relationalsources": [{"datasourceId": 1, "raw":'
            f" [{','.join(['1', *[chr(34) * 2] * 99_000])}]}}], "
            + rows(50_000, datasources='{"id":1}')
        ),
    )
    for number in (9_000, 11_000, 60_000, million):
        yield f"{number} members", lambda number=number: members(number)
    yield "overlapping members", lambda: overlapping(9_000, 10_000_000)
    yield "a member of a million", lambda: overlapping(1, 300_000_000)
    yield "titles", lambda: b"<title" * 170_000
    yield "titles and headings", lambda: b"<title>" * 70_000 + b"<h1>" * 100_000
    yield "saved lists", lambda: b'{"a":[' + b"[]," * 300_000
