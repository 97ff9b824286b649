"""A server of ours that cannot outlive us. `keeper` is the other half of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rig import keeper


@dataclass(frozen=True)
class Traces:
    """What a server leaves on the machine, to be taken away with it."""

    folders: Sequence[Path] = ()
    commands: Sequence[Sequence[str]] = ()


@dataclass
class Child:
    """A server process; a context manager that starts it and takes it away with its traces.

    In between it can be stopped and started again, as often as a test likes.
    """

    argv: Sequence[str]
    log: Path
    traces: Traces = field(default_factory=Traces)
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 30.0
    user: str | None = None
    env: Mapping[str, str] | None = None
    pid: int | None = field(default=None, init=False)
    _left: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-IS", keeper.__file__, json.dumps(self._orders())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for us; it is told by the end of its input
            )
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the server; whether it came up, its own files know (`last_words` tells why not)."""
        self.pid = int(self._order("start"))

    def stop(self, number: signal.Signals | None = None) -> int:
        """Stops the server and leaves its data, for another `start`; returns its exit code."""
        code = int(self._order(f"stop {(number or self.stop_signal).name}"))
        self.pid = None
        return code

    def crash(self) -> None:
        """Kills the server and all that it has started, as a power cut would."""
        self._order("crash")
        self.pid = None

    def running(self) -> bool:
        """Whether the server is there (one that ended is a zombie for a moment at most)."""
        try:
            os.kill(self.pid or 0, 0)
        except ProcessLookupError:
            return False
        return self.pid is not None

    def leave(self) -> int:
        """Lets the server outlive us: SIGTERM to the pid returned takes it down, traces and all."""
        self._order("leave")
        self._left = True
        return self._keeper.pid

    def close(self) -> None:
        """Takes the server away with its traces, unless it was left."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self.pid = None
        if self._left:
            self._keeper.returncode = 0  # no longer ours to wait for
        self._keeper.wait()
        self._keeper.stdout.close()

    def last_words(self, lines: int = 15) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _orders(self) -> dict[str, object]:
        return {
            "argv": [str(word) for word in self.argv],
            "env": dict(os.environ if self.env is None else self.env),
            "log": str(self.log),
            "user": self.user,
            "stop_signal": self.stop_signal,
            "patience_s": self.patience_s,
            "remove": [str(folder) for folder in self.traces.folders],
            "afterwards": [list(command) for command in self.traces.commands],
        }

    def _order(self, order: str) -> str:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(f"{order}\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline().strip()
        if not answer:
            message = f"{self.argv[0]} could not be kept:\n{self.last_words()}"
            raise RuntimeError(message)
        return answer
