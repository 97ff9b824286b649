"""refitd.watch and refitd.unwatch: what they put on a table, and what they refuse, by name."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from refitd.adapters.postgres import Connection, PgJournal
from refitd.errors import DatabaseRefused
from rig.postgres import Postgres
from tests.panel import MODULES, Listener, Panel

TRIGGERS = """
    select tgname::text, tgenabled from pg_trigger
    where tgrelid = 'modules'::regclass and not tgisinternal order by tgname
"""


def test_triggers(panel: Panel) -> None:
    """A watched table has four triggers of ours, which fire in every replication role."""
    assert panel.sql(TRIGGERS) == [
        ("refitd_delete", "A"),
        ("refitd_insert", "A"),
        ("refitd_truncate", "A"),
        ("refitd_update", "A"),
    ]


def test_again(panel: Panel) -> None:
    """Watching again changes the mapping, and puts nothing on the table twice."""
    panel.sql("alter table modules rename column enabled to is_on")
    panel.sql("select refitd.watch('modules', target => 'other', enabled => 'is_on')")
    assert len(panel.sql(TRIGGERS)) == 4
    assert panel.sql("select target, enabled_column from refitd.watched") == [("other", "is_on")]
    panel.sql("insert into modules values ('a', '', true, true)")
    assert panel.sql("select target from refitd.change") == [("other",)]


def test_unwatch(panel: Panel) -> None:
    """Unwatching takes every trigger away, and the target's rows with it; the history stays."""
    panel.sql("insert into modules values ('a', '', true, true)")
    panel.sql("select refitd.unwatch('modules')")
    assert panel.sql(TRIGGERS) == []
    assert panel.sql("select * from refitd.module") == []
    panel.sql("delete from modules")
    assert panel.effects() == [("rebuild", ["a"])]


def test_daemon_is_told(bare: Panel) -> None:
    """Watching and unwatching wake the daemon, and log no change."""
    bare.sql(MODULES)
    listener = Listener(bare)
    bare.sql("select refitd.watch('modules')")
    assert listener.heard() == [("refitd", "")]
    bare.sql("select refitd.unwatch('modules')")
    assert listener.heard() == [("refitd", "")]
    listener.close()
    assert bare.effects() == []


def test_several(bare: Panel) -> None:
    """Several tables may feed one target, and others another."""
    for name in ("one", "two", "three"):
        table = sql.Identifier(name)
        bare.sql(
            sql.SQL("create table {} (id text, has_backend boolean, enabled boolean)").format(table)
        )
        bare.sql(sql.SQL("insert into {} values (%s, true, true)").format(table), name)
    bare.sql("select refitd.watch('one'), refitd.watch('two'), refitd.watch('three', 'other')")
    assert set(bare.sql("select target, id from refitd.module")) == {
        ("backend", "one"),
        ("backend", "two"),
        ("other", "three"),
    }


#: The first Postgres with columns that are generated as they are read.
FIRST_VIRTUAL = 18

