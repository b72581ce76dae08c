"""The changes of production that a task can make: how each is asked for, and what the instance has
afterwards."""

from __future__ import annotations

from typing import Any

from airflow_provider_trifacta.operators.activation import (
    ActivateReleaseOperator,
    DeactivateReleaseOperator,
)
from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import ImportFlowPackageOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import (
    RunDeploymentOperator,
    RunFlowOperator,
    RunJobGroupOperator,
)
from contract.world import Request, World

UPLOAD = Request("POST", r"/v4/deployments/[^/]+/releases")
SWITCH = Request("PATCH", r"/v4/releases/[^/]+")


class Change:
    """One change.

    ``made`` counts the releases, runs, flows or deployments that there are because of the task. For
    a switch or rules it is 1 if production is as the task wants it, else 0.
    """

    #: What the rows and the tests call it.
    name: str
    #: What the guide's table calls it.
    title: str
    #: The request that makes it, and the second one if it has two.
    request: Request
    second: Request | None = None
    #: Options of the emulator.
    options: dict[str, Any] = {}
    #: How many objects the change makes.
    parts = 1

    def prepare(self, world: World) -> None:
        """Make what there is before the run."""
        world.prepare_deployment()

    def operator(self, world: World) -> Any:
        """Make the task's operator, as each process does."""
        raise NotImplementedError

    def requests(self, world: World) -> tuple[Request, Request | None]:  # noqa: ARG002
        """Return the request that makes the change, and the second one if there is one."""
        return self.request, self.second

    def made(self, world: World) -> int:
        """Count what the task made."""
        raise NotImplementedError

    def is_as_wanted(self, world: World) -> bool:  # noqa: ARG002
        """Tell whether the right release is live after a success, if nobody else acted."""
        return True

    def person(self, world: World) -> None:
        """Let a person undo the change, or decide otherwise."""
        raise NotImplementedError

    def names(self, world: World, error: Any) -> bool:
        """Tell whether an error that stops the task names what it is about."""
        return bool(error.deployment_id == world.deployment_id)

    def stands(self, world: World) -> bool:
        """Tell whether that decision stands."""
        raise NotImplementedError


def _take_baseline(world: World) -> None:
    operator = GetDeploymentOperator(task_id="baseline", deployment_id=world.deployment_id)
    world.facts["baseline"] = world.execute(operator)[0]
    world.begin()


class Create(Change):
    """A release, which is live at once."""

    name, title, request = "create", "`CreateReleaseOperator`", UPLOAD

    def prepare(self, world: World) -> None:
        super().prepare(world)
        _take_baseline(world)

    def operator(self, world: World) -> Any:
        return CreateReleaseOperator(
            task_id="t",
            deployment_id=world.deployment_id,
            package_path=str(world.package("ours")),
            baseline=world.facts["baseline"],
        )

    def made(self, world: World) -> int:
        newer = {release for release in world.release_ids if release > world.facts["before"]}
        return len(newer - {world.facts.get("person")})

    def is_as_wanted(self, world: World) -> bool:
        return world.live == max(world.release_ids)

    def person(self, world: World) -> None:
        world.server.update_release(world.facts["before"], active=True)

    def stands(self, world: World) -> bool:
        return world.live == world.facts["before"]


class Staged(Create):
    """A release, in place of which the one before is live again."""

    name, title, second = "staged", "`CreateReleaseOperator(activate=False)`", SWITCH

    def operator(self, world: World) -> Any:
        operator = super().operator(world)
        operator.activate = False
        return operator

    def is_as_wanted(self, world: World) -> bool:
        return world.live == world.facts["before"]

    def person(self, world: World) -> None:
        """Approve the release: activate it, after the one before was put back, by the task or by
        that person."""
        if world.live != world.facts["before"]:
            world.server.update_release(world.facts["before"], active=True)
            world.clock.sleep(5)
        world.server.update_release(max(world.release_ids), active=True)

    def stands(self, world: World) -> bool:
        return world.live == max(world.release_ids)


