"""What reading a hostile package costs, in memory and seconds: each kind, by each of the two
readers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

#: MiB that reading any file may take.
MOST = 200
#: Reads each file in a process of its own, so that no file profits from what another one left
#: behind.
PROBE = """
import json, os, re, sys, time
from pathlib import Path
from airflow_provider_trifacta.client.errors import PackageError
from trifacta_emulator import ValidationError, read_package
from airflow_provider_trifacta.package import as_text
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.report import report_on

def peak():
    # Of this process alone: what getrusage tells includes the one that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def provider(path):
    with open_package(path) as package:
        return len(as_text(report_on(package)))

def emulator(path):
    with open(path, "rb") as file:
        read_package(file)
    return 0

reader, *paths = sys.argv[1:]
for path in paths:
    if os.fork():
        os.wait()
        continue
    before, began, said = peak(), time.process_time(), ""
    try:
        told = {"provider": provider, "emulator": emulator}[reader](path)
    except (PackageError, ValidationError) as error:
        said = f"{type(error).__name__}: {error}"
        told = 0
    spent = time.process_time() - began
    print(json.dumps([Path(path).stem, peak() - before, spent, said, told]), flush=True)
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is measured where there is /proc"
)
@pytest.mark.parametrize("reader", ["provider", "emulator"])
def test_no_file_costs_more_than_the_budget(tmp_path, capsys, reader):
    paths = []
    for name, make in hostile.kinds():
        paths.append(tmp_path / f"{name}.zip")
        paths[-1].write_bytes(make())
    out = subprocess.run(
        [sys.executable, "-c", PROBE, reader, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    rows = [json.loads(line) for line in out.stdout.splitlines()]
    with capsys.disabled():
        memory, seconds = max(row[1] for row in rows), max(row[2] for row in rows)
        sys.stdout.write(
            f"\n{reader}: {len(rows)} hostile packages, at most {memory:.0f} MiB and"
            f" {seconds:.2f} s\n"
        )
    assert [row[0] for row in rows] == [path.stem for path in paths]
    assert [row for row in rows if row[1] > MOST] == []
    # What is told of a package does not grow with it either.
    assert [row for row in rows if row[4] > 500_000 or len(row[3]) > 1_000] == []
