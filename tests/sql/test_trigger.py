"""T1: what each form of write leaves in refitd.change, and how many notifications it sends.

The rows there are before each write:

    a   with a backend, enabled          c   without a backend, enabled
    b   with a backend, switched off
"""

from __future__ import annotations

from typing import LiteralString

import pytest
from psycopg import sql

from tests.panel import Listener, Panel

Effects = list[tuple[str, list[str]]]
NOTHING: Effects = []

WRITES: dict[str, tuple[tuple[LiteralString, ...], Effects]] = {
    # -- insert ---------------------------------------------------------------------------------
    "insert": (
        ("insert into modules values ('n', '', true, true)",),
        [("rebuild", ["n"])],
    ),
    "insert several": (
        ("insert into modules values ('n', '', true, true), ('o', '', true, null)",),
        [("rebuild", ["n", "o"])],
    ),
    "insert without backend": (
        ("insert into modules values ('n', '', false, true), ('o', '', null, true)",),
        NOTHING,
    ),
    "insert nothing": (("insert into modules select * from modules where false",), NOTHING),
    # -- update ---------------------------------------------------------------------------------
    "toggle off": (
        ("update modules set enabled = false where id = 'a'",),
        [("restart", ["a"])],
    ),
    "toggle to null, which is off": (
        ("update modules set enabled = null where id = 'a'",),
        [("restart", ["a"])],
    ),
    "off to null, which is no change": (
        ("update modules set enabled = null where id = 'b'",),
        NOTHING,
    ),
    "toggle without backend": (("update modules set enabled = false where id = 'c'",), NOTHING),
    "toggle all": (
        ("update modules set enabled = not enabled",),
        [("restart", ["a", "b"])],
    ),
    "backend on": (
        ("update modules set has_backend = true where id = 'c'",),
        [("rebuild", ["c"])],
    ),
    "backend off": (
        ("update modules set has_backend = false where id = 'a'",),
        [("rebuild", ["a"])],
    ),
    "backend to null, which is no": (
        ("update modules set has_backend = null where id = 'a'",),
        [("rebuild", ["a"])],
    ),
    "rename": (
        ("update modules set id = 'z' where id = 'a'",),
        [("rebuild", ["a", "z"])],
    ),
    "mixed in one statement": (
        ("update modules set enabled = false, has_backend = id <> 'b'",),
        [("rebuild", ["a", "b", "c"])],
    ),
    "unwatched column": (("update modules set title = 'new'",), NOTHING),
    "same values": (("update modules set enabled = enabled, id = id",), NOTHING),
    "no row": (("update modules set enabled = false where id = 'nobody'",), NOTHING),
    # -- delete ---------------------------------------------------------------------------------
    "delete": (("delete from modules where id = 'a'",), [("rebuild", ["a"])]),
    "delete all": (("delete from modules",), [("rebuild", ["a", "b"])]),
    "delete without backend": (("delete from modules where id = 'c'",), NOTHING),
    "truncate": (("truncate modules",), [("rebuild", ["a", "b"])]),
    "truncate what has no backend": (
        ("update modules set title = ''", "delete from modules where id <> 'c'", "truncate modules"),
        [("rebuild", ["a", "b"])],
    ),
    # -- both at once -----------------------------------------------------------------------------
    "upsert, new": (
        (("insert into modules values ('n', '', true, true)"
         " on conflict (id) do update set enabled = excluded.enabled"),),
        [("rebuild", ["n"])],
    ),
    "upsert, there": (
        (("insert into modules values ('b', '', true, true)"
         " on conflict (id) do update set enabled = excluded.enabled"),),
        [("restart", ["b"])],
    ),
    "upsert, there and the same": (
        (("insert into modules values ('a', '', true, true)"
         " on conflict (id) do update set enabled = excluded.enabled"),),
        NOTHING,
    ),
    "upsert, do nothing": (
        ("insert into modules values ('a', '', true, false) on conflict do nothing",),
        NOTHING,
    ),
    "merge": (
        (("merge into modules m"
         " using (values ('a', false), ('n', true)) as v (id, enabled) on m.id = v.id"
         " when matched then update set enabled = v.enabled"
         " when not matched then insert values (v.id, '', true, v.enabled)"),),
        [("restart", ["a"]), ("rebuild", ["n"])],
    ),
    "data-modifying with": (
        (("with gone as (delete from modules where id = 'a' returning *)"
         " insert into modules select 'n', title, has_backend, enabled from gone"),),
        [("rebuild", ["a"]), ("rebuild", ["n"])],
    ),
    # -- several statements of one transaction: each has its row, one notification for all ---------
    "burst": (
        ("insert into modules values ('n', '', true, true)",
         "update modules set enabled = false where id = 'n'",
         "delete from modules where id = 'n'"),
        [("rebuild", ["n"]), ("restart", ["n"]), ("rebuild", ["n"])],
    ),
    "savepoint rolled back": (
        ("savepoint s",
         "delete from modules",
         "rollback to s",
         "update modules set title = 'new'"),
        NOTHING,
    ),
}  # fmt: skip


@pytest.fixture
def filled(panel: Panel, listener: Listener) -> Panel:
    """The three rows, and nothing of how they came there."""
    panel.sql(
        "insert into modules values ('a', '', true, true), ('b', '', true, false),"
        " ('c', '', false, true)"
    )
    panel.sql("delete from refitd.change")
    listener.heard()
    return panel


@pytest.mark.parametrize("write", WRITES)
def test_write(filled: Panel, listener: Listener, write: str) -> None:
    """T1: each form of write has exactly its change rows, and one notification if it has any."""
    statements, effects = WRITES[write]
    with filled.session() as session:
        for statement in statements:
            session.execute(statement)
    session.close()
    assert filled.effects() == effects
    assert listener.heard() == ([("refitd", "")] if effects else [])


