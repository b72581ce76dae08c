"""The decisions of a promotion: what is asked for, what may have been applied, and when it counts
as done.

The operators call these functions and classes. A script, or a task that calls Python, may use them
too::

    with TrifactaClient(config) as client, open_package("flow.zip") as package:
        baseline = Baseline.read(client, deployment_id)
        report = dry_run(client, deployment_id, package)
        promotion = Promoter(client, deployment_id, package, baseline=baseline).run()
        roll_back(client, baseline, package.info.uuid)

They need no Airflow, and importing them loads no HTTP library. What is not listed here is internal
and may change.
"""

from __future__ import annotations

from .baseline import Baseline as Baseline
from .gate import DryRunReport as DryRunReport
from .gate import dry_run as dry_run
from .mappings import Mappings as Mappings
from .new_deployment import create_once as create_once
from .promoter import Promoter as Promoter
from .promoter import Promotion as Promotion
from .rollback import Undone as Undone
from .rollback import roll_back as roll_back
from .run import run_deployment as run_deployment
from .run import run_flows as run_flows
from .run import run_recipe as run_recipe
from .run_once import Run as Run
from .staged import StagedPromoter as StagedPromoter
from .status import PromotionStatus as PromotionStatus
from .tries import Tries as Tries
from .tries import TryFacts as TryFacts
from .workspace import WorkspaceImporter as WorkspaceImporter
