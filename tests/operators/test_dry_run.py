from __future__ import annotations

import functools
import json
import logging
from datetime import datetime, timezone

import pytest
from trifacta_emulator import Answer, Connection, Fault, LateCommit, Reset, read_package

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator

pytestmark = pytest.mark.every_airflow

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
DEV = Connection(24, "dev", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
NEWER = "99.0.0+1.20990101000000.abcdef0"
DRY_RUN, CREATE = "/v4/deployments/1/releases/dryRun", "/v4/deployments/1/releases"
RULES, CONNECTIONS = "/v4/deployments/1/objectImportRules", "/v4/connections"
OPERATORS = {
    "dry run": DryRunReleaseOperator,
    "create": functools.partial(CreateReleaseOperator, dry_run_first=True, settle_timeout=0),
}
both = pytest.mark.parametrize("gate", list(OPERATORS.values()), ids=list(OPERATORS))


@pytest.fixture
def run(execute, make_package):
    """Return a function that runs an operator on a new package, or on the one given."""

    def run(
        gate=DryRunReleaseOperator,
        *,
        try_number=1,
        package_path=None,
        connections=(),
        package=None,
        **options,
    ):
        if package_path is None:
            package_path = str(make_package(uuid=UUID, connections=connections, **(package or {})))
        target = {} if "deployment_name" in options else {"deployment_id": 1}
        operator = gate(task_id="gate", package_path=package_path, **{**target, **options})
        return execute(operator, try_number=try_number)

    return run


def mapping(on, to):
    return {"tableName": "connections", "onCondition": on, "withCondition": to}


def posts(emulator):
    return [call.path for call in emulator.calls if call.method != "GET"]


#: A package of which rules change all that is fixed in it: the rules of :func:`moving`.
MOVED = {"dataset_path": "s3://dev/in.csv", "output_path": "s3://dev/out.csv"}
PARAMETERISED = {"dataset_path": "s3://dev/{region}.csv", "dataset_parameters": {"region": "eu"}}


def moving(emulator):
    """Let the deployment move everything from one bucket to another."""
    emulator.store.replace_import_rules(
        1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    )


def others(warnings):
    """Return the warnings without the one line about all that no rule touches."""
    return [one for one in warnings if not one.startswith("As in the source, ")]


# Warnings


@pytest.mark.usefixtures("emulator")
@both
def test_warnings_are_logged(run, gate, caplog):
    caplog.set_level(logging.INFO)
    run(gate, package=PARAMETERISED)
    assert "no import rule reaches its path s3://dev/.csv" in caplog.text


@both
def test_warnings_may_be_enough_to_fail(run, emulator, gate, fails):
    with fails("DryRunFailedError: s3://dev/", deployment_id=1):
        run(gate, package=PARAMETERISED, on_warnings="fail")
    assert posts(emulator) == [DRY_RUN]
    assert emulator.store.releases() == ()


@both
def test_without_warnings_nothing_fails(run, emulator, gate):
    moving(emulator)
    run(gate, on_warnings="fail", package=MOVED)
    assert posts(emulator)[0] == DRY_RUN


@pytest.mark.usefixtures("emulator")
def test_the_report_is_pushed_before_warnings_fail(run, execute):
    with pytest.raises(AirflowFailException):
        run(package=PARAMETERISED, on_warnings="fail")
    report = execute.ti.pushed["report"]
    assert report["problems"] == []
    assert len(others(report["warnings"])) == 1
    assert report["warnings"][0] in execute.ti.pushed["report_text"]


@pytest.mark.usefixtures("emulator")
def test_problems_and_warnings_fail_together(run, fails):
    with fails("DryRunFailedError: s3://dev/"):
        run(package=PARAMETERISED, connections=[DEV], on_warnings="fail")


@pytest.mark.parametrize("value", [None, "", "Fail", "warn", True])
@both
def test_on_warnings_is_checked_before_anything_is_asked(run, emulator, gate, value, fails):
    with fails("InvalidInputError: on_warnings"):
        run(gate, on_warnings=value)
    assert emulator.calls == []


# The gate is open


def test_a_clean_report(run, emulator):
    moving(emulator)
    result, ti = run(package={"flow_name": "Daily Orders", **MOVED})
    changes = result.pop("import_rule_changes")
    assert {kind: len(entries) for kind, entries in changes.items()} == {"object": 0, "value": 2}
    places = {key: [place["path"] for place in result.pop(key)] for key in ("reads", "writes")}
    assert places == {"reads": ["s3://prod/in.csv"], "writes": ["s3://prod/out.csv"]}
    assert result.pop("exported_at")
    assert result == {
        "package_uuid": UUID,
        "flows": ["Daily Orders"],
        "problems": [],
        "warnings": [],
        "deleted_objects": {},
        "scene": {
            "deployment_id": 1,
            "deployment_name": "Orders",
            "live_release_id": None,
            "live_since": None,
            "live_package_uuid": None,
            "unread": "",
        },
        "comparison": None,
    }
    result = ti.pushed["report"]
    assert ti.pushed == {
        "deployment_id": 1,
        "package_uuid": UUID,
        "deployment_url": f"{emulator.url}/deployments/1",
        "report": result,
        "report_text": ti.pushed["report_text"],
    }
    assert ti.pushed["report_text"].endswith("The dry run found no problem.")
    assert "Daily Orders" in ti.pushed["report_text"]
    assert posts(emulator) == [DRY_RUN]
    assert emulator.store.releases() == ()


@pytest.mark.usefixtures("emulator")
def test_the_report_is_in_the_log(run, caplog):
    caplog.set_level(logging.INFO)
    _, ti = run()
    lines = [record.getMessage() for record in caplog.records]
    assert [
        line for line in ti.pushed["report_text"].splitlines() if line not in ["", *lines]
    ] == []


def test_it_may_be_run_again_and_again(run, emulator):
    package = {"exported_at": datetime(2024, 5, 6, tzinfo=timezone.utc)}
    first, _ = run(package=package)
    again, _ = run(try_number=2, package=package)
    assert again == first
    assert emulator.store.releases() == ()


@pytest.mark.parametrize("options", [{"deployment_name": "Orders"}, {"deployment_id": " 1 "}])
@both
def test_the_deployment_may_be_named(run, emulator, gate, options):
    _, ti = run(gate, **options)
    assert ti.pushed["deployment_id"] == 1
    assert DRY_RUN in posts(emulator)


@both
@pytest.mark.parametrize("name", ["Orders", "x"])
def test_a_name_of_none_or_several_sends_no_package(run, emulator, gate, name, fails):
    emulator.store.create_deployment("Orders")
    number = {"Orders": 2, "x": 0}[name]
    with fails(f"AmbiguousNameError: {number} deployments"):
        run(gate, deployment_name=name)
    assert posts(emulator) == []


@both
@pytest.mark.parametrize("on", [{"uuid": DEV.uuid}, {"id": "24"}])
def test_a_mapped_connection_passes(run, emulator, gate, on):
    local = emulator.store.create_connection("prod")
    emulator.store.replace_import_rules(1, "object", [mapping(on, {"id": local.id})])
    run(gate, connections=[DEV])
    assert DRY_RUN in posts(emulator)


@both
def test_a_connection_that_exists_here_passes(run, emulator, gate):
    emulator.store.create_connection("dev", DEV.uuid)
    run(gate, connections=[DEV])
    assert DRY_RUN in posts(emulator)


def test_what_rules_change_is_in_the_report(run, emulator):
    emulator.store.replace_import_rules(
        1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    )
    result, ti = run(
        package={"dataset_path": "s3://wrangle-dev/a.csv", "output_path": "s3://wrangle-dev/b.csv"}
    )
    changes = result["import_rule_changes"]["value"]
    assert [change["newValue"] for change in changes] == ["wrangle-prod", "s3://wrangle-prod/b.csv"]
    for change in changes:
        assert f"* `value: {json.dumps(change)}`" in ti.pushed["report_text"].splitlines()


# What changes


@pytest.mark.usefixtures("emulator")
def test_the_package_is_compared_with_another_one(run, make_package):
    other = make_package(output_path="s3://dev/other.csv")
    result, ti = run(package={"output_path": "s3://dev/b.csv"}, compare_with=str(other))
    comparison = result["comparison"]
    assert (comparison["why_not"], comparison["shown_live"]) == ("", None)
    changes = [(one["kind"], one["what"]) for one in comparison["difference"]["changes"]]
    assert changes == [("changed", "write_setting")]
    assert "from `s3://dev/other.csv` to `s3://dev/b.csv`" in ti.pushed["report_text"]
    assert json.loads(json.dumps(ti.pushed["report"])) == ti.pushed["report"]


@pytest.mark.parametrize("of_live", [True, False])
def test_whether_it_is_compared_with_what_is_live_is_told(run, emulator, make_package, of_live):
    live, another = make_package(), make_package()
    with live.open("rb") as file:
        emulator.store.create_release(1, read_package(file))
    result, _ = run(compare_with=str(live if of_live else another))
    assert result["comparison"]["shown_live"] is of_live
    assert result["scene"]["live_release_id"] == emulator.store.active_release(1).id


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("content", [None, b"<html>"])
def test_a_package_that_cannot_be_compared_is_a_warning(run, tmp_path, content):
    path = tmp_path / "old.zip"
    if content:
        path.write_bytes(content)
    result, _ = run(compare_with=str(path))
    assert result["problems"] == []
    assert result["comparison"]["difference"] is None
    assert str(path) in result["warnings"][-1]


@pytest.mark.usefixtures("emulator")
def test_a_package_that_cannot_be_compared_fails_where_warnings_do(run, fails, tmp_path):
    with fails("DryRunFailedError"):
        run(compare_with=str(tmp_path / "old.zip"), on_warnings="fail")


# The gate is shut


@pytest.fixture(
    params=["newer product", "error in a 200", "dropped objects", "no rule", "rule to nowhere"]
)
def trouble(request, start):
    """An emulator and a package that do not fit: (emulator, keywords for run, words of the
    problem)."""
    if request.param == "newer product":
        return start(), {"package": {"product_version": NEWER}}, "ValidationFailed"
    if request.param == "error in a 200":
        return (
            start(dry_run_errors="body"),
            {"package": {"product_version": NEWER}},
            "The dry run reports: ",
        )
    if request.param == "dropped objects":
        emulator = start()
        emulator.drop_on_next_import({"datasources": [12]})
        return emulator, {}, 'The import would drop objects of the package: {"datasources": [12]}.'
    if request.param == "no rule":
        rule = {
            "onCondition": {"uuid": DEV.uuid},
            "withCondition": {"id": "<id of the connection here>"},
        }
        return (
            start(),
            {"connections": [DEV]},
            f"no object rule maps it. Add the rule {json.dumps(rule)}.",
        )
    emulator = start(unknown_rule_target="ignore")
    emulator.store.replace_import_rules(1, "object", [mapping({"uuid": DEV.uuid}, {"id": 99})])
    return emulator, {"connections": [DEV]}, "leads to no connection that this user can see"


def test_a_problem_fails_without_retry_after_the_report(run, execute, trouble, fails):
    emulator, options, words = trouble
    with fails(f"DryRunFailedError: {words}", deployment_id=1):
        run(**options)
    pushed = execute.ti.pushed
    assert set(pushed) == {
        "deployment_id",
        "package_uuid",
        "deployment_url",
        "report",
        "report_text",
    }
    (problem,) = pushed["report"]["problems"]
    assert words in problem
    assert f"* `{problem}`" in pushed["report_text"].splitlines()
    assert "The dry run found no problem." not in pushed["report_text"]
    assert posts(emulator) == [DRY_RUN]
    assert emulator.store.releases() == ()


def test_a_problem_prevents_the_upload(run, execute, trouble, fails):
    emulator, options, words = trouble
    with fails(f"DryRunFailedError: {words}", deployment_id=1):
        run(OPERATORS["create"], **options)
    assert set(execute.ti.pushed) == {"deployment_id", "package_uuid", "deployment_url"}
    assert posts(emulator) == [DRY_RUN]
    assert emulator.store.releases() == ()


def test_all_problems_are_in_the_error(run, emulator, fails):
    emulator.drop_on_next_import({"datasources": [12]})
    with fails("DryRunFailedError: 'dev'") as caught:
        run(connections=[DEV, Connection(25, "other", "u-25")])
    assert "'other'" in str(caught.value)
    assert '{"datasources": [12]}' in str(caught.value)


def test_the_rule_that_the_report_asks_for_opens_the_gate(run, execute, emulator):
    local = emulator.store.create_connection("prod")
    with pytest.raises(AirflowFailException):
        run(connections=[DEV])
    (problem,) = execute.ti.pushed["report"]["problems"]
    rule = json.loads(problem.partition("Add the rule ")[2].removesuffix("."))
    rule["withCondition"]["id"] = local.id
    execute(SetImportRulesOperator(task_id="set", deployment_id=1, object_rules=[rule]))
    assert run(connections=[DEV])[0]["problems"] == []


# What cannot be read


UNREADABLE = [Answer(403), Answer(404), Answer(200, body={"rows": []})]


@pytest.mark.parametrize("effect", UNREADABLE)
@pytest.mark.parametrize("path", [RULES, CONNECTIONS])
def test_what_cannot_be_read_is_a_warning_and_no_failure(run, emulator, path, effect):
    emulator.faults.add(Fault(effect, method="GET", path=path))
    result, ti = run(connections=[DEV])
    assert ti.pushed["report"] == result
    assert result["problems"] == []
    warning = result["warnings"][0]
    assert "could not be checked: 'dev'. GET " in warning
    assert f"* `{warning}`" in ti.pushed["report_text"].splitlines()


@pytest.mark.parametrize("effect", UNREADABLE)
@pytest.mark.parametrize("path", [RULES, CONNECTIONS])
def test_what_cannot_be_read_prevents_no_upload_and_is_said(run, emulator, path, effect, caplog):
    # Without a baseline import rules are read only where a release of the package is live.
    emulator.faults.add(Fault(effect, method="GET", path=path))
    result, _ = run(OPERATORS["create"], connections=[DEV])
    assert result["release_id"] == emulator.store.active_release(1).id
    assert "could not be checked: 'dev'. GET " in caplog.text


def test_unreadable_import_rules_are_a_warning(run, start, caplog):
    caplog.set_level(logging.INFO)
    emulator = start(import_rules_readable=False)
    emulator.store.create_connection("prod")
    result, _ = run(connections=[DEV])
    warning = result["warnings"][0]
    assert "objectImportRules answered 404" in warning
    assert warning in caplog.text


# No dry run came about


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"password": "wrong-password"}, {}, "AuthenticationError: "),
        (
            {"login": "author@example.com", "password": "author-password"},
            {},
            "PermissionDeniedError: ",
        ),
        (
            {},
            {"deployment_id": 99},
            "NotFoundError: POST /v4/deployments/99/releases/dryRun answered 404",
        ),
    ],
)
@both
def test_a_refusal_fails_without_retry(
    run, execute, emulator, use_connection, gate, fields, options, words, fails
):
    use_connection(emulator.url, **fields)
    with fails(words):
        run(gate, **options)
    assert "report" not in execute.ti.pushed
    assert emulator.store.releases() == ()


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
@both
def test_a_passing_failure_is_asked_again(run, emulator, time, gate, effect):
    emulator.faults.add(Fault(effect, method="POST", path=DRY_RUN, times=2))
    run(gate)
    assert posts(emulator).count(DRY_RUN) == 3
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (Answer(500), errors.ServerError),
        (Reset("after_commit"), errors.ConnectionLostError),
        (Answer(200, html="<h1>OK</h1>"), errors.UnexpectedResponseError),
    ],
)
@both
def test_a_failure_that_stays_is_left_to_airflows_retries(
    run, execute, emulator, gate, effect, error
):
    armed = emulator.faults.add(Fault(effect, method="POST", path=DRY_RUN, times=None))
    with pytest.raises(error):
        run(gate)
    assert set(execute.ti.pushed) == {"deployment_id", "package_uuid", "deployment_url"}
    assert set(posts(emulator)) == {DRY_RUN}, "nothing was uploaded"
    if error is errors.UnexpectedResponseError:
        assert armed.fired == 1
    else:
        assert armed.fired > 1
    emulator.faults.clear()
    run(gate, try_number=2)
    assert DRY_RUN in posts(emulator)


