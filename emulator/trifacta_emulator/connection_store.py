"""The store's connections."""

from __future__ import annotations

from uuid import uuid4

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.records import LocalConnection
from trifacta_emulator.store_base import StoreBase, find


class ConnectionStore(StoreBase):
    """
    Keeps the connections of the instance, without credentials.

    :param options: the instance's options; some connections may be there from the start.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        super().__init__(options)
        for one in options.connections:
            self.create_connection(one.name, one.uuid, kind=one.type, vendor=one.vendor)

    def create_connection(
        self, name: str, uuid: str | None = None, *, kind: str = "jdbc", vendor: str = "postgres", user_id: int = 1
    ) -> LocalConnection:
        """
        Create a connection. Names may repeat, uuids not.

        :param name: display name.
        :param uuid: ``None`` = one of its own, so that no other instance has the same.
        :param kind: its ``type``, e.g. ``jdbc``.
        :param vendor: e.g. ``postgres``.
        :param user_id: who does it; default the first user.
        :raises ValidationError: the uuid is taken.
        """
        with self._lock:
            if any(row.uuid == uuid for row in self._connections.values()):
                raise ValidationError(f"uuid: there is already a connection with {uuid!r}")
            now = self._options.clock()
            new_id = self._ids.next("connections")
            self._connections[new_id] = LocalConnection(
                id=new_id,
                name=name,
                uuid=uuid or str(uuid4()),
                type=kind,
                vendor=vendor,
                created_at=now,
                updated_at=now,
                creator=user_id,
                updater=user_id,
            )
            return self._connections[new_id]

    def connection(self, connection_id: int) -> LocalConnection:
        """
        Find a connection.

        :param connection_id: its id.
        :raises MissingObjectError: unknown.
        """
        with self._lock:
            return find(self._connections, "connections", connection_id, include_deleted=False)

    def connections(self) -> tuple[LocalConnection, ...]:
        """List connections, oldest first."""
        with self._lock:
            return tuple(self._connections.values())
