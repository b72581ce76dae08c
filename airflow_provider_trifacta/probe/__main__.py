"""``python -m airflow_provider_trifacta.probe CONN_ID``: what does this instance do where documents
are silent?
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

from ..check import config_of
from ..client import ConfigurationError, NotFoundError, PermissionDeniedError, TrifactaError
from ..client.texts import shown
from ..packages import open_package
from .instance import Probe
from .package import Package
from .report import as_json, as_text, judge

_LONGEST_ERROR = 2_000


def main(arguments: list[str] | None = None) -> int:
    """Probe an instance and print what was found.

    :param arguments: the command line; the process's own if it is left out
    :returns: 0 if the report is whole and nothing is left behind, else 1
    """
    parsed = _parser().parse_args(arguments)
    try:
        probe = Probe(
            config_of(parsed.conn_id),
            parsed.write,
            _given(parsed.package) if parsed.package else None,
        )
        _prepare(probe)
        if parsed.json:
            parsed.json.touch()  # what cannot be written is refused before the probe
    except (TrifactaError, OSError) as error:
        sys.stderr.write(f"FAILED: {shown(error, _LONGEST_ERROR)} Nothing was changed.\n")
        return 1
    clean = _run(probe)
    findings = judge(probe.answers)
    sys.stdout.write("".join(f"{line}\n" for line in as_text(probe.answers, findings)))
    if parsed.json:
        parsed.json.write_text(
            json.dumps(as_json(probe.answers, findings), indent=2) + "\n", encoding="utf-8"
        )
    return 0 if clean and not probe.stopped else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.probe",
        description=(
            "Find out what an instance does where documents are silent: see"
            " docs/reference/probe.md."
        ),
    )
    parser.add_argument("conn_id", help="the Airflow connection of the instance")
    parser.add_argument(
        "--write", metavar="NAME", help="also make, change and delete a deployment; no job runs"
    )
    parser.add_argument(
        "--package", type=Path, metavar="ZIP", help="use this package in place of the probe's own"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the report as JSON, for an issue"
    )
    return parser


def _given(path: Path) -> Package:
    with open_package(str(path)) as package:
        info, name = (
            package.info,
            " ".join(package.info.flow_names),
        )  # several names are no release's notes
        return Package(path.read_bytes(), info.uuid.lower(), info.comment, name)


def _prepare(probe: Probe) -> None:
    """Check the credentials, and that no deployment has the name."""
    with suppress(NotFoundError, PermissionDeniedError):  # some editions do not have this call
        probe.client.people.current()
    try:
        existing = probe.client.deployments.list() if probe.name else []
    except TrifactaError as error:
        probe.name, existing, probe.read_only = None, [], "deployments cannot be listed"
        sys.stderr.write(
            f"Nothing will be changed: {probe.read_only}. {shown(error, _LONGEST_ERROR)}\n"
        )
    probe.existing = {one.id for one in existing}
    if any(one.name == probe.name for one in existing):
        raise ConfigurationError(
            f"There is a deployment named {shown(probe.name)!r} already. Choose another name."
        )


def _run(probe: Probe) -> bool:
    """Make the calls, and delete what they made in every case; return whether nothing is left."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, probe.stop)
    try:
        try:
            probe.run()
        finally:
            probe.cleaning = True
    except KeyboardInterrupt:
        pass
    finally:
        left = probe.clean_up()
        sys.stderr.write("".join(f"NOT DELETED: {one}. Delete it by hand.\n" for one in left))
    dry_run = probe.answers.seen.get("dry_run")
    if dry_run and dry_run.refused and not probe.given:
        sys.stderr.write(
            f"The package of the probe is refused ({dry_run.status}). Try --package with one of"
            " yours.\n"
        )
    return not left


if __name__ == "__main__":
    sys.exit(main())
