"""Connections of the instance, without credentials."""

from __future__ import annotations

from uuid import uuid4

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.records import LocalConnection
from trifacta_emulator.state.state import Resource


class Connections(Resource):
    """Creates and finds connections.

    :param state: the state of the instance
    """

    def create_connection(
        self,
        name: str,
        uuid: str | None = None,
        *,
        kind: str = "jdbc",
        vendor: str = "postgres",
        user_id: int = 1,
    ) -> LocalConnection:
        """Create a connection. Several may have the same name, but not the same uuid.

        :param name: display name
        :param uuid: ``None`` = a new one, so that no other instance has the same
        :param kind: its ``type``, e.g. ``jdbc``
        :param vendor: e.g. ``postgres``
        :param user_id: who creates it; default the first user
        :raises ValidationError: the uuid is taken
        """
        state = self.state
        with state.lock:
            if uuid is None:
                uuid = str(uuid4())
            if any(connection.uuid == uuid for connection in state.connections.all()):
                raise ValidationError(f"uuid: there is already a connection with {uuid!r}")
            now = state.options.clock()
            connection = LocalConnection(
                id=state.ids.next("connections"),
                name=name,
                uuid=uuid,
                type=kind,
                vendor=vendor,
                created_at=now,
                updated_at=now,
                creator=user_id,
                updater=user_id,
            )
            return state.connections.put(connection)

    def connection(self, connection_id: int, *, include_deleted: bool = False) -> LocalConnection:
        """Find a connection.

        :param connection_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        return self.state.connections.find(connection_id, include_deleted=include_deleted)

    def connections(self, *, include_deleted: bool = False) -> tuple[LocalConnection, ...]:
        """List connections, oldest first.

        :param include_deleted: deleted ones too
        """
        return self.state.connections.all(include_deleted=include_deleted)
