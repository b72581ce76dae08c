"""What waits to be told to go on: held requests, late commits, late activations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from trifacta_emulator.request_line import RequestKind

WaitingKind = Literal["held", "commit", "activation"]
_COUNTED: dict[WaitingKind, tuple[RequestKind, ...]] = {
    "held": (),
    "commit": ("list",),
    "activation": ("list", "read"),
}
_FINISH_SECONDS = 60


@dataclass(eq=False)
class Waiting:
    """
    Something that waits.

    :param kind: what it is.
    :param fault_id: of the fault that made it.
    :param finish: does what is waited for; runs in ``loop``.
    :param abandon: forgets it, from any thread; gets whether the emulator stops.
    :param loop: the event loop of the emulator.
    :param reads: so many answers with releases may still come before it; ``None`` = any number.
    """

    kind: WaitingKind
    fault_id: int
    finish: Callable[[], Awaitable[None]]
    abandon: Callable[[bool], None]
    loop: asyncio.AbstractEventLoop
    reads: int | None = None


class WaitingRoom:
    """Holds what waits; may be used from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Waiting] = []
        self._open = True

    def open(self) -> None:
        """Take items: the emulator starts."""
        with self._changed:
            self._open = True

    def close(self) -> None:
        """Abandon all and take no more: the emulator stops."""
        with self._changed:
            self._open = False
            items, self._items = self._items, []
        for item in items:
            item.abandon(True)

    def enter(self, item: Waiting) -> bool:
        """
        Let something wait.

        :param item: what waits.
        :return: ``False`` when the emulator is stopping; then it does not wait.
        """
        with self._changed:
            if self._open:
                self._items.append(item)
                self._changed.notify_all()
            return self._open

    def leave(self, item: Waiting) -> None:
        """
        Let something wait no more; it need not be there.

        :param item: what waited.
        """
        with self._changed:
            if item in self._items:
                self._items.remove(item)

    def count(self, fault_id: int) -> int:
        """
        Tell how much waits because of a fault.

        :param fault_id: id of the fault.
        """
        with self._changed:
            return sum(item.fault_id == fault_id for item in self._items)

    def wait_for(self, fault_id: int, count: int, seconds: float) -> bool:
        """
        Block until so much waits because of a fault.

        :param fault_id: id of the fault.
        :param count: how much.
        :param seconds: for how long at most.
        :return: whether it does.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self.count(fault_id) >= count, seconds)

    def take(self, *, kind: WaitingKind | None = None, fault_id: int | None = None) -> list[Waiting]:
        """
        Take out what is to be finished or abandoned.

        :param kind: of which kind; ``None`` = any.
        :param fault_id: because of which fault; ``None`` = any.
        """
        with self._changed:
            taken = [item for item in self._items if kind in (None, item.kind) and fault_id in (None, item.fault_id)]
            self._items = [item for item in self._items if item not in taken]
            return taken

    def take_due(self, request: RequestKind) -> list[Waiting]:
        """
        Count a request that shows releases, and take out what has to happen before its answer.

        :param request: kind of the request.
        """
        with self._changed:
            due = []
            for item in self._items:
                if request in _COUNTED[item.kind] and item.reads is not None:
                    if item.reads == 0:
                        due.append(item)
                    item.reads -= 1
            self._items = [item for item in self._items if item not in due]
            return due


async def hold(room: WaitingRoom, fault_id: int, seconds: float | None) -> bool:
    """
    Let the running request wait.

    :param room: where.
    :param fault_id: because of which fault.
    :param seconds: for how long at most; ``None`` = until it is told to go on.
    :return: whether to go on; ``False`` = the emulator stops.
    """
    loop = asyncio.get_running_loop()
    gate: asyncio.Future[bool] = loop.create_future()

    def decide(go_on: bool) -> None:
        if not gate.done():
            gate.set_result(go_on)

    async def finish() -> None:
        decide(True)

    def abandon(stopping: bool) -> None:
        loop.call_soon_threadsafe(decide, not stopping)

    item = Waiting("held", fault_id, finish, abandon, loop)
    if not room.enter(item):
        return False
    try:
        return await asyncio.wait_for(gate, seconds)
    except asyncio.TimeoutError:
        return True
    finally:
        room.leave(item)


def finish_from_outside(items: Sequence[Waiting]) -> int:
    """
    Do what is waited for, from another thread than the emulator's, and wait for the end of it.

    :param items: as taken out of the room.
    :return: how many.
    """

    async def run(item: Waiting) -> None:
        await item.finish()

    for item in items:
        asyncio.run_coroutine_threadsafe(run(item), item.loop).result(_FINISH_SECONDS)
    return len(items)
