"""
An emulator of the Trifacta v4 REST API with Deployment Manager, for tests and trials without an instance.

It is an independent reading of the vendor's documents and shares no code with the client of this provider.
Marks in the code name the evidence: [R] read in the vendor's documents, [P] seen in a real artefact,
[I] inferred, [M] from memory, [?] not known. Sources behind them:

* SEED - the page *API Releases Create v4*; D50 to D68 - the pages of releases 5.0 to 6.8 on docs.trifacta.com;
  VS-nnn - a page there by its page id; SMC87 to SMC104 - the documentation of self-managed 8.7 to 10.4;
* AAC25 - a public Python client generated from the vendor's API description 2025.23; SDK - the vendor's Python
  package; VC - a Trifacta engineer's public scripts and packages; GR - a public Airflow plug-in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifacta_emulator.clock import ManualClock
    from trifacta_emulator.effects import (
        Answer,
        Delay,
        Hold,
        LateActivation,
        LateCommit,
        PackageUuid,
        Reset,
        Truncate,
    )
    from trifacta_emulator.faults import ArmedFault, Fault
    from trifacta_emulator.middleware import Call
    from trifacta_emulator.options import (
        EmulatorOptions,
        PresetConnection,
        PresetFlow,
        PresetToken,
        User,
    )
    from trifacta_emulator.package_builder import build_package
    from trifacta_emulator.package_content import Connection
    from trifacta_emulator.run_outcomes import RunOutcome
    from trifacta_emulator.server import Emulator

__version__ = "0.1.0"

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
    "PackageUuid",
    "PresetConnection",
    "PresetFlow",
    "PresetToken",
    "Reset",
    "RunOutcome",
    "Truncate",
    "User",
    "build_package",
]
_MODULES = {
    "Answer": "effects",
    "ArmedFault": "faults",
    "Call": "middleware",
    "Connection": "package_content",
    "Delay": "effects",
    "Emulator": "server",
    "EmulatorOptions": "options",
    "Fault": "faults",
    "Hold": "effects",
    "LateActivation": "effects",
    "LateCommit": "effects",
    "ManualClock": "clock",
    "PackageUuid": "effects",
    "PresetConnection": "options",
    "PresetFlow": "options",
    "PresetToken": "options",
    "Reset": "effects",
    "RunOutcome": "run_outcomes",
    "Truncate": "effects",
    "User": "options",
    "build_package": "package_builder",
}


def __getattr__(name: str) -> Any:
    # Late: the pytest plug-in is loaded in every test run, and no server before its fixture is used.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
