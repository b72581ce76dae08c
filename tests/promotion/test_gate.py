from __future__ import annotations

import json
import zipfile

import pytest
from trifacta_emulator import Answer, Connection, Emulator, EmulatorOptions, Fault, Reset

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    APIError,
    AuthenticationError,
    ConnectionLostError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.gate import DryRunReport, dry_run

pytestmark = pytest.mark.every_airflow

DEV = Connection(24, "dev", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
SECOND = Connection(25, "second", "e75c2470-d728-11e9-8f1a-a3332515213f")
DRY_RUN = {"method": "POST", "path": "/v4/deployments/*/releases/dryRun"}
RULES = {"method": "GET", "path": "/v4/deployments/*/objectImportRules"}
CONNECTIONS = {"method": "GET", "path": "/v4/connections"}


@pytest.fixture
def slept():
    return []


@pytest.fixture
def run(emulator, make_package, slept):
    """Return a function that makes a dry run of a package with these connections."""

    def run(*connections, server=emulator, deployment_id=1, package=None, **options):
        config = ClientConfig(
            base_url=server.url, login="admin@example.com", password="admin-password"
        )
        path = package or make_package(connections=connections, **options)
        with (
            TrifactaClient(config, transport=Transport(config, sleep=slept.append)) as client,
            open_package(path) as opened,
        ):
            return dry_run(client, deployment_id, opened)

    return run


@pytest.fixture
def strict_run(run):
    """Return a function that makes a dry run on an emulator with other options."""

    def strict_run(*connections, rules=(), **options):
        with Emulator(EmulatorOptions(**options)) as server:
            server.store.create_deployment("Orders")
            server.store.replace_import_rules(1, "object", rules)
            return run(*connections, server=server)

    return strict_run


def mapping(on, to):
    return {"tableName": "connections", "onCondition": on, "withCondition": to}


def others(report):
    """Return the warnings without the one line about all that no rule touches."""
    return [one for one in report.warnings if not one.startswith("As in the source, ")]


def dry_runs(emulator):
    return [call for call in emulator.calls if call.method == "POST"]


# What the server says


def test_a_clean_report(run, emulator):
    report = run(flow_name="Daily Orders")
    assert report.problems == []
    assert others(report) == []
    assert [place.change for place in [*report.reads, *report.writes]] == ["as_in_source"] * 2
    assert report.flows == ["Daily Orders"]
    assert report.import_rule_changes == {"object": [], "value": []}
    assert report.deleted_objects == {}
    assert emulator.store.releases() == ()
    assert [(call.method, call.path) for call in emulator.calls] == [
        ("POST", "/v4/deployments/1/releases/dryRun"),
        ("GET", "/v4/deployments/1/valueImportRules"),
    ], "without connections nothing else is asked"


def test_what_import_rules_change_is_told(run, emulator):
    emulator.store.replace_import_rules(
        1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    )
    report = run(dataset_path="s3://wrangle-dev/orders.csv")
    (change,) = report.import_rule_changes["value"]
    assert (change["oldValue"], change["newValue"]) == ("wrangle-dev", "wrangle-prod")
    assert report.problems == []


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
def test_a_parameterised_dataset_is_warned_of(generation, run):
    version = {"6.0": "6.0.1+235.20190426172824.493d6f8"}.get(generation, "9.7.0")
    with Emulator(EmulatorOptions(product_version=version)) as server:
        server.store.create_deployment("Orders")
        server.store.replace_import_rules(
            1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
        )
        options = {
            "dataset_path": "s3://wrangle-dev/in/{region}.csv",
            "dataset_parameters": {"region": "eu"},
        }
        report = run(server=server, generation=generation, **options)
    assert report.problems == []
    (warning,) = others(report)
    assert (
        "'orders.csv' is parameterised: no import rule reaches its path s3://wrangle-dev/in/.csv"
        in warning
    )
    assert "(parameters: region)" in warning
    assert report.import_rule_changes == {"object": [], "value": []}
    assert "The dry run found no problem." not in report.as_text()
    assert f"**Warnings**\n\n* `{warning}`\n" in report.as_text()


def test_a_long_query_is_cut_and_makes_no_lines(run, tmp_path):
    source = {"id": 9, "isDynamic": True, "relationalsource": {"raw": ["select 1\n", "x" * 1000]}}
    metadata = {
        "uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844",
        "trifactaVersion": "9.7.0",
        "primaryFlowIds": [1],
    }
    path = tmp_path / "query.zip"
    with zipfile.ZipFile(path, "w") as archive:
        data = {"flows": [{"id": 1, "name": "f", "datasources": [source]}]}
        archive.writestr("flow_f.json", json.dumps({"metadata": metadata, "data": data}))
    (warning,) = others(run(package=path))
    assert "its query select 1 xxx" in warning
    assert "x..." in warning
    assert len(warning) < 600


def test_each_real_parameterised_dataset_is_warned_of(run, real_package):
    with open_package(real_package) as package:
        inputs = package.contents.inputs
        expected = [one for one in inputs if one.parameterised or one.converted]
        version = package.info.product_version
    with Emulator(EmulatorOptions(product_version=version)) as server:
        server.store.create_deployment("Orders")
        warnings = others(run(server=server, package=real_package))
    assert len(warnings) == len(expected)
    for one, warning in zip(expected, warnings, strict=True):
        assert repr(one.name) in warning
        assert one.path in warning


@pytest.mark.parametrize("options", [{}, {"dry_run_errors": "body"}])
def test_what_the_server_refuses_is_a_problem(strict_run, options):
    report = strict_run(DEV, unmapped_connections="refuse", **options)
    assert "no rule maps 'dev'" in report.problems[0]
    assert "ValidationFailed" in report.problems[0]
    assert report.import_rule_changes == {}


@pytest.mark.parametrize("key", ["exception", "error", "errors"])
def test_errors_in_a_success_are_problems(run, emulator, key):
    emulator.faults.add(Fault(Answer(200, body={key: ["no access"], "flows": []}), **DRY_RUN))
    assert run().problems == ['The dry run reports: ["no access"]']


def test_a_success_with_empty_errors_is_one(run, emulator):
    emulator.faults.add(
        Fault(
            Answer(200, body={"errors": [], "exception": None, "deletedObjects": None}), **DRY_RUN
        )
    )
    assert run().problems == []


@pytest.mark.parametrize("status", [400, 409, 415, 422])
def test_a_refused_request_is_a_problem(run, emulator, status):
    emulator.faults.add(Fault(Answer(status), **DRY_RUN))
    (problem,) = run().problems
    assert f"answered {status}" in problem


def test_dropped_objects_are_a_problem(run, emulator):
    emulator.drop_on_next_import({"datasources": [12], "flows": []})
    report = run()
    assert report.problems == [
        'The import would drop objects of the package: {"datasources": [12]}.'
    ]
    assert report.deleted_objects == {"datasources": [12], "flows": []}


def test_several_problems_are_all_told(run, emulator):
    emulator.drop_on_next_import({"datasources": [12]})
    report = run(DEV, SECOND)
    assert [problem.split(" ")[1] for problem in report.problems] == [
        "import",
        "package's",
        "package's",
    ]


# No dry run came about


@pytest.mark.parametrize(("status", "error"), [(403, PermissionDeniedError), (404, NotFoundError)])
def test_a_dry_run_that_may_not_be_made_is_an_error(run, emulator, status, error):
    emulator.faults.add(Fault(Answer(status), **DRY_RUN))
    with pytest.raises(error):
        run()


@pytest.mark.parametrize("html", ["<html>Closed</html>", "404 page not found", ""])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 407, 411, 413, 414, 422, 431])
def test_the_words_of_a_gateway_are_no_verdict_on_a_package(run, emulator, status, html):
    emulator.faults.add(Fault(Answer(status, html=html), **DRY_RUN, times=None))
    with pytest.raises(APIError, check=lambda error: not error.from_api):
        run()


