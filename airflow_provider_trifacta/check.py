"""``python -m airflow_provider_trifacta.check CONN_ID``: test a connection from where the tasks run.

Airflow's own Test button is off by default and runs in the API server, whose network may differ from the workers'.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client.check import check
from .client.errors import ConfigurationError

#: Airflow's setting of where its database is, and what it is set to inside a task of Airflow 3, which has none.
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_NO_DATABASE = "airflow-db-not-allowed"


def main(arguments: list[str] | None = None) -> int:
    """Test a connection and print what was found; 0 when promotions can work, else 1.

    A connection of the environment or of a secrets backend needs no database.
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.check", description="Test an Airflow connection of type trifacta."
    )
    parser.add_argument("conn_id", nargs="?", default="trifacta_default")
    conn_id = parser.parse_args(arguments).conn_id
    try:
        connection = _look_up(conn_id)
        from .hooks.trifacta import config_from_connection  # not at the top: it loads Airflow, see _without_database

        ok, words = check(config_from_connection(connection))
    except ConfigurationError as error:
        ok, words = False, str(error)
    sys.stdout.write(f"{'OK' if ok else 'FAILED'}: {words}\n")
    return 0 if ok else 1


def _look_up(conn_id: str) -> Any:
    """Return a connection.

    :raises ConfigurationError: there is none, or it may be in a database that cannot be read from here
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    try:
        with _without_database(known=variable in os.environ):
            from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined, unused-ignore]
            from airflow.models import Connection  # not the SDK's, which knows only what a task may see
    except Exception as error:  # Airflow opens its database while it is imported
        raise _no_database(conn_id, variable, error) from None
    try:
        with _quiet():
            return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException as missing:
        # Airflow says the same where it could not read its database.
        try:
            from airflow.utils.session import create_session

            with create_session() as session:
                session.query(Connection.conn_id).first()
        except Exception as error:
            raise _no_database(conn_id, variable, error) from None
        raise ConfigurationError(str(missing)) from None


def _no_database(conn_id: str, variable: str, error: Exception) -> ConfigurationError:
    # Without the error's words, which may hold the database's URL and so its password.
    return ConfigurationError(
        f"There is no connection {conn_id!r} in the environment or in a secrets backend, and Airflow's database cannot "
        f"be read from here ({type(error).__name__}). Workers of Airflow 3 have none. For this command set {variable} "
        "to the connection, as JSON or a URI, or run it where the database can be read."
    )


@contextmanager
def _without_database(*, known: bool) -> Iterator[None]:
    """Let Airflow be imported where its database must not or cannot be used.

    :param known: whether the connection is in the environment
    """
    before = os.environ.get(_DATABASE)
    if known or (before or "").startswith(_NO_DATABASE):
        os.environ[_DATABASE] = "sqlite://"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_DATABASE, None)
        else:
            os.environ[_DATABASE] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the traceback of a database that cannot be read from the reader; it is told in a sentence."""
    logger = logging.getLogger("airflow.models.connection")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


if __name__ == "__main__":
    sys.exit(main())
