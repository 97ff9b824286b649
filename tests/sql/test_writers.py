"""The web app never pays: its writes go through whatever is wrong on our side, or on theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from tests.panel import Listener, Panel

INSERT = "insert into modules values ('n', '', true, true)"


@pytest.fixture
def app(panel: Panel) -> Iterator[psycopg.Connection[Any]]:
    """A session of a role that may write public.modules, and nothing else in the world."""
    panel.sql("create role app_of_test login password 'app'")
    panel.sql("grant select, insert, update, delete, truncate on modules to app_of_test")
    session = panel.session(user="app_of_test", password="app", autocommit=True)
    yield session
    session.close()
    panel.sql("drop owned by app_of_test cascade")
    panel.sql("drop role app_of_test")


def test_least_privilege(panel: Panel, app: psycopg.Connection[Any]) -> None:
    """T2: a role without any right in schema refitd writes in every form, and is named."""
    for statement in (
        INSERT,
        "update modules set enabled = false",
        "delete from modules",
        INSERT,
        "truncate modules",
    ):
        app.execute(statement)
    assert [effect for effect, _ in panel.effects()] == [
        "rebuild", "restart", "rebuild", "rebuild", "rebuild",
    ]  # fmt: skip
    assert panel.sql("select distinct who from refitd.change") == [("app_of_test",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select * from refitd.change")


def test_hijack(panel: Panel, app: psycopg.Connection[Any]) -> None:
    """T3: functions, operators and tables of the writer's own are not taken for the server's."""
    panel.sql("create schema trap authorization app_of_test")
    for name, arguments, answer in (
        ("lower", "text", "text"),
        ("format", "text, text", "text"),
        ("pg_notify", "text, text", "void"),
        ("array_agg", "text", "text[]"),
    ):
        app.execute(
            f"create function trap.{name}({arguments}) returns {answer} language plpgsql as "
            "$$ begin raise exception 'hijacked by way of the search path'; end $$"
        )
    app.execute("create temp table refitd_new (id text, has_backend boolean, enabled boolean)")
    app.execute("create temp table pg_class (oid oid)")
    app.execute("set search_path = trap, pg_temp, pg_catalog, public")
    app.execute(INSERT)
    assert panel.effects() == [("rebuild", ["n"])]


def test_cast_of_their_own(panel: Panel, app: psycopg.Connection[Any]) -> None:
    """T3: a cast of the table owner's own making is not called, as it would run as our owner."""
    panel.sql("create schema trap authorization app_of_test")
    app.execute("create type trap.key as enum ('n')")
    app.execute(
        "create function trap.run(trap.key) returns text language plpgsql as "
        "$$ begin raise exception 'run as %', current_user; end $$"
    )
    app.execute("create cast (trap.key as text) with function trap.run(trap.key) as implicit")
    panel.sql("alter table modules alter column id type trap.key using id::trap.key")
    app.execute(INSERT)
    assert panel.effects() == [("rebuild", ["n"])]
    assert panel.sql("select id from refitd.module") == [("n",)]


def test_replica_role(panel: Panel) -> None:
    """T4: a session in replication role `replica`, as some restores are, is seen as well."""
    session = panel.session(autocommit=True, options="-c session_replication_role=replica")
    session.execute(INSERT)
    session.close()
    assert panel.effects() == [("rebuild", ["n"])]


TROUBLES: dict[str, LiteralString] = {
    "a mapped column was dropped": "alter table modules drop column enabled",
    "a mapped column has another type": "alter table modules alter column enabled type text",
    "a mapped column was renamed": "alter table modules rename column has_backend to server",
    "the change log is gone": "alter table refitd.change rename to elsewhere",
    "the change log lost a column": "alter table refitd.change drop column who",
    "the change log refuses": "alter table refitd.change add constraint no check (false)",
    "the books are gone": "drop table refitd.watched cascade",
    "a function is gone": "drop function refitd.module_query cascade",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble(panel: Panel, listener: Listener, trouble: str) -> None:
    """Whatever is wrong, the write goes through, with a warning, and the daemon is told to look."""
    panel.sql("alter table modules alter column has_backend set default true")
    panel.sql(TROUBLES[trouble])
    session = panel.session(autocommit=True)
    warnings: list[str | None] = []
    session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    session.execute("insert into modules (id, title) values ('n', '')")
    session.close()
    assert panel.value("select count(*) from modules") == 1
    (warning,) = warnings
    assert warning is not None
    assert warning.startswith("refitd could not log this change of public.modules")
    assert listener.heard() == [("refitd", "")]


def test_locked_log(panel: Panel, listener: Listener) -> None:
    """A lock on the change log costs a writer half a second, not the write."""
    blocker = panel.session()
    blocker.execute("lock table refitd.change")
    panel.sql(INSERT)
    blocker.rollback()
    blocker.close()
    assert panel.effects() == []
    assert listener.heard() == [("refitd", "")]


@pytest.mark.parametrize("table", ["refitd.change", "refitd.watched"])
@pytest.mark.parametrize("limit_ms", [100, 400])
def test_locked_log_and_little_time(
    panel: Panel, listener: Listener, table: str, limit_ms: int
) -> None:
    """Nor does it cost the write where the writer's statements must end sooner than that: the lock
    is waited for no longer than they can afford. Their own settings stay as they are."""
    blocker = panel.session()
    blocker.execute(f"lock table {table}")
    with panel.session(autocommit=True, options=f"-c statement_timeout={limit_ms}") as session:
        session.execute(INSERT)
        [kept] = session.execute("select current_setting('lock_timeout')").fetchall()
    blocker.rollback()
    blocker.close()
    assert kept == ("0",)
    assert panel.value("select count(*) from modules") == 1
    assert listener.heard() == [("refitd", "")]


def test_row_security(panel: Panel, app: psycopg.Connection[Any]) -> None:
    """A writer under row security is seen in full: what they may not read still counts."""
    panel.sql("insert into modules values ('a', 'hidden', true, true)")
    panel.sql("alter table modules enable row level security")
    panel.sql("create policy own on modules using (title <> 'hidden')")
    app.execute("insert into modules values ('n', 'shown', true, true)")
    app.execute("update modules set enabled = false")
    assert panel.effects()[1:] == [("rebuild", ["n"]), ("restart", ["n"])]
    assert len(panel.sql("select * from refitd.module")) == 2


def test_irrelevant_writes_leave_no_trace(panel: Panel) -> None:
    """A write that is nothing to us takes no row, no sequence number and no lock of ours."""
    panel.sql("insert into modules values ('c', '', false, true)")
    session = panel.session()
    session.execute("update modules set title = 'new', enabled = false")
    locks = session.execute(
        "select relation::regclass::text from pg_locks where pid = pg_backend_pid()"
        " and relation is not null and mode = 'RowExclusiveLock'"
    ).fetchall()
    session.rollback()
    session.close()
    assert sorted(locks) == [("modules",), ("modules_pkey",)]
    assert panel.sql("select is_called from refitd.change_id_seq") == [(False,)]
