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
    options = _parser().parse_args(arguments)
    try:
        config = config_of(options.conn_id)
        given = _given(options.package) if options.package else None
        probe = Probe(config, options.write, given)
        _prepare(probe)
        if options.json:
            options.json.touch()  # what cannot be written is refused before the probe
    except (TrifactaError, OSError) as error:
        sys.stderr.write(f"FAILED: {shown(error, _LONGEST_ERROR)} Nothing was changed.\n")
        return 1
    is_clean = _run(probe)
    findings = judge(probe.answers)
    for line in as_text(probe.answers, findings):
        sys.stdout.write(f"{line}\n")
    if options.json:
        report = json.dumps(as_json(probe.answers, findings), indent=2)
        options.json.write_text(f"{report}\n", encoding="utf-8")
    return 0 if is_clean and not probe.stopped else 1


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
        info = package.info
        # Several names are no release's notes.
        flow_name = " ".join(info.flow_names)
        return Package(path.read_bytes(), info.uuid.lower(), info.comment, flow_name)


def _prepare(probe: Probe) -> None:
    """Check the credentials, and that no deployment has the name."""
    with suppress(NotFoundError, PermissionDeniedError):  # some editions do not have this call
        probe.client.people.current()
    try:
        existing = probe.client.deployments.list() if probe.name else []
    except TrifactaError as error:
        existing = []
        probe.name = None
        probe.read_only = "deployments cannot be listed"
        reason = shown(error, _LONGEST_ERROR)
        sys.stderr.write(f"Nothing will be changed: {probe.read_only}. {reason}\n")
    probe.existing = {deployment.id for deployment in existing}
    if probe.name in [deployment.name for deployment in existing]:
        raise ConfigurationError(
            f"There is a deployment named {shown(probe.name)!r} already. Choose another name."
        )


def _run(probe: Probe) -> bool:
    """Make the calls, and delete what they made in every case; return whether nothing is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, probe.stop)
    try:
        try:
            probe.run()
        finally:
            probe.cleaning = True
    except KeyboardInterrupt:
        pass
    finally:
        left = probe.clean_up()
        for place in left:
            sys.stderr.write(f"NOT DELETED: {place}. Delete it by hand.\n")
    _advise_on_package(probe)
    return not left


def _advise_on_package(probe: Probe) -> None:
    """Say so if the instance refuses the package that the probe wrote."""
    dry_run = probe.answers.seen.get("dry_run")
    if probe.given or dry_run is None:
        return
    if dry_run.refused:
        sys.stderr.write(
            f"The package of the probe is refused ({dry_run.status}). Try --package with one of"
            " yours.\n"
        )


if __name__ == "__main__":
    sys.exit(main())
