"""What a script or a task of Python may use to read packages; everything else is internal."""

from __future__ import annotations

import inspect
import subprocess
import sys

from airflow_provider_trifacta import packages

MEMBERS = {
    *("FlowPackage", "open_package", "PackageInfo", "ContainedFlow", "PackageConnection"),
    *("Contents", "Input", "Recipe", "Output", "Target"),
    *("PackageReport", "MappedConnection", "report_on"),
    *("PackageDifference", "PackageChange", "FieldChange", "PackageSide", "compare"),
}


def test_the_members():
    found = {
        name
        for name, one in vars(packages).items()
        if not name.startswith("_") and not inspect.ismodule(one)
    }
    assert found - {"annotations"} == MEMBERS


def test_importing_them_loads_neither_airflow_nor_an_http_library():
    code = (
        "import sys, airflow_provider_trifacta.packages; print(*{one.split('.')[0] for one in"
        " sys.modules})"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert not {"airflow", "requests", "urllib3", "httpx", "aiohttp"} & set(out.split())


def test_they_are_enough_to_report_on_a_package(make_package):
    with packages.open_package(make_package(flow_name="Orders")) as package:
        assert package.info.flow_names == ["Orders"]
        assert packages.report_on(package).outputs == package.contents.outputs
