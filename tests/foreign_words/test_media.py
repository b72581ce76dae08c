"""The rules of the gate, medium by medium."""

from __future__ import annotations

import json
import logging
import math

import pytest
from foreign_words import media
from foreign_words.relay import Relay
from foreign_words.words import FORMS, OF_URLS, PARAMETER, PASSWORD, WORDS
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow, RunOutcome

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import ClientConfig
from airflow_provider_trifacta.client.errors import InvalidInputError, UnexpectedResponseError
from airflow_provider_trifacta.client.foreign_words import (
    LONGEST_STORED,
    MOST_STORED,
    code_span,
    logger,
    one_line,
    shown,
    storable,
)
from airflow_provider_trifacta.client.redact import Redactor
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator
from airflow_provider_trifacta.promotion.gate import DryRunReport
from airflow_provider_trifacta.promotion.journal import Journal

every_word = pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word)[:40])

#: Credentials in URLs, and what is shown of them.
URLS = {
    "s3://KEY:canaryOfUrl3@bucket/key": "s3://KEY:***@bucket/key",
    "s3://KEY:canary/OfUrl3@bucket/key": "s3://KEY:***@bucket/key",
    "s3:/KEY:canaryOfUrl3@bucket/key": "s3:/KEY:***@bucket/key",
    "s3://KEY:canaryOfUrl3": "s3://KEY:***",
    "https://me:1234@h.example/": "https://me:***@h.example/",
    "https://canaryOfUrl3@h.example/": "https://***@h.example/",
    "https://h.example:3005/a?x=s3://K:canaryOfUrl3@b": ("https://h.example:3005/a?x=s3://K:***@b"),
    "https://b/k?X-Amz-Signature=canaryOfUrl3&x=1": "https://b/k?X-Amz-Signature=***&x=1",
    "https://b/k?sv=1&sig=canaryOfUrl3%3D": "https://b/k?sv=1&sig=***",
    "https://b/k?X-Goog-Credential=canaryOfUrl3": "https://b/k?X-Goog-Credential=***",
    "https://b/k?access_token=canaryOfUrl3": "https://b/k?access_token=***",
}
#: URLs without credentials stay as they are.
PLAIN = [
    "https://h.example:3005/v4/people?email=a@b.example",
    "https://[fe80::1]:3005/x",
    "s3://connection_id@bucket/key",
    "abfss://container@account.dfs.core.windows.net/key",
    'the rule {"a": "s3://b", "c": "me@b.example"}',
    "https://me:***@h.example/",
    "trifacta://LOGIN:PASSWORD@https%3A%2F%2FNAME",
]


@every_word
def test_a_line(word):
    for text in (one_line(word), shown(word), one_line(f"x {word}", 50)):
        assert text.isprintable()
        assert [secret for secret in OF_URLS if secret in text] == []
    assert len(shown(word)) <= 203
    assert len(one_line(word)) <= 20_003


@every_word
def test_what_is_stored(word):
    kept = storable({"key": word, "in": [word, {str(word)[:100]: word}]})
    media.stored(kept)
    assert storable(kept) == kept


@every_word
def test_markdown(word):
    report = DryRunReport(
        package_uuid=str(word),
        flows=[str(word)] * 30,
        problems=[f"The connection '{word}' is not there."],
        warnings=[str(word)],
        import_rule_changes={str(word): [word, {"a": word}]},
    )
    media.markdown(report.as_text())
    media.markdown(f"x {code_span(word)} y")


@every_word
def test_an_error(word):
    error = InvalidInputError(f"It is {word}.", advice=str(word))
    error.standing = f"Then {word}."
    media.raised(error)


@every_word
def test_a_line_of_a_log(word, caplog):
    caplog.set_level(logging.INFO)
    log = logger("airflow_provider_trifacta.test")
    log.info("It is %s of %s and %d", word, [word], 7)
    log.info("It is %(a)s", {"a": word})
    media.logged(caplog.records)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("url", URLS)
