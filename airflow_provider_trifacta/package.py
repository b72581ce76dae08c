"""``python -m airflow_provider_trifacta.package FILE``: shows what a flow package holds, from the
file alone. With two files, it shows how they differ.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from .client.errors import PackageError
from .client.texts import listed, shown, shown_within
from .packages import (
    Input,
    Output,
    PackageConnection,
    PackageReport,
    Target,
    compare,
    open_package,
    report_on,
)

_Flows = Mapping[int | None, str | None]

#: Most rows of a section in print; ``--json`` has them all.
_MOST_ROWS = 500
#: Most characters of an error or a warning.
_LONGEST_ERROR = 2_000


def main(arguments: list[str] | None = None) -> int:
    """Print the report of a package, or how two packages differ.

    :param arguments: the command line; the process's own if it is left out
    :returns: 0 if the files are packages, whether they differ or not; else 1
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.package",
        description=(
            "Show what an exported Trifacta flow package holds, and what to do before it is"
            " promoted. With two packages, show how the second differs from the first."
        ),
    )
    parser.add_argument("file", help="the ZIP that Trifacta exported")
    parser.add_argument("new", nargs="?", help="a newer ZIP: show how it differs from the first")
    parser.add_argument(
        "--markdown", action="store_true", help="print the difference in Markdown instead of text"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead of text"
    )
    options = parser.parse_args(arguments)
    if options.markdown and (options.new is None or options.json):
        parser.error("--markdown is for the difference of two packages, without --json")
    # The report has the warnings of the reader. Without this handler Python would print them as
    # well.
    logging.getLogger(__package__).addHandler(logging.NullHandler())
    try:
        text = _difference(options) if options.new else _report(options)
    except (PackageError, OSError) as error:
        sys.stderr.write(f"FAILED: {shown(error, _LONGEST_ERROR)}\n")
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal may not know all characters of a name.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(f"{text}\n")
    return 0


def _report(options: argparse.Namespace) -> str:
    with open_package(options.file) as package:
        report = report_on(package)
    return json.dumps(report.as_dict(), indent=2) if options.json else as_text(report)


def _difference(options: argparse.Namespace) -> str:
    with open_package(options.file) as old, open_package(options.new) as new:
        difference = compare(old, new)
    if options.json:
        return json.dumps(difference.as_dict(), indent=2)
    if options.markdown:
        return difference.as_markdown(_MOST_ROWS)
    return difference.as_text(_MOST_ROWS)


def as_text(report: PackageReport) -> str:
    """Return a report as plain text for people, section by section.

    :param report: the report
    """
    flows: dict[int | None, str | None] = {}
    if len(report.flows) > 1:
        flows = {flow.id: flow.name for flow in report.flows}
    lines = [shown(report.file), "", *_table(_head(report))]
    primary = [[flow.name, "primary" if flow.primary else None] for flow in report.flows]
    lines += _section("Flows", primary)
    lines += _section("Inputs", [_input(dataset, flows) for dataset in report.inputs])
    if any(dataset.parameterised for dataset in report.inputs):
        note = "Import rules do not change parameterised inputs"
        lines += ["", f"{note}: production reads them where they are now"]
    recipes = [[recipe.name, flows.get(recipe.flow_id)] for recipe in report.recipes]
    lines += _section("Recipes", recipes)
    targets: list[list[str | None]] = []
    for output in report.outputs:
        targets += _output(output, flows)
    lines += _section("Outputs", targets, len(report.outputs))
    connections = [_connection(connection) for connection in report.connections]
    lines += _section("Connections", connections)
    rules = [connection.rule for connection in report.connections if connection.rule]
    if rules:
        note = "Object import rules that map them"
        lines += ["", f"{note}, unless production has connections of the same uuids"]
        lines += [f"  {json.dumps(shown_within(rule))}" for rule in rules[:_MOST_ROWS]]
    if report.warnings:
        lines += ["", "Warnings"]
        lines += [_entry(shown(warning, _LONGEST_ERROR)) for warning in report.warnings]
    return "\n".join(lines)


def _head(report: PackageReport) -> list[tuple[str, str]]:
    exported_at = report.exported_at
    exporter = filter(None, (report.product_version, report.edition))
    return [
        ("Package", report.package_uuid),
        ("Exported", exported_at.strftime("%Y-%m-%d %H:%M:%S %Z") if exported_at else "-"),
        ("Exporter", " ".join(exporter) or "-"),
        ("Comment", report.comment or "-"),
        ("Size", f"{report.size:,} bytes"),
        ("SHA-256", report.sha256),
    ]


def _input(dataset: Input, flows: _Flows) -> list[str | None]:
    how = [_through(dataset.connection)]
    if dataset.parameterised and dataset.parameters:
        how.append(f"parameterised: {listed(dataset.parameters)}")
    elif dataset.parameterised:
        how.append("parameterised")
    flow = flows.get(dataset.flow_id)
    return [dataset.kind, dataset.name, flow, _at(dataset.path, *how)]


def _output(output: Output, flows: _Flows) -> list[list[str | None]]:
    """Return a row for each target of an output; one if it writes nothing."""
    start = [_kind(output.manual), output.recipe, flows.get(output.flow_id)]
    if not output.targets:
        return [[*start, "writes nothing", None]]
    return [[*start, target.kind, _place(target)] for target in output.targets]


def _connection(connection: PackageConnection) -> list[str | None]:
    return [connection.name, connection.type, connection.vendor, connection.uuid]


def _kind(manual: bool | None) -> str:
    return {True: "manual", False: "scheduled", None: "?"}[manual]


def _place(target: Target) -> str:
    return _at(target.path, target.format, target.action, _through(target.connection))


def _through(connection: str | None) -> str | None:
    return f"through {connection}" if connection else None


def _at(path: str | None, *how: str | None) -> str:
    place = path or "?"
    known = ", ".join(filter(None, how))
    return f"{place} ({known})" if known else place


def _section(
    title: str, rows: Sequence[Sequence[str | None]], count: int | None = None
) -> Iterator[str]:
    yield from ("", f"{title} ({len(rows) if count is None else count})")
    for line in _table(rows[:_MOST_ROWS]):
        yield f"  {line}"
    if len(rows) > _MOST_ROWS:
        yield f"  and {len(rows) - _MOST_ROWS} more"


def _table(rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """Align the columns. A column that is empty in all rows is left out."""
    cells_of_rows = [list(map(_cell, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells_of_rows, strict=True)]
    for cells in cells_of_rows:
        yield _aligned(cells, widths)


def _cell(text: str | None) -> str:
    return shown(text or "")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = []
    for cell, width in zip(cells, widths, strict=True):
        if width:
            padded.append(cell.ljust(width))
    return "  ".join(padded).rstrip()


def _entry(text: str) -> str:
    return textwrap.fill(
        text,
        100,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    sys.exit(main())
