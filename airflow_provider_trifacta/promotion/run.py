"""What is run: the live release of a deployment, flows, or a recipe. :mod:`.run_once` makes sure
that it runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    InvalidInputError,
    RunNotStartedError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.foreign_words import logger
from ..client.ids import parse_ids
from .journal import digest_of
from .run_once import Once, Order, Run
from .standing import Standing
from .tries import Tries

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import JobGroup

log = logger(__name__)


#: What to do if a template did not give the text that it shows.
_NATIVE = (
    "Give the value as a text. In a DAG with render_template_as_native_obj=True put quotes into it,"
    " for example '\"1.10\"', because that option turns a text that looks like a Python value into"
    " that value."
)


def check_parameters(parameters: object) -> dict[str, str]:
    """Check the parameters of a run, before any request.

    Texts are sent as they are. An int becomes its digits, as a value and as a name. A float or a
    bool is refused, because it has lost its spelling: native rendering makes 1.1 of ``1.10``.

    :param parameters: values by parameter name, or None
    :returns: the texts to send, by name
    :raises InvalidInputError: for anything else
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise InvalidInputError(
            f"run_parameters must be a dict of names and values, not {str(parameters)[:80]!r}."
        )
    checked: dict[str, str] = {}
    for given, value in parameters.items():
        name = str(given) if _is_text(given) else ""
        if not name.strip():
            raise InvalidInputError(
                f"run_parameters holds the name {given!r}: a name must be a text."
            )
        if name in checked:
            raise InvalidInputError(
                f"run_parameters holds the name {name!r} twice, as a text and as a number."
            )
        if str(value).strip() == "None":
            raise InvalidInputError(
                f"run_parameters[{name!r}] must be a text or a whole number, not {value!r}. An"
                " upstream XCom or a template gave nothing."
            )
        if not _is_text(value):
            raise InvalidInputError(
                f"run_parameters[{name!r}] must be a text or a whole number, not of type "
                f"{type(value).__name__}. {_NATIVE}"  # its value may be a secret
            )
        checked[name] = str(value)
    return checked


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def run_deployment(
    client: TrifactaClient,
    deployment_id: int,
    parameters: Mapping[str, str],
    *,
    release_id: int | None = None,
    tries: Tries | None = None,
) -> Run:
    """Run the live release of a deployment: one job group for each manual output of its primary
    flow.

    The request is sent again only if the server provably did nothing. If its answer was lost,
    nothing is sent again, because the API cannot tell whether jobs were started.

    :param client: the production instance
    :param deployment_id: the deployment
    :param parameters: values by parameter name, which override the flow's own
    :param release_id: the release that must be live; any if it is left out
    :param tries: the tries of the task; without them, this is a first try
    :returns: what runs
    :raises RunNotStartedError: no release is live, or the run started nothing
    :raises UnexpectedLiveReleaseError: another release is live than expected
    :raises AmbiguousSubmissionError: it is unknown whether jobs were started
    :raises InterruptedChangeError: an earlier try ran another release, or with other parameters
    :raises TrifactaError: the run was refused, or could not be asked for
    """
    live = _live_release(client, deployment_id, release_id)

    def send(_key: str | None, _again: bool) -> object:
        return client.deployments.run(deployment_id, parameters)

    order = Order(
        name=f"deployment {deployment_id}",
        send=send,
        needs=(
            f"The primary flow of its live release {live} needs a manual output: define one in the"
            " source instance, and promote a new export."
        ),
    )
    request = {
        "what": "run",
        "deployment_id": deployment_id,
        "release_id": live,
        "parameters": digest_of(parameters),
    }
    fields = {"deployment_id": deployment_id, "live_id": live}
    log.info(
        "To run: live release %s of deployment %s, parameters %s",
        live,
        deployment_id,
        sorted(parameters),
    )
    once = Once(client, request, [order], tries or Tries(), fields=fields)
    return once.run(release_id=live)


