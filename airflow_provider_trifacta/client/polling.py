"""The transport of polls: the same requests at half the cost, for a process with a thousand waits."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from .config import ClientConfig
from .transport import Transport


class PollingTransport(Transport):
    """A transport that looks at the environment (proxies, CA bundles) once for each server, and not at every request.

    :param config: as for :class:`.Transport`
    :param connections: as for :class:`.Transport`
    """

    def __init__(self, config: ClientConfig, *, connections: int) -> None:
        super().__init__(config, connections=connections)
        plain, self._session = self._session, _PollingSession()
        self._session.cookies = plain.cookies
        self._session.headers = plain.headers
        self._session.adapters = plain.adapters


class _PollingSession(requests.Session):
    """A session that leaves out what a poll does not need: cookies, hooks, ``.netrc``, redirects."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {}

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: Any = None,
        proxies: Any = None,
        verify: Any = None,
        cert: Any = None,
        json: Any = None,
        **_: Any,
    ) -> requests.Response:
        """Send a request as ``requests`` does; redirects are the caller's."""
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=method,
            url=url,
            params=params,
            data=data,
            json=json,
            headers={**self.headers, **(headers or {})},
            auth=auth,
        )
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        settings = self._settings.get(server)
        if settings is None:
            # The transport gives the same values with every request.
            settings = self.merge_environment_settings(server, proxies or {}, True, verify, cert)
            self._settings[server] = settings
        return self.get_adapter(url).send(prepared, timeout=timeout, **settings)
