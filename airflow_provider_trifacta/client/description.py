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

#: A parameter in a path of the description, such as ``{id}``.
_PATH_PARAMETER = re.compile(r"\{[^}]*\}")


class Description(Resource):
    """The instance's own description of its API (``GET /v4/open-api-spec`` [R])."""

    def takes_execution_id(self, path: str) -> bool:
        """Tell whether the instance takes a request of the same execution id only once.

        It describes the header with the call then. The vendor documents the header for runs of
        flows and recipes on the cloud editions [P: AAC25]. A server that does not know it would
        ignore it, and run twice.

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
    for template, item in within(body, "paths").items():
        described_path = _PATH_PARAMETER.sub("{}", template).rstrip("/")
        if not described_path.endswith(path):
            continue
        post = within(item, "post")
        for parameter in rows_within(item, "parameters") + rows_within(post, "parameters"):
            if _is_the_header(_resolved(body, parameter)):
                return True
    return False


def _is_the_header(parameter: Mapping[str, Any]) -> bool:
    name = str(parameter.get("name"))
    return parameter.get("in") == "header" and name.lower() == EXECUTION_ID


def _resolved(body: object, parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a parameter, which may stand at another place: then it is ``{"$ref": "#/a/b"}``."""
    place = parameter.get("$ref")
    if not isinstance(place, str):
        return parameter
    keys = place.lstrip("#/").split("/")
    return within(body, *keys)
