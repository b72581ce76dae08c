"""``python -m airflow_provider_trifacta.check CONN_ID``: test a connection from where the tasks run.

Airflow's own Test button is off by default and runs in the API server, whose network may differ from the workers'.
"""

from __future__ import annotations

import argparse
import sys

from .client.check import check
from .client.errors import ConfigurationError
from .hooks.connection import config_from_connection


def main(arguments: list[str] | None = None) -> int:
    """Test a connection and print what was found; 0 when promotions can work, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.check", description="Test an Airflow connection of type trifacta."
    )
    parser.add_argument("conn_id", nargs="?", default="trifacta_default")
    conn_id = parser.parse_args(arguments).conn_id

    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined, unused-ignore]
    from airflow.models import Connection  # not the SDK's, which knows only what a task may see

    try:
        ok, words = check(config_from_connection(Connection.get_connection_from_secrets(conn_id)))
    except (AirflowNotFoundException, ConfigurationError) as error:
        ok, words = False, str(error)
    sys.stdout.write(f"{'OK' if ok else 'FAILED'}: {words}\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
