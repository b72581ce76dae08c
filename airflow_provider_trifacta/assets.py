"""Assets of Airflow 3 that stand for deployments: ``trifacta://HOST[:PORT][/BASE]/deployments/ID``.

The operators announce releases by this URI, and an ``AssetWatcher`` watches under it. Airflow asks
this module about every such URI, so that a mistyped one is refused when its DAG is parsed, instead
of never triggering.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from ._compat import Asset
from .client.config import resolve_base_url
from .client.errors import ConfigurationError
from .client.ids import parse_id
from .client.texts import shown

if TYPE_CHECKING:
    from ._compat import AssetWatcher

_FORM = "trifacta://HOST[:PORT][/BASE]/deployments/ID"
#: An id as it is written: no sign, and no zero before it.
_DEPLOYMENT = re.compile(r"(?P<base>(?:.*[^/])?)/deployments/(?P<id>[1-9][0-9]{0,29})", re.DOTALL)


def deployment_uri(base_url: str, deployment_id: int) -> str:
    """Return the URI of a deployment's asset.

    :param base_url: the instance, as the connection has it
    :param deployment_id: the deployment
    """
    return f"trifacta://{base_url.partition('://')[2]}/deployments/{deployment_id}"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return an asset's URI in the one form that the operators use; Airflow calls this for every
    one of its scheme.

    :param uri: its parts
    :returns: the same parts, with the host in lower case
    :raises ValueError: no operator can announce it
    """
    if uri.query or uri.fragment:
        raise _refused(uri, "It has a query or a fragment.")
    deployment = _DEPLOYMENT.fullmatch(uri.path)
    if deployment is None:
        raise _refused(uri, "Its path does not end with /deployments/ID.")
    try:
        base_url = resolve_base_url(f"https://{uri.netloc}{deployment['base']}")
    except ConfigurationError as error:
        raise _refused(uri, str(error)) from None
    return urlsplit(deployment_uri(base_url, int(deployment["id"])))


def _refused(uri: SplitResult, why: str) -> ValueError:
    # The part before the host may be a password.
    place = shown(uri.netloc.rpartition("@")[2] + uri.path)
    return ValueError(
        f"An asset for trifacta://{place} never gets an event: it must be {_FORM}. {why}"
    )


def deployment_asset(
    deployment_id: Any,
    *,
    host: str,
    port: int | None = None,
    schema: str | None = None,
    extra: Mapping[str, Any] | None = None,
    watchers: Sequence[AssetWatcher] = (),
) -> Asset:
    """Make the asset that stands for a deployment, of the fields of the Airflow connection.

    Give the fields as they stand in the connection, also where two ways lead to one instance: an
    asset is known by its URI, and the URI by the port and the base path as they are configured.

    .. code-block:: python

        ORDERS = deployment_asset(4, host="trifacta.example.com", port=3005)

    :param deployment_id: the deployment
    :param host: the host of the connection: a name, or a whole address
    :param port: its port, if it has one
    :param schema: its schema, if it has one. It does not change the asset
    :param extra: as for ``Asset``
    :param watchers: as for ``Asset``, such as an ``AssetWatcher`` with a
        ``DeploymentChangedTrigger``
    :returns: the asset
    :raises ConfigurationError: the fields are no instance's
    :raises InvalidInputError: the id is none
    :raises ImportError: this is Airflow 2, which has datasets in place of assets
    """
    if Asset is None:
        raise ImportError("deployment_asset needs Airflow 3: Airflow 2 has no assets.")
    base_url = resolve_base_url(host, schema=schema, port=port)
    uri = deployment_uri(base_url, parse_id(deployment_id, "deployment_id"))
    return Asset(uri, extra=dict(extra or {}), watchers=list(watchers))
