from __future__ import annotations

import json
import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from trifacta_emulator import Answer, Connection, Fault, Reset, utc_now

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.resources import ImportRules
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.promotion.journal import digest_of

pytestmark = pytest.mark.every_airflow

DEV = Connection(24, "dev", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
BUCKET = {"type": "s3Bucket", "on": "wrangle-dev", "with": "wrangle-prod"}
PATH = {"type": "fileLocation", "on": "//dev//", "with": "/prod/"}
OBJECT, VALUE = "/v4/deployments/1/objectImportRules", "/v4/deployments/1/valueImportRules"
PATHS = {"object": OBJECT, "value": VALUE}
kinds = pytest.mark.parametrize("kind", ["object", "value"])


def mapping(on, to):
    return {"tableName": "connections", "onCondition": on, "withCondition": to}


OLD = {
    "object": [mapping({"uuid": DEV.uuid}, {"id": 1}), mapping({"id": "5"}, {"id": 2})],
    "value": [{**BUCKET, "on": "old"}],
}
NEW = {"object": [mapping({"uuid": DEV.uuid}, {"id": 12001})], "value": [PATH, BUCKET]}


@pytest.fixture
def set_rules(execute):
    """Return a function that runs the operator."""

    def run(*, try_number=1, dag_run=None, store=None, **options):
        target = {} if "deployment_name" in options else {"deployment_id": 1}
        operator = SetImportRulesOperator(task_id="set", **{**target, **options})
        return execute(operator, dag_run, store, try_number=try_number)

    return run


@pytest.fixture
def rows(emulator):
    """Return a function that tells the ids, times and content of the rules that are there."""
    return lambda kind: [
        (row.id, row.created_at, row.rule) for row in emulator.store.import_rules(1, kind)
    ]


@pytest.fixture
def die_at(monkeypatch):
    """Return a function that lets the process die at the next change of a kind of rules, before or
    after it."""
    replace = ImportRules.replace

    def arm(kind, when):
        def dying(self, deployment_id, written, rules):
            if written != kind or when == "after":
                replace(self, deployment_id, written, rules)
            if written == kind:
                monkeypatch.setattr(ImportRules, "replace", replace)
                raise SystemExit

        monkeypatch.setattr(ImportRules, "replace", dying)

    return arm


def rules_of(emulator, kind):
    return [row.rule for row in emulator.store.import_rules(1, kind)]


def writes(emulator):
    return [call.path for call in emulator.calls if call.method != "GET"]


# Success


def test_both_lists_are_written_where_there_were_none(set_rules, emulator):
    result, ti = set_rules(object_rules=NEW["object"], value_rules=NEW["value"])
    assert result == {
        "deployment_id": 1,
        "deployment_url": f"{emulator.url}/deployments/1",
        "outcome": "changed",
        "replaced_object_rules": [],
        "replaced_value_rules": [],
    }
    assert ti.pushed == result
    assert rules_of(emulator, "object") == NEW["object"]
    assert rules_of(emulator, "value") == NEW["value"]
    assert writes(emulator) == [OBJECT, VALUE]


def test_the_rules_act_on_the_next_import(set_rules, emulator, execute, make_package):
    local = emulator.store.create_connection("prod")
    path = make_package(connections=[DEV], dataset_path="s3://wrangle-dev/dev/orders.csv")
    set_rules(
        object_rules=[{"onCondition": {"uuid": DEV.uuid}, "withCondition": {"id": local.id}}],
        value_rules=[BUCKET],
    )
    execute(CreateReleaseOperator(task_id="create", deployment_id=1, package_path=str(path)))
    tables = emulator.store.active_release(1).imported.tables
    assert tables["datasources"][0]["connectionId"] == local.id
    assert tables["storagelocations"][0]["bucket"] == "wrangle-prod"


@pytest.mark.parametrize("options", [{"deployment_name": "Orders"}, {"deployment_id": " 1 "}])
def test_the_deployment_may_be_named(set_rules, emulator, options):
    assert set_rules(value_rules=[BUCKET], **options)[0]["deployment_id"] == 1
    assert rules_of(emulator, "value") == [BUCKET]


@kinds
def test_none_leaves_the_other_kind_alone(set_rules, emulator, rows, kind):
    other = "value" if kind == "object" else "object"
    emulator.store.replace_import_rules(1, other, OLD[other])
    before = rows(other)
    result, ti = set_rules(**{f"{kind}_rules": NEW[kind]})
    assert result[f"replaced_{other}_rules"] is None
    assert f"replaced_{other}_rules" not in ti.pushed
    assert rows(other) == before
    assert {call.path for call in emulator.calls} == {PATHS[kind]}, (
        "the other kind is not even read"
    )


@kinds
def test_an_empty_list_clears(set_rules, emulator, kind):
    emulator.store.replace_import_rules(1, kind, OLD[kind])
    result, _ = set_rules(**{f"{kind}_rules": []})
    assert result["outcome"] == "changed"
    assert result[f"replaced_{kind}_rules"] == OLD[kind]
    assert rules_of(emulator, kind) == []


# Already as declared


@kinds
@pytest.mark.parametrize("try_number", [1, 2])
def test_what_is_as_declared_is_not_written(set_rules, emulator, rows, kind, try_number):
    emulator.store.replace_import_rules(1, kind, NEW[kind])
    before = rows(kind)
    result, ti = set_rules(try_number=try_number, **{f"{kind}_rules": NEW[kind]})
    assert (result["outcome"], result[f"replaced_{kind}_rules"]) == ("unchanged", None)
    assert set(ti.pushed) == {"deployment_id", "deployment_url", "outcome"}
    assert writes(emulator) == []
    assert rows(kind) == before, "their ids and creation times too"


@kinds
def test_no_rules_are_not_cleared_again(set_rules, emulator, kind):
    assert set_rules(**{f"{kind}_rules": []})[0]["outcome"] == "unchanged"
    assert writes(emulator) == []


def test_only_the_kind_that_differs_is_written(set_rules, emulator, rows):
    emulator.store.replace_import_rules(1, "object", NEW["object"])
    emulator.store.replace_import_rules(1, "value", OLD["value"])
    before = rows("object")
    result, ti = set_rules(object_rules=NEW["object"], value_rules=NEW["value"])
    assert result["outcome"] == "changed"
    assert result["replaced_object_rules"] is None
    assert ti.pushed["replaced_value_rules"] == OLD["value"]
    assert rows("object") == before
    assert rules_of(emulator, "value") == NEW["value"]


@pytest.mark.parametrize(
    ("there", "declared"),
    [
        (mapping({"id": 24}, {"id": "12001"}), mapping({"id": "24"}, {"id": 12001})),
        (
            mapping({"id": "24"}, {"id": 12001}),
            {"onCondition": {"id": 24}, "withCondition": {"id": "12001"}},
        ),
    ],
)
def test_ids_are_the_same_as_numbers_and_as_text(set_rules, emulator, there, declared):
    emulator.store.replace_import_rules(1, "object", [there])
    assert set_rules(object_rules=[declared])[0]["outcome"] == "unchanged"
    assert writes(emulator) == []


@kinds
def test_another_order_is_a_difference(set_rules, emulator, kind):
    rules = [*OLD[kind], *NEW[kind]]
    emulator.store.replace_import_rules(1, kind, rules)
    assert set_rules(**{f"{kind}_rules": rules[::-1]})[0]["outcome"] == "changed"
    assert rules_of(emulator, kind) == rules[::-1]


# Names


def test_names_stand_for_uuids_and_ids(set_rules, emulator, make_package):
    local = emulator.store.create_connection("prod")
    emulator.store.create_connection("other")
    rules = [{"onCondition": {"name": "dev"}, "withCondition": {"name": "prod"}}]
    package = str(make_package(connections=[DEV]))
    set_rules(object_rules=rules, package_path=package)
    assert rules_of(emulator, "object") == [mapping({"uuid": DEV.uuid}, {"id": local.id})]
    assert set_rules(object_rules=rules, package_path=package)[0]["outcome"] == "unchanged"


def test_a_name_on_one_side_alone_needs_nothing_of_the_other(set_rules, emulator, make_package):
    local = emulator.store.create_connection("prod")
    set_rules(object_rules=[mapping({"id": "24"}, {"name": "prod"})])
    assert rules_of(emulator, "object") == [mapping({"id": "24"}, {"id": local.id})]
    emulator.calls.clear()
    package = str(make_package(connections=[DEV]))
    set_rules(object_rules=[mapping({"name": "dev"}, {"id": "7"})], package_path=package)
    assert rules_of(emulator, "object") == [mapping({"uuid": DEV.uuid}, {"id": "7"})]
    assert {call.path for call in emulator.calls} == {OBJECT}, "connections are not listed for it"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (mapping({"name": "x"}, {"id": 1}), "AmbiguousNameError: 'x'"),
        (mapping({"name": "twice"}, {"id": 1}), "AmbiguousNameError: 'twice'"),
        (mapping({"id": 1}, {"name": "x"}), "AmbiguousNameError: 'x'"),
        (mapping({"id": 1}, {"name": "twice"}), "AmbiguousNameError: 'twice'"),
    ],
)
def test_a_name_that_is_not_one_connections_fails_before_any_change(
    set_rules, emulator, make_package, rule, words, fails
):
    for name in ("prod", "twice", "twice"):
        emulator.store.create_connection(name)
    exported = [DEV, Connection(25, "twice", "u-25"), Connection(26, "twice", "u-26")]
    with fails(words) as caught:
        set_rules(
            object_rules=[rule],
            value_rules=[BUCKET],
            package_path=str(make_package(connections=exported)),
        )
    assert "(id " in str(caught.value), "what there is to choose from"
    assert writes(emulator) == []


