"""Asks an instance, and deletes what was made there."""

from __future__ import annotations

import io
import re
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..client import ClientConfig, TrifactaClient, TrifactaError
from ..client.adapter import Session
from ..client.calls import MultipartFile, Request
from ..client.limits import DESCRIPTION, memory
from ..client.transport import Transport
from .answers import Answer, Answers, NotTestedError, need
from .calls import CALLS, IDS_OF_INSTANCE, NAMED, UNKNOWN, Call
from .package import FLOW_NAME, Package, write

#: How often a deletion is tried, and seconds between two tries.
_TRIES = 3
_PAUSE = 1.0
#: What is deleted at the end, in this order: kinds of objects, and the names of their ids.
_MADE = {
    "releases": ("first", "second", "third"),
    "deployments": ("own", "twin"),
    "apiAccessTokens": ("token",),
}
_ID = re.compile(r"\w[\w-]{0,63}")
#: Seconds that a person waits for an answer.
_LONGEST_WAIT = 60.0
#: How times of whole seconds end.
_WHOLE_SECOND = ".000Z"
#: Seconds until such times show that time went by.
_NEXT_SECOND = 1.1


class Probe:
    """One run of the probe.

    :param config: the instance
    :param name: name of the deployment to make; None to change nothing
    :param given: a package to use in place of the probe's own
    """

    def __init__(
        self, config: ClientConfig, name: str | None = None, given: Package | None = None
    ) -> None:
        self.name = name
        self.given = given
        #: Whether only requests that delete are still made.
        self.stopped = False
        #: Whether the deletion has begun.
        self.cleaning = False
        #: Why nothing is changed.
        self.read_only = "needs --write"
        #: Deployments that were there before.
        self.existing: set[int] = set()
        config = replace(
            config,
            read_timeout=min(config.read_timeout, _LONGEST_WAIT),
            read_retries=0,
        )
        self._config = config
        self._transport = Transport(config)
        self.client = TrifactaClient(config, transport=self._transport)
        self.answers = Answers(by_token=not config.login, names=_names_of(config, name))
        # The token of nobody: a wrong password could lock the user out.
        stranger = replace(config, login=None, password="not-a-token")  # noqa: S106
        self._stranger = Session(stranger, connections=1)
        self._ids: dict[str, Any] = {"unknown": UNKNOWN}
        #: How many deployments may exist of which no answer told.
        self._unsure = 0

    def run(self) -> None:
        """Make all calls. One that fails only means that some items are not tested."""
        for call in CALLS:
            try:
                need(not self.stopped, "stopped before")
                self._make(call)
            except NotTestedError as error:
                self.answers.missing[call.key] = str(error)
            except Exception as error:  # of many kinds; only its kind is reported
                self.answers.missing[call.key] = f"no answer ({type(error).__name__})"

    def stop(self, *_: object) -> None:
        """Stop after the present request, since only its answer tells what it made. A second call
        breaks it off.

        :raises KeyboardInterrupt: it was called before, and the deletion has not begun
        """
        if self.stopped and not self.cleaning:
            self.cleaning = True
            raise KeyboardInterrupt
        self.stopped = True
        sys.stderr.write("Stopping. What the probe made is deleted first.\n")

    def clean_up(self) -> list[str]:
        """Delete what was made.

        :returns: what may be left
        """
        deployments = self._made("deployments")
        expected = len(deployments) + self._unsure
        if self._unsure:
            with suppress(TrifactaError):
                deployments |= self._unanswered()
        releases = self._made("releases")  # a list may lag
        for deployment in deployments:
            with suppress(TrifactaError, ValueError):  # releases go with their deployment
                listed = self.client.releases.list(int(deployment))
                releases |= {release.id for release in listed}
        paths = [
            *(f"releases/{release}" for release in releases),
            *(f"deployments/{deployment}" for deployment in deployments),
            *(f"apiAccessTokens/{token}" for token in self._made("apiAccessTokens")),
        ]
        stuck = [path for path in paths if not self._remove(path)]
        left = [path for path in stuck if not self._remove(path)]
        if len(deployments) < expected:
            left.append(
                f"a deployment named {self.name!r} may appear: the request for it was not answered"
            )
        return left

    def _made(self, kind: str) -> set[Any]:
        """Return the ids of what the probe is known to have made."""
        return {self._ids[name] for name in _MADE[kind] if name in self._ids}

    def _unanswered(self) -> set[Any]:
        """Return the ids of deployments that have the name and were not there before."""
        named = self.client.deployments.find(self.name or "")
        return {deployment.id for deployment in named} - self.existing

    def _make(self, call: Call) -> None:
        need(call.method == "GET" or self.name, self.read_only)
        for name in re.findall(r"{(\w+)}", call.path):
            need(name in self._ids, self._why_no_id(name))
        form = self._form(call) if call.upload else None
        json = {"name": self.name} if call.json is NAMED else call.json
        creates = call.method == "POST" and call.json is NAMED
        is_stranger = call.key == "stranger"
        session = self._stranger if is_stranger else self._transport.session
        path = call.path.format(**self._ids)
        if call.later:
            self._let_a_second_pass()
        # It counts until an answer shows whether the deployment exists.
        if creates:
            self._unsure += 1
        answer = self._ask(call.method, path, session, json=json, body=form)
        in_api_words = answer.by_api or is_stranger
        need(in_api_words, f"HTTP {answer.status}, not in the API's words")
        self.answers.seen[call.key] = answer
        if not answer.refused:
            self._take_ids(call, answer.body)
        has_ids = set(call.gives) <= self._ids.keys()
        is_known = answer.status < 500 and (answer.refused or has_ids)
        if creates and is_known:
            self._unsure -= 1

    def _why_no_id(self, name: str) -> str:
        if name in IDS_OF_INSTANCE:
            return f"no {name.replace('_', ' ')} in sight"
        return "an earlier call failed" if self.name else self.read_only

    def _let_a_second_pass(self) -> None:
        """Wait where times are whole seconds, so that two of them differ."""
        created: object = None
        with suppress(NotTestedError, LookupError, TypeError):
            created = self.answers.body("created", "createdAt")
        if str(created).endswith(_WHOLE_SECOND):
            time.sleep(_NEXT_SECOND)

    def _take_ids(self, call: Call, body: Any) -> None:
        for name, pick in call.gives.items():
            given_id = owner = None
            with suppress(Exception):  # of many kinds: an answer may have any shape
                given_id = pick(body)
                owner = body["release"]["deployment"]["id"]
            if not _is_id(given_id):
                continue
            # Of a deployment that is not the probe's, nothing is changed.
            is_own = owner in (None, self._ids.get("own"))
            existed = name in _MADE["deployments"] and given_id in self.existing
            if is_own and not existed:
                self._ids[name] = given_id
        if call.key == "first" and not self.given and "first" in self._ids:
            with suppress(Exception):  # as above
                self._take_idle_flow(body)

    def _take_idle_flow(self, body: Any) -> None:
        """Take the ids of what can be run and does nothing.

        A run is only asked for where the server too says that it is the probe's flow, and has no
        output.
        """
        [flow] = body["flows"]
        has_no_output = body["outputobjects"] == []
        if flow["name"] == FLOW_NAME and has_no_output and _is_id(flow["id"]):
            self._ids["idle"] = self._ids["own"]
            self._ids["idle_flow"] = flow["id"]

    def _form(self, call: Call) -> MultipartFile:
        content = b"?"
        if call.upload != "broken":
            package = self._package(call.upload)
            content = need(package, "needs a package of the probe's own").content
        return MultipartFile(io.BytesIO(content), len(content), "probe.zip", part=call.part)

    def _package(self, dataset: str) -> Package | None:
        """Return the package with a dataset. All releases are made of the same ``plain`` one."""
        if dataset == "plain":
            if self.answers.package is None:
                self.answers.package = self.given or write(self.answers.product, dataset)
            return self.answers.package
        return None if self.given else write(self.answers.product, dataset)

    def _ask(
        self,
        method: str,
        path: str,
        session: Session,
        *,
        json: object = None,
        body: MultipartFile | None = None,
    ) -> Answer:
        slow = body is not None
        request = Request(
            method,
            path,
            budget=self._transport.budget(slow=slow),
            slow=slow,
            limit=DESCRIPTION,  # no answer is longer
            json=json,
            body=body,
        )
        url = f"{self._config.base_url}{path}"
        with memory.claim(self._config.base_url) as claim:
            answer = session.exchange(request, url, None, claim)
        try:
            content = answer.json(request, self._config, lambda: self._transport.redact)
            is_json = True
        except TrifactaError:
            content = None
            is_json = False
        return Answer(
            answer.status,
            content,
            is_json=is_json,
            is_page=answer.is_html,
            has_request_id="x-trifacta-request-id" in answer.headers,
        )

    def _remove(self, path: str) -> bool:
        """Delete an object, if it is there; return whether it is gone."""
        for number in range(_TRIES):
            if number:
                time.sleep(_PAUSE)
            status = self._status("DELETE", path)
            # 400 may also say that it is not there. A 401 or 403 says nothing.
            if 200 <= status < 300 or status in (404, 410):
                return True
            if status == 400 and self._status("GET", path) in (400, 404, 410):
                return True
            if path.startswith("releases"):  # a live one may be protected
                self._status("PATCH", path, json={"active": False})
        return False

    def _status(self, method: str, path: str, *, json: object = None) -> int:
        with suppress(Exception):  # of many kinds: the connection is lost
            answer = self._ask(method, f"/v4/{path}", self._transport.session, json=json)
            return answer.status if answer.by_api else 0
        return 0


def _is_id(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return False
    return _ID.fullmatch(str(value)) is not None


def _names_of(config: ClientConfig, deployment: str | None) -> frozenset[str]:
    """Return the words that name the instance, its user and what the probe makes there."""
    url = urlsplit(config.base_url)
    host = url.hostname or ""
    login = config.login or ""
    user, _, _ = login.partition("@")
    places = [host, *host.split("."), *url.path.split("/")]
    texts = [*places, login, user, config.password, deployment or ""]
    return frozenset(filter(None, texts))
