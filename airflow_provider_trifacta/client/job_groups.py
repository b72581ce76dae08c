"""Job groups: what a run starts, one for each output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import TrifactaError, UnexpectedResponseError
from .models import JobGroup
from .paging import list_all
from .texts import shown
from .transport import Transport


class JobGroups:
    """Calls below ``/v4/jobGroups``. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def status(self, job_group_id: int) -> object:
        """Return the state of a job group: a bare word, if the server keeps to the API (API JobGroups Get Status v4).

        :param job_group_id: its id
        """
        return self._transport.read(f"/v4/jobGroups/{job_group_id}/status")

    def newest(self) -> list[JobGroup]:
        """Return the newest job groups that the user can see, one page of them (``GET /v4/jobGroups``)."""
        found = map(JobGroup.from_json, self._newest({"limit": 100}))
        return sorted(found, key=lambda one: one.id, reverse=True)

    def newest_states(self, limit: int) -> dict[int, object]:
        """Return the states of the newest job groups, as the list has them (``GET /v4/jobGroups``).

        :param limit: how many at most; the server may give fewer
        """
        rows = self._newest({"limit": limit, "fields": "id;status"})
        return {row["id"]: row.get("status") for row in rows if isinstance(row.get("id"), int)}

    def _newest(self, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Read the beginning of the list, which the API gives newest first."""
        body = self._transport.read("/v4/jobGroups", params)
        rows = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise UnexpectedResponseError('GET /v4/jobGroups did not answer a list of objects under "data".')
        return rows

    def why_failed(self, job_group_id: int) -> str:
        """Return the words of the first failed job of a job group (API JobGroups Get Jobs v4), for an error.

        They are only wanted where something failed already, so that this never fails itself.

        :param job_group_id: its id
        """
        try:
            jobs = list_all(self._transport, f"/v4/jobGroups/{job_group_id}/jobs")
        except TrifactaError as error:
            return f"its jobs could not be read: {error}"
        failed = [job for job in jobs if job.get("status") == "Failed"]
        if not failed:
            return "none of its jobs says why"
        words = failed[0].get("errorMessage")
        if isinstance(words, Mapping):  # an object in some releases
            words = words.get("message") or words
        text = words if isinstance(words, str) else json.dumps(words, default=str) if words else "no message"
        return f"job {shown(failed[0].get('id'))} ({shown(failed[0].get('jobType'))}): {self._transport.excerpt(text)}"

    def cancel(self, job_group_id: int) -> None:
        """Cancel a job group; does nothing to one that has ended (``POST /v4/jobGroups/:id/cancel``).

        :param job_group_id: its id
        """
        self._transport.write("POST", f"/v4/jobGroups/{job_group_id}/cancel")
