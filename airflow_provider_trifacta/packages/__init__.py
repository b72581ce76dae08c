"""Reads a flow package, the ZIP that Trifacta exports. It sends no request."""

from __future__ import annotations

from .contents import Contents as Contents
from .contents import Input as Input
from .contents import Output as Output
from .contents import Recipe as Recipe
from .contents import Target as Target
from .definition import ContainedFlow as ContainedFlow
from .definition import PackageConnection as PackageConnection
from .definition import PackageInfo as PackageInfo
from .difference import FieldChange as FieldChange
from .difference import PackageChange as PackageChange
from .difference import PackageDifference as PackageDifference
from .difference import PackageSide as PackageSide
from .difference import compare as compare
from .flow_package import FlowPackage as FlowPackage
from .flow_package import open_package as open_package
from .report import MappedConnection as MappedConnection
from .report import PackageReport as PackageReport
from .report import report_on as report_on
