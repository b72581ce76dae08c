from __future__ import annotations

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.waits import JobGroupsWatch

PASSWORD = "very-long-secret"


@pytest.fixture
def watch(scripted, time):
    """Return a function that makes a poll of a watch, on a server with these states (the last one
    stays)."""

    def make(states, jobs=(200, {}, {"data": []}), tolerated_outage=60):
        left = {job_group_id: list(answers) for job_group_id, answers in states.items()}

        def respond(request):
            _, _, _, job_group_id, what = request.path.partition("?")[0].split("/")
            if what == "jobs":
                return jobs
            answers = left[int(job_group_id)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is ConnectionResetError:
                return None
            return answer if isinstance(answer, tuple) else (200, {}, answer)

        make.server = scripted(respond)
        config = ClientConfig(
            base_url=make.server.url, login="me", password=PASSWORD, read_retries=0
        )
        client = TrifactaClient(config)
        make.watch = made = JobGroupsWatch(
            list(states), tolerated_outage=tolerated_outage, clock=time.monotonic
        )

        def poll(after=0):
            time.now += after
            return made.poll(lambda: client)

        return poll

    return make
