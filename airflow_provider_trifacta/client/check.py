"""A test of a connection: is this a Trifacta instance, and may this user use its deployments?"""

from __future__ import annotations

from dataclasses import replace

from . import errors
from .client import TrifactaClient
from .config import ClientConfig
from .texts import shown

#: Seconds: a person waits for the answer, and Airflow's Test button runs in its API server.
_LONGEST_WAIT = 10.0


def check(config: ClientConfig) -> tuple[bool, str]:
    """Ask who the user is, then for one deployment.

    :param config: the instance
    :returns: whether the connection can work, and what was found. An instance without Deployment Manager can: it has
        no releases, and the words say what to use there
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
            return False, f"The instance was reached, but it refuses the credentials. {error}"
        except (
            errors.GatewayPageError,
            errors.NotFoundError,
            errors.BadRequestError,
            errors.UnexpectedResponseError,
        ) as error:
            return False, f"{config.base_url} answers, but not as a Trifacta instance does. {error}"
        except errors.TrifactaError as error:
            return False, str(error)
        who = f"Logged in to {config.base_url} as {shown(person.email or person.id)}"
        try:
            client.deployments.probe()
        except errors.DeploymentManagerMissingError as error:
            return True, f"{who}. Exports, runs and imports into the workspace are possible, but no releases. {error}"
        except (errors.PermissionDeniedError, errors.NotFoundError) as error:
            return False, f"{who}, but this user cannot use Deployment Manager. {error}"
        except errors.TrifactaError as error:
            return False, f"{who}, but deployments cannot be listed. {error}"
    return True, f"{who}; Deployment Manager is available."
