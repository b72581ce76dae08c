from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
import requests
import trustme
from trifacta_emulator import __main__ as command

MODULE = "trifacta_emulator"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_the_signal(tmp_path, number):
    url_file = tmp_path / "url"
    arguments = [
        "--port",
        "0",
        "--product-version",
        "8.6.0",
        "--deployment",
        "prod",
        "--deployment",
        "test",
    ]
    arguments += [
        "--user",
        "me@example.com:pw:deployment,admin",
        "--choice",
        "unknown_id_status=400",
    ]
    arguments += [
        "--connection",
        "orders",
        "--connection",
        "stock:2d7c1650-7daa-11e9-b9eb-0fd11bed75ab",
    ]
    arguments += ["--flow", "Daily Orders", "--flow", "Stock"]
    arguments += ["--choice", "inactive_value=false", "--url-file", str(url_file)]
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        shown = ""
        for line in process.stdout:
            shown += line
            if "Ctrl-C" in line:
                break
        url = url_file.read_text().strip()
        session = requests.Session()
        session.auth = ("me@example.com", "pw")
        rows = session.get(f"{url}/v4/deployments", timeout=30).json()["data"]
        assert [row["name"] for row in rows] == ["test", "prod"]
        assert session.get(f"{url}/v4/deployments/9", timeout=30).status_code == 400
        assert (
            session.get(f"{url}/v4/open-api-spec", timeout=30).json()["info"]["version"] == "8.6.0"
        )
        rows = session.get(f"{url}/v4/connections", timeout=30).json()["data"]
        assert [row["name"] for row in rows] == ["stock", "orders"]
        assert [
            row["name"] for row in session.get(f"{url}/v4/flows", timeout=30).json()["data"]
        ] == [
            "Stock",
            "Daily Orders",
        ]
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert f"{url}/\n" in shown
    assert "me@example.com  password: pw  roles: deployment, admin" in shown
    assert "admin-password" not in shown
    assert "Flow: Daily Orders  id: 1001\nFlow: Stock  id: 1002\n" in shown
    assert "Deployment: prod  id: 1\nDeployment: test  id: 2\n" in shown
    assert f"Connection: orders  id: 12001  uuid: {rows[1]['uuid']}\n" in shown
    assert "Connection: stock  id: 12002  uuid: 2d7c1650-7daa-11e9-b9eb-0fd11bed75ab\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--choice", "nothing=1"], "unknown choice 'nothing'"),
        (["--choice", "instance_type=dev"], "unknown choice 'instance_type'"),
        (["--choice", "unknown_id_status=500"], "unknown_id_status is one of 404, 403, 400"),
        (["--choice", "embed_paging"], "embed_paging is one of true, false"),
        (["--user", "me@example.com"], "EMAIL:PASSWORD"),
        (["--user", "a:b", "--user", "a:c"], "same email"),
        (["--connection", ""], "NAME[:UUID]"),
        (["--connection", "prod:"], "NAME[:UUID]"),
        (["--connection", "a:b:c"], "NAME[:UUID]"),
        (["--connection", "a:u", "--connection", "b:u"], "same uuid"),
        (["--flow", ""], "a flow has no name"),
        (["--product-version", "x"], "not a product version"),
        (["--instance-type", "x"], "invalid choice"),
        (["--deployment", " "], "a deployment needs a name"),
        (
            ["--choice", "unique_deployment_names=true", "--deployment", "a", "--deployment", "a"],
            "'a'",
        ),
        (["--user", "a:b:boss"], "a role must be one of"),
        (["--job-seconds", "nan"], "job_run_seconds must be a number of at least 0"),
        (["--missing-path", ""], "a missing path is empty"),
    ],
)
def test_wrong_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_port_in_use(api, capsys):
    port = api.emulator.url.rpartition(":")[2]
    assert command.main(["--port", port]) == 1
    assert "Cannot listen" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_no_such_port(capsys, port):
    assert command.main(["--port", port]) == 1
    assert "Cannot listen" in capsys.readouterr().err


def test_a_url_file_that_cannot_be_written(capsys, tmp_path):
    assert command.main(["--port", "0", "--url-file", str(tmp_path / "no" / "url")]) == 1
    assert "Cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", " "], "name of the instance is empty"),
        (["--admin-token", ""], "admin token"),
        (["--allow-host", " "], "allowed host is empty"),
        (["--edition", "dataprap"], "edition must be one of Enterprise, Premium, Dataprep, SaaS"),
        (["--state", "nowhere.json"], "is not a file"),
    ],
)
def test_wrong_arguments_of_the_server(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("word", ["dataprep", "DATAPREP", "saas", "SaaS"])
def test_an_edition_in_any_case(word):
    options = command.emulator_of(["--port", "0", "--edition", word]).options
    assert (options.has_deployments, options.edition in ("Dataprep", "SaaS")) == (False, True)


def test_a_state_file_is_what_the_emulator_shows(tmp_path):
    file = tmp_path / "state.json"
    first = command.emulator_of(["--port", "0", "--deployment", "Orders", "--flow", "Daily"])
    file.write_text(json.dumps(first.state()))
    second = command.emulator_of(["--port", "0", "--state", str(file), "--deployment", "Other"])
    assert [one.name for one in second.store.deployments()] == ["Other", "Orders"]
    second.store.delete_deployment(2)
    assert second.state()["flows"] == first.state()["flows"]
    file.write_text('{"flows": [{}]}')
    with pytest.raises(SystemExit):
        command.emulator_of(["--port", "0", "--state", str(file)])


def test_a_log_with_one_line_for_each_call(tmp_path):
    """Over TLS, with a token, in a process of its own; a secret of the query does not show."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(cert)
    arguments = [
        "--port",
        "0",
        "--log",
        "--tls",
        cert,
        key,
        "--admin-token",
        "open-sesame",
        "--name",
        "Prod",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().split()[-1].replace("127.0.0.1", "localhost")
        while "Ctrl-C" not in process.stdout.readline():
            pass
        assert url.startswith("https://localhost:")
        health = requests.get(f"{url}/emulator/health", verify=ca, timeout=30).json()
        assert health["name"] == "Prod"
        assert (
            requests.get(f"{url}/v4/flows?token=canary&limit=1", verify=ca, timeout=30).status_code
            == 401
        )
        assert requests.get(f"{url}/v4/%1b[31m", verify=ca, timeout=30).status_code == 401
        process.terminate()
        lines = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    assert len(lines) == 2
    assert re.fullmatch(r"\S+ GET /v4/flows\?token=\*\*\*&limit=1 401 0>\d+", lines[0])
    assert "/v4/%1b" in lines[1].lower()


def test_tls_files_that_are_no_certificates(tmp_path, capsys):
    (tmp_path / "cert").write_text("x")
    cert = str(tmp_path / "cert")
    assert command.main(["--port", "0", "--tls", cert, cert]) == 1
    assert "for TLS" in capsys.readouterr().err
    assert command.main(["--port", "0", "--tls", f"{cert}x", cert]) == 1
    assert "for TLS" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "inactive_value = null | false" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("edition", "managed"), [("Enterprise", True), ("Dataprep", False), ("SaaS", False)]
)
def test_an_edition_of_the_cloud(edition, managed):
    """Their documents list no deployments [I]."""
    options = command.emulator_of(["--port", "0", "--edition", edition, "--list-lag", "3"]).options
    assert (options.has_deployments, options.list_lag_seconds) == (managed, 3)