def test_a_refused_token_is_no_verdict_on_a_package(run, emulator):
    said = {"exception": {"name": "InvalidAccessTokenException", "message": "Invalid access token"}}
    emulator.faults.add(Fault(Answer(400, body=said), **DRY_RUN))
    with pytest.raises(AuthenticationError):
        run()


def test_a_deployment_that_is_not_there(run):
    with pytest.raises(NotFoundError):
        run(deployment_id=99)


@pytest.mark.parametrize(
    "effect", [Answer(200, body=[]), Answer(200, html="<h1>OK</h1>"), Answer(204)]
)
def test_another_answer_is_no_clean_report(run, emulator, effect):
    emulator.faults.add(Fault(effect, **DRY_RUN))
    with pytest.raises(UnexpectedResponseError):
        run()


@pytest.mark.parametrize(
    "effect",
    [
        Answer(502),
        Answer.gateway_timeout(),
        Reset("after_body"),
        Reset("after_commit"),
        Answer.too_many_requests(2),
    ],
)
def test_a_dry_run_changes_nothing_and_is_repeated(run, emulator, slept, effect):
    emulator.faults.add(Fault(effect, **DRY_RUN, times=2))
    assert run().problems == []
    assert len(dry_runs(emulator)) == 3
    assert len({call.request_bytes for call in dry_runs(emulator) if call.request_bytes}) == 1, (
        "sent whole each time"
    )
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (Answer(500), ServerError),
        (Reset("after_body"), ConnectionLostError),
        (Answer.too_many_requests(2), RateLimitError),
    ],
)
def test_a_failure_that_stays_is_an_error_that_may_be_retried(run, emulator, slept, effect, error):
    emulator.faults.add(Fault(effect, **DRY_RUN, times=None))
    with pytest.raises(error) as caught:
        run()
    assert caught.value.retryable
    assert len(dry_runs(emulator)) == len(slept) + 1 > 1