REFUSALS: dict[str, tuple[LiteralString, LiteralString, str, str]] = {
    "column": (
        "create table t (id text, server boolean, enabled boolean)",
        "select refitd.watch('t')",
        "table public.t has no column has_backend",
        "has_backend => '...'",
    ),
    "named column": (
        "create table t (id text, has_backend boolean, enabled boolean)",
        "select refitd.watch('t', version => 'rev')",
        "table public.t has no column rev",
        "version => '...'",
    ),
    "type": (
        "create table t (id text, has_backend boolean, enabled integer)",
        "select refitd.watch('t')",
        "column enabled of table public.t is integer, where enabled must be boolean",
        "Name another column",
    ),
    "virtual column": (
        (
            "create table t (id text, kind text, enabled boolean,"
            " has_backend boolean generated always as (kind = 'x') virtual)"
        ),
        "select refitd.watch('t')",
        "column has_backend of table public.t is a virtual generated column",
        "STORED",
    ),
    "view": (
        "create view t as select 'a' as id, true as has_backend, true as enabled",
        "select refitd.watch('t')",
        "t is not a table",
        "Watch the table that the rows are written to",
    ),
    "partition": (
        (
            "create table m (id text, has_backend boolean, enabled boolean) partition by list (id);"
            " create table t partition of m default"
        ),
        "select refitd.watch('t')",
        "table public.t is a partition",
        "Watch the table it is a partition of",
    ),
    "temporary table": (
        "create temp table t (id text, has_backend boolean, enabled boolean)",
        "select refitd.watch('t')",
        "t is temporary",
        "",
    ),
    "target": (
        "create table t (id text, has_backend boolean, enabled boolean)",
        "select refitd.watch('t', target => 'my backend')",
        "'my backend' cannot be the name of a target",
        "as in refitd.toml",
    ),
    "nothing": ("select", "select refitd.watch(null)", "no table to watch was given", ""),
    "not watched": (
        "create table t ()",
        "select refitd.unwatch('t')",
        "table public.t is not watched",
        "refitd.watched",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal(bare: Panel, postgres: Postgres, case: str) -> None:
    """What cannot be watched is refused by name, with what to do, and nothing is left behind."""
    setup, call, message, hint = REFUSALS[case]
    if case == "virtual column" and postgres.version < FIRST_VIRTUAL:
        with pytest.raises(psycopg.errors.SyntaxError):
            bare.sql(setup)
        return  # there is no such column that could be refused
    bare.sql(setup)
    with pytest.raises(psycopg.Error) as refused:
        bare.sql(call)
    assert message in (refused.value.diag.message_primary or "")
    assert hint in (refused.value.diag.message_hint or "")
    assert bare.sql("select * from refitd.watched") == []
    assert (
        bare.sql(
            "select * from pg_trigger where tgname like 'refitd%' and tgrelid = to_regclass('t')"
        )
        == []
    )


def test_busy_table(bare: Panel) -> None:
    """Watching gives up on a lock after a while, rather than queue the panel behind itself."""
    bare.sql(MODULES)
    blocker = bare.session()
    blocker.execute("lock table modules in row exclusive mode")
    bare.sql("alter function refitd.watch set lock_timeout = '200ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        bare.sql("select refitd.watch('modules')")
    blocker.close()
    assert bare.sql("select * from refitd.watched") == []


class TestAltered:
    """The panel's own migrations are never in our way, nor we in theirs."""

    def look(self, panel: Panel) -> None:
        """As the daemon does."""
        connection = Connection(panel.dsn, "test")
        try:
            PgJournal(connection, "one").snapshot("backend")
        finally:
            connection.close()

    @pytest.mark.parametrize(
        "migration, complaint, remedy",
        [
            ("drop table modules", "table public.modules, watched for target backend, was dropped", "refitd.unwatch('"),
            ("alter table modules drop column enabled", "column m.enabled does not exist", "refitd.watch('public.modules'"),
            ("alter table modules alter has_backend type text", "cannot be read: column has_backend of table public.modules is text", "refitd.watch('public.modules'"),
            ("alter table modules alter enabled type text", "cannot be read: column enabled of table public.modules is text", "refitd.watch('public.modules'"),
        ],
    )  # fmt: skip
    def test_refused(
        self, panel: Panel, migration: LiteralString, complaint: str, remedy: str
    ) -> None:
        """A migration that takes a mapped column goes through; the look says which, and what to do."""
        panel.sql(migration)
        with pytest.raises(DatabaseRefused) as refused:
            self.look(panel)
        assert complaint in str(refused.value)
        assert "public.modules" in str(refused.value)
        assert remedy in str(refused.value)

    @pytest.mark.parametrize(
        "migration",
        [
            "alter table modules rename to plugins",
            "alter table modules alter id type varchar(40)",
            "alter table modules drop column title",
            "create schema core; alter table modules set schema core",
        ],
    )
    def test_followed(self, panel: Panel, migration: LiteralString) -> None:
        """What leaves the mapped columns alone changes nothing, a new name of the table included."""
        panel.sql("insert into modules values ('a', '', true, true)")
        panel.sql(migration)
        self.look(panel)
        assert panel.sql("select id, enabled from refitd.module") == [("a", True)]

    def test_made_anew(self, panel: Panel) -> None:
        """A table dropped and made anew is watched by saying so again; the old one is forgotten."""
        panel.sql("drop table modules")
        panel.sql(MODULES)
        panel.sql("select refitd.watch('modules')")
        self.look(panel)
        assert panel.value("select count(*) from refitd.watched") == 1

    def test_given_up(self, panel: Panel) -> None:
        """The number that the error names for a dropped table is what unwatch takes."""
        panel.sql("drop table modules")
        with pytest.raises(DatabaseRefused) as refused:
            self.look(panel)
        number = str(refused.value).rsplit("refitd.unwatch('", 1)[1].split("'")[0]
        panel.sql("select refitd.unwatch(%s)", number)
        self.look(panel)

    def test_only_its_own_target(self, panel: Panel) -> None:
        """A table that cannot be read is the trouble of its own target only."""
        panel.sql("create table more (id text, has_backend boolean, enabled boolean)")
        panel.sql("select refitd.watch('more', 'other')")
        panel.sql("drop table modules")
        assert panel.sql("select * from refitd.module where target = 'other'") == []

    def test_hidden_rows(self, panel: Panel) -> None:
        """Row security that would hide rows from us is an error, never fewer modules."""
        panel.sql("create role keeper_of_test")
        try:
            panel.sql("grant usage on schema refitd to keeper_of_test")
            panel.sql("grant select on modules, refitd.watched to keeper_of_test")
            panel.sql("alter function refitd.rows_of owner to keeper_of_test")
            panel.sql("grant execute on all functions in schema refitd to keeper_of_test")
            self.look(panel)
            panel.sql("alter table modules enable row level security")
            with pytest.raises(DatabaseRefused, match="row-level security"):
                self.look(panel)
        finally:
            panel.sql("alter function refitd.rows_of owner to postgres")
            panel.sql("drop owned by keeper_of_test")
            panel.sql("drop role keeper_of_test")
