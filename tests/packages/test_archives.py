"""ZIPs that a person made: the provider's reader and the emulator's take and refuse the same."""

from __future__ import annotations

import io
import json
import logging
import zipfile

import pytest
from trifacta_emulator import ValidationError, read_package

from airflow_provider_trifacta.client.errors import PackageFormatError
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.report import report_on

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
FLOW = json.dumps(
    {
        "metadata": {"uuid": UUID, "trifactaVersion": "8.0.0", "primaryFlowIds": [1]},
        "data": {"flows": [{"id": 1, "name": "f", "outputobjects": [{"id": 2, "isAdhoc": True}]}]},
    }
)
NAME = "flow_f.json"
#: Members of a ZIP (those whose names end in a slash are folders), whether it is taken, and whether
#: with a warning.
CASES = {
    "as exported": ({NAME: FLOW}, True, False),
    "as exported, with an artifact": ({NAME: FLOW, "artifact_1.data": ""}, True, False),
    "as exported, JSON5": ({"flow_f.json5": FLOW}, True, False),
    "another name": ({"renamed.JSON": FLOW}, True, False),
    "an artifact in a folder": ({NAME: FLOW, "artifacts/1.data": ""}, True, False),
    "by the Finder": ({NAME: FLOW, f"__MACOSX/._{NAME}": "x"}, True, True),
    "by the Finder, a folder": (
        {
            "f/": "",
            f"f/{NAME}": FLOW,
            "f/.DS_Store": "",
            "__MACOSX/": "",
            f"__MACOSX/f/._{NAME}": "x",
        },
        *(True, True),
    ),
    "from a volume of macOS": ({NAME: FLOW, f"._{NAME}": "x"}, True, True),
    "what the Finder left": ({NAME: FLOW, ".DS_Store": "x"}, True, True),
    "what the Explorer left": ({NAME: FLOW, "Thumbs.db": "x", "desktop.ini": "x"}, True, True),
    "one folder": ({f"f/{NAME}": FLOW}, True, True),
    "one folder, written": ({"f/": "", f"f/{NAME}": FLOW}, True, True),
    "one folder with an artifact": ({f"f/{NAME}": FLOW, "f/artifact_1.data": ""}, True, True),
    "one folder, by Windows": ({f"f\\{NAME}": FLOW}, True, True),
    "an empty folder beside": ({"f/": "", NAME: FLOW}, True, True),
    "one folder and something beside": ({f"f/{NAME}": FLOW, "artifact_1.data": ""}, False, False),
    "one folder and another": ({f"f/{NAME}": FLOW, "g/artifact_1.data": ""}, False, False),
    "two folders deep": ({f"f/g/{NAME}": FLOW}, False, False),
    "two definitions": ({NAME: FLOW, "flow_g.json": FLOW}, False, False),
    "two definitions, one in a folder": ({NAME: FLOW, f"f/{NAME}": FLOW}, False, False),
    "nothing but what macOS left": ({f"__MACOSX/{NAME}": FLOW, f"._{NAME}": FLOW}, False, False),
    "nothing": ({}, False, False),
    "folders only": ({"flow_f.json/": ""}, False, False),
    "a text": ({"flow_f.txt": FLOW}, False, False),
}
cases = pytest.mark.parametrize(("members", "taken", "warned"), CASES.values(), ids=CASES)


def zipped(members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@cases
def test_the_provider(tmp_path, caplog, members, taken, warned):
    caplog.set_level(logging.WARNING)
    path = tmp_path / "flow.zip"
    path.write_bytes(zipped(members))
    if not taken:
        with pytest.raises(PackageFormatError):
            open_package(path)
        return
    with open_package(path) as package:
        assert package.info.uuid == UUID
        report = report_on(package)
        assert report.warnings == package.warnings
    assert len(report.warnings) == warned
    assert all("zipped again by hand" in warning for warning in report.warnings)
    # Once, though the definition is read a second time.
    assert [record.getMessage() for record in caplog.records] == report.warnings


@cases
def test_the_emulator(members, taken, warned):  # noqa: ARG001 - only the provider warns
    content = io.BytesIO(zipped(members))
    if taken:
        assert read_package(content).uuid == UUID
    else:
        with pytest.raises(ValidationError):
            read_package(content)


def test_real_packages_are_not_made_by_hand(real_package):
    with open_package(real_package) as package:
        assert package.warnings == []
    with real_package.open("rb") as file:
        assert read_package(file).uuid == package.info.uuid
