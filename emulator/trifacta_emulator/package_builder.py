"""Builds flow packages with the structure of real exports and invented content, for tests and trials."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid as uuids
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from trifacta_emulator.checks import check_parameters
from trifacta_emulator.clock import iso, utc_now
from trifacta_emulator.package_content import (
    DEFAULT_OUTPUT,
    FLOW_ID,
    Connection,
    FlowContent,
    flat_data,
    nested_data,
)
from trifacta_emulator.package_forms import (
    Generation,
    Release,
    complete,
    file_name,
    generation_of,
    header,
    spell,
)
from trifacta_emulator.package_reader import deep_recursion
from trifacta_emulator.versions import parse_version

_PRODUCT_VERSIONS: dict[Generation, str] = {
    "6.0": "6.0.1+235.20190426172824.493d6f8",
    "6.8": "6.8.0+186.20191205223719.226ea1c",
    "8.0": "8.0.0+97.20210216155943.0fb70dd",
}
_UUID_EPOCH = datetime(1582, 10, 15, tzinfo=timezone.utc)


def build_package(
    flow_name: str = "Example flow",
    *,
    generation: Generation = "8.0",
    uuid: str | None = None,
    exported_at: datetime | None = None,
    product_version: str | None = None,
    edition: str = "Enterprise",
    comment: str = "",
    connections: Sequence[Connection] = (),
    artifacts: Mapping[str, bytes] | None = None,
    adhoc_output: bool = True,
    dataset_path: str | None = None,
    output_path: str | None = None,
    nested_functions: int = 0,
    dataset_parameters: Mapping[str, str] | None = None,
) -> bytes:
    """
    Make the ZIP of one flow: a dataset, a recipe on it and, if wanted, a manual output.

    The same arguments give the same bytes when ``exported_at`` is given: a ``uuid`` that is missing then
    follows from it, as a UUID of version 1 of that time, like the vendor's [P].

    :param flow_name: name of the flow.
    :param generation: structure: ``6.0`` flat tables, ``6.8`` nested (both JSON), ``8.0`` nested in JSON5.
    :param uuid: ``metadata.uuid``.
    :param exported_at: with a time zone; default now. Kept to the millisecond.
    :param product_version: ``metadata.trifactaVersion``; default one of the generation.
    :param edition: ``metadata.edition``.
    :param comment: ``metadata.comment``; not written in generations before 7.1, which had none.
    :param connections: the flow's dataset reads a table of the first one, or a file without any.
    :param artifacts: further members of the ZIP, e.g. ``{"artifact_24830.data": b"..."}``.
    :param adhoc_output: with a manual output, which is what a deployment runs [R: D64].
    :param dataset_path: the file the dataset reads, over the first connection if there are any:
        ``s3://bucket/path`` or only a path.
    :param output_path: the file the manual output writes, in the same form.
    :param nested_functions: functions within each other in the formula of a recipe step; 0 = the recipe has no step.
    :param dataset_parameters: default values of the parameters that ``dataset_path`` has in braces, by their names:
        ``s3://bucket/{region}.csv`` and ``{"region": "eu"}``.
    :return: the ZIP.
    :raises ValueError: unknown generation, or a parameter that is not once in the dataset's path.
    """
    if generation not in _PRODUCT_VERSIONS:
        raise ValueError(f"generation must be one of {', '.join(_PRODUCT_VERSIONS)}, not {generation!r}")
    parameters = dict(dataset_parameters or {})
    check_parameters(dataset_path, parameters)
    moment = exported_at or utc_now()
    # From the start of the interval of milliseconds, so that the uuid's time equals exportedAt exactly.
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    package_uuid = uuid or str(_uuid1(moment, fixed=exported_at is not None))
    content = FlowContent(
        flow_name,
        connections,
        adhoc_output,
        dataset_path,
        output_path or DEFAULT_OUTPUT,
        nested_functions,
        parameters,
    )
    metadata: dict[str, Any] = {
        "trifactaVersion": product_version or _PRODUCT_VERSIONS[generation],
        "exportedAt": iso(moment),
        "exportedBy": 1,
        "uuid": package_uuid,
        "primaryFlowIds": [FLOW_ID],
        "edition": edition,
    }
    data = flat_data(content, iso(moment)) if generation == "6.0" else nested_data(content)
    release = parse_version(_PRODUCT_VERSIONS[generation]).release
    return pack(
        data, metadata, comment=comment, release=release, flow_name=flow_name, moment=moment, artifacts=artifacts
    )


def new_uuid(moment: datetime) -> str:
    """
    Make the uuid of an export: version 1, of its time [P], and another one each time.

    :param moment: time of the export.
    """
    return str(_uuid1(moment.replace(microsecond=moment.microsecond // 1000 * 1000), fixed=False))


def pack(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    comment: str,
    release: Release,
    flow_name: str,
    moment: datetime,
    artifacts: Mapping[str, bytes] | None = None,
) -> bytes:
    """
    Put a flow definition into a ZIP, as the vendor names and writes it.

    :param data: ``data`` of the definition, in the form of the release's generation.
    :param metadata: its ``metadata``, as far as all releases have it.
    :param comment: ``metadata.comment``, of the releases that have one.
    :param release: of the product that exports.
    :param flow_name: name of the primary flow.
    :param moment: date of the members.
    :param artifacts: further members.
    :return: the ZIP.
    """
    document: dict[str, Any] = {"metadata": header(metadata, comment, release), "data": data}
    name = file_name(metadata["primaryFlowIds"][0], flow_name, metadata["uuid"], release)
    with deep_recursion():
        if generation_of(release) != "6.0":
            flows = [complete(flow, release) for flow in data["flows"]]
            document = {"type": "flow", "kind": "artifact", **document, "data": {**data, "flows": flows}}
            # 24 bytes in base64; how the vendor computes them is not known.
            digest = hashlib.sha256(json.dumps(document).encode()).digest()[:24]
            document["hash"] = base64.b64encode(digest).decode()
        definition = spell(document, release).encode()
    return _zip({name: definition, **(artifacts or {})}, moment)


def _zip(members: Mapping[str, bytes], moment: datetime) -> bytes:
    # ZIP cannot date anything before 1980, nor after 2107.
    date_time = min(
        max(moment.astimezone(timezone.utc).timetuple()[:6], (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 0, 0, 0)
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def _uuid1(moment: datetime, *, fixed: bool) -> uuids.UUID:
    ticks = (moment - _UUID_EPOCH) // timedelta(microseconds=1) * 10
    # Two exports within a millisecond still differ, unless the caller wants the same bytes again.
    clock_seq, node = (0x2A11, 0x2A2B2C2D2E2F) if fixed else _random_tail()
    fields = (
        ticks & 0xFFFFFFFF,
        ticks >> 32 & 0xFFFF,
        ticks >> 48 & 0x0FFF | 0x1000,
        clock_seq >> 8 & 0x3F | 0x80,
        clock_seq & 0xFF,
        node,
    )
    return uuids.UUID(fields=fields)


def _random_tail() -> tuple[int, int]:
    random = uuids.uuid4().int
    return random & 0x3FFF, random >> 80