def test_connections_that_may_not_be_listed_fail_before_any_change(set_rules, emulator, fails):
    emulator.faults.add(Fault(Answer(403), path="/v4/connections"))
    with fails("PermissionDeniedError: GET /v4/connections answered 403"):
        set_rules(object_rules=[mapping({"id": 1}, {"name": "prod"})])
    assert writes(emulator) == []


# Input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "InvalidInputError: object_rules, value_rules"),
        ({"object_rules": "None"}, "InvalidInputError: object_rules"),
        ({"object_rules": {}}, "InvalidInputError: object_rules"),
        ({"value_rules": "[]"}, "InvalidInputError: value_rules"),
        ({"object_rules": ["x"]}, "InvalidInputError: object_rules[0]"),
        (
            {"object_rules": [mapping({}, {"id": 1})]},
            "InvalidInputError: object_rules[0]['onCondition']",
        ),
        (
            {"object_rules": [mapping({"id": 1}, {"id": "None"})]},
            "InvalidInputError: object_rules[0]['withCondition']",
        ),
        ({"object_rules": [BUCKET]}, "InvalidInputError: object_rules[0]"),
        ({"object_rules": [], "value_rules": [BUCKET, {}]}, "InvalidInputError: value_rules[1]"),
        ({"value_rules": [{**BUCKET, "on": ""}]}, "InvalidInputError: value_rules[0]['on']"),
        ({"value_rules": [], "deployment_id": "None"}, "InvalidInputError: deployment_id"),
        ({"value_rules": [], "deployment_id": None}, "InvalidInputError: deployment_id"),
        ({"value_rules": [], "deployment_name": " "}, "InvalidInputError: deployment_name"),
        (
            {"value_rules": [], "deployment_name": "Orders", "deployment_id": 1},
            "InvalidInputError: deployment_id or deployment_name",
        ),
        (
            {"object_rules": [mapping({"name": "dev"}, {"name": "prod"})]},
            "InvalidInputError: package_path",
        ),
        (
            {
                "object_rules": [mapping({"name": "dev"}, {"id": 1})],
                "package_path": "/nowhere/flow.zip",
            },
            "PackageNotFoundError: /nowhere/flow.zip",
        ),
    ],
)
def test_bad_input_is_named_before_any_request(set_rules, execute, emulator, options, words, fails):
    with fails(words):
        set_rules(**options)
    assert emulator.calls == []
    assert execute.ti.pushed == {}