def test_the_credentials_of_a_url_are_hidden(url):
    for text in (url, f"'{url}'", f"Of {url}: no"):
        hidden = text.replace(url, URLS[url])
        assert shown(text).startswith(hidden.partition("***")[0] + "***")
        assert "canary" not in shown(text)
    assert one_line(url) == URLS[url]


@pytest.mark.parametrize("text", PLAIN)
def test_other_urls_are_shown_as_they_are(text):
    assert one_line(text) == text


def test_what_can_be_stored_stays_as_it_is():
    values = ["Tägliche Aufträge 😀", 1, 1.5, None, True, {"b": []}]
    value = {"a": values, "c": "x" * LONGEST_STORED}
    assert storable(value) == value


def test_what_cannot_be_stored_is_replaced_and_bounded():
    assert storable(["\ud83d", "a\0", math.inf, math.nan]) == [
        "\ufffd",
        "a\ufffd",
        "Infinity",
        "NaN",
    ]
    assert len(storable("x" * 10**6)) == LONGEST_STORED
    assert len(json.dumps(storable(["x" * 60_000] * 1000))) < MOST_STORED + 100
    assert len(json.dumps(storable(list(range(10**6))))) < 2 * MOST_STORED
    deep = []
    for _ in range(5000):
        deep = [deep]
    json.dumps(storable(deep))


@pytest.mark.parametrize("form", FORMS[PASSWORD] + FORMS[PARAMETER], ids=ascii)
def test_each_form_of_a_secret_is_taken_out(form):
    config = ClientConfig(
        base_url="https://trifacta.example.com", login="me", password=PASSWORD, hidden=[PARAMETER]
    )
    redactor = Redactor(config)
    media.no_secret(redactor.excerpt(f"<p>It was {form}.</p>"), *FORMS[PASSWORD], *FORMS[PARAMETER])
    kept = redactor.within({"a": [f"It was {form}."], f"It was {form}.": 1})
    media.no_secret(json.dumps(kept, ensure_ascii=False), *FORMS[PASSWORD], *FORMS[PARAMETER])


@pytest.fixture
def instance(use_connection):
    flows = (PresetFlow("Daily"),)
    with Emulator(EmulatorOptions(flows=flows, job_start_seconds=0, job_run_seconds=0)) as one:
        use_connection(one.url)
        one.store.create_deployment("Orders")
        yield one


@pytest.fixture
def answers(instance, scripted, use_connection):
    """Return a function that makes a server answer bytes to the reads of a path."""

    def start(path, body):
        def change(request, _answer):
            is_it = request.method == "GET" and request.path.partition("?")[0] == path
            return (200, {"Content-Type": "application/json"}, body) if is_it else None

        use_connection(scripted(Relay(instance, change)).url)

    return start


def test_half_an_emoji_in_a_name_ends_no_task(answers, execute):
    answers("/v4/deployments/1", b'{"id": 1, "name": "Orders \\ud83d"}')
    result, ti = execute(GetDeploymentOperator(task_id="t", deployment_id=1))
    assert result["deployment_name"] == ti.pushed["deployment_name"] == "Orders \ufffd"


def test_infinity_in_a_rule_ends_no_task(answers, execute, caplog):
    rule = b'{"id": 1, "type": "s3Bucket", "on": Infinity, "with": "\\u0000"}'
    answers("/v4/deployments/1/valueImportRules", b'{"data": [%s]}' % rule)
    with pytest.raises(UnexpectedResponseError):  # the rules do not become those that were written
        execute(SetImportRulesOperator(task_id="t", deployment_id=1, value_rules=[]))
    kept = [{"type": "s3Bucket", "on": "Infinity", "with": "\ufffd"}]
    assert execute.ti.pushed["replaced_value_rules"] == kept
    assert "replaced_value_rules" in caplog.text


