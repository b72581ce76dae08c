"""Asks an instance, and deletes what was made there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..client import ClientConfig, TrifactaClient, TrifactaError
from ..client.adapter import Session
from ..client.calls import Request
from ..client.redact import Redactor
from ..client.transport import Transport
from .answers import Answer, Answers
from .calls import CALLS, NAMED, UNKNOWN, WHY, Call
from .package import Package, write

_TRIES = 3
_PAUSE = 1.0
_ID = re.compile(r"\w[\w-]{0,63}")
#: Seconds: a person waits.
_LONGEST_WAIT = 60.0


@dataclass
class Form:
    """A package as ``multipart/form-data``, in a part of any name."""

    content: bytes
    part: str
    sent_completely: bool = False
    content_type = "multipart/form-data; boundary=trifacta-probe"

    @property
    def _whole(self) -> bytes:
        head = f'--trifacta-probe\r\nContent-Disposition: form-data; name="{self.part}"; filename="probe.zip"\r\n'
        head += "Content-Type: application/zip\r\n\r\n"
        return head.encode() + self.content + b"\r\n--trifacta-probe--\r\n"

    def __len__(self) -> int:
        return len(self._whole)

    def __iter__(self) -> Iterator[bytes]:
        yield self._whole
        self.sent_completely = True


@dataclass(eq=False)
class Probe:
    """One run of the probe.

    :param config: the instance
    :param name: name of the deployment to make; None to change nothing
    :param given: a package to use in place of the probe's own
    :param sleep: how to wait between two tries of a deletion, in seconds
    """

    config: ClientConfig
    name: str | None = None
    given: Package | None = None
    sleep: Callable[[float], None] = time.sleep
    #: Set by a signal: no more requests, but those that delete.
    stopped: bool = field(default=False, init=False)
    #: Whether the deletion has begun.
    cleaning: bool = field(default=False, init=False)
    #: Why nothing is changed.
    read_only: str = field(default="needs --write", init=False)
    #: Deployments that were there before.
    existing: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        config = replace(self.config, read_timeout=min(self.config.read_timeout, _LONGEST_WAIT), read_retries=0)
        self.client = TrifactaClient(config)
        self.answers = Answers(by_token=not config.login)
        self._config, self._transport = config, Transport(config)
        # The token of nobody: a wrong password could lock the user out.
        self._stranger = Session(replace(config, login=None, password="not-a-token"), 1)  # noqa: S106
        self._ids: dict[str, Any] = {"unknown": UNKNOWN}
        #: How many deployments may exist of which no answer told.
        self._unsure = 0

    def run(self) -> None:
        """Make all calls. One that fails only means that some items are not tested."""
        for call in CALLS:
            if self.stopped:
                return
            reason = self._attempt(call)
            if reason:
                self.answers.missing[call.key] = reason

    def clean_up(self) -> list[str]:
        """Delete what was made.

        :returns: what may be left
        """
        left = []
        found = {self._ids[one] for one in ("own", "twin") if one in self._ids}
        if self._unsure:
            number = len(found) + self._unsure
            with suppress(TrifactaError):
                found |= {one.id for one in self.client.deployments.find(self.name or "")} - self.existing
            if len(found) < number:
                left.append(f"a deployment named {self.name!r} may appear: the request for it was not answered")
        for deployment in sorted(found, key=str):
            releases = [f"/v4/releases/{one}" for one in self._releases(deployment)]
            stuck = [path for path in releases if not self._remove(path, release=True)]
            if not self._remove(f"/v4/deployments/{deployment}"):
                left.append(f"deployment {deployment}, named {self.name!r}")
            if not all(map(self._remove, stuck)):  # they usually go with their deployment
                left.append(f"releases of deployment {deployment}, named {self.name!r}")
        if "token" in self._ids and not self._remove(f"/v4/apiAccessTokens/{self._ids['token']}"):
            left.append("an access token without description, which has expired")
        return left

    def _attempt(self, call: Call) -> str | None:
        """Make a call; return why if it cannot be made."""
        if call.method != "GET" and not self.name:
            return self.read_only
        text = call.path + "".join(map(str, (call.params or {}).values()))
        lacking = [one for one in re.findall(r"{(\w+)}", text) if one not in self._ids]
        if lacking:
            return WHY.get(lacking[0], "an earlier call failed" if self.name else self.read_only)
        form = self._form(call) if call.upload else None
        if call.upload and not form:
            return "needs a package of the probe's own"
        params = {key: str(value).format(**self._ids) for key, value in (call.params or {}).items()}
        json = {"name": self.name} if call.json is NAMED else call.json
        creates = call.method == "POST" and call.json is NAMED
        self._unsure += creates
        try:
            session = self._stranger if call.key == "stranger" else self._transport.session
            path = call.path.format(**self._ids)
            answer = self._ask(call.method, path, session, params=params, json=json, body=form)
        except Exception as error:  # of many kinds; only its kind is told
            return f"no answer ({type(error).__name__})"
        if answer.is_page and call.key != "stranger":
            return "an HTML page, not the API"
        self.answers.seen[call.key] = answer
        if not answer.refused:
            self._take_ids(call, answer.body)
        known = answer.status < 500 and (answer.refused or set(call.gives) <= self._ids.keys())
        self._unsure -= creates and known
        return None

    def _take_ids(self, call: Call, body: Any) -> None:
        for name, pick in call.gives.items():
            one = owner = None
            with suppress(Exception):  # of many kinds: an answer may have any shape
                one = pick(body)
                owner = body["release"]["deployment"]["id"]
            if isinstance(one, bool) or not isinstance(one, (int, str)) or not _ID.fullmatch(str(one)):
                continue
            # Of a deployment that is not the probe's, nothing is changed.
            if owner in (None, self._ids.get("own")) and not (name in ("own", "twin") and one in self.existing):
                self._ids[name] = one
        # A run is only asked for where the server too says that there is nothing to run.
        if call.key == "first" and not self.given:
            with suppress(Exception):  # as above
                if body["outputobjects"] == [] and "first" in self._ids:
                    self._ids["idle_flow"], self._ids["idle"] = body["primaryFlowIds"][0], self._ids["own"]

    def _form(self, call: Call) -> Form | None:
        if call.upload == "broken":
            return Form(b"not a package", call.part)
        package = self.given if call.upload == "plain" else None
        if not self.given:
            package = write(self.answers.product, call.upload)
        if call.key in ("first", "second"):
            self.answers.package = package = self.answers.package or package
        return Form(package.content, call.part) if package else None

    def _ask(self, method: str, path: str, session: Session | None = None, **parts: Any) -> Answer:
        slow = bool(parts.get("body"))
        request = Request(method, path, self._transport.budget(slow=slow), slow=slow, **parts)
        session = session or self._transport.session
        answer = session.exchange(request, f"{self._config.base_url}{path}", request.params)
        try:
            body, is_json = answer.json(request, self._config, lambda: Redactor(self._config)), True
        except TrifactaError:
            body, is_json = None, False
        return Answer(answer.status, body, is_json, answer.is_html, "x-trifacta-request-id" in answer.headers)

    def _releases(self, deployment: object) -> list[object]:
        """Return the releases of one of the probe's deployments, also those that a list does not show yet."""
        found = {self._ids[one] for one in ("first", "second", "third") if one in self._ids}
        found = found if deployment == self._ids.get("own") else set()
        with suppress(TrifactaError, ValueError):  # deleting the deployment deletes them too
            found |= {one.id for one in self.client.releases.list(int(str(deployment)))}
        return sorted(found, key=str)

    def _remove(self, path: str, *, release: bool = False) -> bool:
        """Delete an object, if it is there; return whether it is gone."""
        for number in range(_TRIES):
            if number:
                self.sleep(_PAUSE)
            status = self._status("DELETE", path)
            if 200 <= status < 300 or status in (404, 410):
                return True
            # 400 may also say that it is not there. A 401 or 403 says nothing.
            if status == 400 and self._status("GET", path) in (400, 404, 410):
                return True
            if release:  # a live one may be protected
                self._status("PATCH", path, {"active": False})
        return False

    def _status(self, method: str, path: str, json: object = None) -> int:
        try:
            answer = self._ask(method, path, json=json)
        except Exception:  # of many kinds: the connection is lost
            return 0
        return 0 if answer.is_page else answer.status
