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
from typing import Any, TypeGuard

from .._compat import operator_lineage
from ..client.client import TrifactaClient
from ..client.config import ClientConfig, host_of
from ..client.errors import APIError
from ..client.foreign_words import logger
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
_SCHEME = re.compile(r"[a-z]\w*", re.ASCII)
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
    subject: str,
    result: Mapping[str, Any],
    connect: Callable[[], ClientConfig],
    package_path: Any = None,
) -> Any:
    """Return what OpenLineage is told of a run. Only a run that is Complete has datasets, and costs
    requests.

    If something cannot be asked, that is logged. It takes a few seconds at most, because the task
    has ended already.

    :param subject: what ran, in words
    :param result: the operator's result so far; empty if nothing was started
    :param connect: returns where the instance is; called only if it is asked
    :param package_path: the package of what ran. Its files stand in for inputs that the instance
        does not tell
    :returns: an ``OperatorLineage``
    """
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import documentation_job, external_query_run, tags_run

    job_group_ids = result.get("job_group_ids") or []
    job_urls = result.get(JOB_URLS_KEY) or []
    inputs: list[_Name] = []
    outputs: list[_Name] = []
    if result.get("outcome") == "complete":
        inputs, outputs = _ask(connect, job_group_ids, package_path)
    run_facets: dict[str, Any] = {}
    job_facets: dict[str, Any] = {}
    if job_urls:
        instance = job_urls[0].rpartition("/jobs/")[0]
        tags = [
            tags_run.TagsRunFacetFields("trifacta_job_url", job_url, "TRIFACTA")
            for job_url in job_urls
        ]
        run_facets["tags"] = tags_run.TagsRunFacet(tags)
        run_facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(
            externalQueryId=",".join(map(str, job_group_ids)), source=instance
        )
        job_facets["documentation"] = documentation_job.DocumentationJobFacet(
            f"Runs {subject} of {instance}"
        )
    return operator_lineage(
        inputs=[Dataset(*name) for name in inputs],
        outputs=[Dataset(*name) for name in outputs],
        run_facets=run_facets,
        job_facets=job_facets,
    )


def _ask(
    connect: Callable[[], ClientConfig], job_group_ids: list[int], package_path: Any = None
) -> tuple[list[_Name], list[_Name]]:
    """Ask what job groups read and wrote, as long as there is time."""
    end = time.monotonic() + _SECONDS
    # Their keys are the datasets: a dict keeps the order, and each dataset once.
    inputs: dict[_Name, None] = {}
    outputs: dict[_Name, None] = {}
    try:
        config = replace(connect(), read_retries=0, read_timeout=_SECONDS, total_timeout=_SECONDS)
        with TrifactaClient(config) as client:
            inputs_known = _add_datasets(client, job_group_ids, inputs, outputs, end=end)
        if package_path and not inputs_known:
            inputs.update(dict.fromkeys(_files_of(package_path, config)))
    except Exception as error:
        # The task has succeeded already, and the rest of the event is still worth sending.
        log.warning(
            "OpenLineage is not told every input and output: %s: %s", type(error).__name__, error
        )
    first_inputs = list(inputs)[:_MOST_DATASETS]
    first_outputs = list(outputs)[:_MOST_DATASETS]
    log.info(
        "OpenLineage is told %s inputs and %s outputs of job groups %s",
        len(first_inputs),
        len(first_outputs),
        job_group_ids,
    )
    return first_inputs, first_outputs


def _add_datasets(
    client: TrifactaClient,
    job_group_ids: list[int],
    inputs: dict[_Name, None],
    outputs: dict[_Name, None],
    *,
    end: float,
) -> bool:
    """Add what job groups read and wrote. What came before an error stays added.

    :returns: whether the instance tells the inputs of all of them
    :raises TimeoutError: the time is over
    """
    inputs_known = True
    for job_group_id in job_group_ids:
        input_names = _names(client, client.job_groups.inputs, job_group_id, end)
        if input_names is None:
            inputs_known = False
        inputs.update(dict.fromkeys(input_names or []))
        output_names = _names(client, client.job_groups.outputs, job_group_id, end)
        outputs.update(dict.fromkeys(output_names or []))
    return inputs_known


