"""What operators share: the connection, the deployment, the package, the XComs, and what earlier
tries noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID, uuid5

from .._compat import COUNTS_EACH_CLEAR, Asset, AssetAlias, BaseOperator, was_cleared
from .._failures import airflow_failures, reported
from .._logs import OneLineLog
from ..assets import deployment_uri
from ..client.errors import (
    APIError,
    InvalidInputError,
    JournalUnavailableError,
    RedirectError,
    TransportError,
    TrifactaError,
)
from ..client.foreign_words import shown, storable
from ..client.ids import parse_id
from ..client.texts import called, quoted
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.journal import production_stands
from ..promotion.tries import Tries, TryFacts

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient


#: The errors of one call. A try that ends with one, for example in an outage, has not read how
#: production stands.
_SAY_NOTHING_OF_PRODUCTION: tuple[type[TrifactaError], ...] = (
    APIError,
    JournalUnavailableError,
    RedirectError,
    TransportError,
)
_ASKED_NOW = (
    "This task asked for a change, and could not read how production stands after it: look there."
)
_ASKED_EARLIER = (
    "An earlier try of this task may have changed production, and this one could not read it: look"
    " there."
)
#: The namespace of the ids that a task gives to its requests.
_EXECUTION_IDS = UUID("7c7f2b5e-6a0d-5c3c-9d0a-2f4f4f1f8a11")


class _NotGiven(Enum):
    """Stands for an argument that the author of the DAG left out.

    None cannot stand for it. A mapped task or a template may render to None, and that is an error.
    """

    NOT_GIVEN = "not given"


NOT_GIVEN: Final = _NotGiven.NOT_GIVEN


def given_or_none(value: Any) -> Any:
    """Return an argument, or None if it was left out, because Airflow shows None better."""
    return None if value is NOT_GIVEN else value


def check_name(value: Any, field: str) -> str:
    """Check that a value is a name.

    A template without a value renders to an empty text or to ``None``.

    :param value: the given value
    :param field: name of the argument, for the message
    :raises InvalidInputError: it is not a name
    """
    if not isinstance(value, str) or value.strip() in ("", "None"):
        raise InvalidInputError(
            f"{field} must be a name, not {quoted(str(value))}. Nothing was sent."
        )
    return value


def given_name(name: Any, given_id: Any, kind: str) -> str | None:
    """Return the name of an object that is given by its id or by its name.

    :param name: the given name, or None
    :param given_id: the given id, or None
    :param kind: what the arguments begin with, such as ``flow``
    :returns: the name; None if the id is to be used
    :raises InvalidInputError: both are given, or the name is not usable
    """
    if name is None:
        return None
    if given_id is not None:
        raise InvalidInputError(f"Give {kind}_id or {kind}_name, not both. Nothing was sent.")
    return check_name(name, f"{kind}_name")


def check_choice(value: Any, choices: Sequence[str], field: str) -> None:
    """Check that a value is one of a few words.

    :param value: the given value
    :param choices: the words
    :param field: name of the argument, for the message
    :raises InvalidInputError: it is another value
    """
    if value not in choices:
        allowed = " or ".join(map(repr, choices))
        raise InvalidInputError(
            f"{field} must be {allowed}, not {shown(repr(value))}. Nothing was sent."
        )


def remembers(context: Context) -> bool:
    """Tell whether a retry can read what this try notes. Airflow keeps it since 3.3."""
    store: Any = cast(Any, context).get("task_state_store")
    return store is not None


@dataclass(frozen=True)
class Target:
    """The deployment that an operator acts on: its id, or its exact name.

    It is no tuple, because Airflow 2 turns a tuple among the arguments of a log line into a plain
    one.
    """

    deployment_id: int | None
    deployment_name: str | None

    def __str__(self) -> str:
        """Return what a log calls it before it is found."""
        if self.deployment_id is None:
            return f"deployment {quoted(self.deployment_name)}"
        return f"deployment {self.deployment_id}"

    @classmethod
    def of(cls, deployment_id: Any, deployment_name: Any) -> Target:
        """Check that exactly one of the two is given and usable. This sends no request.

        :param deployment_id: an int, digits, or None
        :param deployment_name: a name, or None
        :raises InvalidInputError: both are given, or none, or the given one is not usable
        """
        name = given_name(deployment_name, deployment_id, "deployment")
        if name:
            return cls(None, name)
        return cls(parse_id(deployment_id, "deployment_id"), None)

    def found(self, deployment_id: int) -> str:
        """Return what a log calls it after it is found."""
        return called("deployment", deployment_id, self.deployment_name)

    def find(self, client: TrifactaClient) -> int:
        """Return the id of the deployment.

        :raises AmbiguousNameError: no deployment has the name, or several have it
        """
        if self.deployment_id is not None:
            return self.deployment_id
        return client.deployments.by_name(str(self.deployment_name)).id


class TrifactaOperator(OneLineLog, BaseOperator):
    """An operator that uses one instance.

    :param trifacta_conn_id: the Airflow connection of the instance (templated)
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)
    operator_extra_links: Any = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"
    #: What an error says to do next, in place of its own words. A task group sets it for its steps.
    advice: str | None = None
    #: Whether the task is a step of a group, whose last task shows what it ended with.
    in_group: bool = False

    def __init__(
        self, *, trifacta_conn_id: str = TrifactaHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Do what the task is for. Errors that a retry cannot fix end the task at once."""
        attempt = Attempt(self, context)
        with (
            reported(context["ti"], in_group=self.in_group),
            airflow_failures(advice=self.advice),
            attempt.says_how_production_stands(),
        ):
            return dict(storable(self._act(attempt) or attempt.xcoms))

    def _act(self, attempt: Attempt) -> dict[str, Any] | None:
        """Check the arguments, and act.

        :returns: the operator's result; None if that is all XComs of the attempt
        """
        raise NotImplementedError

    def _client(self) -> TrifactaClient:
        """Read the Airflow connection, and make its client."""
        return TrifactaHook(self.trifacta_conn_id).client


class DeploymentOperator(TrifactaOperator):
    """An operator that acts on one deployment.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    """

    template_fields: Sequence[str] = (
        "deployment_id",
        "deployment_name",
        *TrifactaOperator.template_fields,
    )

    def __init__(
        self, *, deployment_id: Any = None, deployment_name: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name

    def target(self) -> Target:
        """Check the arguments that name the deployment."""
        return Target.of(self.deployment_id, self.deployment_name)


class Attempt:
    """One try of a task: the XComs that it pushes, and what earlier tries of the task noted.

    :param operator: the task's operator
    :param context: the context of the try
    """

    def __init__(self, operator: BaseOperator, context: Context) -> None:
        self._operator = operator
        self._context: Any = context
        self._ti: Any = context["ti"]
        #: What the task knows of its tries, once this one began.
        self.tries: Tries | None = None
        #: The number of this try, once it begins to change something; 0 for a task that only reads.
        self._number = 0
        #: The XComs so far, by key. One that is not known is None, and is not pushed.
        self.xcoms: dict[str, Any] = {}

    def begin(self) -> Tries:
        """Begin the try. Call this once, before any request and before any error that a retry may
        follow.

        :returns: what the task knows of its tries; before Airflow 3.3 there is no journal that
            remembers them
        :raises JournalUnavailableError: Airflow's task state store cannot be read, or not written
        """
        number = int(self._ti.try_number)
        self._number = number
        try_facts = TryFacts(
            number,
            max_tries=self._ti.max_tries or 0,
            retries=self._operator.retries or 0,
            run_was_cleared=number > 1 and was_cleared(self._context),
        )
        self.tries = Tries.begin(
            try_facts,
            self._context.get("task_state_store"),
            execution_id=self._execution_id,
            run_began=getattr(self._context.get("dag_run"), "start_date", None),
            counts_each_clear=COUNTS_EACH_CLEAR,
        )
        return self.tries

    def says_how_production_stands(self) -> AbstractContextManager[None]:
        """Return a context in which an error of one call says how production stands, if this try
        ends before it could read that.
        """
        return production_stands(self._stands, kinds=_SAY_NOTHING_OF_PRODUCTION)

    def _stands(self) -> str:
        """Return how production stands, as far as this try knows it without a request."""
        if not self._number:
            return ""
        is_first = self._number == 1
        if self.tries is None:
            return "" if is_first else _ASKED_EARLIER
        if self.tries.journal.never_asked:
            return "" if is_first else "No try of this task has asked for a change."
        return _ASKED_NOW if is_first else _ASKED_EARLIER

    @property
    def _execution_id(self) -> str:
        """The id by which a server takes a request of this task once, for every try between two
        clears.

        Airflow's ``max_tries`` tells these tries: it stays over retries, also if the task's
        ``retries`` are edited in the meantime, and a clear raises it. So the id is known without a
        journal too.
        """
        ti = self._ti
        tries = json.dumps([ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries])
        return str(uuid5(_EXECUTION_IDS, tries))

    def push(self, **xcoms: Any) -> None:
        """Push each value to its XCom key at once, so that it is there if the task fails later.

        None is kept for the operator's result but not pushed: Airflow 3 treats a null XCom as a
        missing one. A value that no database takes as it is passes the gate, and the log says so.
        """
        for key, value in xcoms.items():
            xcom = self.xcoms[key] = storable(value)
            if xcom is None:
                continue
            if xcom != value and json.dumps(xcom) != json.dumps(value, default=str):
                self._operator.log.warning("The XCom %s holds what can be stored of it", key)
            self._ti.xcom_push(key=key, value=xcom)

    def push_deployment(self, client: TrifactaClient, deployment_id: int, **xcoms: Any) -> None:
        """Push the deployment's id, the address of its page, and other XComs. Show the page."""
        url = client.deployment_url(deployment_id)
        self.push(deployment_id=deployment_id, **xcoms, **{DEPLOYMENT_URL_KEY: url})
        self.show(url)

    def show(self, *urls: str) -> None:
        """Log links, each alone on its line, because Airflow's pages then show a link."""
        for url in urls:
            self._operator.log.info("%s", url)

    def announce_live(self, client: TrifactaClient, deployment_id: int, **extra: Any) -> None:
        """Add an event to each ``AssetAlias`` among the outlets, because this run made a release
        live.

        A plain asset gets an event with every success of the task. An alias only gets this one. On
        Airflow 2 this does nothing.

        :param client: the instance
        :param deployment_id: the deployment; the asset's URI names the instance and the deployment
        :param extra: the event's extra. None is left out. A list is written as JSON text: Airflow
            3.0 and the first 3.1 fail a task whose event for an alias has a list in its extra
        """
        if AssetAlias is None:
            return
        events = self._context.get("outlet_events")
        outlets = self._operator.outlets or []
        aliases = [outlet for outlet in outlets if isinstance(outlet, AssetAlias)]
        if not aliases or events is None:
            return
        uri = deployment_uri(client.config.base_url, deployment_id)
        event_extra = {"deployment_id": deployment_id, **_event_extra(extra)}
        for alias in aliases:
            events[alias].add(Asset(uri), extra=event_extra)
            self._operator.log.info("Asset event for %s: %s", alias.name, event_extra)


def announced(promotion: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event of a promotion says of it.

    :param promotion: the dict of :class:`.CreateReleaseOperator`
    """
    keys = ("release_id", "package_uuid", "primary_flow_ids")
    return {key: promotion.get(key) for key in keys}


def _event_extra(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an event's extra as Airflow takes them, without those that are None."""
    extra: dict[str, Any] = {}
    for key, value in storable(values).items():
        if isinstance(value, int):
            extra[key] = value
        elif isinstance(value, str):
            extra[key] = shown(value)
        elif value is not None:
            extra[key] = json.dumps(value)
    return extra
