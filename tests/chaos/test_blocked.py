"""A daemon that hears but cannot act, or is asked to stop and cannot say good-bye."""

from __future__ import annotations

import statistics

import psycopg

from tests.acceptance.panel import until
from tests.chaos.daemons import LEASE_S, Trio, now_s

#: So many rows are written one by one.
WRITES = 1000
#: More than the buffers of two sockets and of a proxy hold.
FLOOD = "select pg_notify('refitd', n || repeat('x', 7000)) from generate_series(1, 3000) n"


def test_blocked_by_the_engine(trio: Trio) -> None:
    """D4: while a call to the engine takes its time, Postgres is listened to, the lease is kept,
    and a change that comes in is not lost."""
    a, *_ = trio.start()
    answer = a.engine.hold("POST", "/containers/create*")
    trio.panel.install("mail")
    answer.wait()
    began_s, before = now_s(), len(a.daemon.events)
    trio.panel.install("search")
    until(lambda: trio.expiry_s() > began_s + 3 * LEASE_S, "the lease is renewed for two leases")
    answer.let_go()
    a.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert not [each for each in a.daemon.events[before:] if each["event"] == "listener.moved"]
    assert [each.holder for each in trio.tenancies()] == ["a"]


def test_frozen_listener(trio: Trio) -> None:
    """L12: writers are none the slower for a listener that does not read, and lose nothing; the
    doctor says how full the queue is."""
    a = trio.members[0]
    a.start()
    a.daemon.wait_for("target.adopted")
    with psycopg.connect(trio.panel.dsn, autocommit=True) as session:
        while_it_reads_s = median_write_s(session)
        a.freeze()
        session.execute(FLOOD)
        until(lambda: is_stuck(session), "its server process waits for it to read")
        while_it_does_not_s = median_write_s(session)
    said = trio.panel.refitd("doctor").stdout
    a.thaw()
    trio.wait_until_settled()
    print(f"a write takes {while_it_reads_s:.6f} s, then {while_it_does_not_s:.6f} s")
    # One that had to wait for the listener would wait until it is thawed.
    assert while_it_does_not_s < 2 * while_it_reads_s + 0.02
    assert "of the notification queue is in use" in said


def is_stuck(session: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether all that lies between the listener and its server process is full."""
    found = session.execute(
        "select wait_event from pg_stat_activity where application_name = 'refitd listener a'"
    ).fetchall()
    return found == [("ClientWrite",)]


def median_write_s(session: psycopg.Connection[tuple[object, ...]]) -> float:
    """Each notifies."""
    took_s = []
    for number in range(WRITES):
        began_s = now_s()
        session.execute("update modules set enabled = %s where id = 'billing'", [number % 2 == 1])
        took_s.append(now_s() - began_s)
    return statistics.median(took_s)


def test_stopping_while_half_open(trio: Trio) -> None:
    """L13: with its wires to Postgres silent, SIGTERM is heeded within five seconds."""
    a = trio.members[0]
    a.start()
    a.daemon.wait_for("target.adopted")
    with a.stranded():
        began_s = now_s()
        assert a.daemon.end() == 0
        took_s = now_s() - began_s
    print(f"stopped {took_s:.2f} s after SIGTERM")
    assert took_s < 5.0
