"""What a run tells OpenLineage: its inputs and outputs as datasets, and its jobs.

Airflow asks for it after the task, in a process of its own, and only if OpenLineage is on. So
OpenLineage is imported within the function. Names follow OpenLineage's naming conventions. A
dataset whose name would be a guess is left out: wrong lineage is worse than none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._compat import operator_lineage
from ..client.client import TrifactaClient
from ..client.config import ClientConfig, host_of
from ..client.errors import APIError
from ..client.gate import logger
from ..client.retries import refuses_form
from ..links import JOB_URLS_KEY
from ._storage import open_source

log = logger(__name__)

#: Namespace and name of a dataset.
_Name = tuple[str, str]

#: Seconds to wait for a connection and for an answer, and after which nothing more is asked. After
#: 10 Airflow gives up the whole event.
_SECONDS = 2.5
#: Inputs, and outputs, that are told at most. A dataset may stand for thousands of files.
_MOST_DATASETS = 1_000
#: Characters of a namespace or a name. Paths of file systems and keys of stores are shorter.
_LONGEST_NAME = 4_096
#: The stores whose names have no slash at their beginning: OpenLineage's word for each scheme.
_AZURE = {"wasb": "wasbs", "wasbs": "wasbs", "abfs": "abfss", "abfss": "abfss"}
_BUCKETS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", **_AZURE}
# A query may hold a signature, so it is no part of a name.
_URI = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^?]*).*", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"[\w.$@-]*(?::\d{1,5})?")
# Only what surely is an address is taken, because a password may stand anywhere else.
_ADDRESS = re.compile(
    r"(?:.*@(?://)?|[^/@]*//)([\w.-]+)(?::(\d{1,5}))?(?:[/:]([\w$#-]+))?/?", re.DOTALL
)
_OPTIONS = re.compile(r"[;?]|[/:,](?=\w+=)")
_DATABASE = re.compile(r"[;?&,/:](?:databaseName|database|db|projectId)=([\w$.:-]+)", re.IGNORECASE)
_PORT = re.compile(r"[;?&,/:](?:portNumber|dbs_port)=(\d{1,5})\b", re.IGNORECASE)
_REDSHIFT = re.compile(r"([\w-]+)\.\w+\.([\w-]+)\.redshift\.amazonaws\.com(?:\.cn)?")
#: How tables are named, by Trifacta's word for the vendor: the scheme, the usual port, and how many
#: parts a name has.
_VENDORS: dict[str, tuple[str, int | None, int]] = {
    "bigquery": ("bigquery", None, 3),
    "db2": ("db2", None, 3),
    "hive": ("hive", 10000, 2),
    "mysql": ("mysql", 3306, 2),
    "oracle": ("oracle", 1521, 3),
    "postgres": ("postgres", 5432, 3),
    "redshift": ("redshift", 5439, 3),
    "snowflake": ("snowflake", None, 3),
    "sqldatawarehouse": ("sqlserver", 1433, 2),
    "sqlserver": ("mssql", 1433, 3),
    "teradata": ("teradata", 1025, 2),
}


def lineage_of(
    what: str,
    facts: Mapping[str, Any],
    connect: Callable[[], ClientConfig],
    package_path: Any = None,
) -> Any:
    """Return what OpenLineage is told of a run. Only a run that is Complete has datasets, and costs
    requests.

    If something cannot be asked, that is logged. It takes a few seconds at most, because the task
    has ended already.

    :param what: what ran, in words
    :param facts: what the task told: its XComs, and its outcome; empty if nothing was started
    :param connect: returns where the instance is; called only if it is asked
    :param package_path: the package of what ran. Its files stand in for inputs that the instance
        does not tell
    :returns: an ``OperatorLineage``
    """
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import documentation_job, external_query_run, tags_run

    ids, urls = facts.get("job_group_ids") or [], facts.get(JOB_URLS_KEY) or []
    inputs, outputs = (
        _ask(connect, ids, package_path) if facts.get("outcome") == "complete" else ([], [])
    )
    run_facets: dict[str, Any] = {}
    job_facets: dict[str, Any] = {}
    if urls:
        instance = urls[0].rpartition("/jobs/")[0]
        tags = [tags_run.TagsRunFacetFields("trifacta_job_url", url, "TRIFACTA") for url in urls]
        run_facets["tags"] = tags_run.TagsRunFacet(tags)
        run_facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(
            externalQueryId=",".join(map(str, ids)), source=instance
        )
        job_facets["documentation"] = documentation_job.DocumentationJobFacet(
            f"Runs {what} of {instance}"
        )
    return operator_lineage(
        inputs=[Dataset(*name) for name in inputs],
        outputs=[Dataset(*name) for name in outputs],
        run_facets=run_facets,
        job_facets=job_facets,
    )


def _ask(
    connect: Callable[[], ClientConfig], ids: list[int], package_path: Any = None
) -> tuple[list[_Name], list[_Name]]:
    """Ask what job groups read and wrote, as long as there is time."""
    inputs: dict[_Name, None] = {}
    outputs: dict[_Name, None] = {}
    untold = False
    end = time.monotonic() + _SECONDS
    try:
        config = replace(connect(), read_retries=0, read_timeout=_SECONDS, total_timeout=_SECONDS)
        with TrifactaClient(config) as client:
            for one in ids:
                for ask, names in (
                    (client.job_groups.inputs, inputs),
                    (client.job_groups.outputs, outputs),
                ):
                    if time.monotonic() > end:
                        raise TimeoutError(f"{_SECONDS} s are over")
                    found = _names(ask, one, config.base_url)
                    untold |= found is None and names is inputs
                    names.update(dict.fromkeys(found or []))
        if untold and package_path:
            inputs.update(dict.fromkeys(_files_of(package_path, config)))
    except (
        Exception
    ) as error:  # the task has succeeded already, and the rest of the event is still worth sending
        log.warning(
            "OpenLineage is not told every input and output: %s: %s", type(error).__name__, error
        )
    told = list(inputs)[:_MOST_DATASETS], list(outputs)[:_MOST_DATASETS]
    log.info(
        "OpenLineage is told %s inputs and %s outputs of job groups %s",
        len(told[0]),
        len(told[1]),
        ids,
    )
    return told


def _names(
    ask: Callable[[int], list[Mapping[str, Any]]], job_group_id: int, base_url: str
) -> list[_Name] | None:
    """Return the datasets of a job group that have a name; None if the instance does
    not tell them.
    """
    about = ask.__name__, job_group_id
    try:
        names = [dataset_name(row, base_url) for row in ask(job_group_id)]
    except APIError as error:
        if not refuses_form(error):  # some instances do not tell every job's
            raise
        log.info("The instance does not tell the %s of job group %s: %s", *about, error)
        return None
    if None in names:
        words = (
            "OpenLineage is not told %s %s of job group %s, because the API does not give their"
            " whole name"
        )
        log.info(words, names.count(None), *about)
    return [one for one in names if one]


def _files_of(package_path: Any, config: ClientConfig) -> list[_Name]:
    """Return the files that the flows of a package read. The package does not tell the host of a
    table.
    """
    with open_source(package_path, config.max_package_size) as package:
        paths = [
            one.path
            for one in package.contents.inputs
            if one.kind == "file" and not one.parameterised
        ]
    names = [_file_name(path, config.base_url) for path in paths if path]
    log.info("OpenLineage is told the files that %s reads in place of them", package.name)
    return [name for name in names if name and _fits(name)]


def dataset_name(row: Mapping[str, Any], base_url: str) -> _Name | None:
    """Return namespace and name of an input or an output, without credentials; None if they are not
    known.

    :param row: as the API tells it: a file with ``uri``, or a table
    :param base_url: the instance. A path without a store is a file of its host
    """
    name = _name_of(row, base_url)
    return name if name and _fits(name) else None


def _fits(name: _Name) -> bool:
    """Tell whether a name is one that people and catalogues take as it is. Another one is left out:
    a name that was changed is the name of another dataset.
    """
    return all(len(part) <= _LONGEST_NAME and part.isprintable() for part in name)


def _name_of(row: Mapping[str, Any], base_url: str) -> _Name | None:
    uri, table = row.get("uri"), row.get("table")
    if isinstance(uri, str) and uri:
        return _file_name(uri, base_url)
    vendor, text, path = (
        row.get("vendor"),
        row.get("databaseConnectString"),
        row.get("relationalPath"),
    )
    parts = [*(path if isinstance(path, list) else [path]), table]
    if not all(isinstance(one, str) and one for one in (vendor, table)):
        return None  # without a table it is a query
    return _table_name(
        str(vendor).lower(), str(text), [one for one in parts if isinstance(one, str) and one]
    )


def _file_name(uri: str, base_url: str) -> _Name | None:
    found = _URI.fullmatch(f"file://{uri}" if uri.startswith("/") else uri)
    if not found:
        return None
    scheme, authority, path = found[1].lower(), found[2], found[3]
    user, _, place = authority.rpartition("@")
    if scheme in _AZURE and ":" not in user:
        place = authority  # a container stands where other URIs have a user
    if not _PLACE.fullmatch(place) or (
        ":" in authority and "@" in path
    ):  # the latter may be the end of a password
        return None
    if scheme in _BUCKETS:
        return (f"{_BUCKETS[scheme]}://{place}", path.strip("/") or "/") if place else None
    if scheme == "file":
        place = place or host_of(base_url)
    return f"{scheme}://{place}" if place else scheme, path.rstrip("/") or "/"


def _table_name(vendor: str, text: str, path: list[str]) -> _Name | None:
    scheme, usual_port, parts = _VENDORS.get(vendor, (vendor, None, len(path)))
    head = _OPTIONS.split(text, maxsplit=1)[0]
    # With this mark among the options, the head may be a login, and the rest its password.
    address = None if "@" in text[len(head) :] else _ADDRESS.fullmatch(head)
    option, port_option = _DATABASE.search(text), _PORT.search(text)
    database = option[1] if option else address[3] if address else None
    if len(path) < parts and database:
        path = [database, *path]
    name = ".".join(path[-parts:])
    if len(path) < parts or not re.fullmatch(r"[a-z]\w*", scheme, re.ASCII):
        return None
    if scheme == "bigquery":
        return scheme, name
    if not address:
        return None
    host, port = address[1].lower(), address[2] or (port_option and port_option[1]) or usual_port
    if scheme == "snowflake":
        host, port = host.removesuffix(".snowflakecomputing.com"), None
    if scheme == "redshift" and (cluster := _REDSHIFT.fullmatch(host)):
        host = f"{cluster[1]}.{cluster[2]}"
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}", name