@pytest.mark.parametrize("path", [RULES, CONNECTIONS])
@both
def test_a_reading_that_may_work_later_is_left_to_airflows_retries(run, emulator, gate, path):
    emulator.faults.add(Fault(Answer(502), method="GET", path=path, times=None))
    with pytest.raises(errors.ServerError):
        run(gate, connections=[DEV])
    assert emulator.store.releases() == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deployment_id": "None"}, "InvalidInputError: deployment_id"),
        ({"deployment_id": None}, "InvalidInputError: deployment_id"),
        (
            {"deployment_id": 1, "deployment_name": "Orders"},
            "InvalidInputError: deployment_id or deployment_name",
        ),
        ({"deployment_name": "None"}, "InvalidInputError: deployment_name"),
        ({"package_path": "/nowhere/flow.zip"}, "PackageNotFoundError: /nowhere/flow.zip"),
        ({"package_path": __file__}, "PackageFormatError: test_dry_run.py"),
    ],
)
@both
def test_bad_input_is_named_before_any_request(run, execute, emulator, gate, options, words, fails):
    with fails(words):
        run(gate, **options)
    assert emulator.calls == []
    assert not execute.ti.pushed


def test_the_constructor_only_assigns():
    fields = dict.fromkeys(DryRunReleaseOperator.template_fields, "{{ x }}")
    operator = DryRunReleaseOperator(task_id="t", **fields)
    assert {name: getattr(operator, name) for name in operator.template_fields} == fields