def _names(
    client: TrifactaClient,
    ask: Callable[[int], list[Mapping[str, Any]]],
    job_group_id: int,
    end: float,
) -> list[_Name] | None:
    """Return the datasets of a job group that have a name; None if the instance does not tell them.

    :raises TimeoutError: the time is over
    """
    if time.monotonic() > end:
        raise TimeoutError(f"{_SECONDS} s are over")
    direction = ask.__name__
    try:
        datasets = ask(job_group_id)
    except APIError as error:
        if not refuses_form(error):  # some instances do not tell every job's
            raise
        log.info(
            "The instance does not tell the %s of job group %s: %s", direction, job_group_id, error
        )
        return None
    names: list[_Name] = []
    for dataset in datasets:
        name = dataset_name(dataset, client.config.base_url)
        if name:
            names.append(name)
    unnamed = len(datasets) - len(names)
    if unnamed:
        log.info(
            "OpenLineage is not told %s %s of job group %s, because the API does not give their"
            " whole name",
            unnamed,
            direction,
            job_group_id,
        )
    return names


def _files_of(package_path: Any, config: ClientConfig) -> list[_Name]:
    """Return the files that the flows of a package read.

    The package does not tell the host of a table.
    """
    names: list[_Name] = []
    with open_source(package_path, config.max_package_size) as package:
        for source in package.contents.inputs:
            if source.kind != "file" or source.parameterised or not source.path:
                continue
            name = _file_name(source.path, config.base_url)
            if name and _fits(name):
                names.append(name)
    log.info("OpenLineage is told the files that %s reads in place of them", package.name)
    return names


def dataset_name(dataset: Mapping[str, Any], base_url: str) -> _Name | None:
    """Return namespace and name of an input or an output, without credentials.

    :param dataset: as the API tells it: a file with ``uri``, or a table
    :param base_url: the instance. A path without a store is a file of its host
    :returns: namespace and name; None if they are not known
    """
    uri = dataset.get("uri")
    name = _file_name(uri, base_url) if _is_text(uri) else _name_of_table(dataset)
    return name if name and _fits(name) else None


def _fits(name: _Name) -> bool:
    """Tell whether a name is one that people and catalogues take as it is. Another one is left out:
    a name that was changed is the name of another dataset.
    """
    return all(len(part) <= _LONGEST_NAME and part.isprintable() for part in name)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _name_of_table(dataset: Mapping[str, Any]) -> _Name | None:
    vendor, table = dataset.get("vendor"), dataset.get("table")
    if not _is_text(vendor) or not _is_text(table):
        return None  # without a table it is a query
    path = dataset.get("relationalPath")
    folders = path if isinstance(path, list) else [path]
    parts = [part for part in (*folders, table) if _is_text(part)]
    return _table_name(vendor.lower(), str(dataset.get("databaseConnectString")), parts)


def _file_name(uri: str, base_url: str) -> _Name | None:
    match = _URI.fullmatch(f"file://{uri}" if uri.startswith("/") else uri)
    if not match:
        return None
    scheme, authority, path = match[1].lower(), match[2], match[3]
    user, _, place = authority.rpartition("@")
    if scheme in _AZURE and ":" not in user:
        place = authority  # a container stands where other URIs have a user
    path_may_end_password = ":" in authority and "@" in path
    if path_may_end_password or not _PLACE.fullmatch(place):
        return None
    if scheme in _BUCKETS:
        if not place:
            return None
        return f"{_BUCKETS[scheme]}://{place}", path.strip("/") or "/"
    if scheme == "file":
        place = place or host_of(base_url)
    namespace = f"{scheme}://{place}" if place else scheme
    return namespace, path.rstrip("/") or "/"


def _table_name(vendor: str, connect_string: str, path: list[str]) -> _Name | None:
    scheme, usual_port, parts = _VENDORS.get(vendor, (vendor, None, len(path)))
    address = _address_of(connect_string)
    if len(path) < parts:
        database = _database_of(connect_string, address)
        if database:
            path = [database, *path]
    if len(path) < parts or not _SCHEME.fullmatch(scheme):
        return None
    name = ".".join(path[-parts:])
    if scheme == "bigquery":
        return scheme, name
    if not address:
        return None
    host = address[1].lower()
    if scheme == "snowflake":
        return f"{scheme}://{host.removesuffix('.snowflakecomputing.com')}", name
    if scheme == "redshift":
        cluster = _REDSHIFT.fullmatch(host)
        host = f"{cluster[1]}.{cluster[2]}" if cluster else host
    port_option = _PORT.search(connect_string)
    port = address[2] or (port_option[1] if port_option else usual_port)
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}", name


def _address_of(connect_string: str) -> re.Match[str] | None:
    """Return host, port and database of a connect string, None if it has no sure address."""
    head = _OPTIONS.split(connect_string, maxsplit=1)[0]
    options = connect_string[len(head) :]
    if "@" in options:
        # The head may be a login, and the rest its password.
        return None
    return _ADDRESS.fullmatch(head)


def _database_of(connect_string: str, address: re.Match[str] | None) -> str | None:
    option = _DATABASE.search(connect_string)
    if option:
        return option[1]
    return address[3] if address else None
