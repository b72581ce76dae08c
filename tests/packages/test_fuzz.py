"""Mutated packages: nothing but a PackageError leaves the reader, and the two readers take and
refuse the same ZIPs."""

from __future__ import annotations

import io
import json
import random
import zipfile
from datetime import datetime, timezone

from trifacta_emulator import Connection, ValidationError, build_package, read_package

from airflow_provider_trifacta.client.errors import PackageError
from airflow_provider_trifacta.package import as_text
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.report import report_on

SEED = 12
FIXED = {
    "uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844",
    "exported_at": datetime(2024, 5, 6, tzinfo=timezone.utc),
}
ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**70,
        1.5,
        float("nan"),
        "",
        "x" * 5_000,
        "half \ud83d",
        "\x1b[2J\n",
        "None",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        {"id": 1},
        [{"id": 1}],
        {"": {"": []}},
        "9bae78c0-2fcb-11e9-9523-77f56ed58844",
    ),
]


def taken_by_the_provider(path) -> bool:
    report, refused = None, ""
    try:
        with open_package(path) as package:
            report = report_on(package)
    except PackageError as error:
        refused = str(error)
    assert len(refused) < 2_000
    assert refused.isprintable()
    if report is None:
        return False
    assert as_text(report).replace("\n", "").isprintable()
    assert json.dumps(report.as_dict())
    return True


def taken_by_the_emulator(content) -> bool:
    try:
        read_package(io.BytesIO(content))
    except ValidationError:
        return False
    return True


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes of a ZIP: most in its lists of members, which are at both ends of each
    member."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        signature = chance.choice((b"PK\3\4", b"PK\1\2", b"PK\5\6"))
        start = max(made.find(signature), 0)
        place = (
            min(start + chance.randrange(60), len(made) - 1)
            if chance.random() < 0.8
            else chance.randrange(len(made))
        )
        what = chance.randrange(5)
        if what == 0:
            made[place] ^= 1 << chance.randrange(8)
        elif what == 1:
            made[place] = chance.choice((0, 1, 0x7F, 0xFF))
        elif what == 2:
            made[place : place + 4] = chance.choice(
                (b"\xff" * 4, b"\0" * 4, b"PK\1\2", b"\0\0\0\x80")
            )
        elif what == 3:
            del made[place : place + chance.randrange(1, 30)]
        else:
            made[place:place] = made[: chance.randrange(1, 100)]
        if not made:
            return b""
    return bytes(made)


def put_odd_values(value, chance: random.Random):
    """Replace, remove and repeat values of a definition here and there."""
    if isinstance(value, dict):
        keys = list(value)
        return {
            chance.choice(keys) if chance.random() < 0.02 else key: put_odd_values(
                value[key], chance
            )
            for key in keys
            if chance.random() > 0.03
        }
    if isinstance(value, list):
        return [
            put_odd_values(one, chance)
            for one in value
            for _ in range(2 if chance.random() < 0.05 else 1)
        ]
    return chance.choice(ODD) if chance.random() < 0.1 else value


def zipped(text: str, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def test_damaged_zips(tmp_path, rounds, tell):
    count = rounds(400)
    chance, path, taken = random.Random(SEED), tmp_path / "flow.zip", 0
    for _ in range(count):
        content = damaged(
            build_package("Orders", generation=chance.choice(("6.0", "6.8", "8.0")), **FIXED),
            chance,
        )
        path.write_bytes(content)
        found = taken_by_the_provider(path)
        assert taken_by_the_emulator(content) is found, content
        taken += found
    assert 0 < taken < count
    tell(f"{count} tried, {taken} of them taken")


def test_odd_definitions(tmp_path, rounds, tell):
    count = rounds(400)
    chance, path, taken = random.Random(SEED), tmp_path / "flow.zip", 0
    connection = Connection(id=5, name="db", uuid="e75c2470-d728-11e9-8f1a-a3332515213f")
    for number in range(count):
        built = build_package(
            "Orders", generation=("6.0", "6.8")[number % 2], connections=[connection], **FIXED
        )
        with zipfile.ZipFile(io.BytesIO(built)) as archive:
            (name,) = [one for one in archive.namelist() if one.endswith(".json")]
            definition = json.loads(archive.read(name))
        metadata = definition["metadata"]
        definition = put_odd_values(definition, chance)
        if chance.random() < 0.7:  # else hardly any would pass the first check
            definition["metadata"] = metadata
        text = json.dumps(definition)
        if chance.random() < 0.3:
            place = chance.randrange(len(text))
            text = (
                text[:place]
                + chance.choice(("", ",", '"', "[", "{", "\\", "/*", "//", "'", "\0", "é"))
                + text[place + 1 :]
            )
        content = zipped(text, name)
        path.write_bytes(content)
        taken += taken_by_the_provider(path)
        taken_by_the_emulator(content)
    assert 0 < taken < count
    tell(f"{count} tried, {taken} of them taken")
