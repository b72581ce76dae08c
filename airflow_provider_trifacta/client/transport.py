"""One call to the API: its requests, their cost, redirects, repetitions, and the error at its end.

Each exchange passes here. What leaves is an error of :mod:`.errors`. The connection itself is in
:mod:`.adapter`, and how an answer is read in :mod:`.responses`. Errors are made in
:mod:`.failures`, and redirects judged in :mod:`.redirects`; a call that succeeds without a redirect
enters neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, overload

from .calls import ACCEPTED_BEFORE, Budget, MultipartFile, Request, exchange
from .config import ClientConfig
from .errors import (
    AnswerTooLargeError,
    APIError,
    AuthenticationError,
    DeploymentManagerMissingError,
    RateLimitError,
    TrifactaError,
    UnexpectedResponseError,
)
from .foreign_words import logger
from .limits import DESCRIPTION, IMPORT, MOST_KEPT, PAGE, ROW, WHOLE_LIST, Claim, Limit, memory
from .models import Row, size_of_texts, within
from .retries import ROUTE_NOT_FOUND, WRITE_RETRIES, may_repeat_read, may_repeat_write, repeating

# The modules with HTTP libraries are loaded at the first request: parsing a DAG needs none.
if TYPE_CHECKING:
    from .adapter import Session
    from .redact import Redactor
    from .responses import Answer

log = logger(__name__)

T = TypeVar("T")

#: Items of a list that are asked for at a time.
PAGE_SIZE = 100
#: The API's own page size: ``limit`` defaults to 25 [R: D64]. A server that ignores ``limit`` still
#: gives this many, so only a shorter page is surely the last one.
SERVERS_PAGE_SIZE = 25
#: The longest list that is read, in rows and in pages. No instance is known to have a tenth of it.
MOST_ROWS = 25_000
MOST_PAGES = 1_000
#: Redirects of one read that are followed, within the same host.
_MOST_REDIRECTS = 3
#: The list that only an instance with Deployment Manager knows, and how the calls begin that belong
#: to it.
_DEPLOYMENTS = "/v4/deployments"
_BELOW_DEPLOYMENTS = (_DEPLOYMENTS, "/v4/releases")
#: Takes the rows of a page out of an answer, and the count that came with them.
PageOf = Callable[[object], tuple[object, object]]
#: The instances that this process warned of. Airflow runs each try of a task in a process of its
#: own.
_warned: set[str] = set()


def plain_page(body: object) -> tuple[object, object]:
    """Return the rows of a list as the API wraps it, and its count.

    :param body: the answer
    """
    page = within(body)
    return page.get("data"), page.get("count")


def _rows_with_ids(page: object, path: str) -> list[Any]:
    rows: list[Any] = page if isinstance(page, list) else [None]
    for row in rows:
        number = within(row).get("id")
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            raise UnexpectedResponseError(
                f'GET {path} did not answer a list of objects with ids under "data".'
            )
    return rows


@dataclass(eq=False)
class Learned:
    """What a client has learned about its instance.

    :param has_deployments: whether the instance knows the list of deployments; None if it was not
        asked
    """

    has_deployments: bool | None = None


@dataclass(eq=False)
class Transport:
    """Sends requests to one instance. Threads may share it. Close it when done.

    :param config: where and how
    :param sleep: how to wait between repetitions, in seconds
    :param connections: how many connections are kept open; as many as threads share it
    :param learned: what is known about the instance
    :param largest_answer: bytes that this process reads of any answer; a triggerer reads less than
        a worker
    """

    config: ClientConfig
    sleep: Callable[[float], None] = field(default=time.sleep, kw_only=True)
    connections: int = field(default=1, kw_only=True)
    learned: Learned = field(default_factory=Learned, kw_only=True)
    largest_answer: int = field(default=DESCRIPTION.size, kw_only=True)

    @cached_property
    def session(self) -> Session:
        """The connections to the instance, made at the first request."""
        from .adapter import Session

        return Session(self.config, self.connections)

    @cached_property
    def redact(self) -> Redactor:
        """What takes the credentials out of texts from outside."""
        from .redact import Redactor

        return Redactor(self.config)

    def close(self) -> None:
        """Close the connections."""
        if "session" in self.__dict__:
            self.session.adapter.close()

    def budget(self, *, slow: bool = False) -> Budget:
        """Return what one call may cost.

        :param slow: whether it is an upload, an export or a run
        :returns: its seconds and bytes
        """
        seconds = self.config.seconds_of_an_upload if slow else self.config.seconds_of_a_call
        option = "upload_timeout" if slow else "read_timeout"
        return Budget(seconds, option, end=time.monotonic() + seconds)

    @overload
    def read(
        self, path: str, params: Mapping[str, Any] | None = None, *, limit: Limit = ROW
    ) -> object: ...

    @overload
    def read(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        build: Callable[[object], T],
        limit: Limit = ROW,
    ) -> T: ...

    def read(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        build: Callable[[object], Any] | None = None,
        limit: Limit = ROW,
    ) -> object:
        """GET a path, again after transient errors.

        :param path: path below the base URL, starting with ``/v4``
        :param params: query parameters
        :param build: makes what is kept of the JSON body; all of it is kept if it is left out
        :param limit: what the answer may hold
        :returns: what was built, or the JSON body
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        request = Request("GET", path, self.budget(), params=params, limit=limit, build=build)
        answer: object = self._read(request)
        return answer

    def read_page(
        self,
        path: str,
        params: Mapping[str, Any],
        budget: Budget,
        build: Callable[[object], Row],
        known: int = 0,
        *,
        page_of: PageOf = plain_page,
        limit: Limit = PAGE,
    ) -> tuple[list[Row], object]:
        """GET a page of a list, again after transient errors.

        :param path: path of the list
        :param params: query parameters
        :param budget: what the whole list may cost
        :param build: makes a model of a row; nothing else of the row is kept
        :param known: how many of its rows are known by now
        :param page_of: takes the rows and the count out of an answer
        :param limit: what the answer may hold
        :returns: the rows, and the count that came with them
        :raises UnexpectedResponseError: the answer is not a list of objects with ids, or the list
            is too long
        :raises AnswerTooLargeError: an answer, or what is kept of all of them, is too large
        """
        budget.pages += 1

        def rows_and_count(body: object) -> tuple[list[Row], object]:
            page, count = page_of(body)
            rows = _rows_with_ids(page, path)
            if known + len(rows) > MOST_ROWS or budget.pages > MOST_PAGES:
                raise UnexpectedResponseError(
                    f"GET {path} has more than {MOST_ROWS} rows or {MOST_PAGES} pages, so it was"
                    " not read to its end."
                )
            built = list(map(build, rows))
            budget.kept_left -= sum(map(size_of_texts, built))
            if budget.kept_left < 0:
                raise AnswerTooLargeError(
                    f"GET {path} has rows whose texts take more than {MOST_KEPT} bytes."
                )
            return built, count

        request = Request("GET", path, budget, params=params, limit=limit, build=rows_and_count)
        result: tuple[list[Row], object] = self._read(request)
        return result

    def reads_longer_lists(self) -> bool:
        """Tell whether this process reads more of a list that is not paged than of a page."""
        return WHOLE_LIST.within(self.largest_answer).size > PAGE.size

    def download(self, path: str, file: BinaryIO, params: Mapping[str, Any] | None = None) -> None:
        """GET a file, again and from its beginning after transient errors.

        :param path: path below the base URL
        :param file: where it goes, in place of what is there; rewound at the end
        :param params: query parameters
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        request = Request("GET", path, self.budget(slow=True), params=params, file=file, slow=True)

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            if self._send(request) is not None or not file.tell():
                raise UnexpectedResponseError(f"GET {path} did not answer with a file.")
            file.seek(0)

        self._read(request, attempt)

    def read_bytes(self, path: str, limit: Limit) -> bytes:
        """GET what is not JSON and fits into memory, again after transient errors.

        :param path: path below the base URL
        :param limit: what the answer may hold
        :returns: the body of the answer
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        content: bytes = self._read(Request("GET", path, self.budget(), limit=limit, raw=True))
        return content

    def try_out(
        self, path: str, body: MultipartFile, params: Mapping[str, Any] | None = None
    ) -> object:
        """POST an upload that changes nothing, again after transient errors.

        :param path: path below the base URL
        :param body: the upload
        :param params: query parameters
        :returns: the JSON body of the answer
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        budget = self.budget(slow=True)
        return self._read(
            Request("POST", path, budget, params=params, body=body, slow=True, limit=IMPORT)
        )

    def write(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: MultipartFile | None = None,
        params: Mapping[str, Any] | None = None,
        slow: bool = False,
        repeat: bool = True,
        parse: bool = True,
        execution_id: str | None = None,
        again: bool = False,
        limit: Limit = ROW,
    ) -> object:
        """Send a change, again only if the server provably did nothing with it.

        :param method: HTTP method
        :param path: path below the base URL
        :param json: body as JSON, or
        :param body: body as an upload
        :param params: query parameters
        :param slow: whether the server works long before it answers, as with an upload
        :param repeat: whether it is sent again at all
        :param parse: whether the answer has a body that counts; one that is not JSON is an error
            then
        :param execution_id: the key by which the server takes it once
        :param again: whether the server is known to do that, so that it is sent again after every
            transient error
        :param limit: what the answer may hold
        :returns: the JSON body of the answer, None if it is not parsed; :data:`.ACCEPTED_BEFORE` if
            a request of this key was taken before
        :raises TrifactaError: in the class that fits, see :mod:`.errors`
        """
        self._warn()
        slow = slow or body is not None
        budget = self.budget(slow=slow)
        request = Request(
            method, path, budget, params, json, body, slow=slow, parse=parse, limit=limit
        )
        request.execution_id = execution_id
        may_repeat = may_repeat_read if again else may_repeat_write
        repetitions = WRITE_RETRIES if repeat else 0
        attempt = partial(self._send, request)
        return repeating(attempt, may_repeat, repetitions, self.sleep, left=budget.left)

    def _warn(self) -> None:
        """Warn of an unsafe connection, once and before a change: waits only read, in many
        processes.
        """
        if self.config.insecure and self.config.base_url not in _warned:
            _warned.add(self.config.base_url)
            log.warning("The connection to %s %s", self.config.base_url, self.config.insecure)

    def _read(self, request: Request, attempt: Callable[[], Any] | None = None) -> Any:
        attempt = attempt or partial(self._send, request)
        repetitions = self.config.read_retries
        return repeating(
            attempt, may_repeat_read, repetitions, self.sleep, left=request.budget.left
        )

    def _send(self, request: Request) -> object:
        """Send a request once, and follow its redirects."""
        request.limit = request.limit.within(self.largest_answer)
        try:
            with memory.claim(self.config.base_url) as claim:
                return self._follow(request, claim)
        except TrifactaError as error:
            # What was not sent as a whole has no effect, even if an answer says otherwise.
            error.unsent = not (request.body.sent_completely if request.body else exchange.begun)
            if isinstance(error, APIError) and self._lacks_deployments(error):
                from .failures import lacks_deployment_manager

                raise lacks_deployment_manager(error) from None
            raise

    def _lacks_deployments(self, error: APIError) -> bool:
        """Tell an instance without Deployment Manager from one that only lacks this call.

        The list of deployments decides. It is asked for once, and the answer is kept.
        """
        unknown_route = error.from_api and error.name == ROUTE_NOT_FOUND
        if not unknown_route or not error.path.startswith(_BELOW_DEPLOYMENTS):
            return False
        if (error.method, error.path) == ("GET", _DEPLOYMENTS):
            self.learned.has_deployments = False
        elif self.learned.has_deployments is None:
            self._ask_for_deployments(error)
        return self.learned.has_deployments is False

    def _ask_for_deployments(self, error: APIError) -> None:
        """Ask whether the instance knows the list of deployments.

        :param error: what made the question necessary; it becomes retryable if there is no answer
        """
        try:
            self._send(Request("GET", _DEPLOYMENTS, self.budget(), params={"limit": 1}, limit=PAGE))
        except DeploymentManagerMissingError:
            return  # it is noted by now
        except TrifactaError as answer:
            refused = isinstance(answer, APIError) and answer.from_api and answer.status < 500
            if not refused or isinstance(answer, (AuthenticationError, RateLimitError)):
                error.retryable = True
                return
        self.learned.has_deployments = True

    def _follow(self, request: Request, claim: Claim) -> object:
        base = self.config.base_url
        asked_url = url = f"{base}{request.path}"
        params = request.params
        for _ in range(_MOST_REDIRECTS + 1):
            memory.give_back(claim)  # what the answer before took
            answer = self._exchange(request, url, params, claim)
            location = answer.headers.get("Location")
            if not location or not 300 <= answer.status < 400:
                break
            from . import redirects

            url = redirects.target_of(request.method, url, location, self.redact)
            params = None  # the target brings its own query
        else:
            raise redirects.too_many(request, url, _MOST_REDIRECTS, self.redact)
        if url != asked_url:
            redirects.refuse_login_page(request, answer, base, url, self.redact)
        return self._result(answer, request)

    def _result(self, answer: Answer, request: Request) -> object:
        """Return what a call gives for the answer at the end of its redirects."""
        if answer.status == 304 and request.execution_id:
            return ACCEPTED_BEFORE
        if 300 <= answer.status < 400:
            raise UnexpectedResponseError(
                f"{request.method} {request.path} answered {answer.status} without a target."
            )
        if answer.status >= 400:
            from .failures import api_error

            with memory.parsing:
                raise api_error(answer, request, self.redact)
        if request.raw:
            return answer.content
        if not request.parse:
            return None
        with memory.parsing:
            body = answer.json(request, self.config, lambda: self.redact)
            return request.build(body) if request.build else body

    def _exchange(
        self, request: Request, url: str, params: Mapping[str, Any] | None, claim: Claim
    ) -> Answer:
        try:
            return self.session.exchange(request, url, params, claim)
        except TrifactaError:
            raise  # from the body's iterator, or of the connection
        # The libraries raise many kinds for an answer that they cannot read.
        except Exception as error:
            from .failures import failure_of

            failed = failure_of(error, request, url, self.config, self.redact)
            if failed is error:
                raise
            raise failed from None
