"""How long a look takes to come after a commit, with no fault: refitd beside a bare LISTEN.

Both hear of the same writes: one session updates a row, and the trigger notifies. The clock starts
before the statement is sent, so the commit itself is in both figures; it stops when a psycopg
connection that does nothing but LISTEN has the notification, and when refitd has said what its look
found: by then it has read the rows and asked the engine. Its quiet time before a look, 0.5 s by
default, is 0 here.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench.faults import Line
from bench.measure import Numbers, Sightings
from bench.refitd import Refitd
from rig.engine import Engine
from rig.postgres import Postgres
from rig.proxy import Proxy

ROUNDS, WRITES, GAP_S = 5, 200, 0.02
LATEST_S = 10.0


class Bare:
    """A connection that LISTENs."""

    def __init__(self, dsn: str) -> None:
        self.sightings = Sightings()
        #: Which change is under way: a notification says nothing.
        self.n = 0
        self._session = psycopg.connect(dsn, autocommit=True)
        self._session.execute("listen refitd")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hear)

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """The while."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()
            self._session.close()

    def _hear(self) -> None:
        while not self._over.is_set():
            for _ in self._session.notifies(timeout=0.5, stop_after=1):
                self.sightings.saw(self.n)


def main() -> None:
    """Print a table: milliseconds, over the rounds the median and the worst of each quantile."""
    with ExitStack() as stack:
        cluster = stack.enter_context(Postgres())
        engine = stack.enter_context(Engine())
        proxy = stack.enter_context(Proxy("127.0.0.1", cluster.port))
        line = Line(cluster, cluster.create_database("refitd"), proxy)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refitd-bench-")))
        # Not by way of the proxy, which costs time.
        daemon = Refitd(line, engine.host, folder, dsn=line.healthy, look_quiet="0s")
        stack.enter_context(daemon)
        bare = Bare(line.healthy)
        stack.enter_context(bare.hearing())
        writer = stack.enter_context(psycopg.connect(line.healthy, autocommit=True))
        numbers = Numbers()
        rounds = [_round(writer, daemon, bare, numbers) for _ in range(ROUNDS)]
    print(f"\n{ROUNDS} rounds of {WRITES} writes; ms\n\n| | p50 | p95 | p99 |\n|---|---|---|---|")
    for name in ("bare LISTEN", "refitd's look"):
        cells = [
            _told([_quantile(each[name], percent) for each in rounds]) for percent in (50, 95, 99)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _round(
    writer: psycopg.Connection[tuple[object, ...]], daemon: Refitd, bare: Bare, numbers: Numbers
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"bare LISTEN": [], "refitd's look": []}
    for _ in range(WRITES):
        bare.n = n = numbers.next()
        began_s = time.monotonic()
        writer.execute("update modules set id = %s", [f"not valid {n}"])
        for name, sightings in zip(found, (bare.sightings, daemon.sightings), strict=True):
            seen_s = sightings.of(n, began_s + LATEST_S)
            if math.isinf(seen_s):
                raise RuntimeError(f"{name} has missed a change")
            found[name].append(1000 * (seen_s - began_s))
        # Without a container no change is ever taken up: each look would have one more to read.
        writer.execute("delete from refitd.change")
        time.sleep(GAP_S)
    return found


def _quantile(of: list[float], percent: int) -> float:
    return statistics.quantiles(of, n=100, method="inclusive")[percent - 1]


def _told(each: list[float]) -> str:
    return f"{statistics.median(each):.2f} ({max(each):.2f})"


if __name__ == "__main__":
    main()