def test_copy(filled: Panel, listener: Listener) -> None:
    """T1: COPY is an insert of all its rows: one change row."""
    with filled.session() as session, session.cursor().copy("copy modules from stdin") as copy:
        for number in range(250):
            copy.write_row((f"m{number:03}", "", True, True))
    session.close()
    ((effect, modules),) = filled.effects()
    assert effect == "rebuild"
    assert modules == [f"m{number:03}" for number in range(100)]
    assert filled.value("select touched from refitd.change") == 250
    assert listener.heard() == [("refitd", "")]


def test_rolled_back(filled: Panel, listener: Listener) -> None:
    """T1: a transaction rolled back leaves nothing."""
    session = filled.session()
    session.execute("delete from modules")
    session.rollback()
    session.close()
    assert filled.effects() == NOTHING
    assert listener.heard() == []


def test_truncate_without_backend(panel: Panel, listener: Listener) -> None:
    """T1: TRUNCATE of a table without has_backend rows is nothing."""
    panel.sql("insert into modules values ('c', '', false, true)")
    panel.sql("truncate modules")
    assert panel.effects() == NOTHING
    assert listener.heard() == []


def test_who_and_when(filled: Panel) -> None:
    """A change tells who wrote it, in which transaction, how and where."""
    session = filled.session()
    (txid,) = session.execute("select pg_current_xact_id()::text").fetchone() or ("",)
    session.execute("delete from modules where id = 'a'")
    session.commit()
    session.close()
    ((who, wrote, operation, source, target),) = filled.sql(
        "select who, txid::text, operation, source_name, target from refitd.change"
    )
    assert (who, wrote) == ("postgres", txid)
    assert (operation, source, target) == ("delete", "public.modules", "backend")


class TestMapped:
    """Tables whose columns are called otherwise, with version and installed."""

    @pytest.fixture
    def shop(self, bare: Panel) -> Panel:
        """A table of another shape, with two rows in force and one uninstalled."""
        bare.sql("create schema shop")
        bare.sql(
            'create table shop."Plug Ins" (nr integer, rev numeric, "on" boolean, srv boolean, put boolean)'
        )
        bare.sql(
            "select refitd.watch('shop.\"Plug Ins\"', target => 'till', id => 'nr',"
            " enabled => 'on', has_backend => 'srv', version => 'rev', installed => 'put')"
        )
        bare.sql(
            'insert into shop."Plug Ins" values'
            " (1, 1.0, true, true, true), (2, 2.50, true, true, true), (3, 1, true, true, null)"
        )
        bare.sql("delete from refitd.change")
        return bare

    def test_view(self, shop: Panel) -> None:
        """The view has fixed names, text ids and versions, and only rows that are installed."""
        assert set(shop.sql("select * from refitd.module")) == {
            ("till", "1", "1.0", True),
            ("till", "2", "2.50", True),
        }

    @pytest.mark.parametrize(
        "assignment, effects",
        [
            ("rev = 2", [("rebuild", ["1"])]),
            ("rev = null", [("rebuild", ["1"])]),
            ("put = null", [("rebuild", ["1"])]),
            ('"on" = false', [("restart", ["1"])]),
            ('"on" = false, rev = 3', [("rebuild", ["1"])]),
        ],
    )
    def test_write(self, shop: Panel, assignment: LiteralString, effects: Effects) -> None:
        """A version or an installed flag that changes rebuilds; a toggle restarts."""
        shop.sql(sql.SQL('update shop."Plug Ins" set {} where nr = 1').format(sql.SQL(assignment)))
        assert shop.effects() == effects

    def test_uninstalled(self, shop: Panel) -> None:
        """What is written to a row that is not installed is nothing, until it is."""
        shop.sql('update shop."Plug Ins" set rev = 7, "on" = false where nr = 3')
        assert shop.effects() == NOTHING
        shop.sql('update shop."Plug Ins" set put = true where nr = 3')
        assert shop.effects() == [("rebuild", ["3"])]


def test_partitions(bare: Panel) -> None:
    """Writes through a partitioned table are seen, a move between partitions is none."""
    bare.sql(
        "create table modules (id text, has_backend boolean, enabled boolean, shelf integer)"
        " partition by list (shelf)"
    )
    bare.sql("create table shelf_1 partition of modules for values in (1)")
    bare.sql("create table shelf_2 partition of modules for values in (2)")
    bare.sql("select refitd.watch('modules')")
    bare.sql("insert into modules values ('a', true, true, 1)")
    bare.sql("update modules set shelf = 2")
    bare.sql("update modules set enabled = false")
    bare.sql("truncate modules")
    assert bare.effects() == [("rebuild", ["a"]), ("restart", ["a"]), ("rebuild", ["a"])]


def test_generated(bare: Panel) -> None:
    """Columns generated from others and stored count as what they come to."""
    bare.sql(
        "create table modules (id text, kind text, state text,"
        " has_backend boolean generated always as (kind = 'server') stored,"
        " enabled boolean generated always as (state = 'on') stored)"
    )
    bare.sql("select refitd.watch('modules')")
    bare.sql("insert into modules values ('a', 'server', 'on'), ('b', 'theme', 'on')")
    bare.sql("update modules set state = 'off'")
    bare.sql("update modules set kind = 'server' where id = 'b'")
    assert bare.effects() == [("rebuild", ["a"]), ("restart", ["a"]), ("rebuild", ["b"])]
    assert len(bare.sql("select * from refitd.module")) == 2