def test_the_constructor_only_assigns():
    fields = dict.fromkeys(SetImportRulesOperator.template_fields, "{{ x }}")
    operator = SetImportRulesOperator(task_id="t", **fields)
    assert {name: getattr(operator, name) for name in operator.template_fields} == fields


# What was replaced


@kinds
def test_what_was_replaced_can_be_put_back_by_the_operator(set_rules, emulator, kind):
    emulator.store.replace_import_rules(1, kind, OLD[kind])
    _, ti = set_rules(**{f"{kind}_rules": NEW[kind]})
    assert rules_of(emulator, kind) == NEW[kind]
    result, _ = set_rules(**{f"{kind}_rules": ti.pushed[f"replaced_{kind}_rules"]})
    assert rules_of(emulator, kind) == OLD[kind]
    assert result[f"replaced_{kind}_rules"] == NEW[kind]


def test_that_there_was_nothing_can_be_put_back_too(set_rules, emulator):
    _, ti = set_rules(value_rules=[BUCKET])
    set_rules(value_rules=ti.pushed["replaced_value_rules"])
    assert rules_of(emulator, "value") == []


def test_a_rule_of_others_with_a_name_beside_a_uuid_can_be_put_back(set_rules, emulator):
    """A name that is a condition of its own stands for nothing."""
    rules = [mapping({"name": "dev", "uuid": DEV.uuid}, {"name": "prod", "id": 12001})]
    emulator.store.replace_import_rules(1, "object", rules)
    _, ti = set_rules(object_rules=[])
    set_rules(object_rules=ti.pushed["replaced_object_rules"])
    assert rules_of(emulator, "object") == rules