class Activate(Change):
    """An older release is made live."""

    name, title, request, target = "activate", "`ActivateReleaseOperator`", SWITCH, "old"

    def prepare(self, world: World) -> None:
        super().prepare(world)
        _take_baseline(world)

    def operator(self, world: World) -> Any:
        return ActivateReleaseOperator(task_id="t", release_id=world.facts[self.target])

    def made(self, world: World) -> int:
        return int(world.live == world.facts[self.target])

    def person(self, world: World) -> None:
        world.server.update_release(world.facts["before"], active=True)

    def stands(self, world: World) -> bool:
        return world.live == world.facts["before"]


class Deactivate(Activate):
    """The live release is made inactive."""

    name, title = "deactivate", "`DeactivateReleaseOperator`"

    def operator(self, world: World) -> Any:
        return DeactivateReleaseOperator(task_id="t", release_id=world.facts["before"])

    def made(self, world: World) -> int:
        return int(world.live is None)


class RollBack(Activate):
    """The baseline's release is made live in place of the promoted one."""

    name, title, target = "roll back", "`RollbackDeploymentOperator`", "before"

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.import_release("ours")

    def operator(self, world: World) -> Any:
        return RollbackDeploymentOperator(
            task_id="t",
            baseline=world.facts["baseline"],
            package_uuid=None,
            release_id=world.facts["ours"],
            tolerated_outage=0,
        )

    def person(self, world: World) -> None:
        world.server.update_release(world.facts["ours"], active=True)

    def stands(self, world: World) -> bool:
        return world.live == world.facts["ours"]


OBJECT_RULES = [
    {"tableName": "connections", "onCondition": {"uuid": "u-1"}, "withCondition": {"id": 9}}
]
VALUE_RULES = [{"type": "fileLocation", "on": "raw", "with": "prod"}]
EARLIER_RULES = [{"type": "fileLocation", "on": "raw", "with": "earlier"}]
PERSONS_RULES = [{"type": "fileLocation", "on": "raw", "with": "person"}]


class Rules(Change):
    """Both lists of import rules."""

    name, title, parts = "rules", "`SetImportRulesOperator`", 2
    request = Request("PATCH", r"/v4/deployments/[^/]+/objectImportRules")
    second = Request("PATCH", r"/v4/deployments/[^/]+/valueImportRules")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.server.replace_import_rules(world.deployment_id, "value", EARLIER_RULES)
        world.begin()

    def operator(self, world: World) -> Any:
        return SetImportRulesOperator(
            task_id="t",
            deployment_id=world.deployment_id,
            object_rules=OBJECT_RULES,
            value_rules=VALUE_RULES,
        )

    def made(self, world: World) -> int:
        return sum(self._rules(world, kind) == rules for kind, rules in self._wanted.items())

    _wanted = {"object": OBJECT_RULES, "value": VALUE_RULES}

    @staticmethod
    def _rules(world: World, kind: str) -> list[Any]:
        return [dict(rule.rule) for rule in world.server.import_rules(world.deployment_id, kind)]

    def person(self, world: World) -> None:
        world.server.replace_import_rules(world.deployment_id, "object", [])
        world.server.replace_import_rules(world.deployment_id, "value", PERSONS_RULES)

    def stands(self, world: World) -> bool:
        return self._rules(world, "object") == [] and self._rules(world, "value") == PERSONS_RULES


class NewDeployment(Change):
    """A deployment."""

    name, title = "new deployment", "`CreateDeploymentOperator`"
    request = Request("POST", r"/v4/deployments")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.begin()

    def operator(self, world: World) -> Any:  # noqa: ARG002
        return CreateDeploymentOperator(task_id="t", name="Returns")

    def names(self, world: World, error: Any) -> bool:
        """A deployment in doubt has no id yet; the error names what there is in its text."""
        return error.deployment_id is None or error.deployment_id in self._found(world)

    def _found(self, world: World) -> list[int]:
        return [
            deployment.id
            for deployment in world.server.deployments()
            if deployment.name == "Returns"
        ]

    def made(self, world: World) -> int:
        return len(self._found(world))

    def person(self, world: World) -> None:
        world.facts["deleted"] = self._found(world)
        for deployment_id in world.facts["deleted"]:
            world.server.delete_deployment(deployment_id)

    def stands(self, world: World) -> bool:
        return not world.facts["deleted"] or not self._found(world)


