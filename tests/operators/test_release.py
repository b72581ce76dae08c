from __future__ import annotations

import logging
import pickle
import traceback

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, Fault, Reset

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.operators.release import CreateReleaseOperator

pytestmark = pytest.mark.every_airflow

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"


@pytest.fixture
def create_release(execute, make_package):
    """Return a function that runs the operator on a new package, or on the one given."""

    def run(*, try_number=1, package_path=None, **options):
        path = package_path if package_path is not None else str(make_package(uuid=UUID))
        operator = CreateReleaseOperator(
            **{"task_id": "create", "deployment_id": 1, "package_path": path, **options}
        )
        return execute(operator, try_number=try_number)

    return run


def uploads(emulator):
    return [call for call in emulator.calls if call.method == "POST"]


def test_a_package_becomes_the_live_release(create_release, emulator):
    result, ti = create_release()
    release = emulator.store.active_release(1)
    assert result == {
        "deployment_id": 1,
        "package_uuid": UUID,
        "deployment_url": f"{emulator.url}/deployments/1",
        "release_id": release.id,
        "primary_flow_ids": result["primary_flow_ids"],
        "flows": [{"id": result["primary_flow_ids"][0], "name": "Example flow", "primary": True}],
        "outcome": "created",
        "previous_release_id": None,
        "import_rule_changes": {"count": 0, "objects": []},
    }
    assert ti.pushed == {key: value for key, value in result.items() if value is not None}
    assert len(uploads(emulator)) == 1
    assert release.package_uuid == UUID
    (flow_id,) = result["primary_flow_ids"]
    assert isinstance(flow_id, int)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("deployment_id", [1, "1", " 1 "])
def test_ids_may_be_text(create_release, deployment_id):
    assert create_release(deployment_id=deployment_id)[0]["deployment_id"] == 1


def test_the_constructor_only_assigns():
    operator = CreateReleaseOperator(
        task_id="t",
        deployment_id="{{ x }}",
        package_path="{{ y }}",
        trifacta_conn_id="{{ z }}",
        on_deleted_objects="?",
    )
    assert {name: getattr(operator, name) for name in operator.template_fields} == {
        "deployment_id": "{{ x }}",
        "package_path": "{{ y }}",
        "package_uuid": None,
        "trifacta_conn_id": "{{ z }}",
        "deployment_name": None,
        "baseline": None,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deployment_id": "None"}, "InvalidInputError: deployment_id"),
        ({"deployment_id": True}, "InvalidInputError: deployment_id"),
        ({"on_deleted_objects": "ignore"}, "InvalidInputError: on_deleted_objects"),
        ({"package_path": "/nowhere/flow.zip"}, "PackageNotFoundError: /nowhere/flow.zip"),
        ({"package_path": __file__}, "PackageFormatError: test_release.py"),
    ],
)
def test_bad_input_fails_without_retry_and_before_any_request(
    create_release, execute, emulator, options, words, fails
):
    with fails(words):
        create_release(**options)
    assert emulator.calls == []
    assert not execute.ti.pushed


@pytest.mark.usefixtures("emulator")
def test_a_bad_connection_fails_without_retry(create_release, use_connection, fails):
    use_connection("", "trifacta_default")
    with fails("ConfigurationError: host"):
        create_release()


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"password": "wrong-password"}, {}, "AuthenticationError: GET /v4/releases answered 401"),
        (
            {"login": "author@example.com", "password": "author-password"},
            {},
            "PermissionDeniedError: GET",
        ),
        ({}, {"deployment_id": 99}, "NotFoundError: POST /v4/deployments/99/releases answered 404"),
    ],
)
def test_a_refusal_fails_without_retry(
    create_release, execute, emulator, use_connection, fields, options, words, fails
):
    use_connection(emulator.url, **fields)
    with fails(words):
        create_release(**options)
    known = {"deployment_id", "package_uuid", "deployment_url"}
    assert set(execute.ti.pushed) == known, "known before the upload"
    assert emulator.store.releases() == ()


