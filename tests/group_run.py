"""Runs the group of ``promote_flow`` without a scheduler: its tasks, their retries, and what people
do to them."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

from airflow_provider_trifacta._compat import (
    KEEPS_STATE,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_trifacta.task_groups import promote_flow

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

GROUP = "g"


class GroupInstance:
    """Stands for the task instance of one try: it reads and writes the XComs of the run."""

    def __init__(self, run, task_id, try_number):
        self._run, self.task_id, self.try_number = run, task_id, try_number
        self.max_tries = run.max_tries[task_id]
        self.dag_id, self.run_id, self.map_index = "group", "run", -1

    def xcom_push(self, key, value):
        mine = self._run.xcoms.setdefault(self.task_id, {})
        assert value is not None, f"XCom {key} is null"
        assert key not in mine, f"XCom {key} is pushed twice"
        mine[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids=None, key="return_value", default=None, **_):
        if isinstance(task_ids, (list, tuple)):
            return [self.xcom_pull(task_ids=one, key=key) for one in task_ids]
        return self._run.xcoms.get(task_ids, {}).get(key, default)

    def get_task_states(self, *, task_ids, run_ids, **_):
        return {run_ids[0]: {one: self._run.states[one] for one in task_ids}}

    def get_relevant_upstream_map_indexes(self, *_args, **_options):
        """Airflow 2 asks for it where an XComArg is resolved."""

    def get_first_reschedule_date(self, _context):
        return None


class GroupRun:
    """A run of the group.

    :param make_store: makes the state store of a task
    :param options: as for ``promote_flow``
    """

    def __init__(self, make_store, **options):
        with DAG("group", schedule=None) as self.dag:
            self.group = promote_flow(group_id=GROUP, **options)
        self.tasks = {
            task_id.partition(".")[2]: task for task_id, task in self.group.children.items()
        }
        ids = [task.task_id for task in self.tasks.values()]
        self.states = dict.fromkeys(ids)
        self.xcoms, self.errors = {}, {}
        self.max_tries = {task.task_id: task.retries for task in self.tasks.values()}
        self.tried = dict.fromkeys(ids, 0)
        self.stores = {one: make_store() for one in ids} if KEEPS_STATE else {}
        #: What happens right before a task of this name starts, or between its tries.
        self.before = {}
        self.between = {}
        self.run_type = "manual"
        #: How often Airflow counted a clear.
        self.clear_number = 0

    # What people do.

    def clear(self, *names, downstream=True):
        """Clear tasks, and what comes after them."""
        order = list(self.tasks)
        self.clear_number += 1
        for name in names:
            chosen = order[order.index(name) :] if downstream else [name]
            for one in chosen:
                task_id = self.tasks[one].task_id
                self.max_tries[task_id] = self.tried[task_id] + self.tasks[one].retries
                self.states[task_id] = None
        return self

    def mark(self, name, state):
        """Mark a task, as a person does: no process of it starts, so its XComs stay."""
        self.states[self.tasks[name].task_id] = state

    # What the scheduler does.

    def go(self, until=None):
        """Run all tasks that have no state, in their order, as their trigger rules say."""
        for name, task in self.tasks.items():
            if name == until:
                break
            if self.states[task.task_id] is not None:
                continue
            upstream = [self.states[one] for one in task.upstream_task_ids]
            if str(task.trigger_rule).rpartition(".")[2].lower() != "all_done":
                if any(state == "skipped" for state in upstream):
                    self.states[task.task_id] = "skipped"
                    continue
                if any(state != "success" for state in upstream):
                    self.states[task.task_id] = "upstream_failed"
                    continue
            if name in self.before:
                self.before.pop(name)()
            if self.states[task.task_id] is None:
                self._run(name, task)
        return self

    def _run(self, name, task):
        task_id = task.task_id
        while True:
            self.tried[task_id] += 1
            error = self._try(task)
            self.errors[name] = error
            if error is None:
                self.states[task_id] = "success"
            elif isinstance(error, AirflowSkipException):
                self.states[task_id] = "skipped"
            elif (
                isinstance(error, (AirflowFailException, AirflowSensorTimeout))
                or self.tried[task_id] > self.max_tries[task_id]
            ):
                self.states[task_id] = "failed"
            else:
                if name in self.between:
                    self.between.pop(name)()
                continue
            return

    def _try(self, task):
        task_id = task.task_id
        self.xcoms[task_id] = {}
        ti = GroupInstance(self, task_id, self.tried[task_id])
        context = {"ti": ti, "task_instance": ti, "params": {}, "dag": self.dag, "run_id": "run"}
        context["expanded_ti_count"] = None  # Airflow 2 reads it where an XComArg is resolved
        context["dag_run"] = SimpleNamespace(
            start_date=None,
            run_type=self.run_type,
            clear_number=self.clear_number,
            get_task_instance=self._instance,
        )
        if self.stores:
            context["task_state_store"] = self.stores[task_id]
        operator = task.prepare_for_execution()
        try:
            operator.render_template_fields(context)
            value = operator.execute(context)
        except Exception as error:
            logging.getLogger(__name__).info(
                "%s ends with %s: %s", task_id, type(error).__name__, error
            )
            return error
        if value is not None:
            self.xcoms[task_id]["return_value"] = json.loads(json.dumps(value))
        return None

    def _instance(self, task_id, **_):
        return SimpleNamespace(state=self.states[task_id])

    # What there is to see.

    def state_of(self, name):
        return self.states[self.tasks[name].task_id]

    def cause(self, name):
        """The provider's own error that a task ended with."""
        error = self.errors[name]
        return error.__cause__ if isinstance(error, AirflowFailException) else error

    def pushed(self, name, key):
        return self.xcoms.get(self.tasks[name].task_id, {}).get(key)

    @property
    def status(self):
        """What the last task said."""
        return self.pushed("promoted", "promotion_status")
