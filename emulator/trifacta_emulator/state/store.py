"""All methods of the state in one place, for tests, for the command line and for the API."""

from __future__ import annotations

from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.records import Event
from trifacta_emulator.state.connections import Connections
from trifacta_emulator.state.deployments import Deployments
from trifacta_emulator.state.flow_writes import FlowWrites
from trifacta_emulator.state.flows import Flows
from trifacta_emulator.state.job_groups import JobGroups
from trifacta_emulator.state.people import ids_by_email, people_of
from trifacta_emulator.state.recipes import Recipes
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.runs import RunOutcomes
from trifacta_emulator.state.state import State


class Store(Connections, Flows, FlowWrites, Recipes, Deployments, Releases, JobGroups):
    """All state of an instance. Any thread may call any method while the emulator serves.

    Its methods are those of the resources: ``store.create_release`` is in ``Releases``.

    :param options: the instance's options; some connections and flows may exist from the start
    :raises ValueError: the product version cannot be read, or a flow names a connection that does
        not exist
    """

    def __init__(self, options: EmulatorOptions) -> None:
        super().__init__(State(options))
        self._add_presets(options)

    @property
    def runs(self) -> RunOutcomes:
        """How the next job groups end, unless their data decides it."""
        return self.state.runs

    def events(self) -> tuple[Event, ...]:
        """List everything that happened, oldest first."""
        return self.state.events()

    def _add_presets(self, options: EmulatorOptions) -> None:
        for connection in options.connections:
            self.create_connection(
                connection.name,
                connection.uuid,
                kind=connection.type,
                vendor=connection.vendor,
            )
        user_ids = ids_by_email(people_of(options.users))
        for flow in options.flows:
            self.create_preset_flow(flow, user_ids)
        # What exists from the start shows in lists at once.
        self.state.connections.settle()
        self.state.flows.settle()
