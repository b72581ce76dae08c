"""Reads a flow package, the ZIP that Trifacta exports. It sends no request."""

from __future__ import annotations

from .contents import Contents, Input, Output, Recipe, Target
from .definition import ContainedFlow, PackageConnection, PackageInfo
from .flow_package import FlowPackage, open_package
from .report import MappedConnection, PackageReport, report_on

__all__ = [
    "ContainedFlow",
    "Contents",
    "FlowPackage",
    "Input",
    "MappedConnection",
    "Output",
    "PackageConnection",
    "PackageInfo",
    "PackageReport",
    "Recipe",
    "Target",
    "open_package",
    "report_on",
]