class ImportFlows(Change):
    """A package as flows of a workspace."""

    name, title = "import", "`ImportFlowPackageOperator`"
    request = Request("POST", r"/v4/flows/package")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.begin()
        world.facts["flows"] = {flow.id for flow in world.server.flows()}

    def operator(self, world: World) -> Any:
        return ImportFlowPackageOperator(
            task_id="t", package_path=str(world.package("ours")), dry_run_first=False
        )

    def _new(self, world: World) -> list[int]:
        return [flow.id for flow in world.server.flows() if flow.id not in world.facts["flows"]]

    def made(self, world: World) -> int:
        return len(self._new(world))

    def person(self, world: World) -> None:
        world.facts["deleted"] = self._new(world)
        for flow_id in world.facts["deleted"]:
            world.server.delete_flow(flow_id)

    def stands(self, world: World) -> bool:
        return not world.facts["deleted"] or not self._new(world)

    def names(self, world: World, error: Any) -> bool:
        new = set(self._new(world))
        return new <= set(error.flow_ids) <= {*new, *world.facts.get("deleted", ())}


class Run(Change):
    """The jobs of a deployment's live release."""

    name, title = "run", "`RunDeploymentOperator`"
    request = Request("POST", r"/v4/deployments/[^/]+/run")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.begin()

    def operator(self, world: World) -> Any:
        return RunDeploymentOperator(
            task_id="t", deployment_id=world.deployment_id, wait_for_completion=False
        )

    def made(self, world: World) -> int:
        return len(world.server.job_groups())

    def names(self, world: World, error: Any) -> bool:
        return set(error.job_group_ids) == {group.id for group in world.server.job_groups()}

    def person(self, world: World) -> None:
        world.facts["canceled"] = [group.id for group in world.server.job_groups()]
        for group_id in world.facts["canceled"]:
            world.server.cancel_job_group(group_id)

    def stands(self, world: World) -> bool:
        """Tell whether nothing that a person canceled was started again."""
        return not world.facts["canceled"] or self.made(world) <= self.parts


class RunFlows(Run):
    """The jobs of two flows."""

    name, title, parts = "flows", "`RunFlowOperator`", 2

    def requests(self, world: World) -> tuple[Request, Request | None]:
        first, second = world.facts["flows"]
        return Request("POST", f"/v4/flows/{first}/run"), Request("POST", f"/v4/flows/{second}/run")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.facts["flows"] = [world.server.create_flow(name).id for name in ("Nightly", "Weekly")]
        world.begin()

    def operator(self, world: World) -> Any:
        return RunFlowOperator(task_id="t", flow_id=world.facts["flows"], wait_for_completion=False)


class RunRecipe(Run):
    """The jobs of one recipe."""

    name, title = "recipe", "`RunJobGroupOperator`"
    request = Request("POST", r"/v4/jobGroups")

    def prepare(self, world: World) -> None:
        super().prepare(world)
        flow = world.server.create_flow("Nightly")
        recipes = world.server.recipes()
        world.facts["recipe"] = next(
            recipe.id for recipe in recipes if recipe.home.flow_id == flow.id
        )
        world.begin()

    def operator(self, world: World) -> Any:
        return RunJobGroupOperator(
            task_id="t", recipe_id=world.facts["recipe"], wait_for_completion=False
        )


class RunRecipeTwice(RunRecipe):
    """The same on an instance that does not take a request of one execution id once."""

    name, title = (
        "recipe, no execution id",
        "`RunFlowOperator`, `RunJobGroupOperator`, without the execution id",
    )
    options = {"execution_ids": "ignore"}


CHANGES: dict[str, Change] = {
    change.name: change
    for change in (
        Create(),
        Staged(),
        Activate(),
        Deactivate(),
        RollBack(),
        Rules(),
        NewDeployment(),
        ImportFlows(),
        Run(),
        RunFlows(),
        RunRecipe(),
        RunRecipeTwice(),
    )
}
