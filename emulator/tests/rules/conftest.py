from __future__ import annotations

import pytest
from trifacta_emulator import PresetConnection

PROD_UUID = "d75255f0-a245-11e7-8618-adc1dbb4bed0"


PROD, OTHER = PresetConnection("prod db", PROD_UUID), PresetConnection("other db", "u-other")


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
