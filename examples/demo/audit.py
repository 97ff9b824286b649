"""What the daemon says: its structured log, read as it grows.

The log is the daemon's own account (one JSON document a line), and all that the demo knows of what
it does is from there and from its tables. To wait for something is to wait for its event.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.05


class Overdue(Exception):
    """Something did not happen within its time."""


class Event(dict[str, Any]):
    """One line of the log."""

    @property
    def name(self) -> str:
        """What happened."""
        return str(self.get("event", ""))

    @property
    def at(self) -> float:
        """When it happened, by this machine's clock."""
        return datetime.fromisoformat(self["timestamp"]).timestamp()


class Audit:
    """The events so far, and a way to wait for the next."""

    def __init__(self, log: Path, heard: Callable[[Event], None]) -> None:
        self._log, self._heard = log, heard
        self._events: list[Event] = []
        self._grown = threading.Condition()
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._reader.start()

    def stop(self) -> None:
        """Read what there is, and no more."""
        self._over.set()
        self._reader.join()

    def mark(self) -> int:
        """Now, to wait for what comes after."""
        with self._grown:
            return len(self._events)

    def since(self, mark: int) -> list[Event]:
        """All that has happened since then."""
        with self._grown:
            return self._events[mark:]

    def wait(self, mark: int, name: str, within_s: float, **facts: object) -> Event:
        """The first event of this name and with these facts since then. Raises `Overdue`."""
        deadline_s = time.monotonic() + within_s
        with self._grown:
            while True:
                for event in self._events[mark:]:
                    if event.name == name and facts.items() <= event.items():
                        return event
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    wanted = " ".join([name, *(f"{key}={value}" for key, value in facts.items())])
                    raise Overdue(f"no {wanted} within {within_s:g} s")
                self._grown.wait(left_s)

    def _read(self) -> None:
        with self._log.open(encoding="utf-8", errors="replace") as log:
            begun = ""
            while True:
                last = self._over.is_set()
                *lines, begun = (begun + log.read()).split("\n")
                for line in lines:
                    self._note(_event(line))
                if last:
                    return
                self._over.wait(LOOK_EVERY_S)

    def _note(self, event: Event) -> None:
        with self._grown:
            self._events.append(event)
            self._grown.notify_all()
        self._heard(event)


def _event(line: str) -> Event:
    """A line that is no JSON was not meant to be there: it is shown as it is."""
    try:
        return Event(json.loads(line))
    except ValueError:
        return Event(event=line, level="raw")
