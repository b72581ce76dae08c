"""List the releases of a deployment, newest first: python list_releases.py trifacta_prod Orders."""

import sys

from airflow_provider_trifacta.check import config_of
from airflow_provider_trifacta.client import TrifactaClient

conn_id, name = sys.argv[1:]
with TrifactaClient(config_of(conn_id)) as client:
    deployment = client.deployments.by_name(name)
    for release in client.releases.list(deployment.id):
        print(
            release.id,
            "live" if release.active else "inactive",
            release.package_uuid,
            release.created_at,
        )