@kinds
def test_what_is_replaced_is_known_before_the_change(
    set_rules, execute, emulator, kind, caplog, die_at
):
    caplog.set_level(logging.INFO)
    emulator.store.replace_import_rules(1, kind, OLD[kind])
    die_at(kind, "before")
    with pytest.raises(SystemExit):
        set_rules(**{f"{kind}_rules": NEW[kind]})
    assert execute.ti.pushed[f"replaced_{kind}_rules"] == OLD[kind]
    assert f"The {kind} rules of deployment 1 are {json.dumps(OLD[kind])}" in caplog.text, (
        "a log outlives a retry"
    )
    assert "outcome" not in execute.ti.pushed


# Rules that cannot be read


@kinds
def test_unreadable_rules_are_written_and_it_is_said(set_rules, start, kind, caplog):
    emulator = start(import_rules_readable=False)
    emulator.store.replace_import_rules(1, kind, OLD[kind])
    result, ti = set_rules(**{f"{kind}_rules": NEW[kind]})
    assert rules_of(emulator, kind) == NEW[kind]
    assert (result["outcome"], result[f"replaced_{kind}_rules"]) == ("changed", None)
    assert f"replaced_{kind}_rules" not in ti.pushed
    assert (
        f"The {kind} rules of deployment 1 cannot be read: GET {PATHS[kind]} answered 404"
        in caplog.text
    )
    assert f"The {kind} rules of deployment 1 are written unread" in caplog.text
    assert f"The {kind} rules of deployment 1 were written but not verified" in caplog.text


@pytest.mark.parametrize("body", [{"rules": []}, {"data": [{"id": 1, "type": "s3Bucket"}]}])
def test_an_answer_of_another_shape_cannot_be_read_either(set_rules, emulator, body, caplog):
    emulator.faults.add(Fault(Answer(200, body=body), method="GET", path=VALUE, times=None))
    result, _ = set_rules(value_rules=[BUCKET])
    assert rules_of(emulator, "value") == [BUCKET]
    assert result["replaced_value_rules"] is None
    assert "written unread" in caplog.text


@pytest.mark.parametrize("answer", [Answer(404), Answer(403), Answer(200, body={"rules": []})])
def test_a_change_that_cannot_be_read_back_is_not_green(set_rules, emulator, answer):
    """The read before the change worked, so the server does show rules. A retry reads them."""
    emulator.faults.add(Fault(answer, method="GET", path=VALUE, skip=1, times=None))
    with pytest.raises(
        errors.UnexpectedResponseError, check=lambda error: error.deployment_id == 1
    ) as caught:
        set_rules(value_rules=[BUCKET])
    assert "may have been written" in caught.value.standing
    emulator.faults.clear()
    assert rules_of(emulator, "value") == [BUCKET]
    assert set_rules(value_rules=[BUCKET], try_number=2)[0]["outcome"] == "unchanged"


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_page_of_a_proxy_does_not_make_rules_unreadable(set_rules, emulator, skip, status):
    page = Answer(status, html="<h1>Closed</h1>")
    emulator.faults.add(Fault(page, method="GET", path=VALUE, skip=skip, times=3))
    assert set_rules(value_rules=[BUCKET])[0]["replaced_value_rules"] == []
    assert rules_of(emulator, "value") == [BUCKET]


