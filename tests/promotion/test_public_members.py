"""What a script or a task of Python may use of the package; everything else is internal."""

from __future__ import annotations

import inspect
import subprocess
import sys

from airflow_provider_trifacta import promotion

MEMBERS = [
    "Baseline",
    "DryRunReport",
    "Mappings",
    "Promoter",
    "Promotion",
    "PromotionStatus",
    "Run",
    "StagedPromoter",
    "Tries",
    "TryFacts",
    "Undone",
    "WorkspaceImporter",
    "create_once",
    "dry_run",
    "roll_back",
    "run_deployment",
    "run_flows",
    "run_recipe",
]


def test_the_members():
    found = {
        name
        for name, one in vars(promotion).items()
        if not name.startswith("_") and not inspect.ismodule(one)
    }
    assert found - {"annotations"} == set(MEMBERS)
    assert all(getattr(promotion, name).__doc__ for name in MEMBERS)


def test_importing_them_loads_neither_airflow_nor_an_http_library():
    code = (
        "import sys, airflow_provider_trifacta.promotion; print({one.split('.')[0] for one in"
        " sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert not {
        f"'{name}'" for name in ("airflow", "requests", "urllib3", "httpx", "aiohttp")
    } & set(loaded.strip("{}\n").split(", "))


def test_a_promotion_and_a_rollback_without_airflow(client, packages, live):
    from airflow_provider_trifacta.packages.flow_package import open_package

    with open_package(packages("A")) as package:
        first = promotion.Promoter(client, 1, package).run()
    baseline = promotion.Baseline.read(client, 1)
    with open_package(packages("B")) as package:
        assert promotion.dry_run(client, 1, package).problems == []
        second = promotion.Promoter(client, 1, package, baseline=baseline).run()
        assert live() == second.release.id
        undone = promotion.roll_back(client, baseline, package.info.uuid)
    assert undone.release_id == second.release.id
    assert live() == first.release.id
