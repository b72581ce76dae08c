"""Ask advisory databases about the runtime dependencies of both projects, at the versions that the
tests use.

Airflow, and what Airflow alone depends on, is the choice of those who install it and is left out. A
known vulnerability on the newest line that a newer version fixes is a failure. Everything else is
printed only: what an older Airflow pins cannot be changed here, and neither can a dependency
without a fixed version.

It ends with 1 for a failure, and else with 3 if no database answered for a line.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
OURS = ("airflow-provider-trifacta", "trifacta-emulator")
#: The exit status where nothing is known of a line.
UNANSWERED = 3
#: The second is asked where the first does not answer, or knows none of the packages: pip-audit's
#: own, and OSV.
SOURCES: dict[str, list[str]] = {"the package index": [], "OSV": ["--vulnerability-service", "osv"]}


def main(environment: Path, newest: str, *older: str) -> int:
    names = _runtime_dependencies(environment)
    failed = unanswered = False
    for line in (newest, *older):
        pins = {name: version for name, version in _pins(line) if name in names}
        audited = _audit(pins)
        if isinstance(audited, str):
            print(f"Airflow {line}: NOT AUDITED, because no database answers ({audited})")
            unanswered = True
        else:
            failed |= _report(line, audited, fail_on_fixable=line == newest)
    if failed:
        return 1
    return UNANSWERED if unanswered else 0


def _runtime_dependencies(environment: Path) -> set[str]:
    """Return the names of what both projects depend on, directly or not, without what only Airflow
    brings."""
    (site_packages,) = environment.glob("lib/python*/site-packages")
    installed = {
        canonicalize_name(one.name): one for one in distributions(path=[str(site_packages)])
    }
    found: set[str] = set()
    waiting = [name for ours in OURS for name in _requirements(installed[ours])]
    while waiting:
        name = waiting.pop()
        if name in installed and name not in found and name != "apache-airflow":
            found.add(name)
            waiting += _requirements(installed[name])
    return found - set(OURS)


def _requirements(distribution: Distribution) -> Iterator[str]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _pins(line: str) -> Iterator[tuple[str, str]]:
    for text in (ROOT / "constraints" / f"airflow-{line}.txt").read_text().splitlines():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            yield canonicalize_name(requirement.name), re.sub("^==", "", str(requirement.specifier))


def _audit(pins: dict[str, str]) -> list[dict[str, Any]] | str:
    """Return what is known of each package, or why nothing is known."""
    reasons = []
    requirements = "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))
    for source, options in SOURCES.items():
        command = [sys.executable, "-m", "pip_audit", *options, "--format", "json"]
        command += [
            "--progress-spinner",
            "off",
            "--no-deps",
            "--disable-pip",
            "--requirement",
            "/dev/stdin",
        ]
        done = subprocess.run(
            command, input=requirements, capture_output=True, text=True, check=False
        )
        try:
            rows: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except ValueError:
            reasons.append(
                f"{source}: {(done.stderr.strip().splitlines() or ['no answer'])[-1][:150]}"
            )
            continue
        if any("vulns" in row for row in rows):
            return rows
        reasons.append(f"{source} knows none of the {len(rows)} packages")
    return "; ".join(reasons)


def _report(line: str, rows: list[dict[str, Any]], *, fail_on_fixable: bool) -> bool:
    """Print what is known of the pins of one line, and tell whether it is a failure."""
    failed = False
    skipped = [row["name"] for row in rows if "vulns" not in row]
    found = [(row, vulnerability) for row in rows for vulnerability in row.get("vulns", ())]
    unknown = f", not known to the database: {', '.join(skipped)}" if skipped else ""
    print(f"Airflow {line}: {len(rows)} dependencies, {len(found)} known vulnerabilities{unknown}")
    for row, vulnerability in found:
        fixes = ", ".join(vulnerability["fix_versions"])
        print(
            f"  {row['name']} {row['version']}: {vulnerability['id']},"
            f" {f'fixed in {fixes}' if fixes else 'no fix'}"
        )
        failed |= fail_on_fixable and bool(fixes)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