def test_a_page_that_stays_is_not_green(set_rules, emulator):
    emulator.faults.add(
        Fault(Answer(404, html="<h1>Closed</h1>"), method="GET", path=VALUE, skip=1, times=None)
    )
    with pytest.raises(errors.GatewayPageError) as caught:
        set_rules(value_rules=[BUCKET])
    assert "may have been written" in caught.value.standing


@pytest.mark.parametrize("effect", [Reset("after_commit"), Answer.gateway_timeout()])
def test_a_lost_answer_about_unreadable_rules_is_left_to_airflows_retries(set_rules, start, effect):
    emulator = start(import_rules_readable=False)
    emulator.faults.add(Fault(effect, method="PATCH"))
    with pytest.raises((errors.ConnectionLostError, errors.ServerError)):
        set_rules(value_rules=[BUCKET])
    assert set_rules(value_rules=[BUCKET], try_number=2)[0]["outcome"] == "changed"
    assert rules_of(emulator, "value") == [BUCKET]


# Lost answers


@kinds
def test_a_lost_answer_is_settled_by_reading_back(set_rules, emulator, kind, caplog):
    emulator.store.replace_import_rules(1, kind, OLD[kind])
    emulator.faults.add(Fault(Reset("after_commit"), method="PATCH"))
    result, ti = set_rules(**{f"{kind}_rules": NEW[kind]})
    assert result["outcome"] == "changed"
    assert ti.pushed[f"replaced_{kind}_rules"] == OLD[kind]
    assert rules_of(emulator, kind) == NEW[kind]
    assert "reading them back" in caplog.text
    assert len(writes(emulator)) == 1


def test_a_reading_back_that_fails_is_left_to_airflows_retries(set_rules, emulator):
    emulator.faults.add(Fault(Reset("after_commit"), method="PATCH"))
    emulator.faults.add(Fault(Answer(502), method="GET", path=VALUE, skip=1, times=None))
    with pytest.raises(errors.ServerError):
        set_rules(value_rules=[BUCKET])
    emulator.faults.clear()
    assert set_rules(value_rules=[BUCKET], try_number=2)[0]["outcome"] == "unchanged"


def test_what_reads_back_otherwise_is_no_success(set_rules, execute, emulator):
    emulator.faults.add(Fault(Answer(200, body={"deleted": {"data": []}}), method="PATCH"))
    with pytest.raises(errors.UnexpectedResponseError) as caught:
        set_rules(value_rules=[BUCKET])
    assert caught.value.deployment_id == 1
    assert str([BUCKET]) in str(caught.value)
    assert caught.value.standing
    assert "outcome" not in execute.ti.pushed


# Retries


def test_names_are_looked_up_in_the_package_that_is_meant(set_rules, emulator, make_package, fails):
    rules = [mapping({"name": "dev"}, {"id": 1})]
    path = make_package(connections=[DEV], uuid=DEV.uuid)
    with fails("WrongPackageError"):
        set_rules(object_rules=rules, package_path=str(path), package_uuid="None")
    assert list(emulator.calls) == []
    set_rules(object_rules=rules, package_path=str(path), package_uuid=DEV.uuid)
    assert rules_of(emulator, "object") == [mapping({"uuid": DEV.uuid}, {"id": 1})]


# Refusals


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"password": "wrong-password"}, {}, "AuthenticationError: GET"),
        (
            {"login": "author@example.com", "password": "author-password"},
            {},
            "PermissionDeniedError: PATCH",
        ),
        (
            {},
            {"deployment_id": 99},
            "NotFoundError: PATCH /v4/deployments/99/valueImportRules answered 404",
        ),
        ({}, {"deployment_name": "orders"}, "AmbiguousNameError: 'orders'"),
    ],
)
def test_a_refusal_fails_without_retry(
    set_rules, execute, emulator, use_connection, rows, fields, options, words, fails
):
    emulator.store.replace_import_rules(1, "value", OLD["value"])
    before = rows("value")
    use_connection(emulator.url, **fields)
    with fails(words):
        set_rules(value_rules=[PATH], **options)
    assert "outcome" not in execute.ti.pushed
    assert rows("value") == before