# Connections


def test_a_connection_that_leads_nowhere_is_named_with_the_rule_to_write(run, emulator):
    emulator.store.create_connection("prod")
    report = run(DEV)
    rule = {
        "onCondition": {"uuid": DEV.uuid},
        "withCondition": {"id": "<id of the connection here>"},
    }
    (problem,) = report.problems
    assert (
        problem
        == f"The package's connection 'dev' (jdbc, uuid {DEV.uuid}) does not exist here and no"
        f" object rule maps it. Add the rule {json.dumps(rule)}."
    )


@pytest.mark.parametrize(
    "on",
    [
        {"uuid": DEV.uuid},
        {"id": "24"},
        {"id": 24},
        {"name": "dev"},
        {"vendor": "postgres"},
        {"type": "jdbc"},
    ],
)
@pytest.mark.parametrize("key", ["id", "uuid", "name", "vendor"])
def test_a_connection_that_a_rule_maps_is_no_problem(run, emulator, on, key):
    local = emulator.store.create_connection("prod")
    emulator.store.replace_import_rules(1, "object", [mapping(on, {key: getattr(local, key)})])
    report = run(DEV)
    assert (report.problems, others(report)) == ([], [])
    (change,) = report.import_rule_changes["object"]
    assert change["newValue"]["id"] == local.id


def test_a_connection_that_exists_here_needs_no_rule(run, emulator):
    emulator.store.create_connection("another name", DEV.uuid)
    report = run(DEV)
    assert (report.problems, others(report)) == ([], [])


def test_a_connection_on_a_later_page_exists_too(run, emulator):
    for number in range(120):
        emulator.store.create_connection(f"c{number}")
    emulator.store.create_connection("dev", DEV.uuid)
    assert run(DEV).problems == []


def test_each_connection_is_judged_by_itself(run, emulator):
    emulator.store.create_connection("dev", DEV.uuid)
    (problem,) = run(DEV, SECOND).problems
    assert problem.startswith("The package's connection 'second' ")


def test_a_rule_of_another_connection_maps_nothing(run, emulator):
    local = emulator.store.create_connection("prod")
    emulator.store.replace_import_rules(
        1, "object", [mapping({"uuid": SECOND.uuid}, {"id": local.id})]
    )
    (problem,) = run(DEV).problems
    assert "no object rule maps it" in problem


