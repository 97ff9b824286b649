"""The listener's connection: what is notified is heard, or the silence is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from refitd.adapters.clock import SystemClock
from refitd.adapters.postgres import Connection, PgEar, PgJournal, PgLeases
from refitd.core.deployment import Wake
from refitd.core.target import Timing
from refitd.errors import DatabaseRefused, DatabaseUnavailable
from refitd.shell.listen import Listener
from rig.postgres import Postgres
from rig.proxy import Proxy
from tests.panel import Panel
from tests.shell.fakes import FakeLog, FakeMetrics

INSERT = "insert into modules values ('a', '', true, true)"
LISTENERS = (
    "select pid from pg_stat_activity"
    " where datname = current_database() and application_name like 'refitd listener %'"
)


@pytest.fixture
def ear(panel: Panel) -> Iterator[PgEar]:
    """Open, and by the direct way."""
    ear = PgEar(panel.dsn, "one")
    ear.open()
    yield ear
    ear.close()


@pytest.fixture
def wired_ear(wired: str) -> Iterator[PgEar]:
    """Open, and by way of the proxy."""
    ear = PgEar(wired, "one", proof_s=0.5)
    ear.open()
    yield ear
    ear.close()


def test_write(panel: Panel, ear: PgEar) -> None:
    """A write that matters is heard at once."""
    panel.sql(INSERT)
    began = time.monotonic()
    assert list(ear.hear(10)) == [("refitd", "")]
    assert time.monotonic() - began < 5


def test_nothing(ear: PgEar) -> None:
    """Where nothing arrives, hearing ends with its time, empty."""
    began = time.monotonic()
    assert list(ear.hear(0.2)) == []
    assert 0.15 < time.monotonic() - began < 2


def test_heartbeat(panel: Panel, ear: PgEar) -> None:
    """A heartbeat sent on the other connection arrives with its nonce, as it was."""
    connection = Connection(panel.dsn, "other")
    assert PgLeases(connection, "one").heartbeat("one:17") < 0.01  # of the queue
    connection.close()
    assert list(ear.hear(10)) == [("refitd_heartbeat", "one:17")]


def test_resignation(panel: Panel, ear: PgEar) -> None:
    """H7: who waits for a lease hears that it was given up."""
    connection = Connection(panel.dsn, "other")
    leases = PgLeases(connection, "two")
    leases.resign("backend", leases.take("backend", "engine", 15).epoch)
    connection.close()
    assert list(ear.hear(10)) == [("refitd", "lease")]


def test_burst(panel: Panel, ear: PgEar) -> None:
    """L10: of five notifications in one packet all five are heard, in order."""
    panel.sql("select pg_notify('refitd', n::text) from generate_series(1, 5) n")
    assert list(ear.hear(10)) == [("refitd", str(n)) for n in range(1, 6)]


def test_between_hearings(panel: Panel, ear: PgEar) -> None:
    """What arrives while nobody is hearing is heard the next time."""
    panel.sql(INSERT)
    panel.sql("update modules set enabled = false")
    heard = list(ear.hear(10))
    heard += ear.hear(0.2)
    assert heard == [("refitd", "")] * 2


def test_during_the_proof(panel: Panel) -> None:
    """L9: what is notified while the ear is still proving itself is kept."""

    class Interrupted(PgEar):
        def _speak_from_elsewhere(self, nonce: str) -> None:
            panel.sql(INSERT)
            super()._speak_from_elsewhere(nonce)

    ear = Interrupted(panel.dsn, "one")
    ear.open()
    assert list(ear.hear(10)) == [("refitd", "")]
    ear.close()


def test_before_it_listens(panel: Panel) -> None:
    """L9: what is committed after it connected and before it LISTENs is not heard; the look that
    follows the opening sees it."""

    class Slow(PgEar):
        @property
        def _LISTEN(self) -> tuple[LiteralString, ...]:  # type: ignore[override]  # noqa: N802 - as it is called
            panel.sql(INSERT)
            return PgEar._LISTEN

    ear, looks, stopping = Slow(panel.dsn, "one"), list[list[str]](), threading.Event()

    def look(_wake: Wake) -> None:
        connection = Connection(panel.dsn, "worker")
        looks.append(
            [row.id or "" for row in PgJournal(connection, "one").snapshot("backend").rows]
        )
        connection.close()
        stopping.set()

    connection = Connection(panel.dsn, "pulse")
    Listener(
        ear=ear,
        leases=PgLeases(connection, "one"),
        clock=SystemClock(),
        log=FakeLog(),
        metrics=FakeMetrics(),
        timing=Timing(),
        instance="one",
        poke=look,
        moved=lambda _state: None,
        stopping=stopping,
    ).run()
    assert looks == [["a"]]


def test_mixed_case(panel: Panel, ear: PgEar) -> None:
    """L11: the channels are lower case on both sides; one of another case is not ours."""
    panel.sql("select pg_notify('Refitd', 'x')")
    panel.sql(INSERT)
    assert list(ear.hear(10)) == [("refitd", "")]


def test_another_database(postgres: Postgres, ear: PgEar) -> None:
    """What another database notifies on the same channel is not heard."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as session:
        session.execute("select pg_notify('refitd', 'elsewhere')")
    assert list(ear.hear(0.3)) == []


