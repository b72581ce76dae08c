"""The command: makes a campaign and prints its table, or one run with all that happens in it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from typing import Any


def say(text: str, *, file: Any = sys.stdout) -> None:
    """Print a text."""
    file.write(f"{text}\n")


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="scripts/campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs (default: 1000)")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="the seed of the first run; each has the next one (default: 1)",
    )
    parser.add_argument(
        "--replay", type=int, metavar="SEED", help="make this run alone and print all of it"
    )
    parser.add_argument(
        "--reasons", action="store_true", help="print the seeds behind each reason too"
    )
    parser.add_argument(
        "--flow", action="append", metavar="NAME", help="draw this flow alone (may be repeated)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="airflow-home-") as home:
        # Before Airflow is imported.
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        return _campaign(options)


def _campaign(options: argparse.Namespace) -> int:
    from campaign.plans import Campaign
    from campaign.project import installed
    from campaign.tables import Table
    from campaign.variants import FLOWS

    campaign = Campaign(options.flow or FLOWS)
    with installed(campaign.times, campaign.send):
        if options.replay is not None:
            result = campaign.run(options.replay)
            say("\n".join([*result.lines, str(result.verdict)]))
            return bool(result.verdict.violations)
        table, began = Table(), time.monotonic()
        for seed in range(options.seed, options.seed + options.runs):
            result = campaign.run(seed)
            table.add(result)
            if result.verdict.violations:
                say(
                    f"seed {seed}, {result.plan.variant}: {result.verdict.violations}",
                    file=sys.stderr,
                )
        say(table.text(seeds=options.reasons))
        say(f"\n{options.runs} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)
        return bool(table.violations)


sys.exit(main())