def test_rules_of_another_deployment_map_nothing(run, emulator):
    local = emulator.store.create_connection("prod")
    emulator.store.create_deployment("Other")
    emulator.store.replace_import_rules(
        2, "object", [mapping({"uuid": DEV.uuid}, {"id": local.id})]
    )
    assert len(run(DEV).problems) == 1


def test_a_rule_that_leads_nowhere_is_a_problem_where_the_server_ignores_it(strict_run):
    rule = mapping({"uuid": DEV.uuid}, {"id": 99})
    report = strict_run(DEV, rules=[rule], unknown_rule_target="ignore")
    (problem,) = report.problems
    assert (
        problem
        == f"The package's connection 'dev' (jdbc, uuid {DEV.uuid}) does not exist here and the"
        f" object rule {json.dumps(rule)} leads to no connection that this user can see. Correct"
        " its withCondition."
    )


def test_a_rule_that_leads_nowhere_is_told_where_the_server_refuses_it(strict_run):
    report = strict_run(DEV, rules=[mapping({"uuid": DEV.uuid}, {"id": 99})])
    assert "leads to no connection" in report.problems[0]
    assert len(report.problems) == 2


def test_a_connection_without_a_uuid_exists_nowhere_and_is_mapped_by_its_id(
    run, emulator, tmp_path
):
    """Not even where a connection does not tell its own."""
    package = write_package(tmp_path, [{"id": 24, "name": "dev", "type": "jdbc"}])
    here = {"data": [{"id": 7, "name": "dev"}]}
    emulator.faults.add(Fault(Answer(200, body={}), **DRY_RUN))
    emulator.faults.add(Fault(Answer(200, body=here), **CONNECTIONS))
    (problem,) = run(package=package).problems
    rule = {"onCondition": {"id": "24"}, "withCondition": {"id": "<id of the connection here>"}}
    assert problem.endswith(f"Add the rule {json.dumps(rule)}.")


def write_package(folder, connections):
    path = folder / "flow.zip"
    metadata = {"uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "flow.json", json.dumps({"metadata": metadata, "data": {"connections": connections}})
        )
    return path


# What cannot be read

UNREADABLE = [Answer(403), Answer(404), Answer(200, body={"rows": []})]


@pytest.mark.parametrize("effect", UNREADABLE)
@pytest.mark.parametrize("what", [RULES, CONNECTIONS])
def test_what_cannot_be_read_is_a_warning(run, emulator, what, effect):
    emulator.faults.add(Fault(effect, **what))
    report = run(DEV, SECOND)
    assert report.problems == []
    (warning, unclear) = others(report)
    assert unclear.startswith("It is unclear ")
    assert report.reads[0].change == "unclear"
    assert warning.startswith(
        "Whether these connections of the package are mapped or exist here could not be checked:"
        " 'dev', 'second'. GET "
    )
    assert what["path"].rpartition("/")[2] in warning


def test_both_reasons_are_told(run, emulator):
    emulator.faults.add(Fault(Answer(403), **RULES))
    emulator.faults.add(Fault(Answer(404), **CONNECTIONS))
    warning = run(DEV).warnings[0]
    assert "answered 403" in warning
    assert "answered 404" in warning


def test_what_exists_here_needs_no_readable_rules(run, emulator):
    emulator.store.create_connection("dev", DEV.uuid)
    emulator.faults.add(Fault(Answer(404), **RULES))
    warning = run(DEV, SECOND).warnings[0]
    assert "could not be checked: 'second'." in warning


def test_what_a_rule_maps_needs_no_readable_connections(run, emulator):
    local = emulator.store.create_connection("prod")
    emulator.store.replace_import_rules(
        1, "object", [mapping({"uuid": DEV.uuid}, {"id": local.id})]
    )
    emulator.faults.add(Fault(Answer(403), **CONNECTIONS))
    report = run(DEV)
    assert report.problems == []
    assert report.reads[0].connection is None, "its name here is not known"
    assert report.reads[0].change == "unclear"


