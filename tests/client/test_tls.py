"""What is wrong with the TLS files of a connection is told by field, and nothing of a path or a
file is quoted."""

from __future__ import annotations

import os
import socket

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import ConfigurationError, TLSError
from airflow_provider_trifacta.client.tls import file_problem
from airflow_provider_trifacta.client.transport import Transport

pytestmark = pytest.mark.every_airflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with good and bad files, whose names must not be quoted."""
    folder, ca = tmp_path_factory.mktemp("hush"), trustme.CA()
    mine, other = ca.issue_cert("me@example.com"), ca.issue_cert("me@example.com")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    mine.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    mine.private_key_pem.write_to_path(folder / "key.pem")
    other.private_key_pem.write_to_path(folder / "other.pem")
    mine.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    secret = serialization.BestAvailableEncryption(b"hush")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (folder / "encrypted.pem").write_bytes(pem)
    (folder / "text.pem").write_text("hush\n")
    first, second, *_, last = mine.private_key_pem.bytes().splitlines()
    (folder / "damaged.pem").write_bytes(b"\n".join((first, second, last)))
    (folder / "directory").mkdir()
    return folder


def config(folder, *, verify=True, cert=None):
    cert = (
        tuple(str(folder / one) for one in cert)
        if isinstance(cert, tuple)
        else cert and str(folder / cert)
    )
    verify = str(folder / verify) if isinstance(verify, str) else verify
    return ClientConfig(
        base_url="https://localhost:9", password="long-secret", verify=verify, cert=cert
    )


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"verify": "none.pem"}, "unreadable_file", ("'verify'", "does not exist")),
        ({"verify": "text.pem"}, "unreadable_file", ("'verify'", "no certificate")),
        ({"verify": "key.pem"}, "unreadable_file", ("'verify'", "no certificate")),
        ({"cert": "none.pem"}, "unreadable_file", ("'cert'", "does not exist")),
        ({"cert": "directory"}, "unreadable_file", ("'cert'", "is a directory")),
        ({"cert": "text.pem"}, "unreadable_file", ("'cert'", "no certificate")),
        ({"cert": "cert.pem"}, "unreadable_file", ("'cert'", "no private key")),
        (
            {"cert": ("cert.pem", "none.pem")},
            "unreadable_file",
            ("key's file", "'cert'", "does not exist"),
        ),
        (
            {"cert": ("none.pem", "key.pem")},
            "unreadable_file",
            ("certificate's file", "'cert'", "does not exist"),
        ),
        ({"cert": ("cert.pem", "cert.pem")}, "unreadable_file", ("key's file", "no private key")),
        ({"cert": ("cert.pem", "damaged.pem")}, "unreadable_file", ("'cert'", "damaged")),
        ({"cert": ("cert.pem", "other.pem")}, "key_mismatch", ("'cert'", "do not belong together")),
        ({"cert": ("cert.pem", "encrypted.pem")}, "key_encrypted", ("'cert'", "encrypted")),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_file_is_told_by_field(
    folder, fields, reason, words, scripted, authority
):
    found, text = file_problem(config(folder, **fields))
    assert found == reason
    assert not [word for word in words if word not in text]
    server = scripted(lambda _: (200, {}, {}), authority[0])
    transport = Transport(
        ClientConfig(server.url, "long-secret", **_fields_of(config(folder, **fields), authority))
    )
    with pytest.raises((ConfigurationError, TLSError)) as caught:
        transport.read("/v4/x")
    assert caught.value.unsent
    assert text in str(caught.value)
    assert "hush" not in str(caught.value)
    assert server.seen == []


def _fields_of(config, authority):
    return {"verify": authority[1] if config.verify is True else config.verify, "cert": config.cert}


@pytest.mark.parametrize(
    "fields", [{}, {"verify": "ca.pem", "cert": "both.pem"}, {"cert": ("cert.pem", "key.pem")}]
)
def test_usable_files_have_no_problem(folder, fields, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert file_problem(config(folder, **fields)) is None


def test_a_bundle_of_the_environment_is_named_by_its_variable(folder, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "none.pem"))
    with pytest.raises(ConfigurationError) as caught:
        Transport(config(folder)).read("/v4/x")
    assert "REQUESTS_CA_BUNDLE does not exist" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_told_as_that(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "hush")

    monkeypatch.setattr("os.open", refuse)
    _, words = file_problem(config(folder, cert="both.pem"))
    assert "permissions" in words
    assert "hush" not in words


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize("field", ["verify", "REQUESTS_CA_BUNDLE", "cert", "certificate", "key"])
def test_what_is_no_regular_file_is_refused_before_it_is_opened(
    special, kind, field, folder, monkeypatch
):
    """Opening a pipe waits without end, in a triggerer for everybody."""
    path, good = special[kind], str(folder / "both.pem")
    fields = {
        "verify": {"verify": path},
        "REQUESTS_CA_BUNDLE": {},
        "cert": {"cert": path},
        "certificate": {"cert": (path, good)},
        "key": {"cert": (good, path)},
    }[field]
    if field == "REQUESTS_CA_BUNDLE":
        monkeypatch.setenv(field, path)
    transport = Transport(
        ClientConfig("https://localhost:9", "long-secret", read_retries=0, **fields)
    )
    with pytest.raises(ConfigurationError, match="is a pipe, a socket or a device") as caught:
        transport.read("/v4/x")
    assert caught.value.unsent
    assert path not in str(caught.value)


@pytest.fixture
def special(tmp_path):
    """Return the paths of files that are not regular, by their kind."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "pipe": str(tmp_path / "pipe"),
            "socket": str(tmp_path / "socket"),
            "device": "/dev/zero",
        }
