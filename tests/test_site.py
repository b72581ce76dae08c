"""What the site's pages show comes from files that tests run, and the reference has everything that
is public."""

from __future__ import annotations

import argparse
import json
import re
import runpy
import textwrap
from pathlib import Path

import pytest
import trifacta_emulator.__main__ as emulator_command
from site_pages import DOCS, ROOT, SNIPPETS, pages, shown_by
from trifacta_emulator import (
    Connection,
    Emulator,
    EmulatorOptions,
    PresetFlow,
    RunOutcome,
    build_package,
)

from airflow_provider_trifacta import check, package
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.failures import api_error_class
from airflow_provider_trifacta.get_provider_info import get_provider_info
from airflow_provider_trifacta.hooks.trifacta import config_from_connection
from airflow_provider_trifacta.probe import __main__ as probe

REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
#: The reference shows parts of it, by docs/operator_reference.py.
EACH_OPERATOR = SNIPPETS / "dags" / "each_operator.py"
DAGS = sorted((SNIPPETS / "dags").glob("*.py"))


def test_the_site_has_every_page():
    assert sorted([*pages(), DOCS / "index.md"]) == PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_python_comes_from_files_that_are_run(page):
    text = page.read_text()
    assert "```python" not in text
    assert "![](" not in text  # a picture needs words for those who cannot see it
    for shown in shown_by(page):
        assert shown.path.is_file()
        assert {SNIPPETS, ROOT / "example_dags"} & set(shown.path.parents)
        assert shown.options["language"] == {".py": "python", ".sh": "bash"}[shown.path.suffix]


def test_each_snippet_is_shown_and_so_run_by_the_test_of_the_site():
    shown = {one.path for page in pages() for one in shown_by(page)} | {EACH_OPERATOR}
    assert {path for path in SNIPPETS.rglob("*.*") if "__pycache__" not in path.parts} <= shown


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_of_a_page_can_be_parsed(path):
    dags = [one for one in runpy.run_path(str(path)).values() if type(one).__name__ == "DAG"]
    assert [dag.dag_id for dag in dags] in ([], [path.stem])


