"""Asset events: tell DAGs that are scheduled by an alias that a release is live."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._compat import Asset, AssetAlias
from ..client.texts import shown

if TYPE_CHECKING:
    from .._compat import BaseOperator, Context


def announce_live(context: Context, operator: BaseOperator, base_url: str, deployment_id: int, **facts: Any) -> None:
    """Add an event to each ``AssetAlias`` that the user declared as an outlet, when this run made something live.

    A plain asset as an outlet gets an event with every success of the task, whatever it did; an alias only gets this
    one. Does nothing on Airflow 2.

    :param base_url: the instance
    :param deployment_id: the deployment; the asset's URI names both
    :param facts: goes into the event's extra; None is left out, and a list goes as JSON text: Airflow 3.0 and the first
        3.1 fail a task whose event for an alias has a list in its extra
    """
    if AssetAlias is None:
        return
    events: Any = context.get("outlet_events")
    aliases = [outlet for outlet in operator.outlets or [] if isinstance(outlet, AssetAlias)]
    if not aliases or events is None:
        return
    host = base_url.partition("://")[2]
    known = {key: value for key, value in facts.items() if value is not None}
    extra = {
        "deployment_id": deployment_id,
        **{key: value if isinstance(value, int) else _text(value) for key, value in known.items()},
    }
    for alias in aliases:
        events[alias].add(Asset(f"trifacta://{host}/deployments/{deployment_id}"), extra=extra)
        operator.log.info("Asset event for %s: %s", alias.name, extra)


def _text(value: object) -> str:
    return shown(value) if isinstance(value, str) else json.dumps(value)
