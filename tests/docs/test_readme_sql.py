"""The README's SQL runs, with the rights that it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import psycopg
import pytest

from refitd.adapters.postgres import migrate
from refitd.core.deployment import RequestKind, Status
from tests.docs.markdown import ROOT, blocks, read, rows, section, ticked

README = read("README.md")
WEB = section(README, "For the web app")
GRANT, *WEB_BLOCKS = blocks(WEB, "sql")
#: Asked for by people, and not by the web app.
BOOKS = WEB_BLOCKS.pop()

Session = psycopg.Connection[Any]


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """A panel's database after `refitd migrate`, with the example's table; nothing is kept.

    Roles are the whole server's, hence one transaction that is rolled back.
    """
    migrate(database)
    with psycopg.connect(database) as session:
        session.execute(read("examples/modules.sql"))
        for block in blocks(section(README, "Set up"), "sql"):
            session.execute(block)
        session.execute("create role panel")
        session.execute(GRANT)
        yield session
        session.rollback()


def test_setting_up_watches_the_table(session: Session) -> None:
    """After what the README says to type, the table is watched with its optional columns."""
    watched = session.execute("select source::text, target, version_column from refitd.watched")
    assert watched.fetchall() == [("modules", "backend", "version")]
    session.execute("insert into modules (id, has_backend) values ('billing', true)")
    noted = session.execute("select effect, modules from refitd.change").fetchall()
    assert noted == [("rebuild", ["billing"])]


def test_the_daemon_is_let_in(session: Session) -> None:
    """The role that is created there may read the modules and keep the books."""
    session.execute("set local role refitd")
    session.execute("select id, version, enabled from refitd.module")
    session.execute("select * from refitd.lease")


def test_the_web_app_may_do_what_is_shown(session: Session) -> None:
    """Each statement for the web app runs with the rights of refitd_web and no others."""
    session.execute("set local role panel")
    for block in WEB_BLOCKS:
        session.execute(block)


def test_the_books_can_be_read_by_the_daemon_s_role(session: Session) -> None:
    """What is shown for people runs with the rights of refitd_daemon."""
    session.execute("set local role refitd")
    session.execute(BOOKS)


def test_unwatch_takes_it_away(session: Session) -> None:
    """The way out that is named in running text works."""
    (way_out,) = [words for words in ticked(README) if words.startswith("SELECT refitd.unwatch(")]
    session.execute(way_out)
    session.execute("insert into modules (id, has_backend) values ('billing', true)")
    assert session.execute("select from refitd.change").fetchall() == []


def test_the_columns_of_the_status_are_there_by_name() -> None:
    """Each condition of the view has its line in the table, and the other way round."""
    view = (ROOT / "sql" / "007_status.sql").read_text("utf-8")
    comment = view.partition("create or replace view")[0]
    there = {line.split()[1] for line in comment.splitlines() if line.startswith("--   ")}
    there = {word for word in there if f"'{word}'" in view}
    assert {ticked(row[0])[0] for row in rows(WEB, "`condition`")} == there


def test_the_states_are_those_that_are_written() -> None:
    """Every state of a deployment is named, but the one that nothing writes yet."""
    named = set(ticked(WEB)) & set(get_args(Status))
    assert named == set(get_args(Status))


def test_the_requests_are_those_that_are_served() -> None:
    """Every kind of request is shown, but the one that the limits speak of."""
    shown = {kind for kind in get_args(RequestKind) if f"'{kind}'" in WEB}
    assert shown == set(get_args(RequestKind)) - {"rollback"}
    assert "`rollback`" in section(README, "Limits")


def test_the_statement_on_psql_finds_the_files() -> None:
    """The files that `psql -f` is to take are there, and sort in the order they need."""
    files = sorted(path.name for path in ROOT.glob("sql/*.sql"))
    assert "sql/*.sql" in README
    assert [name[:3] for name in files] == [f"{n:03}" for n in range(1, len(files) + 1)]
