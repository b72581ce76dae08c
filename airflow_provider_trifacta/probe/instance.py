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
_TRIES, _PAUSE = 3, 1.0
#: Ids of what is deleted at the end, and where it is.
_KINDS = {"token": "apiAccessTokens", **dict.fromkeys(("own", "twin"), "deployments")}
_KINDS |= dict.fromkeys(("first", "second", "third"), "releases")
_ID = re.compile(r"\w[\w-]{0,63}")
#: Seconds that a person waits for an answer.
_LONGEST_WAIT = 60.0
#: How times of whole seconds end, and seconds until they show that time went by.
_WHOLE_SECOND, _NEXT_SECOND = ".000Z", 1.1


class Probe:
    """One run of the probe.

    :param config: the instance
    :param name: name of the deployment to make; None to change nothing
    :param given: a package to use in place of the probe's own
    """

    def __init__(
        self, config: ClientConfig, name: str | None = None, given: Package | None = None
    ) -> None:
        self.name, self.given = name, given
        #: Whether no more requests are made but those that delete, and whether the deletion has
        #: begun.
        self.stopped = self.cleaning = False
        #: Why nothing is changed.
        self.read_only = "needs --write"
        #: Deployments that were there before.
        self.existing: set[int] = set()
        config = replace(
            config,
            read_timeout=min(config.read_timeout, _LONGEST_WAIT),
            read_retries=0,
        )
        self._config, self._transport = config, Transport(config)
        self.client = TrifactaClient(config, transport=self._transport)
        self.answers = Answers(by_token=not config.login, names=_names_of(config, name))
        # The token of nobody: a wrong password could lock the user out.
        self._stranger = Session(replace(config, login=None, password="not-a-token"), 1)  # noqa: S106
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
            except Exception as error:  # of many kinds; only its kind is told
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
        made = {name: self._ids[name] for name in _KINDS if name in self._ids}
        deployments = {one for name, one in made.items() if _KINDS[name] == "deployments"}
        appear = len(deployments) + self._unsure
        with suppress(TrifactaError):
            if self._unsure:
                deployments |= {
                    one.id for one in self.client.deployments.find(self.name or "")
                } - self.existing
        releases = {
            one for name, one in made.items() if _KINDS[name] == "releases"
        }  # a list may lag
        for deployment in deployments:
            with suppress(TrifactaError, ValueError):  # releases go with their deployment
                releases |= {one.id for one in self.client.releases.list(int(deployment))}
        paths = [f"releases/{one}" for one in releases] + [
            f"deployments/{one}" for one in deployments
        ]
        paths += [f"apiAccessTokens/{one}" for name, one in made.items() if name == "token"]
        stuck = [path for path in paths if not self._remove(path)]
        left = [path for path in stuck if not self._remove(path)]
        if len(deployments) < appear:
            left.append(
                f"a deployment named {self.name!r} may appear: the request for it was not answered"
            )
        return left

    def _make(self, call: Call) -> None:
        need(call.method == "GET" or self.name, self.read_only)
        for name in re.findall(r"{(\w+)}", call.path):
            why = "an earlier call failed" if self.name else self.read_only
            need(
                name in self._ids,
                f"no {name.replace('_', ' ')} in sight" if name in IDS_OF_INSTANCE else why,
            )
        form = self._form(call) if call.upload else None
        json = {"name": self.name} if call.json is NAMED else call.json
        creates = call.method == "POST" and call.json is NAMED
        session = self._stranger if call.key == "stranger" else self._transport.session
        path = call.path.format(**self._ids)
        if call.later:
            self._let_a_second_pass()
        self._unsure += creates
        answer = self._ask(call.method, path, session, json=json, body=form)
        need(
            answer.by_api or call.key == "stranger", f"HTTP {answer.status}, not in the API's words"
        )
        self.answers.seen[call.key] = answer
        if not answer.refused:
            self._take_ids(call, answer.body)
        known = answer.status < 500 and (answer.refused or set(call.gives) <= self._ids.keys())
        self._unsure -= creates and known

    def _let_a_second_pass(self) -> None:
        """Wait where times are whole seconds, so that two of them differ."""
        created: object = None
        with suppress(NotTestedError, LookupError, TypeError):
            created = self.answers.body("created", "createdAt")
        if str(created).endswith(_WHOLE_SECOND):
            time.sleep(_NEXT_SECOND)

    def _take_ids(self, call: Call, body: Any) -> None:
        for name, pick in call.gives.items():
            one = owner = None
            with suppress(Exception):  # of many kinds: an answer may have any shape
                one = pick(body)
                owner = body["release"]["deployment"]["id"]
            if (
                isinstance(one, bool)
                or not isinstance(one, (int, str))
                or not _ID.fullmatch(str(one))
            ):
                continue
            # Of a deployment that is not the probe's, nothing is changed.
            if owner in (None, self._ids.get("own")) and not (
                name in ("own", "twin") and one in self.existing
            ):
                self._ids[name] = one
        if call.key == "first" and not self.given and "first" in self._ids:
            with suppress(Exception):  # as above
                # A run is only asked for where the server too says that it is the probe's flow, and
                # has no output.
                [flow] = body["flows"]
                if (flow["name"], body["outputobjects"]) == (FLOW_NAME, []) and _ID.fullmatch(
                    str(flow["id"])
                ):
                    self._ids |= {"idle": self._ids["own"], "idle_flow": flow["id"]}

    def _form(self, call: Call) -> MultipartFile:
        package = write(self.answers.product, call.upload) if not self.given else None
        if call.upload == "plain":
            package = self.answers.package = self.answers.package or self.given or package
        content = (
            need(package, "needs a package of the probe's own").content
            if call.upload != "broken"
            else b"?"
        )
        return MultipartFile(io.BytesIO(content), len(content), "probe.zip", part=call.part)

    def _ask(self, method: str, path: str, session: Session | None = None, **parts: Any) -> Answer:
        slow = bool(parts.get("body"))
        budget = self._transport.budget(slow=slow)
        request = Request(
            method, path, budget, slow=slow, limit=DESCRIPTION, **parts
        )  # the longest one
        session = session or self._transport.session
        with memory.claim(self._config.base_url) as claim:
            answer = session.exchange(request, f"{self._config.base_url}{path}", None, claim)
        try:
            body, is_json = answer.json(request, self._config, lambda: self._transport.redact), True
        except TrifactaError:
            body, is_json = None, False
        return Answer(
            answer.status, body, is_json, answer.is_html, "x-trifacta-request-id" in answer.headers
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

    def _status(self, method: str, path: str, **parts: Any) -> int:
        with suppress(Exception):  # of many kinds: the connection is lost
            answer = self._ask(method, f"/v4/{path}", **parts)
            return answer.status if answer.by_api else 0
        return 0


def _names_of(config: ClientConfig, deployment: str | None) -> frozenset[str]:
    """Return the words that name the instance, its user and what the probe makes there."""
    url = urlsplit(config.base_url)
    host, login = url.hostname or "", config.login or ""
    places = [host, *host.split("."), *url.path.split("/")]
    texts = [*places, login, login.partition("@")[0], config.password, deployment or ""]
    return frozenset(filter(None, texts))