# Before an upload


@pytest.fixture
def create(run):
    return functools.partial(run, OPERATORS["create"])


def test_a_dry_run_comes_before_the_upload(create, emulator):
    result, _ = create()
    assert posts(emulator) == [DRY_RUN, CREATE]
    assert result["outcome"] == "created"
    assert emulator.store.active_release(1).id == result["release_id"]


def test_none_is_made_unless_asked_for(run, emulator):
    run(CreateReleaseOperator)
    assert posts(emulator) == [CREATE]


@pytest.mark.parametrize("try_number", [1, 2])
def test_none_is_made_where_the_release_is_reused(create, emulator, try_number):
    first, _ = create()
    emulator.calls.clear()
    emulator.drop_on_next_import({"datasources": [12]})
    result, _ = create(try_number=try_number)
    assert (result["outcome"], result["release_id"]) == ("reused", first["release_id"])
    assert posts(emulator) == []


def test_none_is_made_where_an_upload_of_before_is_adopted(create, emulator):
    """An earlier try was cut off, and the server finished it since."""
    emulator.faults.add(Fault(LateCommit(), method="POST", path=CREATE))
    with pytest.raises(errors.ServerError):
        create()
    emulator.commit_late()
    emulator.calls.clear()
    result, _ = create(try_number=2)
    assert result["release_id"] == emulator.store.active_release(1).id
    assert posts(emulator) == []


