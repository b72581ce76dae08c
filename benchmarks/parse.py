"""Import our operator and sensor modules in fresh processes, beside what other providers' operators
cost.

Prints CPU seconds and the ratio to Airflow's own base classes, which every DAG file pays for
anyway; medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys

BASE = "from airflow.sdk import BaseOperator, BaseSensorOperator, BaseHook"
IMPORTS = {
    "base classes": BASE,
    "ours": (
        "import airflow_provider_trifacta.operators.release,"
        " airflow_provider_trifacta.sensors.release"
    ),
    "promote_flow": "import airflow_provider_trifacta.task_groups",
    "base + requests": f"{BASE}\nimport requests",
    "http": "import airflow.providers.http.operators.http, airflow.providers.http.sensors.http",
    "dbt Cloud": (
        "import airflow.providers.dbt.cloud.operators.dbt, airflow.providers.dbt.cloud.sensors.dbt"
    ),
    "Google Dataprep": (
        "import airflow.providers.google.cloud.operators.dataprep,"
        " airflow.providers.google.cloud.sensors.dataprep"
    ),
}
PROBE = """
import json, sys, time
started = time.process_time()
{statement}
print(json.dumps([time.process_time() - started, sorted(
    {{"requests", "httpx", "aiohttp", "urllib3", "pyjson5", "pendulum"}} & set(sys.modules))]))
"""


def measure(statement: str) -> tuple[float, list[str]] | None:
    out = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(out.stdout.splitlines()[-1]) if out.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    loaded = {
        name: measure(statement) for name, statement in IMPORTS.items()
    }  # also fills the caches
    present = [name for name, result in loaded.items() if result]
    times: dict[str, list[float]] = {name: [] for name in present}
    for _ in range(rounds):
        for name in random.sample(present, len(present)):
            times[name].append(measure(IMPORTS[name])[0])
    print(f"{rounds} rounds, medians of CPU seconds")
    print(f"{'import':<18}{'seconds':>9}{'/ base':>8}  loaded")
    for name in IMPORTS:
        if name not in present:
            print(f"{name:<18}{'not installed':>17}")
            continue
        ratio = statistics.median(
            a / b for a, b in zip(times[name], times["base classes"], strict=True)
        )
        print(
            f"{name:<18}{statistics.median(times[name]):>9.2f}{ratio:>8.2f} "
            f" {', '.join(loaded[name][1])}"
        )


if __name__ == "__main__":
    main()
