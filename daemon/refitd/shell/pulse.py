"""The pulse: a thread that sends the listener's heartbeats, by a connection of its own.

It is apart from the keeper because a heartbeat must go out on time while a lease is renewed on a
wire that fell silent, or asked for while the engine takes its time. One that cannot be sent is
tried again soon: what is not proven for long is not worth much.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from refitd.errors import DatabaseError
from refitd.ports import Log

#: After one that could not be sent.
SOON_S = 0.5


class Pulse:
    """Calls `beat` every so often, which raises `DatabaseError` when it could not send."""

    def __init__(
        self, beat: Callable[[], None], log: Log, every_s: float, stopping: threading.Event
    ) -> None:
        self._beat, self._log, self._every_s = beat, log, every_s
        self._stopping = stopping
        self._trouble = ""

    def run(self) -> None:
        """The thread's body: until `stopping`."""
        while not self._stopping.is_set():
            self._stopping.wait(self.turn())

    def turn(self) -> float:
        """One heartbeat; answers how long to wait before the next."""
        try:
            self._beat()
        except DatabaseError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._log.warning("heartbeat.unsent", error=str(error))
            return min(SOON_S, self._every_s)
        self._trouble = ""
        return self._every_s
