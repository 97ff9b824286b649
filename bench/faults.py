"""What can happen between Postgres and one who listens to it, and how each of it ends.

Whoever is watched has a database of its own and reaches it by a proxy of its own, so that each
can be cut off alone. A change is committed by a healthy session while the fault lasts; another a
second after it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from rig.postgres import Postgres
from rig.proxy import Proxy

IDLE_S = 2


@dataclass
class Line:
    """One watched system's way to its database."""

    cluster: Postgres
    database: str
    proxy: Proxy

    @property
    def dsn(self) -> str:
        """By way of the proxy; a URL, as not everybody reads the other form."""
        direct = self.cluster.dsn(self.database)
        return direct.replace(f":{self.cluster.port}/", f":{self.proxy.port}/")

    @property
    def healthy(self) -> str:
        """Past the proxy, and not subject to the time-out that is a fault here."""
        return f"{self.cluster.dsn(self.database)}?options=-c%20idle_session_timeout%3D0"

    def run(self, statement: str) -> None:
        """By a healthy session."""
        with psycopg.connect(self.healthy, autocommit=True) as session:
            session.execute(statement.encode())

    def end_listener(self) -> None:
        """Terminate the server process of whoever LISTENs, and wait until it is gone."""
        ports = ", ".join(str(port) for port in self.proxy.listening_ports())
        if not ports:
            raise RuntimeError(f"nobody listens in {self.database}")
        self.run(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"  # noqa: S608 - numbers
            f" where client_port in ({ports})"
        )

    def set_idle_timeout(self, seconds: int | None) -> None:
        """For sessions that begin from now on; those there are begun anew."""
        value = "RESET idle_session_timeout"
        if seconds is not None:
            value = f"SET idle_session_timeout = '{seconds}s'"
        name = sql.Identifier(self.database).as_string()
        self.run(f"ALTER DATABASE {name} {value}")
        self.proxy.reset()


def _nothing(_lines: list[Line]) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Each of its acts is given all that are watched at once."""

    name: str
    begin: Callable[[list[Line]], None]
    #: What must be so before it begins, and is no fault yet: all are well again after it.
    prepare: Callable[[list[Line]], None] = _nothing
    lasts_s: float = 0.0
    end: Callable[[list[Line]], None] = _nothing
    #: After everything was measured.
    restore: Callable[[list[Line]], None] = _nothing
    #: Within which the look that sees the change is due: from the fault's end, or its beginning.
    bound_s: float = 2.0
    from_beginning: bool = False
    #: Whether the server is there to commit to while the fault lasts; else it is right after.
    commits_during: bool = True
    #: When the second change comes.
    after_s: float = 1.0


def _each(act: Callable[[Line], None]) -> Callable[[list[Line]], None]:
    def to_all(lines: list[Line]) -> None:
        for line in lines:
            act(line)

    return to_all


def _cut(line: Line) -> None:
    line.proxy.refuse()
    line.proxy.reset()


def _crash(lines: list[Line]) -> None:
    # A client must find nobody there, as without the proxies, and not one who hangs up.
    _each(lambda line: line.proxy.refuse())(lines)
    lines[0].cluster.stop("immediate")


def _start(lines: list[Line]) -> None:
    lines[0].cluster.start()
    _each(lambda line: line.proxy.admit())(lines)


def outage(seconds: float) -> Fault:
    """Nobody is let in for that long."""
    admit = _each(lambda line: line.proxy.admit())
    return Fault(f"outage of {seconds:g} s", _each(_cut), lasts_s=seconds, end=admit)


KILLED = Fault("listener killed", _each(Line.end_listener))
RESET = Fault("all connections reset", _each(lambda line: line.proxy.reset()))
HALF_OPEN = Fault(
    "half-open",
    _each(lambda line: line.proxy.strand()),
    bound_s=8.0,
    from_beginning=True,
    after_s=8.0,
)
CRASH = Fault(
    "crash and restart (-m immediate)",
    _crash,
    end=_start,
    commits_during=False,
)
IDLE = Fault(
    f"idle_session_timeout of {IDLE_S} s",
    _nothing,  # but that nobody writes
    prepare=_each(lambda line: line.set_idle_timeout(IDLE_S)),
    lasts_s=2.0 * IDLE_S,
    restore=_each(lambda line: line.set_idle_timeout(None)),
)
SHORT = (KILLED, RESET, outage(3.0), HALF_OPEN, CRASH, IDLE)
