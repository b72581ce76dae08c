"""The client: one object for one instance, usable without Airflow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from .config import ClientConfig
from .description import Description
from .flows import Flows
from .job_groups import JobGroups
from .releases import Releases
from .resources import Connections, Deployments, ImportRules, People
from .transport import Transport


class Clock:
    """The real time. Tests give a client another one."""

    def sleep(self, seconds: float) -> None:
        """Wait.

        :param seconds: how long
        """
        time.sleep(seconds)

    def monotonic(self) -> float:
        """Return seconds that only go forward, for the length of waits."""
        return time.monotonic()


class TrifactaClient:
    """The Trifacta v4 API of one instance.

    .. code-block:: python

        config = ClientConfig("https://trifacta.example.com:3005", login="me", password="...")
        with TrifactaClient(config) as client:
            print(client.people.current().email)

    :param config: where the instance is and how to talk to it
    :param transport: what sends the requests, if not the usual one
    :param clock: the time for everything that waits with this client, if not the real one
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or Clock()
        self._transport = transport or Transport(config, sleep=self.clock.sleep)
        #: Who the credentials belong to.
        self.people = People(self._transport)
        #: The deployments of the instance.
        self.deployments = Deployments(self._transport)
        #: The connections of the instance.
        self.connections = Connections(self._transport)
        #: The releases of deployments.
        self.releases = Releases(self._transport)
        #: The import rules of deployments.
        self.import_rules = ImportRules(self._transport)
        #: The flows that the user can see.
        self.flows = Flows(self._transport)
        #: The job groups, which runs start.
        self.job_groups = JobGroups(self._transport)
        #: What the instance says about its own API.
        self.description = Description(self._transport)

    def __enter__(self) -> TrifactaClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the instance."""
        self._transport.close()

    @cached_property
    def without_repetitions(self) -> TrifactaClient:
        """The same client, except that it sends no read again: for callers that ask again by
        themselves.
        """
        config = self.config.without_repetitions
        if config is self.config:
            return self
        # Both share the session with its connections, and what they learn about the instance.
        transport = replace(self._transport, config=config)
        transport.session = self._transport.session
        client = TrifactaClient(config, transport=transport, clock=self.clock)
        client.releases.source = self.releases.source
        return client

    def hiding(self, secrets: Sequence[str]) -> TrifactaClient:
        """Return the same client, except that it takes more texts out of what the instance says.

        :param secrets: texts that must not be shown, such as values of run parameters
        """
        if not secrets:
            return self
        config = replace(self.config, hidden=list(secrets))
        transport = replace(self._transport, config=config)
        return TrifactaClient(config, transport=transport, clock=self.clock)

    def deployment_url(self, deployment_id: int) -> str:
        """Return the address of a deployment's page, for people.

        :param deployment_id: the deployment
        :returns: the address
        """
        return f"{self.config.base_url}/deployments/{deployment_id}"

    def flow_url(self, flow_id: int) -> str:
        """Return the address of a flow's page, for people.

        :param flow_id: the flow
        :returns: the address
        """
        return f"{self.config.base_url}/flows/{flow_id}"

    def job_group_url(self, job_group_id: int) -> str:
        """Return the address of a job group's page, for people.

        :param job_group_id: the job group
        :returns: the address
        """
        return f"{self.config.base_url}/jobs/{job_group_id}"
