"""What refitd_web and refitd_daemon may do, and what they may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL

from refitd.adapters.postgres import Connection, PgDesk, PgEar, PgJournal, PgLeases, examine
from tests.contracts.journal import new
from tests.panel import Listener, Panel

Enter = Callable[[LiteralString], psycopg.Connection[Any]]


@pytest.fixture
def enter(panel: Panel) -> Iterator[Enter]:
    """Sessions of a login role that is a member of the role named."""
    panel.sql("create role member_of_test login password 'member'")
    sessions: list[psycopg.Connection[Any]] = []

    def open_session(role: LiteralString) -> psycopg.Connection[Any]:
        panel.sql("grant " + role + " to member_of_test")
        sessions.append(panel.session(user="member_of_test", password="member", autocommit=True))
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()
    panel.sql("drop role member_of_test")


def test_web_asks(panel: Panel, enter: Enter, listener: Listener) -> None:
    """The web app writes a request, learns its id, is named in it, and the daemon is woken."""
    web = enter("refitd_web")
    asked = web.execute(
        "insert into refitd.request (target, kind, args) values ('backend', 'rebuild', '{}')"
        " returning id"
    ).fetchone()
    assert asked == (1,)
    assert panel.sql("select requested_by, kind from refitd.request") == [
        ("member_of_test", "rebuild")
    ]
    assert listener.heard() == [("refitd", "")]


def test_web_sees(enter: Enter) -> None:
    """The web app reads the status."""
    (row,) = enter("refitd_web").execute("select target, condition from refitd.status").fetchall()
    assert row == ("backend", "unattended")


@pytest.mark.parametrize(
    "statement",
    [
        "insert into refitd.request (target, kind, requested_by) values ('b', 'retry', 'boss')",
        "insert into refitd.request (target, kind, outcome) values ('b', 'retry', 'done')",
        "select args from refitd.request",
        "update refitd.request set kind = 'cancel'",
        "delete from refitd.request",
        "select * from refitd.deployment",
        "select * from refitd.change",
        "select * from refitd.module",
        "select refitd.watch('modules')",
        "select refitd.prune('0 days')",
        "select * from refitd.take_lease('backend', 'web', '', 9, 0)",
    ],
)
def test_web_may_not(enter: Enter, statement: LiteralString) -> None:
    """The web app does nothing else: neither in another's name, nor to others' rows."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        enter("refitd_web").execute(statement)


@pytest.mark.parametrize(
    "values",
    ["('', 'retry', '{}')", "('b', 'explode', '{}')", "('b', 'retry', '[]')"],
)
def test_requests_are_checked(panel: Panel, values: LiteralString) -> None:
    """A request without a target, of an unknown kind or with odd arguments is refused."""
    with pytest.raises(psycopg.errors.CheckViolation):
        panel.sql(
            SQL("insert into refitd.request (target, kind, args) values {}").format(SQL(values))
        )


def test_daemon(panel: Panel, enter: Enter) -> None:
    """A member of refitd_daemon, with no right on the watched table, does all a daemon does."""
    panel.sql("insert into modules values ('a', '', true, true)")
    enter("refitd_daemon")
    dsn = panel.dsn_of(user="member_of_test", password="member")
    connection, ear = Connection(dsn, "test"), PgEar(dsn, "one")
    journal, desk = PgJournal(connection, "one"), PgDesk(connection)
    try:
        ear.open()
        epoch = PgLeases(connection, "one").take("backend", "engine", 15).epoch
        snapshot = journal.snapshot("backend")
        assert [row.id for row in snapshot.rows] == ["a"]
        ids = tuple(change.id for change in snapshot.changes)
        deployment = journal.open(new(epoch, change_ids=ids))
        journal.add_log(deployment, ["line"])
        journal.set_paused("backend", paused=True, epoch=epoch)
        journal.set_problem("backend", "a problem")
        assert desk.build_log(deployment.id) == ("line",)
        assert desk.status()[0].condition == "paused"
        desk.request("backend", "resume", {})
        assert journal.prune(30) == 0
        PgLeases(connection, "one").resign("backend", epoch)
        assert [finding for finding in examine(dsn) if not finding.ok] == []
    finally:
        ear.close()
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "select * from modules",
        "insert into refitd.watched (source) values ('modules')",
        "select refitd.watch('modules')",
        "select refitd.unwatch('modules')",
        "create table refitd.mine ()",
    ],
)
def test_daemon_may_not(enter: Enter, statement: LiteralString) -> None:
    """The daemon reads of the panel what the view shows, and does not say what is watched."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        enter("refitd_daemon").execute(statement)


def test_nobody(panel: Panel) -> None:
    """A role that is in neither gets nowhere."""
    assert panel.sql(
        "select has_schema_privilege('public', 'refitd', 'usage'),"
        " bool_or(has_function_privilege('public', oid, 'execute'))"
        " from pg_proc where pronamespace = 'refitd'::regnamespace"
    ) == [(False, False)]
