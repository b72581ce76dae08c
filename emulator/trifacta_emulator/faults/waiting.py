"""The waiting room of faults: held requests, late commits and late activations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

RequestKind = Literal["list", "read", "create", "deployment", "other"]
WaitingKind = Literal["held", "commit", "activation"]
_COUNTED: dict[WaitingKind, tuple[RequestKind, ...]] = {
    "held": (),
    "commit": ("list",),
    "activation": ("list", "read"),
}
_FINISH_SECONDS = 60


@dataclass(eq=False)
class Waiting:
    """Something that waits.

    :param kind: what it is
    :param fault_id: id of the fault that made it
    :param finish: does what was put off; runs in ``loop``
    :param abandon: forgets it, from any thread; its argument says whether the emulator is stopping
    :param loop: the event loop of the emulator
    :param reads: number of answers with releases that may come before it; ``None`` = no limit
    """

    kind: WaitingKind
    fault_id: int
    finish: Callable[[], Awaitable[None]]
    abandon: Callable[[bool], None]
    loop: asyncio.AbstractEventLoop
    reads: int | None = None


class WaitingRoom:
    """Holds what waits. Any thread may call any method."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: What waits now, in its order.
        self.items: list[Waiting] = []
        self._open = True

    def open(self) -> None:
        """Accept items: the emulator starts."""
        with self._changed:
            self._open = True

    def close(self) -> None:
        """Abandon all items and accept no more: the emulator stops."""
        with self._changed:
            self._open = False
            items = self.items
            self.items = []
        for item in items:
            item.abandon(True)

    def enter(self, item: Waiting) -> bool:
        """Add an item.

        :param item: the item
        :returns: ``False`` if the emulator is stopping; then the item does not wait
        """
        with self._changed:
            if self._open:
                self.items.append(item)
                self._changed.notify_all()
            return self._open

    def leave(self, item: Waiting) -> None:
        """Remove an item, if it is still there.

        :param item: the item
        """
        with self._changed:
            if item in self.items:
                self.items.remove(item)

    def count(self, fault_id: int) -> int:
        """Count the items of a fault.

        :param fault_id: id of the fault
        """
        with self._changed:
            return sum(item.fault_id == fault_id for item in self.items)

    def wait_for(self, fault_id: int, count: int, seconds: float) -> bool:
        """Block until a fault has a number of items.

        :param fault_id: id of the fault
        :param count: number of items
        :param seconds: longest time
        :returns: whether it has them
        """

        def enough() -> bool:
            return self.count(fault_id) >= count

        with self._changed:
            return self._changed.wait_for(enough, seconds)

    def take(
        self, *, kind: WaitingKind | None = None, fault_id: int | None = None
    ) -> list[Waiting]:
        """Take items out, to finish or abandon them.

        :param kind: only items of this kind; ``None`` = any
        :param fault_id: only items of this fault; ``None`` = any
        """
        with self._changed:
            taken = []
            left = []
            for item in self.items:
                fits = kind in (None, item.kind) and fault_id in (None, item.fault_id)
                if fits:
                    taken.append(item)
                else:
                    left.append(item)
            self.items = left
            return taken

    def take_due(self, request: RequestKind) -> list[Waiting]:
        """Count a request that shows releases, and take out the items that must happen before its
        answer.

        :param request: kind of the request
        """
        with self._changed:
            due = []
            left = []
            for item in self.items:
                if item.reads is None or request not in _COUNTED[item.kind]:
                    left.append(item)
                elif item.reads == 0:
                    due.append(item)
                else:
                    item.reads -= 1
                    left.append(item)
            self.items = left
            return due


async def hold(room: WaitingRoom, fault_id: int, seconds: float | None) -> bool:
    """Hold the running request.

    :param room: the waiting room
    :param fault_id: id of the fault that holds it
    :param seconds: longest time; ``None`` = until a test releases it
    :returns: whether to go on; ``False`` = the emulator is stopping
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
    """Finish items from a thread other than the emulator's, and wait until they are done.

    :param items: items from the room
    :returns: how many
    """

    async def run(item: Waiting) -> None:
        await item.finish()

    for item in items:
        finished = asyncio.run_coroutine_threadsafe(run(item), item.loop)
        finished.result(_FINISH_SECONDS)
    return len(items)
