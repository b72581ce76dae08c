"""A test of a connection: is it a Trifacta instance, and what may this user do there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from . import errors
from .client import TrifactaClient
from .config import ClientConfig
from .models import Release
from .texts import shown

#: Seconds: a person waits for the answer, and Airflow's Test button runs in its API server.
_LONGEST_WAIT = 10.0
_WITH_A_LOGIN = (
    "The connection has a login, so the password is not sent as an access token: a token needs no"
    " login."
)


def _as_dev(client: TrifactaClient) -> tuple[bool, str]:
    """Tell whether flows can be found. An export is not tried: it takes long."""
    try:
        client.flows.newest()
    except errors.TrifactaError as error:
        return False, f"flows cannot be listed. {error}"
    return True, "flows can be listed."


def _as_prod(client: TrifactaClient) -> tuple[bool, str]:
    """Tell whether a deployment and its releases can be read, as the first task of a promotion
    reads them.
    """
    try:
        deployments = client.deployments.probe()
    except errors.DeploymentManagerMissingError as error:
        return True, f"runs and imports into the workspace are possible, but no releases. {error}"
    except (errors.PermissionDeniedError, errors.NotFoundError) as error:
        return False, f"this user cannot use Deployment Manager. {error}"
    except errors.TrifactaError as error:
        return False, f"deployments cannot be listed. {error}"
    if not deployments:
        words = "Deployment Manager is available. There is no deployment yet, so no releases were"
        return True, f"{words} read."
    deployment_id = deployments[0].id
    try:
        client.deployments.get(deployment_id)
        client.releases.list(deployment_id, until=_is_one_page)
    except errors.TrifactaError as error:
        return False, f"the releases of deployment {deployment_id} cannot be read. {error}"
    return True, "Deployment Manager is available, and releases can be read."


def _is_one_page(_: Sequence[Release]) -> bool:
    return True


#: What an instance can be in a promotion: where a flow is exported, and where it is promoted.
ROLES = {"dev": _as_dev, "prod": _as_prod}


def _why(error: errors.TrifactaError, config: ClientConfig) -> str:
    """Return why the first question failed. With a path in the host, that path is the first thing
    to look at.
    """
    path = urlsplit(config.base_url).path
    if not path:
        return str(error)
    words = (
        f"The connection's host has the path {shown(path)!r}: leave it out, unless the instance is"
        " behind it."
    )
    # The text of a 404 advises to look at permissions and objects.
    if isinstance(error, errors.NotFoundError):
        return f"{words} {error.method} {error.path} answered {error.status}."
    return f"{words} {error}"


def check(config: ClientConfig, role: str | None = None) -> tuple[bool, str]:
    """Ask who the user is, and then what each role needs.

    :param config: the instance
    :param role: one of :data:`ROLES`; None for each of them
    :returns: whether the connection can work in the role, or in one of them, and what was found. An
        instance without Deployment Manager can be Prod: it has no releases, and the words say what
        to use there
    """
    impatient = replace(
        config,
        read_retries=0,
        connect_timeout=min(config.connect_timeout, _LONGEST_WAIT),
        read_timeout=min(config.read_timeout, _LONGEST_WAIT),
        total_timeout=min(config.seconds_of_a_call, 2 * _LONGEST_WAIT),
    )
    with TrifactaClient(impatient) as client:
        try:
            person = client.people.current()
        except errors.AuthenticationError as error:
            words = f"Something at {config.base_url} refuses the credentials."
            if error.from_api:
                words = "The instance was reached, but it refuses the credentials."
            hint = _WITH_A_LOGIN if config.login else ""
            return False, f"{words} {error} {hint}".rstrip()
        except (
            errors.GatewayPageError,
            errors.NotFoundError,
            errors.BadRequestError,
            errors.UnexpectedResponseError,
        ) as error:
            words = f"{config.base_url} answers, but not as a Trifacta instance does."
            return False, f"{words} {_why(error, config)}"
        except errors.TrifactaError as error:
            return False, str(error)
        who = f"Logged in to {config.base_url} as {shown(person.email or person.id)}"
        sentences = [f"{who}."]
        can_work = False
        for name, probe in ROLES.items():
            if role not in (None, name):
                continue
            ok, words = probe(client)
            can_work = can_work or ok
            sentences.append(f"As {name.title()}: {'yes' if ok else 'no'}, {words}")
    return can_work, " ".join(sentences)
