"""``python -m airflow_provider_trifacta.probe CONN_ID``: what does this instance do where documents are silent?"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        probe = Probe(config_of(parsed.conn_id), parsed.write, _given(parsed.package) if parsed.package else None)
        _prepare(probe)
    except (TrifactaError, OSError) as error:
        sys.stderr.write(f"FAILED: {shown(error, _LONGEST_ERROR)} Nothing was changed.\n")
        return 1
    clean = _run(probe)
    findings = judge(probe.answers)
    sys.stdout.write("".join(f"{line}\n" for line in as_text(probe.answers, findings)))
    try:
        if parsed.json:
            parsed.json.write_text(json.dumps(as_json(probe.answers, findings), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"The report cannot be written: {shown(error)}\n")
        return 1
    return 0 if clean and not probe.stopped else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.probe",
        description="Find out what an instance does where the vendor's documents are silent. It only reads, and no "
        "name and no secret goes into the report. docs/probe.md lists what it does.",
    )
    parser.add_argument("conn_id", help="the Airflow connection of the instance")
    parser.add_argument(
        "--write", metavar="NAME", help="also make a deployment of this name, change it, and delete it; it runs no job"
    )
    parser.add_argument("--package", type=Path, metavar="ZIP", help="use this package in place of the probe's own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON, for an issue")
    return parser


def _given(path: Path) -> Package:
    with open_package(str(path)) as package:
        info = package.info
        name = info.flow_names[0] if len(info.flow_names) == 1 else ""
        return Package(path.read_bytes(), info.uuid, info.comment, name)


def _prepare(probe: Probe) -> None:
    """Check the credentials, and that no deployment has the name."""
    with suppress(NotFoundError, PermissionDeniedError):  # some editions do not have this call
        probe.client.people.current()
    if not probe.name:
        return
    try:
        existing = probe.client.deployments.list()
    except TrifactaError as error:
        probe.name, probe.read_only = None, "deployments cannot be used"
        sys.stderr.write(
            f"Nothing will be changed, because deployments cannot be listed: {shown(error, _LONGEST_ERROR)}\n"
        )
        return
    probe.existing = {one.id for one in existing}
    if any(one.name == probe.name for one in existing):
        raise ConfigurationError(f"There is a deployment named {shown(probe.name)!r} already. Choose another name.")


def _run(probe: Probe) -> bool:
    """Make the calls, and delete what they made in every case; return whether nothing is left."""
    left: list[str] = []
    with _signals(probe):
        try:
            try:
                probe.run()
            finally:
                probe.cleaning = True
        except KeyboardInterrupt:
            pass
        finally:
            left = probe.clean_up()
            for one in left:
                sys.stderr.write(f"NOT DELETED: {one}. Delete it by hand.\n")
    dry_run = probe.answers.seen.get("dry_run")
    if dry_run and dry_run.refused and not probe.given:
        sys.stderr.write(f"The package of the probe is refused ({dry_run.status}). Try --package with one of yours.\n")
    return not left


@contextmanager
def _signals(probe: Probe) -> Iterator[None]:
    """Let a signal stop the probe after the present request: what a request made is only known from its answer.

    A second one breaks the request off. None of them stops the deletion.
    """

    def stop(*_: object) -> None:
        if probe.stopped and not probe.cleaning:
            probe.cleaning = True
            raise KeyboardInterrupt
        probe.stopped = True
        sys.stderr.write("Stopping. What the probe made is deleted first.\n")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # Only the main thread may set handlers.
    is_main = threading.current_thread() is threading.main_thread()
    before = {one: signal.signal(one, stop) for one in numbers if is_main}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


if __name__ == "__main__":
    sys.exit(main())