def test_what_the_server_says_still_counts_where_connections_cannot_be_read(run, emulator):
    emulator.drop_on_next_import({"datasources": [12]})
    emulator.faults.add(Fault(Answer(403), **CONNECTIONS))
    report = run(DEV)
    assert len(report.problems) == 1
    assert "could not be checked" in report.warnings[0]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
@pytest.mark.parametrize("what", [RULES, CONNECTIONS])
def test_what_a_gateway_never_lets_through_is_a_warning(run, emulator, what, status):
    emulator.faults.add(Fault(Answer(status, html="Closed"), **what, times=None))
    report = run(DEV)
    assert report.problems == []
    assert "could not be checked" in report.warnings[0]


@pytest.mark.parametrize("what", [RULES, CONNECTIONS])
def test_a_reading_that_may_work_later_is_no_warning(run, emulator, what):
    emulator.faults.add(Fault(Answer(502), **what, times=None))
    with pytest.raises(ServerError):
        run(DEV)


# The report


def report_of(**fields):
    given = {"package_uuid": "u-1", "flows": ["Orders"], "problems": [], "warnings": [], **fields}
    return DryRunReport(**given)


def test_the_text_of_a_clean_report():
    text = report_of(import_rule_changes={"object": [], "value": []}).as_text()
    assert (
        text == "Import of package `u-1` (flows: `Orders`)\n"
        "\n"
        "**Changed by import rules**\n"
        "\n"
        "* nothing\n"
        "\n"
        "The dry run found no problem."
    )


def test_the_text_of_problems_and_warnings():
    text = report_of(
        problems=["one", "two"],
        warnings=["three"],
        flows=[],
        import_rule_changes={"object": [{"id": 24}], "value": [{"id": 1}, {"id": 2}]},
    ).as_text()
    assert (
        text == "Import of package `u-1` (flows: unknown)\n"
        "\n"
        "**Problems**\n"
        "\n"
        "* `one`\n"
        "* `two`\n"
        "\n"
        "**Warnings**\n"
        "\n"
        "* `three`\n"
        "\n"
        "**Changed by import rules**\n"
        "\n"
        '* `object: {"id": 24}`\n'
        '* `value: {"id": 1}`\n'
        '* `value: {"id": 2}`'
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "* unknown: the answer does not say"),
        (None, "* unknown: the answer does not say"),
        ({"object": None, "value": []}, "* nothing"),
        ({"object": 3}, "* `object: 3`"),
        ({"object": "all"}, '* `object: "all"`'),
        ({"object": {"24": 1}}, '* `object: {"24": 1}`'),
        ([{"id": 24}], '* `[{"id": 24}]`'),
        ("some", '* `"some"`'),
    ],
)
def test_changes_of_any_shape_are_shown(changes, line):
    assert line in report_of(import_rule_changes=changes).as_text().splitlines()


@pytest.mark.parametrize(
    "changes", [7, "all", [1], {"object": 3}, {"object": "all"}, {"object": {"24": 1}}]
)
def test_changes_of_any_shape_pass(run, emulator, changes):
    emulator.faults.add(Fault(Answer(200, body={"importRuleChanges": changes}), **DRY_RUN))
    report = run()
    assert report.import_rule_changes == changes
    assert json.dumps(report.as_dict())
    assert report.as_text()


def test_no_text_from_outside_makes_lines_of_its_own():
    """A flow's name is its author's, and an approval shows the text."""
    lie = "x\n\nThe dry run found no problem."
    lines = report_of(flows=[lie], problems=[lie], warnings=[lie]).as_text().splitlines()
    assert "The dry run found no problem." not in lines


def test_the_report_as_json(run, emulator):
    emulator.store.replace_import_rules(
        1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    )
    found = run(DEV, dataset_path="s3://wrangle-dev/orders.csv")
    plain = found.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["reads"][0]["path"] == found.reads[0].path == "s3://wrangle-prod/orders.csv"
