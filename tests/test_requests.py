"""How many requests each operator makes: as ``docs/performance.md`` says, which
``benchmarks/requests`` prints."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location(
    "request_counts", ROOT / "benchmarks" / "request_counts.py"
)
request_counts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(request_counts)

PAGES_OF_3000 = 31


def documented() -> dict[int, dict[str, int]]:
    """Read the table of the documentation: counts by size, and then by what was done."""
    text = (ROOT / "docs" / "performance.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {
        size: {what: int(counts[index]) for what, *counts in rows}
        for index, size in enumerate(request_counts.SIZES)
    }


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("size", request_counts.SIZES)
def test_each_operator_makes_as_many_requests_as_the_documentation_says(size):
    counts = {**request_counts.measure(size), **request_counts.measure_far_back(size)}
    assert counts == {
        what: count
        for what, count in documented()[size].items()
        if what != request_counts.PROMOTION
    }


@pytest.mark.usefixtures("virtual_time", "airflow_db")
@pytest.mark.parametrize("size", request_counts.SIZES)
def test_a_whole_promotion_makes_at_most_twenty_requests(size):
    count, state = request_counts.promote(size)
    assert state == "success"
    assert count == documented()[size][request_counts.PROMOTION]
    assert count <= 20


def test_what_is_documented_is_one_page_for_each_list():
    few, many = (documented()[size] for size in request_counts.SIZES)
    # One request for the deployment, and one page of its releases.
    assert few["GetDeployment"] == many["GetDeployment"] == 2
    # A page before the upload, the upload, and a page after it.
    assert few["CreateRelease: created"] == many["CreateRelease: created"] == 3
    assert many["GetDeployment, and the oldest release was live"] == 1 + PAGES_OF_3000
