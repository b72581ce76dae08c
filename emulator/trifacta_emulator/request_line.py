"""What faults see of a request: its first line, and what it is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from starlette.types import Scope

RequestKind = Literal["list", "read", "create", "deployment", "other"]

_PATHS: tuple[tuple[str, str, RequestKind], ...] = (
    ("GET", r"/v4/releases", "list"),
    ("GET", r"/v4/deployments/[^/]+/releases", "list"),
    ("GET", r"/v4/releases/[^/]+", "read"),
    ("POST", r"/v4/deployments/[^/]+/releases", "create"),
    ("GET", r"/v4/deployments(/[^/]+)?", "deployment"),
)


@dataclass(frozen=True)
class RequestLine:
    """
    Method and path of a request.

    :param method: in upper case.
    :param path: in lower case, without a trailing slash.
    :param query: as sent, without ``?``.
    """

    method: str
    path: str
    query: str = ""

    @classmethod
    def of(cls, scope: Scope) -> RequestLine:
        """
        Read it from a request behind ``PathMiddleware``.

        :param scope: of the request, as ASGI has it.
        """
        return cls(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))

    @property
    def is_api(self) -> bool:
        """Whether it goes to the API and not to a page or to the administration of the emulator."""
        return self.path == "/v4" or self.path.startswith("/v4/")

    @property
    def kind(self) -> RequestKind:
        """
        What it is for: ``list`` of releases (also by ``embed=releases``), ``read`` of one release, ``create`` of a
        release, ``deployment`` (list or one, both show ``latestRelease``) or ``other``.
        """
        for method, pattern, kind in _PATHS:
            if method == self.method and re.fullmatch(pattern, self.path):
                embedded = "".join(parse_qs(self.query).get("embed", []))
                return "list" if kind == "deployment" and "releases" in embedded else kind
        return "other"
