"""Where a redirect leads, and whether the credentials may go there.

Only a redirected request enters this module.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from .adapter import Server, may_follow, prepared, server_of
from .errors import RedirectError

if TYPE_CHECKING:
    from .calls import Request
    from .redact import Redactor
    from .responses import Answer


def target_of(method: str, url: str, location: str, redact: Redactor) -> str:
    """Return where a redirect leads, as it is sent.

    :param method: HTTP method of the request
    :param url: where the request went
    :param location: the header of the answer
    :param redact: takes secrets out of the error
    :returns: the new URL
    :raises RedirectError: the request and its credentials may not go there
    """
    target = ""
    # The parsers understand a character that has no place in a URL in different ways.
    if location.isascii() and location.isprintable() and "\\" not in location:
        with suppress(ValueError):
            target = prepared(urljoin(url, location))
    new = server_of(target)
    path = urlsplit(url).path
    if new is None:
        without_query = location.partition("?")[0]
        without_login = without_query.rpartition("@")[2]
        shown = redact.excerpt(ascii(without_login))
        advice = "Nothing was sent there. Check what stands between this worker and the instance."
        raise _refusal(method, path, f"to {shown}, which is not a usable address. {advice}")
    if _holds_a_secret(target, redact):
        # Each server on the way, and each log of a URL, would see it.
        raise _refusal(
            method,
            path,
            f"to {_shown(target, redact)}, with a credential in the URL. Nothing was sent there."
            " Ask the administrator of the instance why it repeats what it was sent.",
        )
    old = server_of(prepared(url))
    if method == "GET" and may_follow(old, new):
        return target
    raise _refusal(method, path, f"to {_shown(target, redact)}. {_advice(old, new, target)}")


def _holds_a_secret(url: str, redact: Redactor) -> bool:
    decoded = unquote(url)
    return redact.within(url) != url or redact.within(decoded) != decoded


def _refusal(method: str, path: str, words: str) -> RedirectError:
    return RedirectError(f"{method} {path} was redirected {words}", retryable=method == "GET")


def _advice(old: Server | None, new: Server, target: str) -> str:
    """Return what to do about a redirect that is not followed."""
    if may_follow(old, new) and old != new:
        return f"Set the connection's host to https://{urlsplit(target).netloc}."
    loses_tls = old is not None and (old.scheme, new.scheme) == ("https", "http")
    if old and old.host == new.host and loses_tls:
        return "Credentials are not sent over plain http."
    return (
        "Credentials are not sent there, and changes are never sent again to another address. If it"
        " is a login page, check the credentials. If the instance moved, set the connection's host"
        " to its new URL."
    )


def too_many(request: Request, url: str, most: int, redact: Redactor) -> RedirectError:
    """Return the error of a request whose redirects do not end.

    :param request: the request
    :param url: where the last redirect leads
    :param most: how many were followed
    :param redact: takes secrets out of the error
    """
    return _refusal(
        request.method, request.path, f"more than {most} times, last to {_shown(url, redact)}."
    )


def refuse_login_page(
    request: Request, answer: Answer, base_url: str, url: str, redact: Redactor
) -> None:
    """Refuse a page for people that a request was redirected to.

    :param request: the request
    :param answer: the answer after the redirects
    :param base_url: the instance
    :param url: where the answer comes from
    :param redact: takes secrets out of the error
    :raises RedirectError: it is such a page
    """
    asked_path = urlsplit(f"{base_url}{request.path}").path.rstrip("/")
    answered_path = urlsplit(url).path.rstrip("/")
    is_page = answer.status < 300 and answer.is_html
    if not is_page or answered_path == asked_path:
        return
    raise _refusal(
        request.method,
        request.path,
        f"to the page {_shown(url, redact)}, which looks like a login page. Check the connection's"
        " credentials. Behind a reverse-proxy single sign-on tokens do not work: use login and"
        " password.",
    )


def _shown(url: str, redact: Redactor) -> str:
    """Return a URL for an error: without its query, which may hold a ticket or a secret."""
    bare = urlsplit(url)._replace(query="", fragment="")
    return redact.excerpt(bare.geturl())
