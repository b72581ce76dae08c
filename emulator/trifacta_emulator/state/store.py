"""All methods of the state in one place, for tests, for the command line and for the API."""

from __future__ import annotations

from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.state.connections import Connections
from trifacta_emulator.state.deployments import Deployments
from trifacta_emulator.state.flow_writes import FlowWrites
from trifacta_emulator.state.flows import Flows
from trifacta_emulator.state.job_groups import JobGroups
from trifacta_emulator.state.recipes import Recipes
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.state import State


class Store:
    """All state of an instance. Any thread may call any method while the emulator serves.

    Each name is a method of a resource, which documents it: ``store.create_release`` is
    ``Releases.create``.

    :param options: the instance's options; some connections and flows may exist from the start
    :raises ValueError: the product version cannot be read, or a flow names a connection that does
        not exist
    """

    def __init__(self, options: EmulatorOptions) -> None:
        #: The tables themselves.
        self.state = state = State(options)
        self.events = state.events
        self.runs = state.runs

        connections = Connections(state)
        self.create_connection = connections.create
        self.connection = state.connections.find
        self.connections = state.connections.all

        flows = Flows(state)
        self.create_flow = flows.create
        self.flow = state.flows.find
        self.flows = state.flows.all
        self.released_flow = flows.released
        self.share_flow = flows.share
        self.edit_flow = flows.edit
        self.delete_flow = flows.delete
        self.export_flow = flows.export
        self.import_flow = flows.import_package
        self.preview_flow = flows.preview

        flow_writes = FlowWrites(state)
        self.create_empty_flow = flow_writes.create_empty
        self.copy_flow = flow_writes.copy

        recipes = Recipes(state)
        self.flow_home = recipes.home
        self.recipe = recipes.find
        self.recipes = recipes.all
        self.create_recipe = recipes.create

        deployments = Deployments(state)
        self.create_deployment = deployments.create
        self.deployment = state.deployments.find
        self.deployments = deployments.all
        self.rename_deployment = deployments.rename
        self.delete_deployment = deployments.delete
        self.import_rules = deployments.rules
        self.replace_import_rules = deployments.replace_rules

        releases = Releases(state)
        self.announce_release = releases.announce
        self.withdraw_release = releases.withdraw
        self.create_release = releases.create
        self.preview_import = releases.preview
        self.drop_on_next_import = releases.drop_on_next_import
        self.release = state.releases.find
        self.releases = releases.all
        self.active_release = releases.active
        self.update_release = releases.update
        self.activate_late = releases.activate_late
        self.delete_release = releases.delete

        job_groups = JobGroups(state)
        self.run_deployment = job_groups.run
        self.run_flow = job_groups.run_flow
        self.run_recipe = job_groups.run_recipe
        self.output_of = job_groups.output_of
        self.flow_run = state.flow_runs.find
        self.job_group = state.job_groups.find
        self.job_groups = job_groups.all
        self.cancel_job_group = job_groups.cancel

        self._add_presets(options)

    def _add_presets(self, options: EmulatorOptions) -> None:
        for connection in options.connections:
            self.create_connection(
                connection.name, connection.uuid, kind=connection.type, vendor=connection.vendor
            )
        ids = {user.email: number for number, user in enumerate(options.users, 1)}
        for flow in options.flows:
            made = self.create_flow(
                flow.name,
                connections=flow.connections,
                dataset_path=flow.dataset_path,
                output_path=flow.output_path,
                adhoc_output=flow.adhoc_output,
                description=flow.description,
                dataset_parameters=flow.dataset_parameters,
                user_id=ids[flow.owner] if flow.owner else 1,
            )
            self.share_flow(made.id, *(ids[email] for email in flow.shared_with))
        # What exists from the start shows in lists at once.
        self.state.connections.settle()
        self.state.flows.settle()
