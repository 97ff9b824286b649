"""The pulse: a thread that sends the listener's heartbeats, by a connection of its own.

It is apart from the keeper because a heartbeat must go out on time while a lease is renewed on a
wire that fell silent, or asked for while the engine takes its time. One that cannot be sent is
tried again soon: what is not proven for long is not worth much.

Each tells how full the server's queue of notifications is: a full one makes writers fail, so it is
said in good time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from refitd.core.finding import QUEUE_ALARM
from refitd.errors import DatabaseError
from refitd.ports import Log

#: After one that could not be sent.
SOON_S = 0.5
DOCTOR = "some session listens and never ends its transaction: `refitd doctor` says how to find it"


class Pulse:
    """Calls `beat` every so often, which raises `DatabaseError` when it could not send, and
    answers how much of the queue is in use, 0 to 1, where it did send."""

    def __init__(
        self, beat: Callable[[], float | None], log: Log, every_s: float, stopping: threading.Event
    ) -> None:
        self._beat, self._log, self._every_s = beat, log, every_s
        self._stopping = stopping
        self._trouble = ""
        self._piled_up = False

    def run(self) -> None:
        """The thread's body: until `stopping`."""
        while not self._stopping.is_set():
            self._stopping.wait(self.turn())

    def turn(self) -> float:
        """One heartbeat; answers how long to wait before the next."""
        try:
            in_use = self._beat()
        except DatabaseError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._log.warning("heartbeat.unsent", error=str(error))
            return min(SOON_S, self._every_s)
        self._trouble = ""
        if in_use is not None:
            self._say_how_full(in_use)
        return self._every_s

    def _say_how_full(self, in_use: float) -> None:
        piled_up = in_use >= QUEUE_ALARM
        if piled_up and not self._piled_up:
            self._log.warning("notifications.piled_up", in_use=in_use, remedy=DOCTOR)
        elif self._piled_up and not piled_up:
            self._log.info("notifications.drained", in_use=in_use)
        self._piled_up = piled_up