@pytest.mark.usefixtures("emulator")
def test_a_package_of_a_newer_product_is_refused_with_the_servers_words(
    create_release, make_package, fails
):
    with fails("BadRequestError: ValidationFailed"):
        create_release(
            package_path=str(make_package(product_version="99.0.0+1.20990101000000.abcdef0"))
        )


def test_what_import_rules_changed_is_known_in_a_retry_too(
    execute, emulator, make_package, store, caplog
):
    caplog.set_level(logging.INFO)
    rules = [{"type": "fileLocation", "on": "raw", "with": "x"}]
    emulator.store.replace_import_rules(1, "value", rules)
    path = str(make_package(uuid=UUID, dataset_path="hdfs:///raw/orders.csv"))
    for number in (1, 2):
        operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=path)
        result, ti = execute(operator, store=store, try_number=number)
        changes = result["import_rule_changes"]
        assert changes == ti.pushed["import_rule_changes"]
        assert changes["count"] == len(changes["objects"]) == 1
        assert changes["objects"][0].startswith("value: {")
    assert len(uploads(emulator)) == 1
    assert "Changes by import rules: 1 (value: {" in caplog.text


@pytest.mark.parametrize(
    ("version", "generation"),
    [("6.0.1+235.20190426172824.493d6f8", "6.0"), ("6.8.0", "6.8"), ("9.7.0", "8.0")],
)
def test_the_log_counts_what_was_made(
    create_release, use_connection, make_package, caplog, version, generation
):
    caplog.set_level(logging.INFO)
    with Emulator(EmulatorOptions(product_version=version)) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        create_release(package_path=str(make_package(generation=generation)))
    assert "The import made: flows 1, datasets 1, outputs 1, recipes 1" in caplog.text


def test_dropped_objects_fail_after_the_xcoms(create_release, execute, emulator, fails):
    emulator.drop_on_next_import({"datasources": [12]})
    with fails('DroppedObjectsError: {"datasources": [12]}', deployment_id=1) as caught:
        create_release()
    release = emulator.store.active_release(1)
    assert caught.value.__cause__.release_id == release.id
    assert execute.ti.pushed["release_id"] == release.id
    assert execute.ti.pushed["outcome"] == "created"


def test_dropped_objects_fail_however_deep_they_are_in_a_retry_too(
    execute, emulator, make_package, store, fails
):
    deep = [7]
    for _ in range(600):
        deep = [deep]
    emulator.drop_on_next_import({"flows": deep})
    path = str(make_package(uuid=UUID))
    for number in (1, 2):
        operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=path)
        with fails("DroppedObjectsError"):
            execute(operator, store=store, try_number=number)
    assert len(uploads(emulator)) == 1


def test_dropped_objects_may_be_a_warning(create_release, emulator, caplog):
    emulator.drop_on_next_import({"datasources": [12]})
    result, _ = create_release(on_deleted_objects="warn")
    assert result["release_id"] == emulator.store.active_release(1).id
    assert '{"datasources": [12]}' in caplog.text


# Servers that follow the vendor's page differently


def answer(body, status=201):
    """Answer an upload so, and list the release of the answer after it."""
    made = []

    def respond(request):
        if request.method == "GET":
            return 200, {}, {"data": made}
        request.read_body()
        release = body.get("release")
        if release and isinstance(release.get("id"), int) and release["id"] > 0:
            made.append(release)
        return status, {}, body

    return respond


GOOD = {
    "primaryFlowIds": [6, 7],
    "deletedObjects": {},
    "importRuleChanges": {"object": [], "value": []},
    "release": {"id": 11, "packageUuid": UUID, "active": True, "deployment": {"id": 1}},
}


def test_the_page_of_the_vendor_is_enough(create_release, scripted, use_connection):
    server = scripted(answer(GOOD))
    use_connection(server.url)
    result, _ = create_release()
    assert result["release_id"] == 11
    assert result["primary_flow_ids"] == [6, 7]


@pytest.mark.parametrize("release", [None, {}, {"id": None}, {"id": "11"}, {"id": True}])
def test_a_201_without_an_integer_release_id_fails_loudly(
    create_release, execute, scripted, use_connection, release
):
    """Nothing shows in the list either, so the attempt ends with what was wrong about
    the answer.
    """
    use_connection(scripted(answer({**GOOD, "release": release})).url)
    with pytest.raises(errors.UnexpectedResponseError):
        create_release(settle_timeout=0)
    assert "release_id" not in execute.ti.pushed


