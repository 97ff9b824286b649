"""Requests to the backend all the while, on loopback, bounded in number."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Self

EVERY_S = 0.02


@dataclass
class Traffic:
    """A request after each pause; `failed` counts those that got no answer with status 200."""

    port: int
    path: str = "/modules"
    every_s: float = EVERY_S
    #: One that waits for an answer counts no other: short, where the gap is to be told exactly.
    timeout_s: float = 2.0
    #: In number; what runs for long has to say so.
    most: int = 20_000
    answered: int = 0
    failed: int = 0
    longest_gap_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self._last_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        for _ in range(self.most):
            if self._done.wait(self.every_s):
                return
            wrong = self._ask()
            now_s = time.monotonic()
            if wrong is None:
                self.answered += 1
                self.longest_gap_s = max(self.longest_gap_s, now_s - self._last_s)
                self._last_s = now_s
            else:
                self.failed += 1
                self.failures.append(wrong)

    def _ask(self) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        try:
            connection.request("GET", self.path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        return None if status == 200 else f"status {status}"