def test_a_journal_keeps_what_can_be_stored(store):
    journal = Journal(store, 1)
    journal.open()
    request = {"what": "x", "name": "a\ud83d", "number": math.inf}
    journal.asked(request, before="\0")
    for kept in store.kept.values():
        media.stored(json.loads(kept))
    again = Journal(store, 2)
    again.open()
    assert again.entry(**request) is not None


HOSTILE_PATHS = [
    "s3://KEY:canaryOfUrl3@bucket/key.zip",
    "s3://bucket/key.zip?X-Amz-Signature=canaryOfSignature4",
    "gs://bucket/k\n[2026-01-01] INFO - lie.zip",
    "/no/such\n[2026-01-01] INFO - lie.zip",
    "/no/such\x1b[2J.zip",
    "/no/" + "x" * 400_000,
    "s3://" + "x" * 400_000 + "/",
    "https://me:canaryOfUrl3@h.example/x.zip",
    "s3:/KEY:canaryOfUrl3@bucket/key.zip",
    "\ud83d",
]


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=lambda path: ascii(path)[:40])
def test_a_path_is_shown_on_one_line_without_credentials(execute, caplog, path):
    caplog.set_level(logging.INFO)
    operator = CreateReleaseOperator(task_id="t", deployment_id=1, package_path=path)
    with pytest.raises(Exception, match="Error") as caught:
        execute(operator)
    media.raised(caught.value)
    media.logged(caplog.records)
    assert len(str(caught.value)) < 2_000


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize(
    "conn_id", ["x\nINFO lie", "x" * 400_000, "s3://K:canaryOfUrl3@b", "\ud83d", "", 7, ["a"], None]
)
def test_the_id_of_a_connection_is_shown_on_one_line(execute, caplog, conn_id):
    caplog.set_level(logging.INFO)
    operator = GetDeploymentOperator(task_id="t", deployment_id=1)
    operator.trifacta_conn_id = conn_id
    with pytest.raises(AirflowFailException) as caught:
        execute(operator)
    media.raised(caught.value)
    media.logged(caplog.records)
    assert len(str(caught.value)) < 2_000


@pytest.mark.usefixtures("instance")
def test_the_uuid_of_a_package_is_shown_on_one_line(execute, make_package):
    operator = CreateReleaseOperator(
        task_id="t",
        deployment_id=1,
        package_path=str(make_package()),
        package_uuid="s3://K:canaryOfUrl3@b\n" + "x" * 400_000,
    )
    with pytest.raises(AirflowFailException) as caught:
        execute(operator)
    media.raised(caught.value)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize("form", FORMS[PARAMETER][:8], ids=ascii)
def test_a_secret_parameter_that_a_job_echoes_is_hidden(instance, execute, caplog, form):
    caplog.set_level(logging.DEBUG)
    instance.runs.add(RunOutcome(status="Failed", message=f"Token {form} is refused"))
    flow_id = instance.store.flows()[0].id
    operator = RunFlowOperator(
        task_id="t",
        flow_id=flow_id,
        run_parameters={"api_token": PARAMETER},
        poke_interval=0.01,
    )
    with pytest.raises(AirflowFailException) as caught:
        execute(operator)
    media.raised(caught.value, FORMS[PARAMETER])
    media.logged(caplog.records, FORMS[PARAMETER])
    assert "***" in str(caught.value)


def test_airflows_masker_learns_a_secret_parameter(instance, execute, monkeypatch):
    masked = []
    module = "airflow_provider_trifacta.operators._running.mask_secret"
    monkeypatch.setattr(module, masked.append)
    operator = RunDeploymentOperator(
        task_id="t",
        deployment_id=1,
        run_parameters={"api_token": PARAMETER, "password": "1", "region": "europe"},
    )
    with pytest.raises(AirflowFailException):
        execute(operator)
    assert masked == [PARAMETER]
    assert instance.calls
