"""What a release will read and write after the import rules, against the emulator, which applies
them by itself."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from trifacta_emulator import Answer, Connection, Emulator, EmulatorOptions, Fault

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.models import Connection as LocalConnection
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.freight import Rules, freight_made, freight_of
from airflow_provider_trifacta.promotion.gate import Scene, dry_run

pytestmark = pytest.mark.every_airflow

DEV = Connection(24, "orders dev", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
GENERATIONS = {"6.0": "6.0.1+235.20190426172824.493d6f8", "6.8": "9.7.0", "8.0": "9.7.0"}
VALUE_RULES = {"method": "GET", "path": "/v4/deployments/*/valueImportRules"}
DRY_RUN = {"method": "POST", "path": "/v4/deployments/*/releases/dryRun"}
FILES = {"dataset_path": "s3://wrangle-dev/in/a.csv", "output_path": "s3://wrangle-dev/out/b.csv"}
TO_PROD = {"type": "s3Bucket", "on": "wrangle-dev", "with": "wrangle-prod"}


@pytest.fixture
def report(emulator, make_package):
    """Return a function that makes the report of a dry run of a new package."""

    def report(server=emulator, *, package=None, **options):
        config = ClientConfig(
            base_url=server.url, login="admin@example.com", password="admin-password"
        )
        with (
            TrifactaClient(config) as client,
            open_package(package or make_package(**options)) as opened,
        ):
            return dry_run(client, 1, opened)

    return report


@pytest.fixture
def freight(make_package):
    """Return a function that applies value rules to a new package, without a server."""

    def freight(*value_rules, **options):
        with open_package(make_package(**{**FILES, **options})) as package:
            return freight_of(package, Rules(value_rules=value_rules))

    return freight


def value_rules(server, *rules):
    server.store.replace_import_rules(1, "value", list(rules))


def to(uuid, local):
    condition = {"onCondition": {"uuid": uuid}, "withCondition": {"id": local.id}}
    return {"tableName": "connections", **condition}


def what(places):
    return [(place.path, place.change, place.source_path) for place in places]


@pytest.mark.parametrize("generation", list(GENERATIONS))
def test_paths_after_the_rules_are_those_of_the_server(report, generation):
    """The server names each change, and the report tells the same paths."""
    with Emulator(EmulatorOptions(product_version=GENERATIONS[generation])) as server:
        server.store.create_deployment("Orders")
        rule = {"type": "fileLocation", "on": "in/", "with": "prod/in/"}
        value_rules(server, TO_PROD, rule)
        found = report(server, generation=generation, **FILES)
    assert what(found.reads) == [
        ("s3://wrangle-prod/prod/in/a.csv", "changed", "s3://wrangle-dev/in/a.csv")
    ]
    assert what(found.writes) == [
        ("s3://wrangle-prod/out/b.csv", "changed", "s3://wrangle-dev/out/b.csv")
    ]
    named = {item["newValue"] for item in found.import_rule_changes["value"]}
    assert named == {"wrangle-prod", "/prod/in/a.csv", "s3://wrangle-prod/out/b.csv"}
    assert found.warnings == []


@pytest.mark.parametrize("generation", list(GENERATIONS))
def test_what_no_rule_touches_is_one_warning(report, generation):
    with Emulator(EmulatorOptions(product_version=GENERATIONS[generation])) as server:
        server.store.create_deployment("Orders")
        found = report(server, generation=generation, **FILES)
    assert [place.change for place in [*found.reads, *found.writes]] == ["as_in_source"] * 2
    (warning,) = found.warnings
    assert FILES["dataset_path"] in warning
    assert FILES["output_path"] in warning


def test_a_missing_rule_for_one_of_two_is_told(report, emulator):
    value_rules(emulator, TO_PROD)
    found = report(**{**FILES, "dataset_path": "s3://dev-bucket/in.csv"})
    assert [place.change for place in found.reads] == ["as_in_source"]
    assert [place.change for place in found.writes] == ["changed"]
    assert "write" not in found.warnings[0]


@pytest.mark.parametrize("by_rule", [True, False])
def test_a_connection_has_the_name_of_production(report, emulator, by_rule):
    uuid = "11111111-7daa-11e9-b9eb-0fd11bed75ab" if by_rule else DEV.uuid
    local = emulator.store.create_connection("orders prod", uuid)
    if by_rule:
        emulator.store.replace_import_rules(1, "object", [to(DEV.uuid, local)])
    (place,) = report(connections=[DEV]).reads
    assert (place.kind, place.path) == ("table", "public.orders")
    assert (place.connection, place.source_connection) == ("orders prod", "orders dev")
    assert place.change == ("changed" if by_rule else "as_in_source")


def test_a_later_rule_sees_what_an_earlier_one_made(report, emulator):
    first = emulator.store.create_connection("first")
    second = emulator.store.create_connection("second")
    rules = [to(DEV.uuid, first), to(first.uuid, second)]
    emulator.store.replace_import_rules(1, "object", rules)
    found = report(connections=[DEV])
    assert found.reads[0].connection == "second"
    assert found.import_rule_changes["object"][-1]["newValue"]["name"] == "second"


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"type": "dbTableName", "on": "orders", "with": "orders_prod"}, "public.orders_prod"),
        ({"type": "dbPath", "on": "public", "with": "live"}, "live.orders"),
        (TO_PROD, "public.orders"),
    ],
)
def test_rules_for_tables(report, emulator, rule, path):
    emulator.store.create_connection("orders dev", DEV.uuid)
    value_rules(emulator, rule)
    assert report(connections=[DEV]).reads[0].path == path


def test_a_file_stays_where_it_is_though_its_connection_is_mapped(report, emulator):
    local = emulator.store.create_connection("orders prod")
    emulator.store.replace_import_rules(1, "object", [to(DEV.uuid, local)])
    (place,) = report(connections=[DEV], **FILES).reads
    assert (place.connection, place.change) == ("orders prod", "as_in_source")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "fileLocation", "on": "`{delim}`", "with": "x"},
        {"type": "fileLocation", "on": "/(a+)+$/", "with": "x"},
        {"type": "fileLocation", "on": "/(?i)IN/", "with": "x"},
        {"type": "fileLocation", "on": "/[/", "with": "x"},
        {"type": "fileLocation", "on": "/i(n)/", "with": "$1"},
        {"type": "fileLocation", "on": "t", "with": "x"},
        {"type": "somethingNew", "on": "in", "with": "x"},
    ],
    ids=["own pattern", "slow", "dialect", "broken", "groups", "twice", "unknown type"],
)
def test_what_documents_do_not_tell_is_unclear(freight, rule):
    found = freight(rule, dataset_path="s3://wrangle-dev/in/start.csv")
    assert found.reads[0].change == "unclear"
    assert found.reads[0].path == "s3://wrangle-dev/in/start.csv"


def test_a_regular_expression_between_slashes(freight):
    found = freight({"type": "fileLocation", "on": "//in//", "with": "/prod/"})
    assert what(found.reads)[0][:2] == ("s3://wrangle-dev/prod/a.csv", "changed")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "s3Bucket", "on": "a.csv", "with": "x"},
        {"type": "fileLocation", "on": "wrangle-dev", "with": "x"},
        {"type": "host", "on": "wrangle-dev", "with": "x"},
    ],
)
def test_a_rule_changes_its_own_part_of_a_path_only(freight, rule):
    assert freight(rule).reads[0].change == "as_in_source"


def test_rules_that_cannot_be_read_leave_paths_unclear(report, emulator):
    emulator.faults.add(Fault(Answer(403), **VALUE_RULES, times=None))
    found = report(**FILES)
    assert {place.change for place in [*found.reads, *found.writes]} == {"unclear"}
    assert "answered 403" in found.warnings[-1]


@pytest.mark.parametrize(
    ("rules", "changes"), [([TO_PROD], {"object": [], "value": []}), ([], {"value": [{"id": 1}]})]
)
def test_a_server_that_says_otherwise_is_believed(report, emulator, rules, changes):
    value_rules(emulator, *rules)
    emulator.faults.add(Fault(Answer(200, body={"importRuleChanges": changes}), **DRY_RUN))
    found = report(**FILES)
    assert {place.change for place in [*found.reads, *found.writes]} == {"unclear"}
    assert len(found.warnings) == 2


@pytest.mark.parametrize(
    ("path", "converted"),
    [
        ("gsheets:///10EvnxBM1jXcJj62K7", "Google Sheets"),
        ("s3://dev/Occupation Mapping.xlsx", "Excel"),
        ("s3://dev/report.PDF", "PDF"),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_documents_that_no_rule_moves_are_warned_of(report, emulator, path, converted, moved):
    if moved:
        value_rules(
            emulator, TO_PROD | {"on": "dev"}, {"type": "fileLocation", "on": "10E", "with": "2"}
        )
    found = report(**{**FILES, "dataset_path": path})
    assert found.reads[0].converted == converted
    alone = [one for one in found.warnings if "converted" in one and "'orders.csv'" in one]
    assert len(alone) == (0 if found.reads[0].change == "changed" else 1)
    assert moved or alone


def test_an_import_into_a_workspace_changes_no_path(emulator, make_package):
    from airflow_provider_trifacta.promotion import Mappings, WorkspaceImporter

    emulator.store.create_connection("orders prod", "11111111-7daa-11e9-b9eb-0fd11bed75ab")
    config = ClientConfig(
        base_url=emulator.url, login="author@example.com", password="author-password"
    )
    with (
        TrifactaClient(config) as client,
        open_package(
            make_package(connections=[DEV], output_path="s3://wrangle-dev/b.csv")
        ) as package,
    ):
        mappings = Mappings.resolve(client, package, {"orders dev": "orders prod"}, None)
        found = WorkspaceImporter(client, package, mappings).dry_run()
    assert (found.reads[0].connection, found.reads[0].change) == ("orders prod", "changed")
    assert what(found.writes) == [
        ("s3://wrangle-dev/b.csv", "as_in_source", "s3://wrangle-dev/b.csv")
    ]
    (warning,) = found.warnings
    assert "s3://wrangle-dev/b.csv" in warning
    assert "public.orders" not in warning
    assert not [call for call in emulator.calls if "ImportRules" in call.path]


# The report


def test_two_connections_of_one_name_that_part_are_unclear(tmp_path):
    path = tmp_path / "p.zip"
    row = {"name": "same", "type": "jdbc"}
    data = {
        "connections": [{**row, "id": 1, "uuid": "a"}, {**row, "id": 2, "uuid": "b"}],
        "flows": [
            {
                "id": 1,
                "name": "f",
                "datasources": [
                    {"id": 3, "connectionId": 1, "relationalsource": {"tableName": "t"}}
                ],
            }
        ],
    }
    metadata = {"uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flow.json", json.dumps({"metadata": metadata, "data": data}))
    rule = {"onCondition": {"uuid": "a"}, "withCondition": {"id": 7}}
    here = LocalConnection(7, "prod", "u", "jdbc")
    with open_package(path) as package:
        found = freight_of(package, Rules([rule], (), [here]))
    assert (found.reads[0].connection, found.reads[0].change) == (None, "unclear")


def test_names_of_a_package_cannot_make_markdown(report, emulator):
    lie = "`](http://evil.example/) <img src=x> **Approve**\n\n# ok"
    value_rules(emulator, TO_PROD)
    found = report(flow_name=lie, **{**FILES, "dataset_path": "s3://wrangle-dev/` <b>x.csv"})
    lines = found.as_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("**Reads"))
    for line in lines[begin : lines.index("**Changed by import rules**")]:
        outside = "".join(line.split("`")[::2])
        assert line.count("`") % 2 == 0
        assert not {"<", ">", "[", "]", "#"} & set(outside), line


def test_the_scene_says_what_is_live(emulator, client, make_package):
    from trifacta_emulator import read_package

    assert Scene.read(client, 1).live_release_id is None
    package = read_package(io.BytesIO(make_package().read_bytes()))
    release = emulator.store.create_release(1, package)
    scene = Scene.read(client, 1)
    assert (scene.deployment_name, scene.live_release_id) == ("Orders", release.id)
    assert scene.live_package_uuid == package.uuid
    assert scene.live_since
    assert f"release {release.id}, since " in scene.as_text()


@pytest.mark.parametrize("path", ["/v4/releases", "/v4/deployments/1"])
def test_a_scene_that_may_not_be_read_is_unknown(emulator, client, path):
    emulator.faults.add(Fault(Answer(403), method="GET", path=path, times=None))
    scene = Scene.read(client, 1)
    assert (scene.deployment_name is None) == (path == "/v4/deployments/1")
    assert bool(scene.unread) == (path == "/v4/releases")


# What was made

REPORT = {"package_uuid": "u", "reads": [{"path": "a"}], "writes": []}


@pytest.mark.parametrize(
    ("found", "made", "repeated"),
    [
        ({}, {}, True),
        ({}, {"package_uuid": "another"}, False),
        ({"import_rule_changes": {"value": [1, 2]}}, {"import_rule_changes": {"count": 2}}, True),
        ({"import_rule_changes": {"value": [1, 2]}}, {"import_rule_changes": {"count": 1}}, False),
        ({"import_rule_changes": {}}, {"import_rule_changes": {"count": 0}}, True),
    ],
)
def test_only_the_report_of_this_import_is_repeated(found, made, repeated):
    freight = freight_made({**REPORT, **found}, {"package_uuid": "u", **made})
    assert freight == ({"reads": REPORT["reads"], "writes": []} if repeated else {})
