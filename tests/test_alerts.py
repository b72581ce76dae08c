"""The recipe for alerts: what Airflow's own notifiers send when a promotion was not kept."""

from __future__ import annotations

import email
import email.policy
import importlib.util
import io
import json
import socketserver
import threading
from pathlib import Path

import pytest
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    RunOutcome,
    build_package,
    read_package,
)

PASSWORDS = ("admin-password", "webhook-token", "mail-password")
HAS_SLACK = importlib.util.find_spec("airflow.providers.slack") is not None


class Mailbox(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as a client needs that sends one mail."""

    def handle(self):
        self.wfile.write(b"220 mail\r\n")
        for line in self.rfile:
            word = line.split()[0].upper() if line.strip() else b""
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(
                    email.message_from_bytes(text, policy=email.policy.default)
                )
            self.wfile.write(
                b"221 bye\r\n"
                if word == b"QUIT"
                else b"235 ok\r\n"
                if word == b"AUTH"
                else b"250 AUTH\r\n"
            )
            if word == b"QUIT":
                return


@pytest.fixture
def mails(monkeypatch):
    """What the connection smtp_default receives."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.daemon_threads, server.mails = True, []
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
        where = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": server.server_address[1],
            "extra": extra,
        }
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(where))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.mails
        server.shutdown()
        thread.join()


@pytest.fixture
def messages(monkeypatch, scripted):
    """What the connection slack_default receives: the path, and the text."""
    received = []

    def answer(request):
        received.append((request.path, json.loads(request.read_body())["text"]))
        return 200, {"Content-Type": "text/plain"}, b"ok"

    where = {
        "conn_type": "slackwebhook",
        "host": scripted(answer).url,
        "password": "T0/B0/webhook-token",
    }
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(where))
    return received


@pytest.mark.every_airflow
def test_slack_and_a_mailbox_learn_how_production_stands(
    example_dag, use_connection, mails, messages, tmp_path
):
    with (
        Emulator(EmulatorOptions(flows=(PresetFlow("Orders"),))) as dev,
        Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as prod,
    ):
        use_connection(dev.url, "trifacta_dev")
        use_connection(prod.url, "trifacta_prod")
        deployment, [flow] = prod.store.create_deployment("Orders"), dev.store.flows()
        before = prod.store.create_release(
            deployment.id, read_package(io.BytesIO(dev.store.export_flow(flow.id)))
        )
        prod.runs.add(RunOutcome(status="Failed", message="Path does not exist"))
        conf = {"flow_id": flow.id, "deployment_id": deployment.id, "folder": str(tmp_path)}
        run, tasks = example_dag("promotion_alerts", conf)
        assert run.state == "failed"
        assert prod.store.active_release(deployment.id).id == before.id
        bad = prod.store.releases(deployment.id)[-1]
    end = tasks["promote_flow.promoted"]
    status = end.xcom_pull(task_ids=end.task_id, key="promotion_status")
    assert (status["state"], status["release_id"], status["live_release_id"]) == (
        "rolled_back",
        bad.id,
        before.id,
    )
    # One message each, and not one for each task that failed.
    [mail] = mails
    html = mail.get_body(("html",)).get_content()
    assert (mail["to"], mail["from"]) == ("data-platform@example.com", "airflow@example.com")
    assert mail["subject"] == "Promotion promotion_alerts: rolled_back"
    texts = [html.replace("&#39;", "'")]
    if HAS_SLACK:
        [(path, text)] = messages
        assert path == "/T0/B0/webhook-token"
        assert text.startswith("*Promotion promotion_alerts: rolled_back*\n")
        texts.append(text)
    cause = status["cause"]
    parts = (
        f"{status['text']} {status['advice']}",
        f"Cause: {cause['task']}: {cause['error']}. {cause['text']}",
        f"Deployment: Orders {status['deployment_url']}",
    )
    for text in texts:
        assert [part for part in parts if part not in text] == []
        assert not [secret for secret in PASSWORDS if secret in text]


@pytest.mark.every_airflow
@pytest.mark.parametrize("live", ["a release", "none", "unreadable"])
def test_a_run_that_timed_out_tells_which_release_is_live(use_connection, mails, live):
    """Airflow gives the callback of a DAG no XComs on 3.0, so it reads what is live itself."""
    path = Path(__file__).parent.parent / "example_dags" / "promotion_timeout.py"
    spec = importlib.util.spec_from_file_location("promotion_timeout", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with Emulator(EmulatorOptions()) as prod:
        use_connection(prod.url, "trifacta_prod", extra={"read_retries": 0})
        prod.store.create_deployment("Orders")
        release = prod.store.create_release(1, read_package(io.BytesIO(build_package())))
        if live == "none":
            prod.store.update_release(release.id, active=False)
        if live == "unreadable":
            prod.faults.add(Fault(Answer(503), times=None))
        context = {"reason": "timed_out", "dag": module.dag, "run_id": "r"}
        callbacks = module.dag.on_failure_callback
        callback = callbacks[0] if isinstance(callbacks, list) else callbacks
        callback(context)
        assert {call.method for call in prod.calls} == {"GET"}
    [mail] = mails
    html = mail.get_body(("html",)).get_content()
    words = {"a release": f"Release {release.id} is live", "none": "No release is live"}
    assert words.get(live, "could not be read") in html
    assert "timed_out" in html
    assert not [secret for secret in PASSWORDS if secret in html]