def test_wrong_credentials_are_not_taken_for_unreadable_rules(set_rules, emulator, use_connection):
    use_connection(emulator.url, password="wrong-password")
    with pytest.raises(AirflowFailException):
        set_rules(value_rules=[BUCKET])
    assert writes(emulator) == []


def test_a_login_page_is_not_taken_for_unreadable_rules(set_rules, emulator):
    emulator.faults.add(Fault(Answer.login_redirect(), method="GET", path=VALUE, times=None))
    with pytest.raises(errors.RedirectError):
        set_rules(value_rules=[BUCKET])
    assert writes(emulator) == []


def test_rules_that_the_server_does_not_know_are_refused_in_its_words(set_rules, emulator, fails):
    with fails("BadRequestError: not 'bucket'"):
        set_rules(value_rules=[{**BUCKET, "type": "bucket"}])
    assert rules_of(emulator, "value") == []


def test_a_failure_that_may_pass_is_left_to_airflows_retries(set_rules, emulator, time):
    emulator.faults.add(Fault(Answer(502), method="GET", times=None))
    with pytest.raises(errors.ServerError):
        set_rules(value_rules=[BUCKET])
    assert writes(emulator) == []
    assert sum(time.slept) >= 120, "it looks for two minutes before its first change"


# The journal


@pytest.mark.usefixtures("emulator")
def test_a_retry_that_proves_that_nothing_was_asked_for_sets_what_a_person_changed(
    set_rules, store
):
    """By the clocks alone it would stop: the rules were set after the run began."""
    began = utc_now() - timedelta(minutes=1)
    set_rules(value_rules=[BUCKET])
    store.set("trifacta_journal", {"opened": [1]})
    result, _ = set_rules(
        value_rules=[], try_number=2, dag_run=SimpleNamespace(start_date=began), store=store
    )
    assert result["outcome"] == "changed"


@kinds
def test_rules_that_show_late_are_waited_for(set_rules, emulator, kind, monkeypatch, time):
    read, old = ImportRules.list, []

    def lagging(self, deployment_id, asked):
        old.append(read(self, deployment_id, asked))
        return old[0] if len(old) < 4 else old[-1]

    monkeypatch.setattr(ImportRules, "list", lagging)
    assert set_rules(**{f"{kind}_rules": NEW[kind]})[0]["outcome"] == "changed"
    assert rules_of(emulator, kind) == NEW[kind]
    assert len(writes(emulator)) == 1
    assert sum(time.slept) == 6


@pytest.mark.parametrize("is_late", [True, False])
def test_other_rules_wait_for_those_that_an_earlier_try_left_without_an_answer(
    set_rules, emulator, store, time, fails, is_late
):
    emulator.faults.add(Fault(Reset("after_body"), method="PATCH"))
    with pytest.raises(errors.ConnectionLostError):
        set_rules(value_rules=[BUCKET], store=store)
    slept = time.now
    other = [{**BUCKET, "with": "other"}]
    if is_late:
        time.during_sleep = [lambda: set_rules(value_rules=[BUCKET])]
        with fails("InterruptedChangeError", deployment_id=1):
            set_rules(value_rules=other, store=store, try_number=2)
    else:
        assert set_rules(value_rules=other, store=store, try_number=2)[0]["outcome"] == "changed"
        assert time.now - slept == 30


@pytest.mark.usefixtures("emulator")
def test_notes_of_an_earlier_version_are_read(set_rules, store, fails):
    """It noted both lists as one request."""
    digest = digest_of({"value": [BUCKET]})
    asked = {"what": "rules", "deployment_id": 1, "rules": digest}
    store.set(
        "trifacta_journal", {"opened": [1], "asked": asked, "before": {}, "answer": {"value": True}}
    )
    with fails("InterruptedChangeError", deployment_id=1):
        set_rules(value_rules=[BUCKET], store=store, try_number=2)
