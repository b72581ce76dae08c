"""What an instance says about its own API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .calls import EXECUTION_ID
from .errors import UnexpectedResponseError
from .limits import DESCRIPTION
from .models import rows_within, within
from .resources import Resource


class Description(Resource):
    """The instance's own description of its API (``GET /v4/open-api-spec`` [R])."""

    def takes_execution_id(self, path: str) -> bool:
        """Tell whether the instance describes a call as one that takes a request of the same
        execution id only once.

        The vendor documents the header for runs of flows and recipes on the cloud editions [P:
        AAC25]. A server that does not know it would ignore it, and run twice.

        :param path: the path of a POST, with ``{}`` for each id
        :returns: whether its parameters name the header; False if the description cannot be read as
            JSON
        """
        try:
            return self._transport.read(
                "/v4/open-api-spec",
                build=lambda body: _takes_the_header(body, path),
                limit=DESCRIPTION,
            )
        except UnexpectedResponseError:
            return False


def _takes_the_header(body: object, path: str) -> bool:
    for found, item in within(body, "paths").items():
        if not re.sub(r"\{[^}]*\}", "{}", found).rstrip("/").endswith(path):
            continue
        rows = [*rows_within(item, "parameters"), *rows_within(within(item, "post"), "parameters")]
        if any(_is_the_header(_resolved(body, row)) for row in rows):
            return True
    return False


def _is_the_header(row: Mapping[str, Any]) -> bool:
    return row.get("in") == "header" and str(row.get("name")).lower() == EXECUTION_ID


def _resolved(body: object, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a parameter that may stand at another place of the description, as ``{"$ref":
    "#/a/b"}``.
    """
    place = row.get("$ref")
    return within(body, *place.lstrip("#/").split("/")) if isinstance(place, str) else row
