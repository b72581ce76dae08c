"""The table of public clients in README.md, and what their calls really did."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl

from trifacta_emulator import Call
from trifacta_emulator.app import ENDPOINTS

README = Path(__file__).parents[1] / "README.md"
WORKS, REFUSED, MISSING = "works", "refused as documented", "not emulated"
GOOGLE, SDK = "apache-airflow-providers-google", "trifacta 8.5.1 (Python)"
SCRIPTS = (
    "AllFlows_Migration.sh",
    "flow_checkin.sh",
    "flow_checkout_dev.sh",
    "flow_checkout_prod.sh",
    "flow_import-rules_prod.sh",
    "flow_run_prod.sh",
    "recipe_run_dev.sh",
)
OTHERS = (
    "Composer DAG export_flow_move_to_prod3",
    "google-data-catalog-dataprep",
    "trifacta-scripts: run_api.sh",
    "trifacta-autolaunch",
    "dataprep-explorer",
    "Saagie: job/trifacta",
)
CLIENTS = (GOOGLE, SDK, *(f"trifacta-api-flows: {one}" for one in SCRIPTS), *OTHERS)

_ROW = re.compile(r"\| ([^|]+) \| `([A-Z]+ /v4/[^`|]+)` \| ([^|]+) \|")


def rows(client: str | None = None) -> dict[str, str]:
    """Read what the table says: by call, or by client and call."""
    found = [
        match.groups()
        for match in map(_ROW.fullmatch, README.read_text(encoding="utf-8").splitlines())
        if match
    ]
    if client is None:
        return {f"{name} {call}": result for name, call, result in found}
    return {call: result for name, call, result in found if name == client}


def done(calls: list[Call]) -> dict[str, str]:
    """Tell what each call did: the best that happened counts."""
    order, found = (MISSING, REFUSED, WORKS), {}
    for call in calls:
        template = _template(call)
        path = template or re.sub(r"/\d+(?=/|$)", "/:id", call.path.rstrip("/"))
        query = "&".join(f"{key}={value}" for key, value in parse_qsl(call.query))
        key = f"{call.method} {path}" + (f"?{query}" if query else "")
        result = MISSING if template is None else WORKS if call.status < 400 else REFUSED
        found[key] = max(found.get(key, MISSING), result, key=order.index)
    return dict(sorted(found.items()))


def written(client: str, calls: list[Call]) -> str:
    """Write the rows of a client, for README.md."""
    return "\n".join(f"| {client} | `{call}` | {result} |" for call, result in done(calls).items())


def _template(call: Call) -> str | None:
    path = call.path.lower().rstrip("/")
    for one in ENDPOINTS:
        if one.method == call.method and re.fullmatch(
            re.sub(r"\{\w+\}", "[^/]+", one.path.lower()), path
        ):
            return re.sub(r"\{\w+\}", ":id", one.path)
    return None
