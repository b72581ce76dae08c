"""The hook: an Airflow connection becomes a client of one Trifacta instance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .._compat import AirflowNotFoundException, BaseHook, mask_secret
from ..client import ClientConfig, TrifactaClient, resolve_base_url
from ..client.check import check
from ..client.config import check_environment
from ..client.errors import ConfigurationError, InvalidInputError, MissingConnectionError
from ..client.foreign_words import logger
from ..client.texts import quoted, shown
from .environment import problem_of_variable
from .extras import read_extras
from .form import field_behaviour, form_widgets

if TYPE_CHECKING:
    from .._compat import Connection

log = logger(__name__)

#: Characters of a secret that Airflow masks everywhere; a shorter one would mask parts of other
#: words.
SHORTEST_MASKED = 5


class TrifactaHook(BaseHook):
    """Manages the connection to a self-managed Trifacta instance (Alteryx Designer Cloud).

    ``docs/reference/connection.md`` describes the fields and extras of a connection of type
    ``trifacta``.

    :param trifacta_conn_id: the Airflow connection
    """

    conn_name_attr = "trifacta_conn_id"
    default_conn_name = "trifacta_default"
    conn_type = "trifacta"
    hook_name = "Trifacta"

    def __init__(self, trifacta_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.trifacta_conn_id = trifacta_conn_id

    @cached_property
    def client(self) -> TrifactaClient:
        """The client of the connection's instance, made on first use.

        :raises ConfigurationError: the connection cannot be used; the error names the field
        """
        return TrifactaClient(self.config)

    def get_conn(self) -> TrifactaClient:
        """Return :attr:`client`, under the name that Airflow's hooks share."""
        return self.client

    @cached_property
    def config(self) -> ClientConfig:
        """The configuration of the client, read from the connection on first use.

        :raises ConfigurationError: the connection cannot be used; the error names the field
        """
        _check_name(self.trifacta_conn_id)
        try:
            connection = self.get_connection(self.trifacta_conn_id)
        except AirflowNotFoundException as error:
            why = problem_of_variable(self.trifacta_conn_id) or shown(error)
            words = f"There is no connection {quoted(self.trifacta_conn_id)}: {why}"
            raise MissingConnectionError(words) from None  # its words may be long or of many lines
        config = config_from_connection(connection)
        # A note only: the client warns when it is about to change something, once.
        note = f" (it {config.insecure.removesuffix('.')})" if config.insecure else ""
        words = "Trifacta instance of connection %s: %s%s"
        log.info(words, shown(self.trifacta_conn_id), config.base_url, note)
        for secret in config.secrets:
            if len(secret) >= SHORTEST_MASKED:
                mask_secret(secret)
        return config

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection; Airflow's Test button calls this in its API server.

        ``python -m airflow_provider_trifacta.check CONN_ID`` does the same from a worker.

        :returns: whether the connection can work as Dev or as Prod of a promotion, and what was
            found as each
        """
        try:
            return check(self.config)
        except (ConfigurationError, InvalidInputError) as error:
            return False, str(error)

    # The form, for Airflow before 3.2; the provider's metadata says the same to later ones.
    get_connection_form_widgets = staticmethod(form_widgets)
    get_ui_field_behaviour = staticmethod(field_behaviour)


def _check_name(conn_id: object) -> None:
    """Refuse what is no name of a connection: Airflow's own look-up ends in a raw error for it.

    :param conn_id: what was given, or what a template gave
    :raises InvalidInputError: it is no name
    """
    is_name = isinstance(conn_id, str) and conn_id.strip() != "" and conn_id.isprintable()
    if not is_name:
        raise InvalidInputError(
            "trifacta_conn_id must be the name of an Airflow connection, not"
            f" {shown(repr(conn_id))}. Nothing was sent."
        )


def config_from_connection(connection: Connection) -> ClientConfig:
    """Check a connection and turn it into the client's configuration.

    :param connection: a connection of type ``trifacta``
    :returns: the configuration
    :raises ConfigurationError: a field or an extra cannot be used; the error names it
    """
    # Airflow takes JSON in quotes for a URI without a host.
    problem = None if connection.host else problem_of_variable(connection.conn_id)
    if problem and connection.conn_type != TrifactaHook.conn_type:
        raise ConfigurationError(problem)
    extras = _extras(connection)
    port = _port(connection.port)
    config = ClientConfig(
        base_url=resolve_base_url(connection.host, schema=connection.schema, port=port),
        login=connection.login or None,
        password=connection.password or "",
        **read_extras(extras, connection.conn_id),
    )
    check_environment(config.base_url, config.proxies)
    return config


def _extras(connection: Connection) -> Mapping[str, Any]:
    raw: Any = connection.extra
    if isinstance(raw, Mapping):  # airflow.sdk.Connection(extra={...}) keeps it as it was given
        return raw
    if not raw or not raw.strip():
        return {}
    extras: object = None
    with suppress(ValueError, RecursionError):
        # Read here and not through extra_dejson, which turns unreadable text into an empty dict.
        extras = json.loads(raw)
    if isinstance(extras, dict):
        return extras
    raise ConfigurationError("The connection's extra is not a JSON object. Correct or empty it.")


def _port(value: object) -> int | None:
    if value in (None, "", 0, "0"):  # some of Airflow's pages send 0 for a blank port
        return None
    try:
        return int(str(value))
    except ValueError:
        problem = f"The connection's port must be a number, not {shown(repr(value))}."
        raise ConfigurationError(problem) from None
