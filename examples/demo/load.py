"""Requests against the backend, all the while: what its users would have noticed.

Forty a second, from a few hands, each at its appointed moment whether or not those before it have
been answered: a backend that hangs must not slow its own critics down.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from typing import Self
from urllib.parse import urlsplit

PER_SECOND = 40
HANDS = 10
TIMEOUT_S = 10.0
#: What a module answers, and not the bare service: nothing less is being served.
PATH = "/billing?net=100&rate=19"
EXPECTED = b'"total": "119.00"'


@dataclass(frozen=True, slots=True)
class Request:
    """One request; times are this machine's clock, as they are in the daemon's log."""

    started: float
    finished: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the requests of some stretch of time come to."""

    requests: int
    failed: tuple[Request, ...]
    longest_gap_s: float


class Load:
    """Makes requests for as long as its block lasts, and remembers each."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._host, self._port = address.hostname, address.port
        self._made: list[Request] = []
        self._under_way: dict[int, float] = {}
        self._told = threading.Condition()
        self._over = threading.Event()
        self._hands = [
            threading.Thread(target=self._work, args=(hand,), daemon=True) for hand in range(HANDS)
        ]

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        for hand in self._hands:
            hand.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for hand in self._hands:
            hand.join()

    def all(self) -> list[Request]:
        """All that were made so far."""
        return list(self._made)

    def between(self, began: float, ended: float) -> Tally:
        """The requests that were started in this stretch of time, once all of them have ended:
        one that hangs is not left out for being late."""
        with self._told:
            self._told.wait_for(
                lambda: all(began_at >= ended for began_at in self._under_way.values()),
                timeout=2 * TIMEOUT_S,
            )
        made = [each for each in self.all() if began <= each.started < ended]
        finished = sorted(each.finished for each in made if not each.failure)
        answered = [moment for moment in finished if moment <= ended]
        return Tally(
            requests=len(made),
            failed=tuple(each for each in made if each.failure),
            longest_gap_s=_longest_gap_s([began, *answered, ended]),
        )

    def _work(self, hand: int) -> None:
        every_s = HANDS / PER_SECOND
        due_s = self._began_s + hand / PER_SECOND
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            with self._told:
                self._under_way[hand] = time.time()
            request = self._request()
            with self._told:
                self._made.append(request)
                del self._under_way[hand]
                self._told.notify_all()
            # A hand that was kept waiting leaves out what it missed: the rate is a bound.
            due_s += every_s * max(1, -(-(time.monotonic() - due_s) // every_s))

    def _request(self) -> Request:
        started = time.time()
        return Request(started, failure=self._ask(), finished=time.time())

    def _ask(self) -> str:
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", PATH)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()
        return "" if EXPECTED in body else f"status {answer.status}"


def _longest_gap_s(moments: Iterable[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)
