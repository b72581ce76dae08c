"""A relay before an emulator, which may change any answer."""

from __future__ import annotations

import requests


class Relay:
    """Passes requests on, as the emulator's administrator.

    :param emulator: the emulator
    :param change: takes a request and its answer, and returns another answer (status, headers and
        body), or None
    """

    def __init__(self, emulator, change) -> None:
        self._emulator, self._change = emulator, change
        self._session = requests.Session()
        self._session.auth = ("admin@example.com", "admin-password")

    def __call__(self, request):
        kind = request.headers.get("Content-Type")
        answer = self._session.request(
            request.method,
            f"{self._emulator.url}{request.path}",
            headers={"Content-Type": kind} if kind else {},
            data=request.read_body(),
            timeout=30,
        )
        headers = {"Content-Type": answer.headers.get("Content-Type", "")}
        plain = answer.status_code, headers, answer.content
        return self._change(request, answer) or plain
