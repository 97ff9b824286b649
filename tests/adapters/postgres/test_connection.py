"""The work connection: bounded in time, thrown away on any error, silent about secrets."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

from refitd.adapters.postgres import Connection, PgJournal, PgLeases
from refitd.adapters.postgres.dsn import place, prepare
from refitd.adapters.postgres.wire import Opening
from refitd.errors import DatabaseError, DatabaseRefused, DatabaseUnavailable
from rig.proxy import Proxy
from tests.panel import Panel


def backend(connection: Connection) -> int:
    """The server process behind it."""
    with connection.use() as session:
        return session.info.backend_pid


def test_kept(panel: Panel) -> None:
    """One connection serves call after call, and is opened only by the first."""
    connection = Connection(panel.dsn, "of test")
    query = "select count(*) from pg_stat_activity where application_name = 'of test'"
    assert panel.value(query) == 0
    assert backend(connection) == backend(connection)
    assert panel.value(query) == 1
    connection.close()


def test_thrown_away(panel: Panel) -> None:
    """After an error, ours or Postgres', the next use is on a new connection."""
    connection = Connection(panel.dsn, "test")
    first = backend(connection)
    with pytest.raises(DatabaseRefused), connection.use() as session:
        session.execute("select 1 / 0")
    second = backend(connection)
    with pytest.raises(LookupError), connection.use():
        raise LookupError
    assert len({first, second, backend(connection)}) == 3
    connection.close()


def test_all_or_nothing(panel: Panel) -> None:
    """What fails within a transaction leaves nothing of it."""
    connection = Connection(panel.dsn, "test")
    with pytest.raises(DatabaseRefused), connection.transaction() as session:
        session.execute("insert into modules values ('a', '', true, true); select 1 / 0")
    assert panel.effects() == []
    connection.close()