def test_a_release_that_is_not_active_yet_succeeds_and_says_so(
    create_release, scripted, use_connection, caplog
):
    use_connection(scripted(answer({**GOOD, "release": {**GOOD["release"], "active": None}})).url)
    assert create_release()[0]["release_id"] == 11
    assert "not active yet" in caplog.text


def test_unknown_flow_ids_are_null_and_not_pushed(create_release, scripted, use_connection, caplog):
    use_connection(scripted(answer({"release": GOOD["release"]})).url)
    result, ti = create_release()
    assert result["primary_flow_ids"] is None
    assert "primary_flow_ids" not in ti.pushed
    assert "did not hold the primary flows' ids" in caplog.text


def test_failures_that_may_pass_are_left_to_airflows_retries(
    create_release, scripted, use_connection
):
    use_connection(scripted(answer({}, 500)).url)
    with pytest.raises(errors.ServerError) as caught:
        create_release(settle_timeout=0)
    assert pickle.loads(pickle.dumps(caught.value)).status == 500


def test_no_secret_in_logs_errors_or_xcoms(
    create_release, execute, scripted, use_connection, caplog
):
    caplog.set_level(logging.DEBUG)
    secret, header = "admin-password", "YWRtaW5AZXhhbXBsZS5jb206YWRtaW4tcGFzc3dvcmQ="
    echo = {"exception": {"name": "E", "message": f"got {secret} and Basic {header}"}}
    use_connection(scripted(answer(echo, 400)).url)
    with pytest.raises(AirflowFailException) as caught:
        create_release()
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + str(execute.ti.pushed)
    assert "got *** and Basic ***" in shown
    assert secret not in shown
    assert header not in shown