@pytest.mark.system
@pytest.mark.usefixtures("airflow_db")
def test_dags_of_pages_that_need_more_than_the_emulators_of_the_site(
    use_connection, monkeypatch, tmp_path
):
    from airflow.models import DagBag

    connection = Connection(24, "dev warehouse", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
    (tmp_path / "orders.zip").write_bytes(build_package("Orders", connections=[connection]))
    monkeypatch.setenv("TRIFACTA_PACKAGES", str(tmp_path))
    # Airflow only runs what is in one of its bundles.
    place = {"kwargs": {"path": str(SNIPPETS / "dags")}}
    bundle = {
        "name": "pages",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        **place,
    }
    bundles = json.dumps([bundle])
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)
    at_once = EmulatorOptions(flows=(PresetFlow("Orders"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(at_once) as dev, Emulator(at_once) as prod:
        use_connection(dev.url, "trifacta_dev")
        use_connection(prod.url, "trifacta_prod")
        prod.store.create_connection("prod warehouse")
        for name in ("prepare_deployment", "export_package", "promote_a_zip", "run_deployment"):
            bag = DagBag(str(SNIPPETS / "dags" / f"{name}.py"))
            assert bag.import_errors == {}
            assert bag.dags[name].test().state == "success", name
        assert [group.status for group in prod.store.job_groups()] == ["Complete"]
    assert len(list(tmp_path.glob("*.zip"))) == 2


@pytest.mark.system
@pytest.mark.usefixtures("airflow_db")
def test_the_alert_calls_a_webhook(use_connection, monkeypatch, scripted, tmp_path):
    from airflow.models import DagBag

    messages = []

    def receive(request):
        messages.append(json.loads(request.read_body()))
        return 204, {}, b""

    monkeypatch.setenv("ALERT_WEBHOOK", scripted(receive).url)
    monkeypatch.setenv("TRIFACTA_PACKAGES", str(tmp_path))
    place = {"kwargs": {"path": str(SNIPPETS / "dags")}}
    bundle = {
        "name": "pages",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        **place,
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    at_once = EmulatorOptions(flows=(PresetFlow("Orders"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(at_once) as dev, Emulator(at_once) as prod:
        use_connection(dev.url, "trifacta_dev")
        use_connection(prod.url, "trifacta_prod")
        deployment = prod.store.create_deployment("Orders")
        prod.runs.add(RunOutcome(status="Failed", message="Path does not exist"))
        bag = DagBag(str(SNIPPETS / "dags" / "promote_with_alert.py"))
        assert bag.import_errors == {}
        assert bag.dags["promote_with_alert"].test().state == "failed"
        address = prod.url
    [message] = messages
    assert (message["state"], message["deployment"]) == ("rolled_back", "Orders")
    assert message["cause"]["task"] == "promote_flow.smoke_jobs"
    assert message["cause"]["error"] == "JobFailedError"
    assert message["link"].startswith(address)
    assert message["link"].endswith(str(deployment.id))


def wishes() -> list[Path]:
    """Return the pages of the index's table of wishes."""
    table = (DOCS / "index.md").read_text().partition("| I want to ... | Page |")[2]
    rows = table.partition("\n\n")[0]
    return [DOCS / name for name in re.findall(r"\]\((guides/[\w-]+\.md)\)", rows)]


@pytest.mark.parametrize("page", wishes(), ids=lambda page: page.stem)
def test_a_page_for_a_wish_begins_with_code(page):
    before, code, _ = page.read_text().partition("```{literalinclude}")
    assert code
    assert len(before.split()) < 40


def test_the_conditions_stand_in_one_place():
    texts = {page: page.read_text() for page in [*PAGES, ROOT / "README.md"]}
    conditions = "how-it-works/promotion.md#conditions"
    leading = {page.name for page, text in texts.items() if conditions in text}
    assert {"README.md", "index.md", "faq.md", "promote.md", "promote-a-package.md"} <= leading
    assert [page.name for page, text in texts.items() if "\n## Conditions\n" in text] == [
        "promotion.md"
    ]


STATUSES = (
    *(400, 401, 403, 404, 407, 408, 409, 410, 411),
    *(413, 414, 425, 429, 431, 500, 502, 503, 504),
)


@pytest.mark.parametrize("status", STATUSES)
def test_the_page_of_errors_has_each_status_with_its_class(status):
    page = (REFERENCE / "errors.md").read_text()
    table = page.partition("## By HTTP status")[2].partition("\n## ")[0]
    [row] = [line for line in table.splitlines() if f"**{status}**" in line]
    assert f"`{api_error_class(status).__name__}`" in row
    targets = re.findall(r'href="#([\w-]+)"', row)
    assert [target for target in targets if f'id="{target}"' not in page] == []


def test_the_readme_shows_what_is_run():
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    text = (SNIPPETS / "dags" / "promote_orders.py").read_text()
    assert textwrap.indent(block, "    ") in text


def kinds(error=errors.TrifactaError):
    yield error
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from kinds(kind)


def test_the_reference_has_each_error_with_its_code():
    page = (REFERENCE / "errors.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (?:`(\w+)`)? ?\| (yes|no) \|$", page, re.M)
    assert rows == [
        (
            kind.__name__,
            kind.code,
            kind.__base__.__name__ if kind is not errors.TrifactaError else "",
            "yes" if kind.retryable else "no",
        )
        for kind in kinds()
    ]


def test_the_reference_has_every_module_that_is_public():
    text = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    info = get_provider_info()
    modules = {
        name
        for kind in ("operators", "sensors", "triggers", "hooks")
        for one in info[kind]
        for name in one["python-modules"]
    }
    ours = "airflow_provider_trifacta"
    modules |= {
        f"{ours}.{name}"
        for name in ("links", "task_groups", "packages", "promotion", "waits", "client.errors")
    }
    assert modules - set(re.findall(r"automodule:: (\S+)", text)) == set()


def test_the_reference_has_an_example_of_each_operator_and_sensor():
    parts = re.findall(
        r"^    # \[(\w+)\]\n(.+?)^    # \[end\]$", EACH_OPERATOR.read_text(), re.M | re.S
    )
    assert all(f"{name}(" in code for name, code in parts)
    names = {
        name
        for folder in ("operators", "sensors")
        for path in (ROOT / "airflow_provider_trifacta" / folder).glob("[a-z]*.py")
        for name in re.findall(r"^class (\w+(?:Operator|Sensor))\(", path.read_text(), re.M)
    }
    assert {name for name, _ in parts} == names


def test_the_reference_has_the_xcoms_of_each_operator():
    page = (REFERENCE / "xcoms.md").read_text()
    source = "".join(
        path.read_text() for path in (ROOT / "airflow_provider_trifacta").rglob("*.py")
    )
    operators = {
        name
        for folder in ("operators", "sensors")
        for path in (ROOT / "airflow_provider_trifacta" / folder).glob("[a-z]*.py")
        for name in re.findall(r"^class (\w+(?:Operator|Sensor))\(", path.read_text(), re.M)
    }
    assert {name for name in operators if name not in page} == set()
    keys = {
        key
        for row in re.findall(r"^\| (`.+?) \|", page, re.M)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert {key for key in keys if f'"{key}"' not in source and f"{key}=" not in source} == set()


@pytest.mark.parametrize(
    ("main", "module"),
    [
        (check.main, "airflow_provider_trifacta.check"),
        (package.main, "airflow_provider_trifacta.package"),
        (probe.main, "airflow_provider_trifacta.probe"),
        (emulator_command.main, "trifacta-emulator"),
    ],
)
def test_the_reference_has_every_option_of_a_command(main, module, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(
        argparse.ArgumentParser, "parse_args", lambda parser, *_: seen.append(parser) or exit(0)
    )
    with pytest.raises(SystemExit):
        main([])
    capsys.readouterr()
    options = {name for action in seen[0]._actions for name in action.option_strings} - {
        "-h",
        "--help",
    }
    sections = (REFERENCE / "cli.md").read_text().split("\n## ")
    (section,) = [one for one in sections if "\n```bash\n" in one and module in one.split("```")[1]]
    assert set(re.findall(r"`(--[\w-]+)", section)) == options


def test_the_forms_of_a_connection():
    from airflow.models import Connection as Stored

    def config_of(value):
        return config_from_connection(
            Stored.from_json(value) if value[0] == "{" else Stored(uri=value)
        )

    script = "".join((SNIPPETS / f"connect-{form}.sh").read_text() for form in ("json", "uri"))
    dev, prod = (
        config_of(value) for value in re.findall(r"^export \w+='(.*?)'$", script, re.M | re.S)
    )
    assert (dev.base_url, prod.base_url) == ("http://127.0.0.1:3005", "http://127.0.0.1:3006")
    assert (dev.login, prod.login, prod.read_timeout) == (
        "admin@example.com",
        "admin@example.com",
        30,
    )
    page = (REFERENCE / "connection.md").read_text()
    token = config_of(re.search(r"^\| as JSON \| `(.+?)` \|$", page, re.M)[1])
    assert (token.base_url, token.login, token.password) == (
        "https://trifacta.example.com:3005",
        None,
        "TOKEN",
    )
    encoded = re.search(r"`(https%3A\S+)`", page)[1]
    for uri, base in (
        ("trifacta://:TOKEN@trifacta.example.com", "https://trifacta.example.com"),
        ("trifacta://LOGIN:PASSWORD@[2001:db8::5]:3005", "https://[2001:db8::5]:3005"),
        (f"trifacta://LOGIN:PASSWORD@{encoded}", "https://trifacta.example.com:3005"),
    ):
        assert uri.partition("@")[0] in page
        config = config_of(uri)
        assert (config.base_url, config.password) == (
            base,
            "TOKEN" if "TOKEN" in uri else "PASSWORD",
        )


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#here"></a><a href="#top"></a><a href="//h/x"></a>'
    )
    (tmp_path / "b.html").write_text(
        '<p id="here"></p><a href="a.html#gone"></a><img src="gone.png"><a href="#"></a>'
    )
    broken = runpy.run_path(str(ROOT / "scripts" / "links.py"))["broken"]
    assert broken(tmp_path) == ["b.html: a.html#gone", "b.html: gone.png"]