def test_one_thread_at_a_time(panel: Panel) -> None:
    """Threads that share a connection take turns."""
    connection = Connection(panel.dsn, "test")
    pids: set[int] = set()
    threads = [threading.Thread(target=lambda: pids.add(backend(connection))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert len(pids) == 1


class TestCutOff:
    """A wire that is cut is noticed in time, and the next call is on a new one."""

    def test_silence(self, wired: str, proxy: Proxy) -> None:
        """L4: a statement on a wire that fell silent, acknowledging all, ends within its bound."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.silence()
        began = time.monotonic()
        with (
            pytest.raises(DatabaseUnavailable, match="fell silent"),
            connection.use(0.5) as session,
        ):
            session.execute("select 1")
        assert 0.4 < time.monotonic() - began < 2
        proxy.heal()
        backend(connection)
        connection.close()

    def test_doubted_while_idle(self, wired: str, proxy: Proxy) -> None:
        """L4: a wire that fell silent while idle, and is doubted, costs its next user nothing."""
        connection = Connection(wired, "test")
        first = backend(connection)
        proxy.strand()
        connection.doubt(under_way=False)
        began = time.monotonic()
        assert backend(connection) != first
        assert time.monotonic() - began < 1
        connection.close()

    def test_doubted_while_in_use(self, wired: str, proxy: Proxy) -> None:
        """L4: a statement that waits on a silent wire is given up soon after it is doubted."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.strand()
        doubting = threading.Timer(0.2, connection.doubt, kwargs={"under_way": True})
        doubting.start()
        began = time.monotonic()
        with (
            pytest.raises(DatabaseUnavailable, match="fell silent"),
            connection.use(60) as session,
        ):
            session.execute("select 1")
        assert time.monotonic() - began < 3
        doubting.join()
        connection.close()

    def test_doubted_and_well(self, wired: str) -> None:
        """A statement that is answered in time is none the worse for it; its wire is given up."""
        connection = Connection(wired, "test")
        with connection.use() as session:
            first = session.info.backend_pid
            connection.doubt(under_way=True)
            session.execute("select 1")
        assert backend(connection) != first
        connection.close()

    def test_hurried_in_use(self, wired: str, proxy: Proxy) -> None:
        """L13: once the daemon is to stop, neither a statement that waits on a silent wire nor a
        connection that nobody answers is waited for longer than a moment."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.silence()
        hurrying = threading.Timer(0.2, connection.hurry)
        hurrying.start()
        for bound_s in (2.0, 3.0):
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable), connection.use(60) as session:
                session.execute("select 1")
            assert time.monotonic() - began < bound_s
        hurrying.join()
        proxy.heal()
        backend(connection)
        connection.close()

    def test_hurried_while_connecting(self, wired: str, proxy: Proxy) -> None:
        """L13: a connection that is being opened to a silent host is left alone as well, however
        long its DSN would wait for it."""
        proxy.silence()
        connection = Connection(f"{wired} connect_timeout=60", "test")
        hurrying = threading.Timer(0.2, connection.hurry)
        hurrying.start()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            backend(connection)
        assert time.monotonic() - began < 3
        hurrying.join()

    def test_given_up_while_connecting(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection that comes about when nobody waits for it any more is closed."""
        go, connect = threading.Event(), psycopg.connect

        def slowly(*args: Any, **kwargs: Any) -> psycopg.Connection[Any]:
            go.wait()
            return connect(*args, **kwargs)

        monkeypatch.setattr(psycopg, "connect", slowly)
        opening = Opening(panel.dsn, "late of test")
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            opening.wire(0.05)
        [late] = [each for each in threading.enumerate() if each.name == "opening"]
        monkeypatch.undo()
        go.set()
        late.join(10)
        query = "select count(*) from pg_stat_activity where application_name = 'late of test'"
        ended = time.monotonic() + 10  # the server takes a moment to notice
        while panel.value(query) and time.monotonic() < ended:
            pass
        assert panel.value(query) == 0

    def test_briefly(self, wired: str, proxy: Proxy) -> None:
        """L4: where that is asked for, neither a statement nor a new connection is waited for
        longer than a moment; and only there."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.silence()
        for _ in ("a statement", "a connection"):
            began = time.monotonic()
            with (
                pytest.raises(DatabaseUnavailable),
                connection.briefly(),
                connection.use() as session,
            ):
                session.execute("select 1")
            assert time.monotonic() - began < 3
        proxy.heal()
        with connection.use() as session:
            session.execute("select pg_sleep(1.5)")
        connection.close()

    def test_silence_within_a_renewal(self, wired: str, proxy: Proxy) -> None:
        """L4: a renewal on a silent wire ends with an error within the common bound."""
        connection = Connection(wired, "test")
        leases = PgLeases(connection, "one")
        leases.take("backend", "engine", 15)
        proxy.silence()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            leases.renew("backend", 1, 15)
        assert time.monotonic() - began < 6
        connection.close()

    def test_silence_while_connecting(self, wired: str, proxy: Proxy) -> None:
        """L4: connecting to somebody who accepts and says nothing ends within its bound."""
        proxy.silence()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            backend(Connection(wired, "test"))
        assert time.monotonic() - began < 7

    def test_silence_on_closing(self, wired: str, proxy: Proxy) -> None:
        """L13: letting go of a silent connection takes no time."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.silence()
        began = time.monotonic()
        connection.close()
        assert time.monotonic() - began < 3

    def test_locks_of_the_silent(self, panel: Panel, wired: str, proxy: Proxy) -> None:
        """The server ends a transaction whose client fell silent: its locks do not outlive it."""
        connection = Connection(wired, "silent")

        def fall_silent_with_a_lock() -> None:
            with connection.transaction(0.2) as session:
                session.execute("lock table refitd.lease in access exclusive mode")
                proxy.silence()
                session.execute("select 1")

        with pytest.raises(DatabaseUnavailable):
            fall_silent_with_a_lock()
        other = Connection(panel.dsn_of(options="-c lock_timeout=0"), "other")
        with other.use(30) as session:
            session.execute("set statement_timeout = 0")
            session.execute("select from refitd.lease")
        other.close()

    def test_reset(self, wired: str, proxy: Proxy) -> None:
        """L3: a reset is one failed call."""
        connection = Connection(wired, "test")
        backend(connection)
        proxy.reset()
        with pytest.raises(DatabaseUnavailable):
            backend_by_query(connection)
        backend_by_query(connection)
        connection.close()

    def test_killed(self, panel: Panel) -> None:
        """L1, H2: a server process that is terminated is one failed call."""
        connection = Connection(panel.dsn, "test")
        panel.sql("select pg_terminate_backend(%s, 5000)", backend(connection))
        with pytest.raises(DatabaseUnavailable):
            backend_by_query(connection)
        backend_by_query(connection)
        connection.close()

    def test_refused(self, wired: str, proxy: Proxy) -> None:
        """L2: nobody there is unavailable, and over as soon as somebody is."""
        proxy.refuse()
        connection = Connection(wired, "test")
        with pytest.raises(DatabaseUnavailable, match="refused"):
            backend(connection)
        proxy.admit()
        backend(connection)
        connection.close()


def backend_by_query(connection: Connection) -> None:
    """A round trip."""
    with connection.use() as session:
        session.execute("select 1")


def test_slow_statement(panel: Panel) -> None:
    """On a whole wire the server's own bound comes first, and says so."""
    connection = Connection(panel.dsn, "test")
    with pytest.raises(DatabaseUnavailable, match="statement timeout"), connection.use() as session:
        session.execute("select pg_sleep(60)")
    connection.close()


def test_settings(panel: Panel) -> None:
    """L8: the session is never ended for idling; what the DSN says itself is kept."""
    panel.sql("alter role postgres in database " + _name(panel) + " set idle_session_timeout = 500")
    connection = Connection(panel.dsn_of(options="-c work_mem=12MB", application_name="mine"), "x")
    with connection.use() as session:
        shown = session.execute(
            "select current_setting('idle_session_timeout'), current_setting('work_mem'),"
            " current_setting('application_name'), current_setting('transaction_isolation')"
        ).fetchone()
    connection.close()
    assert shown == ("0", "12MB", "mine", "read committed")


def _name(panel: Panel) -> str:
    return str(panel.value("select quote_ident(current_database())"))


class TestRefusals:
    """What a person must mend is said with how; no password is said at all."""

    def complaint(self, dsn: str) -> str:
        """Of a first call, which is to be refused."""
        connection = Connection(dsn, "test")
        with pytest.raises(DatabaseRefused) as refused:
            PgJournal(connection, "one").snapshot("backend")
        connection.close()
        assert "hunter2" not in str(refused.value)
        return str(refused.value)

    def test_password(self, panel: Panel) -> None:
        """A wrong password."""
        said = self.complaint(panel.dsn_of(password="hunter2"))
        assert "password authentication failed" in said
        assert "right password" in said

    def test_database(self, panel: Panel) -> None:
        """No such database."""
        said = self.complaint(panel.dsn_of(dbname="nobodys"))
        assert 'database "nobodys" does not exist' in said
        assert "create the database" in said

    def test_schema(self, database: str) -> None:
        """No schema yet."""
        assert "run `refitd migrate`" in self.complaint(database)

    def test_function(self, panel: Panel) -> None:
        """A schema that is older than the daemon."""
        panel.sql("drop function refitd.fence")
        connection = Connection(panel.dsn, "test")
        with pytest.raises(DatabaseRefused, match="run `refitd migrate`"):
            PgJournal(connection, "one").acknowledge("backend", [], 1)
        connection.close()

    def test_rights(self, panel: Panel) -> None:
        """A role that is not a member of refitd_daemon."""
        panel.sql("create role stranger_of_test login password 'hunter2'")
        try:
            said = self.complaint(panel.dsn_of(user="stranger_of_test", password="hunter2"))
        finally:
            panel.sql("drop role stranger_of_test")
        assert "permission denied for schema refitd" in said
        assert "GRANT refitd_daemon" in said

    def test_read_only(self, panel: Panel) -> None:
        """L6: a server that takes no writes is refused by name."""
        panel.sql("alter database " + _name(panel) + " set default_transaction_read_only = on")
        said = self.complaint(panel.dsn)
        assert place(panel.dsn) in said
        assert "give refitd the primary" in said

    @pytest.mark.parametrize(
        "dsn",
        [
            "postgres//refitd:hunter2@db/panel",
            "host=db password='hunter2",
            "hunter2",
            "hots=hunter2",
            "postgresql://refitd:hunter2/more@db/panel",
            "postgresql://refitd:more@hunter2@db/panel",
        ],
    )
    def test_dsn(self, dsn: str) -> None:
        """A DSN that cannot be read is refused without being quoted."""
        with pytest.raises(DatabaseRefused, match="cannot be read") as refused:
            Connection(dsn, "test")
        assert "hunter2" not in str(refused.value)
        assert refused.value.__cause__ is None

    def test_unknown_host(self) -> None:
        """A host that cannot be found may yet come up: it is unavailable, and named."""
        dsn = "postgresql://refitd:hunter2@no-such-host.invalid:5432/panel"
        with pytest.raises(DatabaseError) as failed:
            backend(Connection(dsn, "test"))
        assert isinstance(failed.value, DatabaseUnavailable)
        assert "no-such-host.invalid:5432/panel" in str(failed.value)
        assert "hunter2" not in str(failed.value)


def test_place() -> None:
    """Messages name host, port and database."""
    assert place("postgresql://refitd:secret@db:5433/panel") == "db:5433/panel"
    assert place("host=/run/postgresql dbname=panel") == "/run/postgresql/panel"
    assert place("dbname=panel") == "the local socket/panel"


def test_prepare() -> None:
    """Several hosts stay several, and only one that can be written to will do."""
    prepared = psycopg.conninfo.conninfo_to_dict(prepare("host=a,b dbname=panel", "name"))
    assert prepared["host"] == "a,b"
    assert prepared["target_session_attrs"] == "read-write"
    assert prepared["connect_timeout"] == "5"
