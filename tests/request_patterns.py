"""Which requests a fault of the emulator meets, as keywords of ``Fault``."""

from __future__ import annotations

#: An upload of a package to a deployment.
CREATE = {"method": "POST", "path": "/v4/deployments/*/releases"}
#: An activation or a deactivation of a release.
CHANGE = {"method": "PATCH", "path": "/v4/releases/*"}
#: A read of all releases.
LIST = {"method": "GET", "path": "/v4/releases"}
#: A run of a deployment's live release.
RUN = {"method": "POST", "path": "/v4/deployments/*/run"}
#: A read of one job group's status.
STATUS = {"method": "GET", "path": "/v4/jobGroups/*/status"}
#: A run of a flow, and of a recipe.
RUN_FLOW = {"method": "POST", "path": "/v4/flows/*/run"}
RUN_RECIPE = {"method": "POST", "path": "/v4/jobGroups"}
