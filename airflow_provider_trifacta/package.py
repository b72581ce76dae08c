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
from collections.abc import Iterator, Sequence

from .client.errors import PackageError
from .client.texts import listed, shown, shown_within
from .packages import Input, PackageReport, Target, compare, open_package, report_on

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
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a terminal may not know all characters of a name
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
    flows = {flow.id: flow.name for flow in report.flows} if len(report.flows) > 1 else {}
    at = report.exported_at
    head: list[tuple[str, str | None]] = [
        ("Package", report.package_uuid),
        ("Exported", at.strftime("%Y-%m-%d %H:%M:%S %Z") if at else None),
        ("Exporter", " ".join(filter(None, (report.product_version, report.edition)))),
        ("Comment", report.comment),
        ("Size", f"{report.size:,} bytes"),
        ("SHA-256", report.sha256),
    ]
    lines = [shown(report.file), "", *_table([[name, value or "-"] for name, value in head])]
    lines += _section(
        "Flows", [[flow.name, "primary" if flow.primary else None] for flow in report.flows]
    )
    inputs = [[one.kind, one.name, flows.get(one.flow_id), _place(one)] for one in report.inputs]
    lines += _section("Inputs", inputs)
    if any(one.parameterised for one in report.inputs):
        lines += [
            "",
            (
                "Import rules do not change parameterised inputs: production reads them where they"
                " are now"
            ),
        ]
    lines += _section(
        "Recipes", [[recipe.name, flows.get(recipe.flow_id)] for recipe in report.recipes]
    )
    outputs = [
        [_kind(output.manual), output.recipe, flows.get(output.flow_id), *_target(target)]
        for output in report.outputs
        for target in output.targets or (None,)
    ]
    lines += _section("Outputs", outputs, len(report.outputs))
    connections = [[one.name, one.type, one.vendor, one.uuid] for one in report.connections]
    lines += _section("Connections", connections)
    rules = [one.rule for one in report.connections if one.rule]
    if rules:
        lines += [
            "",
            (
                "Object import rules that map them, unless production has connections of the same"
                " uuids"
            ),
        ]
        lines += [f"  {json.dumps(shown_within(rule))}" for rule in rules[:_MOST_ROWS]]
    if report.warnings:
        lines += [
            "",
            "Warnings",
            *(_entry(shown(warning, _LONGEST_ERROR)) for warning in report.warnings),
        ]
    return "\n".join(lines)


def _place(one: Input) -> str:
    parameters = f"parameterised: {listed(one.parameters)}" if one.parameters else "parameterised"
    return _at(one.path, _through(one.connection), parameters if one.parameterised else None)


def _kind(manual: bool | None) -> str:
    return {True: "manual", False: "scheduled", None: "?"}[manual]


def _target(target: Target | None) -> list[str | None]:
    if target is None:
        return ["writes nothing", None]
    return [
        target.kind,
        _at(target.path, target.format, target.action, _through(target.connection)),
    ]


def _through(connection: str | None) -> str | None:
    return f"through {connection}" if connection else None


def _at(path: str | None, *how: str | None) -> str:
    known = ", ".join(filter(None, how))
    return f"{path or '?'} ({known})" if known else path or "?"


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
    columns = [[shown(value or "") for value in column] for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        yield "  ".join(cells).rstrip()


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