def test_none_is_made_where_the_upload_is_refused_anyway(
    create, execute, emulator, make_package, fails
):
    baseline, _ = execute(GetDeploymentOperator(task_id="baseline", deployment_id=1))
    create(package_path=str(make_package()))
    emulator.calls.clear()
    with fails("UnexpectedLiveReleaseError"):
        create(baseline=baseline)
    assert posts(emulator) == []


def test_one_is_made_for_every_upload(create, execute, emulator):
    create()
    emulator.calls.clear()
    baseline = execute(GetDeploymentOperator(task_id="baseline", deployment_id=1))[0]
    assert create(baseline=baseline)[0]["outcome"] == "created"
    assert posts(emulator) == [DRY_RUN, CREATE]


def test_one_is_made_before_a_staged_release(create, execute, emulator, fails):
    baseline, _ = execute(GetDeploymentOperator(task_id="baseline", deployment_id=1))
    emulator.drop_on_next_import({"datasources": [12]})
    with fails("DryRunFailedError"):
        create(baseline=baseline, activate=False)
    assert posts(emulator) == [DRY_RUN]
    assert emulator.store.releases() == ()


def test_a_gate_that_was_shut_opens_for_the_cleared_task(create, emulator):
    with pytest.raises(AirflowFailException):
        create(connections=[DEV])
    emulator.store.create_connection("dev", DEV.uuid)
    result, _ = create(connections=[DEV], try_number=2)
    assert result["release_id"] == emulator.store.active_release(1).id


def test_a_package_that_must_be_a_certain_one(run, emulator, fails):
    assert run(package_uuid=UUID)[0]["package_uuid"] == UUID
    sent = len(emulator.calls)
    with fails("WrongPackageError"):
        run(package_uuid="None")
    assert len(emulator.calls) == sent
