from __future__ import annotations

import socket
import threading

import pytest
import requests
import trustme
from trifacta_emulator import Emulator, EmulatorOptions

ADMIN = ("admin@example.com", "admin-password")


def test_start_and_stop():
    before = set(threading.enumerate())
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url
    emulator.stop()
    assert emulator.start() is emulator
    with pytest.raises(RuntimeError, match="already running"):
        emulator.start()
    url = emulator.url
    with requests.Session() as session:
        # The connection stays open over the stop.
        session.post(
            f"{url}/v4/deployments", json={"name": "prod"}, auth=ADMIN, timeout=30
        ).raise_for_status()
        emulator.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=30)
    for thread in set(threading.enumerate()) - before:
        # Workers of the upload end with their loop, in their own time.
        thread.join(30)
    assert set(threading.enumerate()) <= before
    with emulator:
        # State outlives the restart.
        assert requests.get(f"{emulator.url}/v4/deployments", auth=ADMIN, timeout=30).json()["data"]


def test_no_thread_is_left_after_uploads(package, clock):
    before = set(threading.enumerate())
    with Emulator(EmulatorOptions(clock=clock)) as emulator:
        emulator.store.create_deployment("prod")
        url = f"{emulator.url}/v4/deployments/1/releases"
        assert (
            requests.post(url, files={"data": package}, auth=ADMIN, timeout=30).status_code == 201
        )
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before


def test_emulators_do_not_share_anything():
    with Emulator() as one, Emulator() as other:
        one.store.create_deployment("prod")
        assert one.url != other.url
        assert other.store.deployments() == ()
        assert other.calls == []


def test_port_in_use():
    with Emulator() as one:
        port = int(one.url.rpartition(":")[2])
        other = Emulator(port=port)
        with pytest.raises(OSError, match="in use"):
            other.start()
        other.stop()
    with Emulator(port=port) as again:
        assert again.url == f"http://127.0.0.1:{port}"


def test_tls(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    with Emulator(tls=(cert, key)) as emulator:
        assert emulator.url.startswith("https://")
        answer = requests.get(
            f"{emulator.url}/v4/people/current", auth=ADMIN, verify=str(ca), timeout=30
        )
        assert answer.status_code == 200


def test_missing_tls_files(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Emulator(tls=(tmp_path / "cert", tmp_path / "key")).start()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6():
    try:
        with Emulator(host="::1") as emulator:
            assert emulator.url.startswith("http://[::1]:")
            assert requests.get(emulator.url, timeout=30).status_code == 200
    except OSError:
        pytest.skip("no IPv6 address here")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", 0), ("localhost", 0), ("0.0.0.0", 1)])
def test_it_warns_where_other_machines_reach_it(caplog, host, warned):
    with Emulator(host=host):
        pass
    ours = [one for one in caplog.records if one.name.startswith("trifacta_emulator")]
    assert [one.levelname for one in ours] == ["WARNING"] * warned
