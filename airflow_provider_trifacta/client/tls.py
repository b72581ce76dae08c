"""What is wrong with TLS, and what helps: the server's certificate, the client's, and the files on
this host.

A request that succeeds enters this module only for a look at the files that the connection names.
No error here quotes a path or the content of a file.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigurationError, TLSError
from .files import SpecialFileError, open_regular, refuse_special

if TYPE_CHECKING:
    from .config import ClientConfig

#: What is wrong with TLS: by the code of a verification that failed (OpenSSL's X509_V_ERR_...), ...
_VERIFY_REASONS = {
    **dict.fromkeys((2, 18, 19, 20, 21), "unknown_authority"),
    9: "not_yet_valid",
    10: "expired",
    **dict.fromkeys((62, 64), "wrong_name"),
}
#: ... and by the words of the error, in this order. Alerts are the server's, and are about the
#: client's certificate.
_TLS_WORDS = {
    "wrong_name": ("hostname mismatch", "doesn't match"),
    "key_mismatch": ("key values mismatch", "key type mismatch"),
    "key_encrypted": ("private key is encrypted",),
    "unreadable_file": ("pem lib", "no start line", "no certificate or crl found"),
    "no_tls": (
        "wrong version number",
        "http request",
        "record layer failure",
        "packet length too long",
    ),
    "client_certificate_required": ("certificate required", "alert handshake failure"),
    "client_certificate_refused": (
        "alert unknown ca",
        "alert bad certificate",
        "alert certificate",
        "alert unsupported certificate",
        "alert access denied",
        "alert decrypt error",
    ),
    "protocol_version": ("protocol version", "unsupported protocol"),
}
_TLS_ADVICE = {
    "expired": (
        "The server's certificate has expired: its administrator has to renew it. Check this host's"
        " clock too."
    ),
    "not_yet_valid": (
        "The server's certificate is not valid yet. Check the clocks of this host and of the"
        " server."
    ),
    "wrong_name": (
        "The server's certificate is for another name. Use the name that it holds as the"
        " connection's host."
    ),
    "unknown_authority": (
        "This host does not know the authority that signed the server's certificate. Give the path"
        " of its CA bundle in the extra 'verify'."
    ),
    "client_certificate_required": (
        "The server asks for a client certificate. Give its path and that of its key in the extra"
        " 'cert'. If there is one, the server and this host may have no TLS version or cipher in"
        " common."
    ),
    "client_certificate_refused": (
        "The server does not accept the client certificate. Check that the extra 'cert' names one"
        " that has not expired and that is signed by an authority that the server trusts."
    ),
    "key_mismatch": (
        "The certificate and the key in the extra 'cert' do not belong together. Give the key that"
        " the certificate was made for."
    ),
    "key_encrypted": "The key in the extra 'cert' is encrypted. Give one without a passphrase.",
    "unreadable_file": (
        "Check the files that the extras 'cert' and 'verify' name: they must be PEM files."
    ),
    "no_tls": (
        "The server does not speak TLS on this port. Check the port; for plain http use http:// in"
        " the host."
    ),
    "protocol_version": (
        "The server and this host have no TLS version in common. The server needs TLS 1.2 or later."
    ),
    "": (
        "For a private certificate authority give the CA bundle's path in the extra 'verify'; for a"
        " server that speaks plain http use http:// in the host."
    ),
}

#: Reasons that are about files on this host.
_OF_FILES = ("key_mismatch", "key_encrypted", "unreadable_file")
#: Why a file cannot be read, and what to do.
_UNREADABLE: dict[type[Exception], str] = {
    FileNotFoundError: "does not exist on this host. Save it on every worker, or correct the path",
    PermissionError: "cannot be read by the user of this process. Correct its permissions",
    IsADirectoryError: "is a directory, and must be a file",
    SpecialFileError: "is a pipe, a socket or a device, and must be a file",
}
#: Bytes of a file that are looked at.
_LARGEST_FILE = 64 * 1024 * 1024


def tls_error(
    chain: Iterable[BaseException], where: str, cause: str, config: ClientConfig
) -> TLSError:
    """Return the error of a TLS connection that failed.

    :param chain: what the libraries raised, from the outermost exception to the cause
    :param where: the request and its server, for the error
    :param cause: the words of the cause, without secrets
    :param config: names the files
    """
    reason = _reason(list(chain))
    if reason in _OF_FILES:
        reason, words = file_problem(config) or (reason, "")
        return TLSError(f"{where} was not sent. {words or _TLS_ADVICE[reason]}", reason=reason)
    return TLSError(f"{where} failed in TLS: {cause}. {_TLS_ADVICE[reason]}", reason=reason)


def unusable_files(config: ClientConfig) -> str:
    """Return the words of an error about files that the libraries could not open.

    :param config: names the files
    """
    words = "Check the files that the extras 'verify' and 'cert' name."
    problem = file_problem(config)
    if problem:
        words = problem[1]
    return f"The connection's TLS files cannot be used, so nothing was sent. {words}"


def _reason(chain: list[BaseException]) -> str:
    """Return what is wrong with TLS, as a key of the advice; empty if it is not known."""
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError) and link.verify_code in _VERIFY_REASONS:
            return _VERIFY_REASONS[link.verify_code]
    words = " ".join(map(str, chain)).lower().replace("_", " ")
    for reason, parts in _TLS_WORDS.items():
        if any(part in words for part in parts):
            return reason
    return ""


def file_problem(config: ClientConfig) -> tuple[str, str] | None:
    """Return what is wrong with the files that a connection names: the reason, and words that name
    the field.

    :param config: names the files
    :returns: None if nothing is wrong with them
    """
    return _bundle_problem(config) or _certificate_problem(config)


def refuse_special_files(config: ClientConfig) -> None:
    """Refuse a connection that names a pipe, a socket or a device, before a library waits for it.

    :param config: names the files
    :raises ConfigurationError: it names such a file
    """
    for path, label in (_bundle(config), *_certificate_files(config)):
        try:
            if path and not Path(path).is_dir():
                refuse_special(Path(path).stat())
        except SpecialFileError:
            raise ConfigurationError(
                f"The connection's TLS files cannot be used, so nothing was sent. {label} "
                f"{_UNREADABLE[SpecialFileError]}."
            ) from None
        except (OSError, ValueError):
            continue  # the library that opens it fails, and then the problem is looked up


def _bundle(config: ClientConfig) -> tuple[str, str]:
    """Return the path of the CA bundle, empty if there is none, and what an error calls it."""
    if isinstance(config.verify, str):
        return config.verify, "The CA bundle in the extra 'verify'"
    if not config.verify:
        return "", ""
    # requests takes the environment's bundle then
    variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    name = next((variable for variable in variables if os.environ.get(variable)), "")
    return os.environ.get(name, ""), f"The CA bundle in the environment variable {name}"


def _certificate_files(config: ClientConfig) -> list[tuple[str, str]]:
    """Return the paths of the client certificate and of its key, and what an error calls them."""
    if not config.cert:
        return []
    if isinstance(config.cert, str):
        return [(config.cert, "The file in the extra 'cert'")] * 2
    certificate, key = config.cert
    return [
        (certificate, "The certificate's file in the extra 'cert'"),
        (key, "The key's file in the extra 'cert'"),
    ]


def _bundle_problem(config: ClientConfig) -> tuple[str, str] | None:
    path, label = _bundle(config)
    if not path or Path(path).is_dir():
        return None
    content = _content(path)
    if isinstance(content, str):
        return "unreadable_file", f"{label} {content}."
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        return (
            "unreadable_file",
            f"{label} holds no certificate in PEM form. Give the path of a PEM file.",
        )
    return None


def _certificate_problem(config: ClientConfig) -> tuple[str, str] | None:
    if not config.cert:
        return None
    certificate, key = config.cert if isinstance(config.cert, tuple) else (config.cert, config.cert)
    marks = ((b"-----BEGIN CERTIFICATE", "certificate"), (b"PRIVATE KEY-----", "private key"))
    for (path, label), (mark, needed) in zip(_certificate_files(config), marks, strict=True):
        content = _content(path)
        if isinstance(content, str):
            return "unreadable_file", f"{label} {content}."
        if mark not in content:
            return "unreadable_file", f"{label} holds no {needed} in PEM form."
        if b"ENCRYPTED" in content and needed == "private key":
            return "key_encrypted", _TLS_ADVICE["key_encrypted"]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if "mismatch" in str(error).lower():
            return "key_mismatch", _TLS_ADVICE["key_mismatch"]
        return (
            "unreadable_file",
            "The certificate or the key in the extra 'cert' is damaged. Save both files again.",
        )
    return None


def _content(path: str) -> bytes | str:
    """Return the content of a file, or words that tell why it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_FILE)
    except (OSError, ValueError) as error:
        return _UNREADABLE.get(type(error), "cannot be read. Correct the path")
