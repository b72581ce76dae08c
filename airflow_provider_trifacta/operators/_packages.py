"""What the operators share that read a package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import WrongPackageError
from ..client.models import canonical_uuid
from ..client.texts import listed, quoted, shown
from ..packages.flow_package import open_package
from ._base import NOT_GIVEN, DeploymentOperator, TrifactaOperator, given_or_none
from ._storage import open_source

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..packages.flow_package import FlowPackage
    from ..promotion.gate import DryRunReport


_MEBIBYTE = 2**20


def open_from(path: Any, client: TrifactaClient) -> FlowPackage:
    """Open a package of a path or a URL. The client only gives the size limit for a copy.

    :param path: a path on the worker, or any URL of Airflow's object storage
    :param client: the client
    :raises PackageError: see :func:`~airflow_provider_trifacta.packages.flow_package.open_package`
    :raises SourceError: the storage cannot be read
    """
    # A local path may hold that too, and open_source knows it.
    if ":/" in str(path):
        return open_source(path, client.config.max_package_size)
    return open_package(path)


class PackageReader(TrifactaOperator):
    """An operator that reads a package.

    :param package_path: the exported ZIP: a path on the worker, or any URL of Airflow's object
        storage (templated)
    :param package_uuid: the uuid that the package must have; any package if it is left out
        (templated)
    """

    template_fields: Sequence[str] = (
        *TrifactaOperator.template_fields,
        "package_path",
        "package_uuid",
    )

    def __init__(self, *, package_path: Any, package_uuid: Any = NOT_GIVEN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.package_path = package_path
        self.package_uuid = given_or_none(package_uuid)
        # A value that renders to nothing is an error, and not "not given".
        self._with_uuid = package_uuid is not NOT_GIVEN

    def open_package(self, client: TrifactaClient) -> FlowPackage:
        """Open the package. This sends no request: the client only gives the size limit of a copy.

        :raises WrongPackageError: the package has another uuid than ``package_uuid``
        :raises PackageError: see
            :func:`~airflow_provider_trifacta.packages.flow_package.open_package`
        :raises SourceError: the storage cannot be read; a retry may succeed
        """
        path = self.package_path
        expected_uuid = self.package_uuid
        package = open_from(path, client)
        if not self._with_uuid or package.info.uuid == canonical_uuid(str(expected_uuid)):
            return package
        with package:
            raise WrongPackageError(
                f"{shown(path)} holds the package {shown(package.info.uuid)} and not"
                f" {shown(expected_uuid)}. Another task or run wrote to the same path, or an XCom"
                " was empty. Nothing was sent. Give each flow and run a path of its own."
            )

    def describe(self, package: FlowPackage) -> None:
        """Log what the package is."""
        info = package.info
        flows = [quoted(flow.name) for flow in info.flows if flow.name is not None]
        connections = [quoted(connection.name) for connection in info.connections]
        self.log.info(
            "Package %s: %s bytes, uuid %s, exported %s by product version %s, flows %s,"
            " connections %s",
            shown(package.name),
            package.size,
            info.uuid,
            info.exported_at,
            shown(info.product_version),
            listed(flows) or "none",
            listed(connections) or "none",
        )

    def show_report(self, report: DryRunReport) -> None:
        """Log the report of a dry run line by line."""
        for line in report.as_text().splitlines():
            if line:
                self.log.info("%s", line)

    def progress(self, sent: int, size: int, seconds: float) -> None:
        """Log how much of an upload is sent."""
        self.log.info(
            "Sent %.0f of %.0f MiB (%.0f %%) in %.0f s",
            sent / _MEBIBYTE,
            size / _MEBIBYTE,
            100 * sent / size,
            seconds,
        )


class PackageOperator(PackageReader, DeploymentOperator):
    """An operator that reads a package for one deployment."""

    template_fields: Sequence[str] = (
        *DeploymentOperator.template_fields,
        "package_path",
        "package_uuid",
    )
