"""Builds flow packages for tests and trials: the structure of real exports, with
invented content.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from trifacta_emulator.checks import check_parameters
from trifacta_emulator.clock import iso, utc_now
from trifacta_emulator.packages.content import (
    DEFAULT_OUTPUT,
    FLOW_ID,
    FlowContent,
    flat_data,
    nested_data,
)
from trifacta_emulator.packages.definition import Connection, parse_version
from trifacta_emulator.packages.generations import Generation, pack

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
    """Make the ZIP of one flow: a dataset, a recipe on it and, by default, a manual output.

    With ``exported_at`` the same arguments give the same bytes. A missing ``uuid`` then follows
    from that time, as a UUID of version 1, like the vendor's [P].

    :param flow_name: name of the flow
    :param generation: structure: ``6.0`` flat tables, ``6.8`` nested (both JSON), ``8.0`` nested in
        JSON5
    :param uuid: ``metadata.uuid``
    :param exported_at: with a time zone; default now. It is cut to the millisecond
    :param product_version: ``metadata.trifactaVersion``; default one of the generation
    :param edition: ``metadata.edition``
    :param comment: ``metadata.comment``; generations before 7.1 do not write it
    :param connections: the flow's dataset reads a table of the first one, or a file when there is
        none
    :param artifacts: further members of the ZIP, e.g. ``{"artifact_24830.data": b"..."}``
    :param adhoc_output: add a manual output, which a deployment can run [R: D64]
    :param dataset_path: file that the dataset reads, over the first connection if there is one:
        ``s3://bucket/path`` or only a path
    :param output_path: file that the manual output writes, in the same form
    :param nested_functions: depth of nested functions in the formula of a recipe step; 0 = no step
    :param dataset_parameters: default values of the parameters that ``dataset_path`` has in braces,
        by name: ``s3://bucket/{region}.csv`` and ``{"region": "eu"}``
    :returns: the ZIP
    :raises ValueError: unknown generation, or the dataset's path does not hold a parameter exactly
        once
    """
    if generation not in _PRODUCT_VERSIONS:
        known = ", ".join(_PRODUCT_VERSIONS)
        raise ValueError(f"generation must be one of {known}, not {generation!r}")
    parameters = dict(dataset_parameters or {})
    check_parameters(dataset_path, parameters)
    # The uuid's time equals exportedAt exactly.
    moment = _whole_milliseconds(exported_at or utc_now())
    package_uuid = uuid or str(_uuid1(moment, fixed=exported_at is not None))
    content = FlowContent(
        name=flow_name,
        connections=connections,
        adhoc=adhoc_output,
        dataset=dataset_path,
        output=output_path or DEFAULT_OUTPUT,
        nested_functions=nested_functions,
        parameters=parameters,
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
    return pack(
        data,
        metadata,
        comment=comment,
        release=parse_version(_PRODUCT_VERSIONS[generation]).release,
        flow_name=flow_name,
        moment=moment,
        artifacts=artifacts,
    )


def new_uuid(moment: datetime) -> str:
    """Make the uuid of an export: version 1 with the time of the export [P], and different each
    time.

    :param moment: time of the export
    """
    return str(_uuid1(_whole_milliseconds(moment), fixed=False))


def _whole_milliseconds(moment: datetime) -> datetime:
    milliseconds = moment.microsecond // 1000
    return moment.replace(microsecond=milliseconds * 1000)


def _uuid1(moment: datetime, *, fixed: bool) -> uuids.UUID:
    ticks = (moment - _UUID_EPOCH) // timedelta(microseconds=1) * 10
    # Two exports within one millisecond still differ, unless the caller wants the same bytes again.
    clock_seq, node = 0x2A11, 0x2A2B2C2D2E2F
    if not fixed:
        clock_seq, node = _random_tail()
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
