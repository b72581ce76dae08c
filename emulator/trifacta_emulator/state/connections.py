"""Connections of the instance, without credentials."""

from __future__ import annotations

from uuid import uuid4

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.records import LocalConnection
from trifacta_emulator.state.state import State


class Connections:
    """Creates connections.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def create(
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
        state = self._state
        with state.lock:
            if any(row.uuid == uuid for row in state.connections.all()):
                raise ValidationError(f"uuid: there is already a connection with {uuid!r}")
            now = state.options.clock()
            return state.connections.put(
                LocalConnection(
                    id=state.ids.next("connections"),
                    name=name,
                    uuid=uuid or str(uuid4()),
                    type=kind,
                    vendor=vendor,
                    created_at=now,
                    updated_at=now,
                    creator=user_id,
                    updater=user_id,
                )
            )
