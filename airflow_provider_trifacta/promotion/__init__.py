"""The decisions of a promotion: what is asked for, what may have been applied, and when it counts as done.

The operators call these functions and classes. A script, or a task that calls Python, may use them too::

    with TrifactaClient(config) as client, open_package("flow.zip") as package:
        baseline = Baseline.read(client, deployment_id)
        report = dry_run(client, deployment_id, package)
        promotion = Promoter(client, deployment_id, package, baseline=baseline).run()
        roll_back(client, baseline, package.info.uuid)

They need no Airflow, and importing them loads no HTTP library. What is not listed here is internal and may change.
"""

from __future__ import annotations

from .baseline import Baseline
from .gate import DryRunReport, dry_run
from .journal import Journal
from .mappings import Mappings
from .new_deployment import create_once
from .promoter import Promoter, Promotion
from .rollback import Undone, roll_back
from .run import run_deployment, run_flows, run_recipe
from .run_once import Run
from .staged import StagedPromoter
from .status import PromotionStatus
from .workspace import WorkspaceImporter

__all__ = [
    "Baseline",
    "DryRunReport",
    "Journal",
    "Mappings",
    "Promoter",
    "Promotion",
    "PromotionStatus",
    "Run",
    "StagedPromoter",
    "Undone",
    "WorkspaceImporter",
    "create_once",
    "dry_run",
    "roll_back",
    "run_deployment",
    "run_flows",
    "run_recipe",
]
