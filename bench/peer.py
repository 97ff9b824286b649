"""Another system, watched: a worker that says what it saw, and a healthy session that sends.

A worker that ends is begun anew after a second, as systemd would with `Restart=always`.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path
from typing import Self

from bench.faults import Line
from bench.measure import Sightings

RESTART_S = 1.0
_PEERS = Path(__file__).with_name("peers")


class Peer:
    """`program` is a file in `peers/`; a context manager."""

    def __init__(self, name: str, program: str, python: str, line: Line) -> None:
        self.name, self.line = name, line
        self.sightings = Sightings()
        #: How often it ended by itself, and how often it had to be ended.
        self.restarts = self.helped = 0
        self._argv = [python, str(_PEERS / program)]
        self._over = threading.Event()
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        subprocess.run([*self._argv, "install", self.line.healthy], check=True)
        self._sender = self._new_sender()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        if not self._ready.wait(60):
            raise RuntimeError(f"{self.name} did not begin to work")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._worker.kill()
        self._keeper.join()
        self._end(self._worker)
        self._end(self._sender)

    @property
    def pid(self) -> int:
        """The worker's."""
        return self._worker.pid

    def change(self, n: int) -> None:
        """Returns once it is committed. The healthy session does not outlive the server either."""
        if not self._send(n):
            self._end(self._sender)
            self._sender = self._new_sender()
            if not self._send(n):
                raise RuntimeError(f"{self.name} could not send {n} by a healthy session")

    def begin_anew(self) -> None:
        """Killed, and begun again by its supervisor."""
        self.helped += 1
        self._worker.kill()

    def _send(self, n: int) -> bool:
        assert self._sender.stdin is not None
        assert self._sender.stdout is not None
        try:
            self._sender.stdin.write(f"{n}\n")
            self._sender.stdin.flush()
        except BrokenPipeError:
            return False
        return self._sender.stdout.readline().strip() == "sent"

    def _new_sender(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._argv, "send", self.line.healthy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _keep(self) -> None:
        while True:
            self._worker = subprocess.Popen(
                [*self._argv, "work", self.line.dsn],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._worker.stdout is not None
            for said in self._worker.stdout:
                self._ready.set()
                match said.split():
                    case ["saw", n]:
                        self.sightings.saw(int(n))
                    case ["saw", "all", "to", n]:
                        self.sightings.saw(int(n), all_before=True)
            self._worker.wait()
            if self._over.wait(RESTART_S):
                return
            self.restarts += 1
