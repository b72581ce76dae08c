from __future__ import annotations

import pytest
from rule_packages import OTHER, PROD


@pytest.fixture
def target(start):
    """An emulator with connections prod (12001) and other (12002), and a deployment with rules."""

    def _target(objects=(), values=(), **options):
        api = start(**{"connections": (PROD, OTHER), **options})
        api.deployment()
        for kind, rules in (("object", objects), ("value", values)):
            response = api("PATCH", f"/v4/deployments/1/{kind}ImportRules", json=list(rules))
            assert response.status_code == 200, response.text
        return api

    return _target
