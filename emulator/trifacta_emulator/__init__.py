"""An emulator of the Trifacta v4 REST API with Deployment Manager, for tests and trials without an
instance.

It is an independent reading of the vendor's documents and shares no code with the Airflow
provider's client. The names in ``__all__`` are public. Everything else may change.

Marks in the code name the evidence for a behaviour:

* [R] read in the vendor's documents
* [P] seen in a real artefact: a package, a client, an answer
* [I] inferred from other evidence
* [M] from memory
* [?] not known; the behaviour is our choice

A mark may name its sources, as in [R: SEED, D60]:

* SEED: the page *API Releases Create v4*
* D50 to D68: pages of releases 5.0 to 6.8 on docs.trifacta.com; VS-nnn: a page there by its id;
  DIFF: its diff pages
* SMC87 to SMC104: documentation of self-managed 8.7 to 10.4
* AWS: help.alteryx.com/aws
* AAC25: a public Python client, generated from the vendor's API description 2025.23
* SDK: the vendor's Python package
* VC: public scripts and packages of a Trifacta engineer, with their history; GCF: cloud functions
  of the same author
* GR: a public Airflow plug-in; GA: the operators of apache-airflow-providers-google; SAAGIE: a
  public connector
* DBT: the vendor's profiler for dbt
* CMP: a public DAG that promotes flows of Dataprep; VDC: a public client that reads its flows into
  a data catalog
* SAA: the history of that connector; SO: an answer on Stack Overflow with an answer of Dataprep
* NZ: a public audit of a live tenant; AYX: public probes of two live tenants
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifacta_emulator.clock import ManualClock, iso, utc_now
    from trifacta_emulator.errors import MissingObjectError, ValidationError
    from trifacta_emulator.faults.effects import (
        Answer,
        Delay,
        Hold,
        LateActivation,
        LateCommit,
        PackageUuid,
        Reset,
        Truncate,
    )
    from trifacta_emulator.faults.matching import ArmedFault, Fault
    from trifacta_emulator.http.connection import Call
    from trifacta_emulator.options import (
        EmulatorOptions,
        PresetConnection,
        PresetFlow,
        PresetToken,
        ServerOptions,
        User,
    )
    from trifacta_emulator.packages.builder import build_package
    from trifacta_emulator.packages.definition import Connection, Package
    from trifacta_emulator.packages.reader import read_package
    from trifacta_emulator.server import Emulator
    from trifacta_emulator.state.runs import RunOutcome

__version__ = "0.1.0"

_MODULES = {
    "clock": ("ManualClock", "iso", "utc_now"),
    "errors": ("MissingObjectError", "ValidationError"),
    "faults.effects": (
        "Answer",
        "Delay",
        "Hold",
        "LateActivation",
        "LateCommit",
        "PackageUuid",
        "Reset",
        "Truncate",
    ),
    "faults.matching": ("ArmedFault", "Fault"),
    "http.connection": ("Call",),
    "options": (
        "EmulatorOptions",
        "PresetConnection",
        "PresetFlow",
        "PresetToken",
        "ServerOptions",
        "User",
    ),
    "packages.builder": ("build_package",),
    "packages.definition": ("Connection", "Package"),
    "packages.reader": ("read_package",),
    "server": ("Emulator",),
    "state.runs": ("RunOutcome",),
}
_HOMES = {}
for _module, _names in _MODULES.items():
    _HOMES.update(dict.fromkeys(_names, _module))

__all__ = [
    "Answer",
    "ArmedFault",
    "Call",
    "Connection",
    "Delay",
    "Emulator",
    "EmulatorOptions",
    "Fault",
    "Hold",
    "LateActivation",
    "LateCommit",
    "ManualClock",
    "MissingObjectError",
    "Package",
    "PackageUuid",
    "PresetConnection",
    "PresetFlow",
    "PresetToken",
    "Reset",
    "RunOutcome",
    "ServerOptions",
    "Truncate",
    "User",
    "ValidationError",
    "build_package",
    "iso",
    "read_package",
    "utc_now",
]


def __getattr__(name: str) -> Any:
    # Late imports: pytest loads the plug-in in every test run, and most runs need no server.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
