"""``python -m airflow_provider_trifacta.check CONN_ID [--role dev|prod]``: test a connection from
where the tasks run.

Airflow's own Test button is off by default and runs in the API server, whose network may differ
from the workers'.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client.check import ROLES, check
from .client.config import ClientConfig
from .client.errors import ConfigurationError
from .client.foreign_words import one_line
from .client.texts import quoted

#: Airflow's setting for its database, and the value inside a task of Airflow 3, which has no
#: database.
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_NO_DATABASE = "airflow-db-not-allowed"


def main(arguments: list[str] | None = None) -> int:
    """Test a connection and print the result.

    A connection in the environment or in a secrets backend needs no database.

    :param arguments: the command line; the process's own if it is left out
    :returns: 0 if the connection can work in the role (without one: in one of both), else 1. A
        command line that cannot be read ends the process with 2
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_trifacta.check",
        description="Test an Airflow connection of type trifacta.",
    )
    parser.add_argument("conn_id", nargs="?", default="trifacta_default")
    parser.add_argument(
        "--role", choices=list(ROLES), help="what the instance is for; both are tried without it"
    )
    options = parser.parse_args(arguments)
    try:
        works, report = check(config_of(options.conn_id), options.role)
    except ConfigurationError as error:
        works = False
        report = str(error)
    verdict = "OK" if works else "FAILED"
    sys.stdout.write(f"{verdict}: {one_line(report)}\n")
    return 0 if works else 1


def config_of(conn_id: str) -> ClientConfig:
    """Return the configuration of a connection, with or without Airflow's database.

    :param conn_id: the Airflow connection
    :returns: the configuration
    :raises ConfigurationError: the connection cannot be found or used
    """
    connection = _look_up(conn_id)
    # Not at the top: it loads Airflow, see _without_database.
    from .hooks.trifacta import config_from_connection

    return config_from_connection(connection)


def _look_up(conn_id: str) -> Any:
    """Return a connection.

    :raises ConfigurationError: it does not exist, or it may be in a database that cannot be read
        from here
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    try:
        with _without_database(known=variable in os.environ):
            from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined, unused-ignore]

            # Not the SDK's, which only finds what a task may see.
            from airflow.models import Connection
    except Exception as error:  # importing Airflow opens its database
        raise _no_database(conn_id, variable, error) from None
    from .hooks.environment import problem_of_variable

    try:
        with _quiet():
            return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException as missing:
        # Airflow raises the same error if it cannot read its database.
        try:
            _read_a_connection()
        except Exception as error:
            raise _no_database(conn_id, variable, error) from None
        raise ConfigurationError(problem_of_variable(conn_id) or str(missing)) from None


def _read_a_connection() -> None:
    """Read a row of the database, whose error says that it cannot be read."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(Connection.conn_id).first()


def _no_database(conn_id: str, variable: str, error: Exception) -> ConfigurationError:
    # Without the error's own text, which may hold the database's URL and so its password.
    return ConfigurationError(
        f"There is no connection {quoted(conn_id)} in the environment or in a secrets backend, and"
        f" Airflow's database cannot be read from here ({type(error).__name__}). Workers of Airflow"
        f" 3 have no database. Set {variable} to the connection, as JSON or a URI, or run this"
        " command where the database can be read."
    )


@contextmanager
def _without_database(*, known: bool) -> Iterator[None]:
    """Import Airflow without its database, where it must not or cannot be used.

    :param known: whether the connection is in the environment, so that no database is needed
    """
    before = os.environ.get(_DATABASE)
    if known or (before or "").startswith(_NO_DATABASE):
        os.environ[_DATABASE] = "sqlite://"
    try:
        yield
    finally:
        os.environ.pop(_DATABASE, None)
        if before is not None:
            os.environ[_DATABASE] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the traceback of a database that cannot be read, because the error says it in one
    sentence.
    """
    logger = logging.getLogger("airflow.models.connection")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


if __name__ == "__main__":
    sys.exit(main())
