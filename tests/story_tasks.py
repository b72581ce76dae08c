"""How a story runs tasks, and what it sees of the instance."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import DryRunReleaseOperator


class Tasks:
    """Runs operators and sensors on one deployment of an instance.

    :param emulator: the instance
    :param execute: the fixture
    """

    deployment = 1

    def __init__(self, emulator, execute):
        self.emulator, self.store, self.options = emulator, emulator.store, emulator.options
        self._execute = execute

    def does(self, cls, store=None, try_number=1, **options):
        """Run a task that must succeed; return what it returns, which its XComs say too."""
        result, ti = self._execute(
            cls(task_id="task", **options), store=store, try_number=try_number
        )
        if result and cls not in (
            GetDeploymentOperator,
            DryRunReleaseOperator,
        ):  # their XComs are others
            told = {key: value for key, value in result.items() if value is not None}
            if cls is RunDeploymentOperator:  # it pushes before it knows the outcome
                del told["outcome"]
            # A dry run's report is an XCom, and no part of what an import returns.
            pushed = {
                key: value
                for key, value in ti.pushed.items()
                if key in told or key not in ("report", "report_text")
            }
            assert pushed == told
        return result

    def fails(self, cls, *classes, names="", try_number=1, **options):
        """Run a task that must fail for good, with one of these errors whose text holds the name;
        return the text."""
        with pytest.raises(AirflowFailException) as caught:
            self._execute(cls(task_id="task", **options), try_number=try_number)
        error = caught.value.__cause__
        # The trigger hands an error over in words, which begin with its class.
        words = str(error)
        handed_over = type(error) is errors.FailedWaitError
        found = getattr(errors, words.partition(":")[0]) if handed_over else type(error)
        assert issubclass(found, classes), repr(caught.value)
        assert str(names) in words
        return words

    def waits(self, cls, *classes, names="", **options):
        """Wait in both ways. Each must fail with one of these errors, or succeed where there are
        none; none writes."""
        before = self.writes
        for deferrable in (False, True):
            how = {"deferrable": deferrable, "poke_interval": 0.001, **options}
            if classes:
                self.fails(cls, *classes, names=names, **how)
            else:
                self.does(cls, **how)
        assert self.writes == before

    def here(self, **options):
        return {"deployment_id": self.deployment, **options}

    def baseline(self):
        found = self.does(GetDeploymentOperator, **self.here())
        assert found["active_release_id"] == self.live
        assert found["latest_release_id"] == max(
            [one.id for one in self.store.releases(self.deployment)], default=None
        )
        return found

    @property
    def releases(self):
        return [one.id for one in self.store.releases(self.deployment, include_deleted=True)]

    @property
    def live(self):
        release = self.store.active_release(self.deployment)
        return release.id if release else None

    @property
    def writes(self):
        return [call.path for call in self.emulator.calls if call.method != "GET"]

    @property
    def job_groups(self):
        return self.store.job_groups(self.deployment)
