from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import warnings
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import trustme

from airflow_provider_trifacta.client.adapter import may_follow, prepared, server_of
from airflow_provider_trifacta.client.calls import MultipartFile
from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    RequestTimeoutError,
    ServerError,
    TLSError,
    TrifactaError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.limits import ROW
from airflow_provider_trifacta.client.retries import did_nothing
from airflow_provider_trifacta.client.transport import Transport

SECRET = "very-long-secret"
BASIC = "bWU6dmVyeS1sb25nLXNlY3JldA=="


@pytest.fixture
def waits():
    return []


@pytest.fixture
def transport_of(waits):
    """Return a function that makes a transport which does not really wait."""
    made = []

    def make(url, **options):
        config = ClientConfig(base_url=url, login="me", password=SECRET, **options)
        made.append(Transport(config, sleep=waits.append))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def upload(tmp_path):
    def make(size=3_000_000):
        path = tmp_path / "big.zip"
        path.write_bytes(b"x" * size)
        return MultipartFile(path.open("rb"), size, path.name)

    return make


def sequence(*answers):
    """Answer one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


# Credentials


def test_basic_credentials_go_with_every_request(scripted, transport_of):
    server = scripted(lambda _: (200, {}, {"id": 1}))
    transport_of(server.url).read("/v4/people/current", {"a": 1})
    (request,) = server.seen
    assert (request.method, request.path) == ("GET", "/v4/people/current?a=1")
    assert request.headers["Authorization"] == f"Basic {BASIC}"
    assert request.headers["Accept"] == "application/json"


def test_without_a_login_the_password_is_a_bearer_token_even_with_a_netrc_file(
    scripted, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(lambda _: (200, {}, {}))
    Transport(ClientConfig(base_url=server.url, password="tökén-long")).read("/v4/x")
    assert server.seen[0].headers["Authorization"].encode("latin-1").decode() == "Bearer tökén-long"


def test_a_base_path_is_kept(scripted, transport_of):
    server = scripted(lambda _: (200, {}, {}))
    transport_of(f"{server.url}/base").read("/v4/x")
    assert server.seen[0].path == "/base/v4/x"


def test_session_cookies_are_not_kept(scripted, transport_of):
    server = scripted(lambda _: (200, {"Set-Cookie": "sid=stale; Path=/"}, {}))
    transport = transport_of(server.url)
    transport.read("/v4/x")
    transport.read("/v4/x")
    assert "Cookie" not in server.seen[1].headers


# Errors


@pytest.mark.parametrize(
    ("status", "cls", "advice"),
    [
        (400, BadRequestError, "product version"),
        (401, AuthenticationError, "login and password"),
        (403, PermissionDeniedError, "Deployment role"),
        (413, PayloadTooLargeError, "upload limit"),
    ],
)
def test_an_error_names_method_path_status_words_request_and_next_step(
    scripted, transport_of, status, cls, advice
):
    body = {
        "exception": {
            "name": "ValidationFailed",
            "message": "Input validation failed",
            "details": {"field": "x"},
        }
    }
    server = scripted(lambda _: (status, {"x-trifacta-request-id": "req-7"}, body))
    with pytest.raises(cls) as caught:
        transport_of(server.url).read("/v4/deployments/1/releases")
    error = caught.value
    assert f"GET /v4/deployments/1/releases answered {status}" in str(error)
    assert 'ValidationFailed: Input validation failed: {"field": "x"}' in str(error)
    assert "request id req-7" in str(error)
    assert advice in str(error)
    assert (error.method, error.path, error.status, error.name) == (
        "GET",
        "/v4/deployments/1/releases",
        status,
        "ValidationFailed",
    )
    assert len(server.seen) == 1, "a refusal is not asked again"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>Bad Gateway</h1></html>",
        b'"Unauthorized"',
        b"[1, 2]",
        b"null",
        b"{",
        b'{"exception": "text"}',
    ],
)
def test_error_bodies_of_any_shape_are_survived(scripted, transport_of, body):
    server = scripted(lambda _: (401, {"Content-Type": "text/html"}, body))
    with pytest.raises(AuthenticationError, match="answered 401"):
        transport_of(server.url).read("/v4/x")


def test_long_foreign_texts_are_cut(scripted, transport_of):
    said = {"exception": {"name": "E", "message": "y" * 100_000}}
    server = scripted(lambda _: (400, {}, said))
    with pytest.raises(BadRequestError) as caught:
        transport_of(server.url).read("/v4/x")
    assert len(str(caught.value)) < 1000


FOREIGN_KINDS = {
    "secret": f"text/plain-{BASIC}",
    "password": SECRET,
    "escapes": "text/\x1b[31mplain\x1b]0;title\x07",
    "long": "x" * 60_000,
}


@pytest.mark.parametrize("kind", FOREIGN_KINDS.values(), ids=FOREIGN_KINDS)
@pytest.mark.parametrize("status", [200, 302, 404, 503])
def test_the_content_type_of_an_answer_is_a_foreign_text_too(
    scripted, transport_of, caplog, kind, status
):
    server = scripted(lambda _: (status, {"Content-Type": kind}, b"<p>"))
    with pytest.raises(TrifactaError) as caught:
        transport_of(server.url, read_retries=1).read("/v4/x")
    text = f"{caught.value} {caplog.text}"
    assert len(str(caught.value)) < 1500
    assert not [part for part in (SECRET, BASIC, "\x1b", "\x07") if part in text]


def test_a_page_instead_of_json_is_told(scripted, transport_of):
    server = scripted(lambda _: (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"))
    with pytest.raises(
        UnexpectedResponseError, match=r"text/html '<html>Welcome</html>' instead of JSON"
    ):
        transport_of(server.url).read("/v4/x")


@pytest.mark.parametrize("echo", [SECRET, BASIC])
def test_an_echoed_secret_never_reaches_an_error_or_log(scripted, transport_of, echo, caplog):
    caplog.set_level(logging.DEBUG)
    server = scripted(
        lambda _: (500, {}, {"exception": {"name": "E", "message": f"saw {echo} here"}})
    )
    with pytest.raises(ServerError) as caught:
        transport_of(server.url).read("/v4/x")
    assert "saw *** here" in str(caught.value)
    assert echo not in caplog.text
    assert caplog.records


# Repetitions


@pytest.mark.parametrize(
    "failure",
    [(429, {}, {}), (500, {}, {}), (502, {}, b"<html>"), (503, {}, {}), (408, {}, {}), None],
)
def test_a_read_is_asked_again_after_a_passing_failure(scripted, transport_of, waits, failure):
    server = scripted(sequence(failure, failure, (200, {}, {"ok": 1})))
    assert transport_of(server.url).read("/v4/x") == {"ok": 1}
    assert len(server.seen) == 3
    assert len(waits) == 2
    assert all(0 < wait <= 21 for wait in waits)


def test_a_read_gives_up_after_read_retries(scripted, transport_of, waits):
    server = scripted(sequence((500, {}, {})))
    with pytest.raises(ServerError):
        transport_of(server.url, read_retries=2).read("/v4/x")
    assert len(server.seen) == 3
    assert len(waits) == 2


def in_the_future(seconds):
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"x-retry-after": "57"}, 57, 57),
        ({"Retry-After": "99999999"}, 120, 120),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 120, 120),
        ({"Retry-After": "soon"}, 0.5, 2),
        ({"Retry-After": "-5"}, 0, 2),
        ({"Retry-After": ""}, 0.5, 2),
        ({"Retry-After": "Mon, 01 Jan 1990 00:00:00 GMT"}, 0, 2),
    ],
)
def test_the_server_says_how_long_to_wait_within_reason(
    scripted, transport_of, waits, headers, least, most
):
    server = scripted(sequence((429, headers, {}), (200, {}, {})))
    transport_of(server.url).read("/v4/x")
    assert least <= waits[0] <= most


def test_the_server_may_say_until_when_to_wait(scripted, transport_of, waits):
    server = scripted(sequence((429, {"Retry-After": in_the_future(100)}, {}), (200, {}, {})))
    transport_of(server.url).read("/v4/x")
    assert 20 <= waits[0] <= 100


BUSY = {"exception": {"name": "TooManyRequestsException", "message": "Too Many Requests"}}
PAGE = b"<html>503 Service Unavailable</html>"


@pytest.mark.parametrize("busy", [(429, {}, BUSY), (429, {"x-retry-after": "3"}, BUSY)])
def test_an_upload_is_sent_again_where_the_server_did_nothing(
    scripted, transport_of, upload, waits, busy
):
    answers = sequence(busy, (201, {}, {"id": 1}))
    bodies = []

    def respond(request):
        bodies.append(request.read_body())
        return answers(request)

    server = scripted(respond)
    assert transport_of(server.url).write("POST", "/v4/x", body=upload()) == {"id": 1}
    assert len(server.seen) == 2
    assert bodies[0] == bodies[1]
    assert len(waits) == 1


@pytest.mark.parametrize(
    "failure",
    [
        (500, {}, {}),
        (500, {"x-trifacta-request-id": "r"}, {"exception": {"name": "E", "message": "m"}}),
        (502, {}, {}),
        (503, {}, {}),
        (503, {"Retry-After": "3"}, PAGE),
        (503, {"Retry-After": "3"}, BUSY),
        (503, {"Retry-After": "?"}, {}),
        (504, {}, {}),
        (429, {"Retry-After": "3"}, PAGE),
        (429, {}, {"message": "the gateway's own JSON"}),
        (408, {}, PAGE),
        None,
    ],
)
def test_an_upload_in_doubt_is_never_sent_again(scripted, transport_of, upload, waits, failure):
    def respond(request):
        request.read_body()
        return failure

    server = scripted(respond)
    body = upload()
    with pytest.raises((ServerError, RateLimitError, ConnectionLostError)) as caught:
        transport_of(server.url).write("POST", "/v4/x", body=body)
    assert not did_nothing(caught.value)
    assert len(server.seen) == 1
    assert waits == []
    assert body.sent_completely


@pytest.mark.parametrize(
    ("answer", "nothing"),
    [
        ((400, {}, {"exception": {"name": "ApiValidationFailed", "message": "no"}}), True),
        ((403, {}, {"exception": {"message": "Permission denied"}}), True),
        ((403, {}, PAGE), False),
        ((401, {"WWW-Authenticate": "Basic"}, PAGE), False),
        ((401, {}, {"exception": "Unauthorized"}), False),
        ((407, {}, PAGE), True),
        ((411, {}, PAGE), True),
        ((413, {}, PAGE), True),
        ((414, {}, PAGE), True),
        ((431, {}, PAGE), True),
        ((302, {"Location": "/login"}, b""), False),
        ((201, {}, PAGE), False),
    ],
)
def test_what_an_answer_proves(scripted, transport_of, answer, nothing):
    server = scripted(lambda request: request.read_body() and answer)
    with pytest.raises(TrifactaError) as caught:
        transport_of(server.url).write("PATCH", "/v4/x", json={})
    assert did_nothing(caught.value) is nothing
    assert len(server.seen) == 1


def test_what_never_left_proves_that_nothing_was_done(transport_of, scripted, authority):
    def error_of(url, **options):
        with pytest.raises(TrifactaError) as caught:
            transport_of(url, **options).write("PATCH", "/v4/x", json={})
        return caught.value

    context, _ = authority
    untrusted = scripted(lambda _: (200, {}, {}), context)
    silent = scripted(lambda _: None)
    assert did_nothing(error_of("http://nowhere.invalid"))
    assert did_nothing(error_of(untrusted.url))
    assert did_nothing(error_of("https://" + silent.url.partition("://")[2]))
    assert did_nothing(error_of("https://localhost:1", proxies={"https": silent.url}))
    assert not did_nothing(error_of(silent.url))


def test_a_refused_connection_is_tried_again_and_mentions_the_usual_port(
    transport_of, waits, upload
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConnectError, match=r"nothing listens there.*3005") as caught:
        transport_of(f"http://127.0.0.1:{port}").write("POST", "/v4/x", body=upload(10))
    assert caught.value.unsent
    assert len(waits) == 4


def test_an_unknown_host_is_told_without_a_port_hint(transport_of):
    with pytest.raises(ConnectError, match="host name is not known") as caught:
        transport_of("http://nowhere.invalid", read_retries=0).read("/v4/x")
    assert caught.value.unsent


def test_a_host_that_makes_no_url_is_a_configuration_error(transport_of):
    with pytest.raises(ConfigurationError, match="no usable URL"):
        transport_of("http://a..b").read("/v4/x")


def test_a_silent_server_is_a_timeout_that_names_the_option(scripted, transport_of):
    release = threading.Event()
    server = scripted(lambda _: release.wait(30) and None)
    with pytest.raises(RequestTimeoutError, match="'read_timeout'"):
        transport_of(server.url, read_timeout=0.05, read_retries=0).read("/v4/x")
    with pytest.raises(RequestTimeoutError, match="'read_timeout'"):
        transport_of(server.url, read_timeout=0.05).write("PATCH", "/v4/x", json={})
    release.set()


def test_a_truncated_answer_is_a_lost_connection(scripted, transport_of):
    server = scripted(lambda request: (200, {"Content-Length": "100"}, b"{}") and cut(request))

    def cut(request):
        request.handler.send_response(200)
        request.handler.send_header("Content-Length", "100")
        request.handler.end_headers()
        request.handler.wfile.write(b'{"id"')

    with pytest.raises(ConnectionLostError):
        transport_of(server.url, read_retries=0).read("/v4/x")


# Redirects


def test_a_read_follows_a_redirect_within_the_server(scripted, transport_of):
    def respond(request):
        return (
            (302, {"Location": "/v4/x/"}, b"")
            if request.path == "/v4/x?a=1"
            else (200, {}, {"path": request.path})
        )

    assert transport_of(scripted(respond).url).read("/v4/x", {"a": 1}) == {"path": "/v4/x/"}


def test_an_endless_redirect_ends(scripted, transport_of):
    server = scripted(lambda request: (302, {"Location": request.path + "x"}, b""))
    with pytest.raises(RedirectError, match="more than 3 times"):
        transport_of(server.url).read("/v4/x")
    assert len(server.seen) == 4


def test_credentials_never_reach_another_host(scripted, transport_of):
    other = scripted(lambda _: (200, {}, {}))
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    server = scripted(lambda _: (307, {"Location": f"{elsewhere}/v4/x"}, b""))
    with pytest.raises(RedirectError, match="redirected to http://localhost"):
        transport_of(server.url).read("/v4/x")
    assert other.seen == []


#: O is the other server (host:port), H the own one. The readers of URLs do not agree about most of
#: them.
SHAPES = [
    *("http://O/v4/x", "//O/v4/x", "https://O/v4/x", "http:///O/v4/x", "http:O/v4/x", "///O/v4/x"),
    *(
        "http://O\\@H/v4/x",
        "http://O\\\\@H/v4/x",
        "//O\\@H/v4/x",
        "http://O/\\@H/v4/x",
        "/\\O/v4/x",
        "\\\\O\\v4",
    ),
    *("http://H\\@O/v4/x", "http:\\\\O/v4/x", "http:/\\O/v4/x", "http://O\\.H/v4/x"),
    *(
        "http://H@O/v4/x",
        "http://me:pw@O/v4/x",
        "http://H:80@O/v4/x",
        "http://O@H/v4/x",
        "http://@H/v4/x",
        "//H@O/v4/x",
    ),
    *(
        "http://O%5c@H/v4/x",
        "http://O%00@H/v4/x",
        "http://O%23@H/v4/x",
        "http://O#@H/v4/x",
        "http://O?@H/v4/x",
    ),
    *(
        "http://O;@H/v4/x",
        "http://O,H/v4/x",
        "http://O\t@H/v4/x",
        "http://O\u00a0/v4/x",
        "http://[O]/v4/x",
        "http://O:/x",
    ),
    *(
        "http://[::1/v4/x",
        "http://H:99999999/v4/x",
        "http://H:-1/v4/x",
        "http://H:x/v4/x",
        "javascript:alert(1)",
    ),
    *(
        "file:///etc/passwd",
        "http://",
        "http://\u24b6/v4/x",
        "http://%6c/v4/x",
        "http://./v4/x",
        "ht\ttp://O/v4/x",
    ),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_no_redirect_takes_the_credentials_elsewhere(scripted, transport_of, shape, encoding):
    other = scripted(lambda _: (200, {}, {"who": "other"}))
    elsewhere = other.url.replace("http://127.0.0.1", "localhost")

    def respond(request):
        if request.path != "/v4/x?first=1":
            return 200, {}, {"who": "own"}
        location = shape.replace("O", elsewhere).replace("H", server.url.removeprefix("http://"))
        request.handler.send_response_only(302)
        request.handler.wfile.write(b"".join(request.handler._headers_buffer))
        request.handler._headers_buffer = []
        request.handler.wfile.write(b"Location: " + location.encode(encoding, "replace") + b"\r\n")
        request.handler.wfile.write(b"Content-Length: 0\r\n\r\n")
        return None

    server = scripted(respond)
    answer = {"who": "own"}
    with contextlib.suppress(RedirectError, ConnectionLostError):
        answer = transport_of(server.url, read_retries=0).read("/v4/x", {"first": 1})
    assert answer == {"who": "own"}
    assert other.seen == []


def test_a_request_to_another_server_has_no_credentials_whoever_sends_it(
    scripted, transport_of, monkeypatch
):
    """The last check is of the request as it is sent."""
    other, server = (
        scripted(lambda _: (200, {}, {})),
        scripted(lambda _: (302, {"Location": "/x"}, b"")),
    )
    target = f"{other.url}\\@{server.url.partition('//')[2]}/v4/x"
    monkeypatch.setattr("airflow_provider_trifacta.client.redirects.target_of", lambda *_: target)
    with pytest.raises(RedirectError, match="another server"):
        transport_of(server.url).read("/v4/x")
    assert other.seen == []


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("https://h/base", "https://h:443/v4", True),
        ("https://H", "https://h", True),
        ("http://h:80", "http://h", True),
        ("http://h", "https://h", True),
        ("http://h:3005", "https://h:3005", True),
        ("http://h", "https://h:8443", False),
        ("http://h:3005", "https://h", False),
        ("http://h:3005", "https://h:3006", False),
        ("https://[2001:DB8::5]:3005", "https://[2001:db8::5]:3005/x", True),
        ("https://münchen.example", "https://xn--mnchen-3ya.example", True),
        ("https://h", "https://h:3005", False),
        ("https://h", "http://h", False),
        ("https://h", "https://h.example", False),
        ("https://h", "https://h@h", False),
        ("https://h", "https://h.", False),
    ],
)
def test_which_servers_are_one(old, new, same):
    assert may_follow(server_of(prepared(old)), server_of(new)) is same


def test_a_host_in_another_script_is_a_host(transport_of):
    with pytest.raises(ConnectError, match="not known"):
        transport_of("http://münchen.invalid", read_retries=0).read("/v4/x")


def test_credentials_never_go_from_https_to_http(scripted, transport_of, authority):
    context, bundle = authority
    plain = scripted(lambda _: (200, {}, {}))
    location = plain.url.replace("127.0.0.1", "localhost")
    server = scripted(lambda _: (302, {"Location": location}, b""), tls=context)
    with pytest.raises(RedirectError, match="not sent over plain http"):
        transport_of(server.url, verify=bundle).read("/v4/x")
    assert plain.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_write_follows_no_redirect(scripted, transport_of, upload, status):
    def respond(request):
        request.read_body()
        return (status, {"Location": "/login"}, b"")

    server = scripted(respond)
    with pytest.raises(
        RedirectError, match=r"POST /v4/x was redirected to http://127.0.0.1:\d+/login"
    ):
        transport_of(server.url).write("POST", "/v4/x", body=upload(10))
    assert len(server.seen) == 1


def test_a_login_page_is_recognised(scripted, transport_of):
    def respond(request):
        if request.path == "/login":
            return (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Sign in</html>")
        return (302, {"Location": "/login"}, b"")

    with pytest.raises(RedirectError, match="looks like a login page"):
        transport_of(scripted(respond).url).read("/v4/x")


def test_a_redirects_query_is_not_shown(scripted, transport_of):
    """It may hold a ticket, or what a form was filled with."""

    def respond(request):
        if request.path.startswith("/login"):
            return (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
        return (302, {"Location": "/login?next=1&ticket=s3cr3t-ticket"}, b"")

    with pytest.raises(RedirectError, match="/login") as caught:
        transport_of(scripted(respond).url).read("/v4/x")
    assert "s3cr3t-ticket" not in str(caught.value)
    endless = scripted(
        lambda request: (
            302,
            {"Location": request.path.split("?")[0] + "x?ticket=s3cr3t-ticket"},
            b"",
        )
    )
    with pytest.raises(RedirectError, match="more than 3 times") as caught:
        transport_of(endless.url).read("/v4/x")
    assert "s3cr3t-ticket" not in str(caught.value)


def test_a_write_to_a_login_page_of_a_plain_http_server_is_told_as_such(scripted, transport_of):
    server = scripted(lambda _: (302, {"Location": "/login"}, b""))
    with pytest.raises(RedirectError, match="If it is a login page, check the credentials"):
        transport_of(server.url).write("PATCH", "/v4/x", json={})


# Secrets in texts from elsewhere


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("s3cr3t-pässword", "z" * 380 + " s3cr3t-pässword is wrong"),
        ('p\u00e4"ss-word-long', '{"details": {"password": "p\\u00e4\\"ss-word-long"}}'),
        ("two  spaces-long", "saw two  spaces-long"),
        ("s3cr3t with space", "saw s3cr3t%20with%20space"),
    ],
)
def test_a_secret_is_not_shown_in_part_or_in_another_spelling(scripted, password, text):
    body = {"exception": {"name": "E", "message": text}}
    server = scripted(lambda _: (400, {"x-trifacta-request-id": f"id {text[-60:]}"}, body))
    transport = Transport(ClientConfig(base_url=server.url, login="me", password=password))
    with pytest.raises(BadRequestError) as caught:
        transport.read("/v4/x")
    shown = f"{caught.value} {caught.value.request_id}"
    assert "***" in shown
    for part in ("s3cr3t", "ss-word", "spaces-long"):
        assert part not in shown


# Answers without measure


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_too_large_is_not_kept(scripted, transport_of, status):
    server = scripted(lambda _: (status, {"Content-Type": "text/html"}, b"x" * 1_000_000))
    with pytest.raises(UnexpectedResponseError if status == 200 else ServerError):
        transport_of(server.url, read_retries=0).read("/v4/x")


def test_json_that_is_nested_too_deep_is_no_answer(scripted, transport_of):
    server = scripted(lambda _: (200, {}, b"[" * ROW.parts))
    with pytest.raises(UnexpectedResponseError, match="instead of JSON"):
        transport_of(server.url).read("/v4/x")


# TLS and uploads


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    """Return paths of certificates and keys, and the authority that signed them."""
    folder, ca, other = tmp_path_factory.mktemp("pems"), trustme.CA(), trustme.CA()
    paths = {
        name: str(folder / f"{name}.pem")
        for name in ("ca", "client", "stranger", "key", "other_key", "text")
    }
    ca.cert_pem.write_to_path(paths["ca"])
    client, stranger = ca.issue_cert("me@example.com"), other.issue_cert("me@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(paths["client"])
    stranger.private_key_and_cert_chain_pem.write_to_path(paths["stranger"])
    client.private_key_pem.write_to_path(paths["key"])
    stranger.private_key_pem.write_to_path(paths["other_key"])
    (folder / "text.pem").write_text("no PEM\n")
    return SimpleNamespace(authority=ca, **paths)


def tls_server(pems, *names, wants_client=False, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pems.authority.issue_cert(*(names or ("localhost",)), **options).configure_cert(context)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        pems.authority.configure_trust(context)
    return context


LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("server", "client", "reason", "helps"),
    [
        ({"not_after": LONG_AGO}, {}, "expired", "renew"),
        ({"names": ["other.example"]}, {}, "wrong_name", "name that it holds"),
        ({}, {"verify": True}, "unknown_authority", "'verify'"),
        ({"wants_client": True}, {}, "client_certificate_required", "'cert'"),
        ({"wants_client": True}, {"cert": "stranger"}, "client_certificate_refused", "'cert'"),
        ({}, {"cert": ("client", "other_key")}, "key_mismatch", "do not belong together"),
        ({}, {"cert": "text"}, "unreadable_file", "'cert'"),
        ({}, {"verify": "text"}, "unreadable_file", "'verify'"),
        (None, {}, "no_tls", "http://"),
        ({"newest": True}, {"oldest": True}, None, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda one: one.name
)
def test_a_tls_error_says_what_is_wrong_and_what_helps(
    scripted, transport_of, pems, waits, version, server, client, reason, helps
):
    if reason is None:
        server, client = {"names": ["localhost"]}, {"cert": ("client", "key")}
    if server is None:
        url = scripted(lambda _: (200, {}, {})).url.replace("http://127.0.0.1", "https://localhost")
    else:
        server = dict(server)
        context = tls_server(pems, *server.pop("names", ()), **server)
        context.maximum_version = version
        url = scripted(lambda _: (200, {}, {"ok": 1}), context).url
    cert = client.get("cert")
    cert = (
        tuple(getattr(pems, one) for one in cert)
        if isinstance(cert, tuple)
        else cert and getattr(pems, cert)
    )
    verify = client.get("verify", "ca")
    transport = transport_of(
        url, cert=cert, verify=verify if verify is True else getattr(pems, verify)
    )
    if reason is None:
        assert transport.read("/v4/x") == {"ok": 1}
        return
    with pytest.raises(TLSError) as caught:
        transport.read("/v4/x")
    assert caught.value.reason == reason
    assert helps in str(caught.value)
    assert waits == []


def test_a_server_that_is_not_verified_is_warned_of_once_and_before_a_change(
    scripted, transport_of, authority, caplog, monkeypatch
):
    # An earlier test may have had a server on the same port.
    monkeypatch.setattr("airflow_provider_trifacta.client.transport._warned", set())
    server = scripted(lambda _: (200, {}, {}), tls=authority[0])
    for _ in range(2):
        transport_of(server.url, verify=False).read("/v4/x")
    assert not caplog.records
    for _ in range(2):
        transport_of(server.url, verify=False).write("PATCH", "/v4/x", json={})
    (record,) = caplog.records
    assert "does not verify" in record.getMessage()


def test_an_untrusted_certificate_is_told_and_not_asked_again(
    scripted, transport_of, authority, waits
):
    server = scripted(lambda _: (200, {}, {}), tls=authority[0])
    with pytest.raises(TLSError, match="CA bundle"):
        transport_of(server.url).read("/v4/x")
    assert waits == []


@pytest.mark.parametrize("environment", [{}, {"REQUESTS_CA_BUNDLE": "/nonexistent"}])
def test_verify_takes_a_bundle_or_false_even_against_the_environment(
    scripted, transport_of, authority, monkeypatch, environment
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context, bundle = authority
    server = scripted(lambda _: (200, {}, {"ok": 1}), tls=context)
    assert transport_of(server.url, verify=bundle).read("/v4/x") == {"ok": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the hook warns, once
        assert transport_of(server.url, verify=False).read("/v4/x") == {"ok": 1}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("status", "cls"), [(401, AuthenticationError), (413, PayloadTooLargeError)]
)
def test_an_answer_before_the_end_of_an_upload_is_reported_as_such(
    scripted, transport_of, upload, authority, tls, status, cls
):
    def respond(request):
        body = b'{"exception": {"name": "Early", "message": "no"}}'
        handler = request.handler
        handler.rfile.read(100_000)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()
        # As a server that has made up its mind: it reads a little more, and closes.
        handler.connection.settimeout(5)
        handler.rfile.read(1_000_000)
        handler.connection.close()

    context, bundle = authority
    server = scripted(respond, tls=context if tls else None)
    body = upload(40_000_000)
    with pytest.raises(cls, match=f"answered {status}: Early: no"):
        transport_of(server.url, verify=bundle if tls else True).write("POST", "/v4/x", body=body)
    assert len(server.seen) == 1


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_cut_in_the_middle_of_an_upload_is_no_doubt(
    scripted, transport_of, upload, authority, tls
):
    def respond(request):
        request.handler.rfile.read(100_000)
        request.handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        request.handler.connection.close()

    context, bundle = authority
    server = scripted(respond, tls=context if tls else None)
    body = upload(40_000_000)
    with pytest.raises(ConnectionLostError, match="may have refused the file"):
        transport_of(server.url, verify=bundle if tls else True).write("POST", "/v4/x", body=body)
    assert len(server.seen) == 1
    assert not body.sent_completely


@pytest.mark.parametrize("tls", [False, True])
def test_the_status_of_an_early_answer_counts_though_its_body_never_comes(
    scripted, transport_of, upload, authority, tls
):
    def respond(request):
        handler = request.handler
        handler.rfile.read(100_000)
        handler.send_response(413)
        handler.send_header("Content-Length", "33")
        handler.end_headers()
        handler.wfile.flush()
        handler.connection.settimeout(5)
        handler.rfile.read(
            1_000_000
        )  # lets the answer arrive before the end of the connection does
        handler.connection.close()

    context, bundle = authority
    server = scripted(respond, tls=context if tls else None)
    with pytest.raises(PayloadTooLargeError, match="answered 413 with an empty body"):
        transport_of(server.url, verify=bundle if tls else True).write(
            "POST", "/v4/x", body=upload(40_000_000)
        )


def test_errors_are_what_the_root_class_promises():
    assert issubclass(RateLimitError, APIError)
    assert RateLimitError.transient
    assert not AuthenticationError.retryable