def test_killed(panel: Panel, ear: PgEar) -> None:
    """L1: a listener whose server process is terminated says so, and opens again."""
    ((pid,),) = panel.sql(LISTENERS)
    panel.sql("select pg_terminate_backend(%s, 5000)", pid)
    with pytest.raises(DatabaseUnavailable):
        ear.hear(10)
    ear.open()
    panel.sql(INSERT)
    assert list(ear.hear(10)) == [("refitd", "")]


def test_reset(panel: Panel, wired_ear: PgEar, proxy: Proxy) -> None:
    """L3: a reset ends the hearing at once, and it opens again."""
    proxy.reset()
    with pytest.raises(DatabaseUnavailable):
        wired_ear.hear(10)
    wired_ear.open()
    panel.sql(INSERT)
    assert list(wired_ear.hear(10)) == [("refitd", "")]


def test_outage(panel: Panel, wired_ear: PgEar, proxy: Proxy) -> None:
    """L2: while nobody lets us in opening fails at once; afterwards it opens."""
    proxy.refuse()
    proxy.reset()
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            wired_ear.open()
    proxy.admit()
    wired_ear.open()
    panel.sql(INSERT)
    assert list(wired_ear.hear(10)) == [("refitd", "")]


def refusal(sqlstate: str, text: str) -> bytes:
    """A server's ErrorResponse and ReadyForQuery (the manual, Message Formats)."""
    fields = f"SERROR\0VERROR\0C{sqlstate}\0M{text}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields + b"Z\0\0\0\5I"


@pytest.mark.parametrize("sqlstate", ["58P01", "XX000"])
def test_transaction_status_that_is_gone(
    panel: Panel, wired_ear: PgEar, proxy: Proxy, sqlstate: str
) -> None:
    """L15: LISTEN that fails for a lost transaction status passes: it is named, and tried again.

    The bug in question needs a truncated pg_xact; here the answer is given in the server's place.
    """
    text = "could not access status of transaction 4711"
    proxy.answers[b"listen refitd"] = refusal(sqlstate, text)
    with pytest.raises(DatabaseUnavailable, match=text):
        wired_ear.open()
    proxy.answers.clear()
    wired_ear.open()
    panel.sql(INSERT)
    assert list(wired_ear.hear(10)) == [("refitd", "")]


def test_crash(postgres: Postgres) -> None:
    """L5: over a crash and restart of the server it opens again, and hears."""
    with Postgres(version=postgres.version) as cluster:
        name = cluster.create_database()
        ear = PgEar(cluster.dsn(name), "one")
        ear.open()
        cluster.restart("immediate")
        with pytest.raises(DatabaseUnavailable):
            ear.hear(10)
        ear.open()
        with psycopg.connect(cluster.dsn(name), autocommit=True) as session:
            session.execute("select pg_notify('refitd', '')")
        assert list(ear.hear(10)) == [("refitd", "")]
        ear.close()


