"""The client: one object for one instance, usable without Airflow."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from types import TracebackType

from .clock import Clock
from .config import ClientConfig
from .connections import Connections
from .deployments import Deployments
from .flows import Flows
from .import_rules import ImportRules
from .job_groups import JobGroups
from .people import People
from .releases import Releases
from .transport import Transport


class TrifactaClient:
    """The Trifacta v4 API of one instance.

    .. code-block:: python

        config = ClientConfig(base_url="https://trifacta.example.com:3005", login="me", password="...")
        with TrifactaClient(config) as client:
            print(client.people.current().email)

    :param config: where the instance is and how to talk to it
    :param transport: what sends the requests, if not the usual one
    :param clock: the time for everything that waits with this client, if not the real one
    """

    def __init__(self, config: ClientConfig, *, transport: Transport | None = None, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or Clock()
        self._transport = transport or Transport(config, sleep=self.clock.sleep)
        self.people = People(self._transport)
        self.deployments = Deployments(self._transport)
        self.connections = Connections(self._transport)
        self.releases = Releases(self._transport)
        self.import_rules = ImportRules(self._transport)
        self.flows = Flows(self._transport)
        self.job_groups = JobGroups(self._transport)

    def __enter__(self) -> TrifactaClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the instance."""
        self._transport.close()
        other = self.__dict__.get("without_repetitions")
        if other is not None and other is not self:
            other.close()

    @cached_property
    def without_repetitions(self) -> TrifactaClient:
        """A client of the same instance that does not repeat reads, for callers that ask again by themselves."""
        if not self.config.read_retries:
            return self
        return TrifactaClient(replace(self.config, read_retries=0), clock=self.clock)

    def deployment_url(self, deployment_id: int) -> str:
        """Return the address of a deployment's page, for people.

        :param deployment_id: the deployment
        """
        return f"{self.config.base_url}/deployments/{deployment_id}"

    def job_group_url(self, job_group_id: int) -> str:
        """Return the address of a job group's page, for people.

        :param job_group_id: the job group
        """
        return f"{self.config.base_url}/jobs/{job_group_id}"