def run_flows(
    client: TrifactaClient,
    flow_ids: Sequence[int],
    parameters: Mapping[str, str],
    *,
    release_id: int | None = None,
    tries: Tries | None = None,
) -> Run:
    """Run flows, one after the other: one job group for each manual output.

    :param client: the instance
    :param flow_ids: the flows
    :param parameters: values by parameter name, for each of them
    :param release_id: the release that must be live, else nothing is started
    :param tries: the tries of the task, with the execution id; without them, this is a first try
        that has none
    :returns: what runs
    :raises RunNotStartedError: a run started nothing
    :raises UnexpectedLiveReleaseError: the release is not live
    :raises AmbiguousSubmissionError: it is unknown whether jobs were started
    :raises InterruptedChangeError: an earlier try ran something else
    :raises TrifactaError: a run was refused, or could not be asked for
    """
    ids = parse_ids(flow_ids, "flow_ids")
    _require_live(client, release_id)

    request = {
        "what": "run_flow",
        "flow_ids": ids,
        "release_id": release_id,
        "parameters": digest_of(parameters),
    }
    log.info("To run: flows %s, parameters %s", ids, sorted(parameters))
    orders = [_order_of_flow(client, flow_id, parameters) for flow_id in ids]
    once = Once(client, request, orders, tries or Tries(), fields={"flow_ids": ids})
    return once.run(release_id=release_id)


def _order_of_flow(client: TrifactaClient, flow_id: int, parameters: Mapping[str, str]) -> Order:
    def send(key: str | None, again: bool) -> object:
        return client.flows.run(flow_id, parameters, execution_id=key, again=again)

    def has(group: JobGroup) -> bool:
        return group.flow_id == flow_id

    return Order(
        name=f"flow {flow_id}",
        send=send,
        needs="It needs a manual output.",
        path="/v4/flows/{}/run",
        has=has,
    )


def run_recipe(
    client: TrifactaClient,
    recipe_id: int,
    parameters: Mapping[str, str],
    *,
    overrides: Mapping[str, Any],
    release_id: int | None = None,
    tries: Tries | None = None,
) -> Run:
    """Run one recipe, as one job group.

    :param client: the instance
    :param recipe_id: the recipe
    :param parameters: values by parameter name
    :param overrides: as for :meth:`.JobGroups.start`
    :param release_id: as for :func:`run_flows`
    :param tries: as for :func:`run_flows`
    :returns: what runs
    :raises TrifactaError: as :func:`run_flows` does
    """
    _require_live(client, release_id)

    def send(key: str | None, again: bool) -> object:
        return client.job_groups.start(
            recipe_id, parameters, overrides, execution_id=key, again=again
        )

    def has(group: JobGroup) -> bool:
        # A run of the whole flow starts job groups of the recipe too.
        return group.recipe_id == recipe_id and group.flow_run_id is None

    order = Order(name=f"recipe {recipe_id}", send=send, path="/v4/jobGroups", has=has)
    request = {
        "what": "run_recipe",
        "recipe_id": recipe_id,
        "release_id": release_id,
        "parameters": digest_of([dict(parameters), dict(overrides)]),
    }
    log.info("To run: recipe %s, parameters %s", recipe_id, sorted(parameters))
    once = Once(client, request, [order], tries or Tries())
    return once.run(release_id=release_id)


def _require_live(client: TrifactaClient, release_id: int | None) -> None:
    """Refuse to run what a release brought, if that release is not live. Its deployment is found by
    the release.
    """
    if release_id is None:
        return
    deployment_id = client.releases.get(release_id).deployment_id
    if deployment_id is None:
        raise UnexpectedResponseError(
            f"GET /v4/releases/{release_id} does not show its deployment. Nothing was started.",
            release_id=release_id,
        )
    _live_release(client, deployment_id, release_id)


def _live_release(client: TrifactaClient, deployment_id: int, release_id: int | None) -> int:
    """Return which release is live, if it is the one that is wanted."""

    def counts(now: Standing) -> bool:
        # A list that does not show the wanted release is older than that release.
        return release_id is None or release_id in now

    now = Standing.read(client, deployment_id, counts, down_to_id=release_id)
    if now.live_id is None:
        raise now.error(
            RunNotStartedError,
            f"No release of deployment {deployment_id} is live, so there is nothing to run. Nothing"
            " was started.",
            release_id,
            advice="Activate a release first.",
        )
    if release_id not in (None, now.live_id):
        raise now.error(
            UnexpectedLiveReleaseError,
            f"{now.words} of deployment {deployment_id} is live, not release {release_id}. Nothing"
            " was started.",
            release_id,
            advice=f"Activate release {release_id}, or run the deployment without a release id.",
        )
    return now.live_id