@pytest.mark.usefixtures("emulator")
def test_a_long_upload_tells_its_progress(create_release, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("airflow_provider_trifacta.client.calls.PROGRESS_INTERVAL", 0.0)
    create_release()
    assert "100 %" in caplog.text


@pytest.mark.usefixtures("emulator")
def test_a_short_upload_does_not(create_release, caplog):
    caplog.set_level(logging.INFO)
    create_release()
    assert "MiB" not in caplog.text


def test_real_packages_are_promoted(create_release, use_connection, real_package):
    from trifacta_emulator import Emulator, EmulatorOptions

    from airflow_provider_trifacta.packages.flow_package import open_package

    with open_package(real_package) as package:
        info = package.info
    with Emulator(EmulatorOptions(product_version=info.product_version)) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        result, _ = create_release(package_path=str(real_package))
        assert result["package_uuid"] == info.uuid
        assert result["release_id"] == emulator.store.active_release(1).id
        assert len(result["primary_flow_ids"]) == 1


# The baseline


def test_a_baseline_that_renders_to_nothing_is_not_none(execute, emulator, make_package, fails):
    operator = CreateReleaseOperator(
        task_id="t", deployment_id=1, package_path=str(make_package()), baseline="{{ x }}"
    )
    operator.baseline = None  # as rendered, after the upstream task was skipped
    with fails("InvalidInputError: baseline"):
        execute(operator)
    assert emulator.calls == []


def test_the_release_before_is_known_by_the_baseline(create_release, emulator):
    create_release(package_path=None)
    first = emulator.store.active_release(1).id
    baseline = {"deployment_id": 1, "active_release_id": first, "latest_release_id": first}
    result, ti = create_release(baseline=baseline)
    assert result["previous_release_id"] == ti.pushed["previous_release_id"] == first
    again, ti = create_release(baseline=baseline, try_number=2)
    assert again["outcome"] == "reused"
    assert again["primary_flow_ids"] is None
    assert again["previous_release_id"] == first
    assert "primary_flow_ids" not in ti.pushed


def test_what_is_unknown_after_a_lost_answer_is_said(create_release, emulator, caplog):
    emulator.faults.add(Fault(Reset("after_commit"), method="POST"))
    result, ti = create_release()
    assert result["outcome"] == "adopted"
    assert result["primary_flow_ids"] is None
    assert "primary_flow_ids" not in ti.pushed
    assert "not checked whether the import dropped objects" in caplog.text


@pytest.mark.parametrize(
    ("release", "error"),
    [
        ({"deployment": {"id": 9}}, AirflowFailException),
        ({"id": 0}, errors.UnexpectedResponseError),
        ({"id": -5}, errors.UnexpectedResponseError),
    ],
)
def test_a_201_about_something_else_is_not_believed(
    create_release, execute, scripted, use_connection, release, error
):
    use_connection(scripted(answer({**GOOD, "release": {**GOOD["release"], **release}})).url)
    with pytest.raises(error):
        create_release(settle_timeout=0)
    assert "release_id" not in execute.ti.pushed


@pytest.mark.parametrize("uuid", [UUID, "9bae78c0-2fcb-11e9-9523-77f56ed58845", "None"])
def test_a_package_that_must_be_a_certain_one(create_release, emulator, uuid, fails):
    if uuid == UUID:
        assert create_release(package_uuid=uuid)[0]["outcome"] == "created"
        return
    with fails(f"WrongPackageError: {UUID}"):
        create_release(package_uuid=uuid)
    assert list(emulator.calls) == []


@pytest.mark.parametrize(
    ("field", "error"), [("baseline", "InvalidInputError"), ("package_uuid", "WrongPackageError")]
)
def test_a_mapped_none_is_not_left_out(create_release, emulator, field, error, fails):
    with fails(error):
        create_release(**{field: None})
    assert list(emulator.calls) == []


# What a person does meanwhile, and what a retry knows


@pytest.fixture(params=[False, True], ids=["milliseconds", "whole seconds"])
def person_goes_back(request, emulator, monkeypatch):
    """Return a function that lets a person go back to a release before each list, in the instant of
    the import.

    With whole seconds, both times of the new release are the same. That excuses nothing that was
    read.
    """

    def arm(old):
        read, clock = Releases.list, emulator.options.clock
        if request.param:
            instant = clock().replace(microsecond=0)
            object.__setattr__(emulator.options, "clock", lambda: instant)

        def after_a_person(self, deployment_id, **options):
            live = emulator.store.active_release(1).id
            if live != old:
                emulator.store.update_release(old, active=True)
            return read(self, deployment_id, **options)

        monkeypatch.setattr(Releases, "list", after_a_person)

    return arm


def test_a_release_that_a_person_replaced_at_once_is_no_success(
    create_release, execute, emulator, make_package, person_goes_back, fails
):
    """Its 201 said that it is live."""
    old, second = create_release()[0]["release_id"], make_package()
    person_goes_back(old)
    with fails("ReleaseNotLiveError"):
        create_release(package_path=str(second))
    assert execute.ti.pushed["release_id"] > old
    assert execute.ti.pushed["primary_flow_ids"]
    assert emulator.store.active_release(1).id == old


def test_a_lost_answer_leaves_open_whether_the_release_was_live(
    create_release, emulator, make_package, person_goes_back, caplog
):
    """Nothing that was read shows it as live, so the first try leaves it to a sensor."""
    old, second = create_release()[0]["release_id"], make_package()
    person_goes_back(old)
    emulator.faults.add(
        Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases")
    )
    assert create_release(package_path=str(second))[0]["outcome"] == "adopted"
    assert emulator.store.active_release(1).id == old
    assert "WARNING" in {
        record.levelname for record in caplog.records if "not active yet" in record.getMessage()
    }


@pytest.mark.usefixtures("emulator")
def test_a_try_notes_that_it_began_before_anything_can_fail(
    execute, make_package, store, time, fails
):
    """A retry of a try that found no package has nothing to wait for."""
    path = make_package()
    hidden = path.rename(path.with_suffix(".hidden"))
    operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=str(path))
    with fails("PackageNotFoundError"):
        execute(operator, store=store)
    hidden.rename(path)
    operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=str(path))
    assert execute(operator, store=store, try_number=2)[0]["outcome"] == "created"
    assert time.slept == []
