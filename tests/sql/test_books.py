"""Retention, the locks of lease and fence, commits out of order, dump and restore, the cost."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path
from statistics import median
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL

from refitd.adapters.clock import SystemClock
from refitd.adapters.postgres import Connection, PgJournal, PgLeases
from refitd.core.deployment import Amendment, Quarantine
from refitd.errors import DatabaseError, LeaseLost
from refitd.shell.tenure import Tenure
from rig.postgres import Postgres
from tests.contracts.journal import new, record
from tests.panel import Panel

TARGET = "backend"


# -- Retention ---------------------------------------------------------------------------------


def test_pruning(panel: Panel) -> None:
    """Old and done goes; young, open, the newest ten, and what still stands for a container stay."""
    connection = Connection(panel.dsn, "test")
    journal = PgJournal(connection, "one")
    panel.sql("insert into modules values ('a', '', true, true), ('b', '', true, true)")
    panel.sql("update modules set enabled = false where id = 'b'")
    (first, *_) = journal.snapshot(TARGET).changes
    made = []
    for number in range(15):
        deployment = journal.open(new(change_ids=(first.id,) if number == 0 else ()))
        journal.add_log(deployment, ["line"])
        journal.amend(deployment, Amendment(state="failed" if number % 2 else "succeeded"))
        made.append(deployment.id)
    journal.keep_record(TARGET, record(deployment_id=made[1]), 1)
    journal.quarantine(TARGET, Quarantine("b", None, 1, "c", made[3]), 1)
    panel.sql(
        "insert into refitd.request (target, kind, requested_at, closed_at) values"
        " ('backend', 'retry', now() - interval '9 days', now() - interval '9 days'),"
        " ('nobody', 'retry', now() - interval '9 days', null), ('backend', 'retry', now(), null)"
    )
    panel.sql("update refitd.deployment set finished_at = now() - interval '9 days'")
    panel.sql("update refitd.change set at = now() - interval '9 days'")

    assert journal.prune(30) == 0
    dropped = journal.prune(7)
    connection.close()

    left = [id_ for (id_,) in panel.sql("select id from refitd.deployment order by id")]
    assert left == [made[1], made[3], *made[5:]]
    assert panel.value("select count(*) from refitd.build_log") == len(left)
    assert panel.sql("select effect from refitd.change") == [("restart",)]
    assert panel.sql("select target from refitd.request") == [("backend",)]
    assert dropped == 3 + 1 + 2


# -- Lease and fence ---------------------------------------------------------------------------


def test_take_over_waits_for_a_write(panel: Panel) -> None:
    """A write that passed the fence is done before a take-over; the next one is fenced off."""
    one, two = Connection(panel.dsn, "one"), Connection(panel.dsn, "two")
    PgLeases(one, "one").take(TARGET, "engine", 0)
    order: list[str] = []

    def take_over() -> None:
        PgLeases(two, "two").take(TARGET, "engine", 15)
        order.append("taken")

    with one.transaction() as writing:
        writing.execute("select refitd.fence('backend', 'one', 1)")
        taker = threading.Thread(target=take_over)
        taker.start()
        _wait_for_blocked(panel)
        order.append("written")
    taker.join()
    assert order == ["written", "taken"]
    with pytest.raises(LeaseLost, match="gone on to epoch 2"):
        PgJournal(one, "one").keep_record(TARGET, record(), 1)
    one.close()
    two.close()


def test_rollback_during_a_renewal(panel: Panel) -> None:
    """H5: a renewal that is rolled back as it commits counts for nothing: the lease is trusted no
    longer than before, nor does it last longer."""
    connection = Connection(panel.dsn, "one")
    tenure = Tenure(TARGET, PgLeases(connection, "one"), SystemClock(), 30.0)
    assert tenure.ask("engine")
    expiry: LiteralString = "select expires_at from refitd.lease"
    before = (tenure._trusted_until_s, panel.value(expiry))
    panel.sql(
        "create function no() returns trigger language plpgsql as"
        " $$ begin raise exception 'not today'; end $$"
    )
    panel.sql(
        "create constraint trigger no after update on refitd.lease"
        " deferrable initially deferred for each row execute function no()"
    )
    with pytest.raises(DatabaseError, match="not today"):
        tenure.ask("engine")
    assert (tenure._trusted_until_s, panel.value(expiry)) == before
    panel.sql("drop trigger no on refitd.lease")
    assert not tenure.ask("engine")
    assert tenure._trusted_until_s > before[0]
    assert panel.value(expiry) > before[1]
    connection.close()


def test_renewal_waits_for_nothing(panel: Panel) -> None:
    """A write that hangs inside its fence does not hold up the renewal of the lease."""
    one, other = Connection(panel.dsn, "one"), Connection(panel.dsn, "other")
    PgLeases(one, "one").take(TARGET, "engine", 15)
    with one.transaction() as writing:
        writing.execute("select refitd.fence('backend', 'one', 1)")
        assert PgLeases(other, "one").renew(TARGET, 1, 15)
    one.close()
    other.close()


def test_write_waits_for_a_take_over(panel: Panel) -> None:
    """A write that comes while a take-over is under way is fenced off when that is done."""
    one = Connection(panel.dsn, "one")
    PgLeases(one, "one").take(TARGET, "engine", 0)
    taking = panel.session()
    taking.execute("select * from refitd.take_lease('backend', 'two', 'engine', 15, 0)")
    outcome: list[BaseException] = []

    def write() -> None:
        try:
            PgJournal(one, "one").keep_record(TARGET, record(), 1)
        except LeaseLost as lost:
            outcome.append(lost)

    writer = threading.Thread(target=write)
    writer.start()
    _wait_for_blocked(panel)
    taking.commit()
    writer.join()
    taking.close()
    one.close()
    assert len(outcome) == 1


def test_both_at_once(panel: Panel) -> None:
    """H6: of many that reach for a free lease at once exactly one gets it."""
    barrier = threading.Barrier(6)
    winners: list[str] = []

    def reach(name: str) -> None:
        connection = Connection(panel.dsn, name)
        with connection.use():
            pass
        barrier.wait()
        if PgLeases(connection, name).take(TARGET, "engine", 15).ours:
            winners.append(name)
        connection.close()

    threads = [threading.Thread(target=reach, args=(f"i{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1


def _wait_for_blocked(panel: Panel) -> None:
    """Until some session of this database waits for a lock."""
    deadline = time.monotonic() + 10
    while not panel.value(
        "select exists (select from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock')"
    ):
        assert time.monotonic() < deadline


# -- T5, T6, T7 --------------------------------------------------------------------------------


def test_a_renewal_that_comes_late(panel: Panel) -> None:
    """H5: one that lay on a silent wire while a later one was answered changes nothing any more."""
    renew = "select refitd.renew_lease('backend', 'one', 1, {}, {})"
    panel.sql("select refitd.take_lease('backend', 'one', 'engine', 15, 0)")
    assert panel.value(SQL(renew).format(120, 2000))
    assert not panel.value(SQL(renew).format(15, 1000))
    left_s = "select extract(epoch from expires_at - clock_timestamp()) from refitd.lease"
    assert panel.value(SQL(left_s)) > 100
    assert panel.value(SQL(renew).format(15, 3000))
    assert panel.value(SQL(left_s)) < 16


def test_out_of_order(panel: Panel) -> None:
    """T5: a change that got its number first and is committed last is still taken up."""
    connection = Connection(panel.dsn, "test")
    journal = PgJournal(connection, "one")
    slow = panel.session()
    slow.execute("insert into modules values ('slow', '', true, true)")
    panel.sql("insert into modules values ('quick', '', true, true)")
    (quick,) = journal.snapshot(TARGET).changes
    journal.acknowledge(TARGET, [quick.id], 1)
    slow.commit()
    slow.close()
    (late,) = journal.snapshot(TARGET).changes
    assert late.id < quick.id
    assert late.modules == ("slow",)
    connection.close()


def test_one_moment(panel: Panel) -> None:
    """Rows and changes of a snapshot are of one moment, whatever is committed in between."""
    connection = Connection(panel.dsn, "test")
    stop = threading.Event()

    def write() -> None:
        session = panel.session(autocommit=True)
        number = 0
        while not stop.is_set():
            number += 1
            session.execute("insert into modules values (%s, '', true, true)", [f"m{number}"])
        session.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            snapshot = PgJournal(connection, "one").snapshot(TARGET)
            assert {row.id for row in snapshot.rows} == {
                id_ for change in snapshot.changes for id_ in change.modules
            }
    finally:
        stop.set()
        writer.join()
        connection.close()


def test_dump_and_restore(panel: Panel, postgres: Postgres) -> None:
    """T6: a database dumped and restored is watched as before, and logs no change by it."""
    panel.sql("insert into modules values ('a', '', true, true)")
    dumped = subprocess.run(
        [postgres.program("pg_dump"), panel.dsn], capture_output=True, text=True, check=True
    ).stdout
    name = postgres.create_database()
    subprocess.run(
        [postgres.program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", postgres.dsn(name)],
        input=dumped,
        text=True,
        check=True,
        capture_output=True,
    )
    restored = Panel(postgres.dsn(name))
    assert restored.effects() == [("rebuild", ["a"])]
    restored.sql("update modules set enabled = false")
    assert restored.effects() == [("rebuild", ["a"]), ("restart", ["a"])]
    assert restored.sql("select id, enabled from refitd.module") == [("a", False)]
    assert restored.value(
        "select count(*) from pg_trigger where tgname like 'refitd%' and tgenabled = 'A'"
        " and tgrelid = 'modules'::regclass"
    ) == 4  # fmt: skip
    restored.close()
    postgres.drop_database(name)


def test_cost(panel: Panel) -> None:
    """T7: what a write of one row costs more by being watched, measured and bounded."""
    panel.sql(
        "insert into modules select 'm' || n, '', n < 50, true from generate_series(1, 100) n"
    )

    def took_ms(statement: str, session: psycopg.Connection[tuple[object, ...]]) -> float:
        times = []
        for _ in range(300):
            began = time.perf_counter()
            session.execute(statement.encode())
            times.append(time.perf_counter() - began)
        return median(times) * 1000

    writes = {
        "irrelevant": "update modules set title = 'x' where id = 'm99'",
        "toggle": "update modules set enabled = not enabled where id = 'm1'",
    }
    session = panel.session(autocommit=True)
    watched = {name: took_ms(statement, session) for name, statement in writes.items()}
    panel.sql("select refitd.unwatch('modules')")
    free = {name: took_ms(statement, session) for name, statement in writes.items()}
    session.close()
    for name in writes:
        print(f"{name}: {free[name]:.2f} ms unwatched, {watched[name]:.2f} ms watched")
        assert watched[name] - free[name] < 5


def test_throughput(panel: Panel, postgres: Postgres, tmp_path: Path) -> None:
    """T7: what eight clients at once get done in two seconds, watched and not, by writes that mean
    nothing and by toggles, of which each notifies: each write takes less than 20 ms longer."""
    panel.sql("insert into modules select 'm' || n, '', true, true from generate_series(1, 200) n")

    clients = 8

    def per_second(change: str) -> float:
        script = tmp_path / "script.sql"
        script.write_text(
            f"\\set n random(1, 200)\nupdate modules set {change} where id = 'm' || :n;\n"
        )
        done = subprocess.run(
            [
                *(
                    postgres.program("pgbench"),
                    "--no-vacuum",
                    f"--client={clients}",
                    "--jobs=2",
                    "--time=2",
                ),
                *("--protocol=prepared", f"--file={script}", panel.dsn),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return float(re.findall(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)[0])

    meaningless, toggle = "title = title || 'x'", "enabled = not enabled"
    watched = {change: per_second(change) for change in (meaningless, toggle)}
    panel.sql("select refitd.unwatch('modules')")
    free = {change: per_second(change) for change in (meaningless, toggle)}
    for change, pace in watched.items():
        print(f"{change}: {free[change]:.0f} a second unwatched, {pace:.0f} watched")
        assert clients / pace - clients / free[change] < 0.020
