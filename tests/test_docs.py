"""Every link of every page leads somewhere in this repository, and every name that a page uses
exists in the code."""

from __future__ import annotations

import ast
import contextlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from trifacta_emulator.options import choices

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.hooks.extras import _READERS
from airflow_provider_trifacta.operators import deployment, import_rules, package, release, run
from airflow_provider_trifacta.promotion.status import FIRST_AID, STATES, first_aid
from airflow_provider_trifacta.sensors import job_group
from airflow_provider_trifacta.sensors import release as release_sensor
from airflow_provider_trifacta.task_groups import promote_flow

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "emulator/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page, and of the page that it
    includes."""
    text = page.read_text()
    for included in re.findall(r"^```\{include\} (\S+)", text, re.M):
        text += (page.parent / included).read_text()
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} does not exist"
        assert ROOT in target.parents, f"{path} is not in the repository"
        assert not anchor or anchor in anchors_of(target), f"{path}#{anchor} has no such heading"


def test_there_are_pages_and_each_picture_is_used():
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "promotion.md"} <= {
        page.name for page in PAGES
    }
    text = "".join(page.read_text() for page in PAGES)
    unused = [one.name for one in (ROOT / "docs" / "images").iterdir() if one.name not in text]
    assert unused == []


#: Where the paths of a page may begin: at the top, or in the emulator's project and its package.
BASES = (ROOT, ROOT / "emulator", ROOT / "emulator" / "trifacta_emulator")
FOLDERS = (
    r"tests|scripts|docs|benchmarks|example_dags|constraints|airflow_provider_trifacta|emulator"
    r"|\.github|\.ci"
)
FILE = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w")
#: Files that a reader writes.
TO_WRITE = {"tests/api/test_output_objects.py", "tests/conftest.py", "tests/test_promote_orders.py"}
DOTTED = re.compile(
    r"(?<![\w/])(?:airflow_provider_trifacta|operators|sensors|task_groups|links)(?:\.(?!py\b)\w+)+"
)
CLASS = re.compile(r"`(\w+(?:Operator|Sensor|Error|Hook|Link|Options))\b")
OF_AIRFLOW = {"ApprovalOperator", "BaseOperator", "TriggerDagRunOperator"}
#: What Google's provider has for the same API.
OF_GOOGLE = {
    *(
        f"Dataprep{what}Operator"
        for what in ("CopyFlow", "DeleteFlow", "GetJobGroup", "GetJobsForJobGroup")
    ),
    *("DataprepRunFlowOperator", "DataprepRunJobGroupOperator", "DataprepJobGroupIsFinishedSensor"),
    "GoogleDataprepHook",
}
GOOGLES_METHODS = {
    *(
        "copy_flow",
        "create_flow",
        "create_imported_dataset",
        "create_output_object",
        "create_wrangled_dataset",
    ),
    *(
        "create_write_settings",
        "delete_flow",
        "delete_imported_dataset",
        "get_job_group",
        "get_job_group_status",
    ),
    *("get_jobs_for_job_group", "run_flow", "run_job_group"),
}
CALLABLES = {"promote_flow": promote_flow}
for module in (deployment, import_rules, job_group, package, release, release_sensor, run):
    CALLABLES |= {
        name: one for name, one in vars(module).items() if name.endswith(("Operator", "Sensor"))
    }


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request):
    return SimpleNamespace(path=request.param, text=request.param.read_text())


def calls_of(text: str) -> Iterator[ast.Call]:
    """Yield the calls in the Python blocks and in the inline code of a page."""
    for code in [
        *re.findall(r"```python\n(.*?)```", text, re.S),
        *re.findall(r"`([^`\n]+)`", text),
    ]:
        with contextlib.suppress(SyntaxError):  # inline code is mostly not Python
            tree = ast.parse(code.replace("..., ", "").replace(", ...", ""))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def arguments_of(target) -> set[str]:
    """Return the names of the arguments that a function or a class with its bases takes."""
    takers = [base.__init__ for base in target.__mro__] if inspect.isclass(target) else [target]
    return {name for one in takers for name in inspect.signature(one).parameters}


def test_files_exist(page):
    for path in set(FILE.findall(page.text)) - TO_WRITE:
        assert any((base / path).exists() for base in BASES), f"{path} does not exist"


def test_modules_and_classes_exist(page):
    for name in set(DOTTED.findall(page.text)):
        top = "" if name.startswith("airflow_provider_trifacta") else "airflow_provider_trifacta."
        pkgutil.resolve_name(top + name)
    sources = [
        one.read_text()
        for folder in ("airflow_provider_trifacta", "emulator/trifacta_emulator")
        for one in (ROOT / folder).rglob("*.py")
    ]
    defined = set(re.findall(r"^class (\w+)", "\n".join(sources), re.M)) | OF_AIRFLOW | OF_GOOGLE
    assert set(CLASS.findall(page.text)) <= defined


def test_arguments_exist(page):
    for call in calls_of(page.text):
        target = CALLABLES.get(getattr(call.func, "id", ""))
        if target:
            given = {keyword.arg for keyword in call.keywords if keyword.arg}
            assert given <= arguments_of(target), ast.unparse(call)


def test_options_of_commands_exist(page):
    known = (ROOT / "scripts" / "test").read_text()
    for option in re.findall(r"scripts/test (--[\w-]+)", page.text):
        assert f"  {option})" in known, f"scripts/test has no {option}"
    for name, value in re.findall(r"--choice ([a-z_]+)=(\w+)", page.text):
        assert value.lower() in {str(one).lower() for one in choices()[name]}


def test_the_tables_of_arguments_and_extras():
    promotion = (ROOT / "docs" / "guides" / "promote.md").read_text()
    table = promotion.partition("## Arguments")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| ", table, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {"smoke_run", "pool"} <= named <= arguments_of(promote_flow)
    connection = (ROOT / "docs" / "reference" / "connection.md").read_text()
    table = connection.partition("| Extra | Default |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(_READERS)


def test_each_part_of_googles_provider_is_mapped():
    page = (ROOT / "docs" / "guides" / "coming-from-dataprep.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.M)
    assert {name for name, _ in rows} == OF_GOOGLE - {"GoogleDataprepHook"} | GOOGLES_METHODS
    for call in (call for _, words in rows for call in re.findall(r"`client((?:\.\w+)+)", words)):
        resource, method = call.split(".")[1:]
        assert hasattr(
            getattr(TrifactaClient(ClientConfig("http://h", password="t")), resource), method
        ), call


def test_the_runbook_and_the_last_tasks_say_the_same_of_each_state():
    assert set(FIRST_AID) == set(STATES)
    assert first_aid() in (ROOT / "docs" / "runbook.md").read_text()
