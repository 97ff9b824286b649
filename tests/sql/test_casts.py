"""A watched table's owner runs nothing of theirs with the rights of the schema's owner."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.panel import Panel

COLUMNS = ("id", "enabled", "has_backend", "version", "installed")


@pytest.fixture
def mallory(bare: Panel) -> Iterator[Panel]:
    """A watched table whose owner has a type with casts of their own, and keeps who ran them."""
    bare.sql("create role mallory_of_test")
    bare.sql("grant create, usage on schema public to mallory_of_test")
    bare.sql("create table loot (who text)")
    bare.sql("grant all on loot to public")
    bare.sql("set role mallory_of_test")
    bare.sql(
        "create table modules"
        " (id text, enabled boolean, has_backend boolean, version text, installed boolean)"
    )
    bare.sql("create type evil as (b boolean)")
    for kind, value in (("boolean", "true"), ("text", "'t'")):
        names = {"name": Identifier("own_" + kind), "kind": SQL(kind), "value": SQL(value)}
        bare.sql(
            SQL(
                "create function {name}(evil) returns {kind} language plpgsql as"
                " $$ begin insert into loot values (current_user); return {value}; end $$"
            ).format(**names)
        )
        bare.sql(
            SQL("create cast (evil as {kind}) with function {name}(evil) as implicit").format(
                **names
            )
        )
    bare.sql("reset role")
    bare.sql("select refitd.watch('modules', version => 'version', installed => 'installed')")
    yield bare
    bare.sql("reset role")
    bare.sql("drop owned by mallory_of_test cascade")
    bare.sql("drop role mallory_of_test")


@pytest.mark.parametrize("column", COLUMNS)
def test_casts(mallory: Panel, column: str) -> None:
    """A mapped column of a type with casts of its owner's: no read and no write runs them."""
    mallory.sql("insert into modules values ('a', true, true, '1', true)")
    mallory.sql("set role mallory_of_test")
    mallory.sql(
        SQL("alter table modules alter {0} type evil using row(true)::evil").format(
            Identifier(column)
        )
    )
    mallory.sql("insert into modules select * from modules")
    mallory.sql("update modules set enabled = enabled")
    mallory.sql("reset role")
    if column in ("id", "version"):
        mallory.sql("select * from refitd.module")
    else:
        with pytest.raises(psycopg.Error, match=f"column {column} of table .* is .*evil, where"):
            mallory.sql("select * from refitd.module")
    mallory.sql("set role mallory_of_test")
    mallory.sql("delete from modules where true")
    mallory.sql("truncate modules")
    mallory.sql("reset role")
    assert mallory.sql("select who from loot") == []


def test_unset(mallory: Panel) -> None:
    """A flag that is null is off: a module without has_backend or installed is none."""
    for row in (
        "('a', null, true, null, true)",
        "('b', true, null, null, true)",
        "('c', true, true, null, null)",
        "('d', true, true, '', true)",
    ):
        mallory.sql(SQL("insert into modules values {}").format(SQL(row)))
    assert mallory.sql("select id, version, enabled from refitd.module order by id") == [
        ("a", None, False),
        ("d", "", True),
    ]
    assert mallory.effects() == [("rebuild", ["a"]), ("rebuild", ["d"])]