class TestSilence:
    """L4: a wire that acknowledges everything and carries nothing."""

    def test_hearing(self, panel: Panel, wired_ear: PgEar, proxy: Proxy) -> None:
        """Hearing on a silent wire ends with its time, and looks like peace: hence the heartbeat."""
        proxy.silence()
        panel.sql(INSERT)
        assert list(wired_ear.hear(0.3)) == []

    def test_closing(self, wired_ear: PgEar, proxy: Proxy) -> None:
        """Closing takes no time, and whoever is hearing meanwhile gets an error at once."""
        proxy.silence()
        ended: list[float] = []
        hearing = threading.Event()

        def hear() -> None:
            hearing.set()
            with pytest.raises(DatabaseUnavailable):
                wired_ear.hear(60)
            ended.append(time.monotonic())

        thread = threading.Thread(target=hear)
        thread.start()
        hearing.wait()
        began = time.monotonic()
        wired_ear.close()
        assert time.monotonic() - began < 1
        thread.join()
        assert ended[0] - began < 1

    def test_opening(self, wired: str, proxy: Proxy) -> None:
        """Opening on a silent wire ends within the bound of connecting."""
        proxy.silence()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            PgEar(wired, "one").open()
        assert time.monotonic() - began < 7

    def test_listening(self, wired: str, proxy: Proxy) -> None:
        """L4: nor does it take longer where the silence begins with the LISTEN."""

        class Cut(PgEar):
            @property
            def _LISTEN(self) -> tuple[LiteralString, ...]:  # type: ignore[override]  # noqa: N802 - as it is called
                proxy.silence()
                return PgEar._LISTEN

        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="fell silent"):
            Cut(wired, "one").open()
        assert time.monotonic() - began < 8

    def test_proving(self, wired: str, proxy: Proxy) -> None:
        """A wire that falls silent after LISTEN is unavailable, and not taken for a pooler's."""

        class Interrupted(PgEar):
            def _speak_from_elsewhere(self, nonce: str) -> None:
                proxy.silence()
                del nonce

        with pytest.raises(DatabaseUnavailable, match="fell silent"):
            Interrupted(wired, "one", proof_s=0.3).open()


def test_idle_timeout(panel: Panel) -> None:
    """L8: a server that ends idle sessions does not end this one."""
    panel.sql("alter role postgres set idle_session_timeout = 300")
    try:
        ear = PgEar(panel.dsn, "one")
        ear.open()
        assert list(ear.hear(0.8)) == []
        assert len(panel.sql(LISTENERS)) == 1
        ear.close()
    finally:
        panel.sql("alter role postgres reset idle_session_timeout")


def test_not_open(panel: Panel) -> None:
    """Hearing on one that is not open is unavailable; closing it is fine, any number of times."""
    ear = PgEar(panel.dsn, "one")
    ear.close()
    with pytest.raises(DatabaseUnavailable, match="not connected"):
        ear.hear(0.1)
    ear.open()
    ear.close()
    ear.close()


def test_nothing_left_behind(panel: Panel) -> None:
    """Opening again and again leaves one session, and none of those that proved it."""
    ear = PgEar(panel.dsn, "one")
    for _ in range(5):
        ear.open()
    deadline = time.monotonic() + 10
    while len(panel.sql(LISTENERS)) != 1:
        assert time.monotonic() < deadline
    ear.close()


def test_deaf(panel: Panel) -> None:
    """L7: where LISTEN is accepted and others are not heard, a pooler is named as the cause."""

    class Muffled(PgEar):
        """Hears only what it is told on its own session, as through a transaction pooler."""

        def _speak_from_elsewhere(self, nonce: str) -> None:
            del nonce

    with pytest.raises(DatabaseRefused, match="pooler in transaction mode"):
        Muffled(panel.dsn, "one", proof_s=0.2).open()
