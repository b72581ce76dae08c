"""The hook: an Airflow connection becomes a client of one Trifacta instance."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .._compat import AirflowNotFoundException, BaseHook, mask_secret
from ..client.errors import ConfigurationError, MissingConnectionError
from ..client.secrets import secrets_of
from .connection import config_from_connection
from .form import field_behaviour, form_widgets

if TYPE_CHECKING:
    from ..client import ClientConfig, TrifactaClient

log = logging.getLogger(__name__)

#: Characters of a secret that is masked in all that Airflow shows; a shorter one would mask parts of other words.
_SHORTEST_MASKED = 5
#: What was warned of in this process.
_warned: set[str] = set()


class TrifactaHook(BaseHook):
    """Manages the connection to a self-managed Trifacta instance (Alteryx Designer Cloud).

    ``docs/connection.md`` describes the fields and extras of a connection of type ``trifacta``.

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
        """The client of the connection's instance; made on first use.

        :raises ConfigurationError: when the connection cannot be used; the message names the field
        """
        from ..client import TrifactaClient  # not at import: it loads requests, and DAG parsing need not

        return TrifactaClient(self._config)

    @cached_property
    def polling_config(self) -> ClientConfig:
        """The configuration for waits: reads are not repeated, since the next poll does that.

        :raises ConfigurationError: as :attr:`client`
        """
        return replace(self._config, read_retries=0)

    def get_conn(self) -> TrifactaClient:
        """Return :attr:`client`, under the name that Airflow's hooks share."""
        return self.client

    @cached_property
    def _config(self) -> ClientConfig:
        try:
            connection = self.get_connection(self.trifacta_conn_id)
        except AirflowNotFoundException as error:
            raise MissingConnectionError(f"There is no connection {self.trifacta_conn_id!r}: {error}") from error
        config = config_from_connection(connection)
        for secret in secrets_of(config):
            if len(secret) >= _SHORTEST_MASKED:
                mask_secret(secret)
        log.info("Trifacta instance of connection %s: %s", self.trifacta_conn_id, config.base_url)
        if config.base_url.startswith("http://"):
            self._warn_once("uses plain http: credentials cross the network unencrypted.")
        elif config.verify is False:
            self._warn_once("does not verify the server's certificate: credentials may go to another server.")
        return config

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection; Airflow's Test button calls this in its API server.

        ``python -m airflow_provider_trifacta.check CONN_ID`` does the same from a worker.

        :returns: whether promotions can work, and what was found
        """
        from ..client.check import check

        try:
            return check(self._config)
        except ConfigurationError as error:
            return False, str(error)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's fields, for Airflow before 3.2; the provider's metadata says the same to later ones."""
        return form_widgets()

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the form's relabelling, for Airflow before 3.2."""
        return field_behaviour()

    def _warn_once(self, what: str) -> None:
        if what not in _warned:
            _warned.add(what)
            log.warning("Connection %s %s", self.trifacta_conn_id, what)
