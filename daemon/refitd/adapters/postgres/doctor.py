"""What `refitd doctor` asks of Postgres: each question one `Finding`, with its remedy.

The questions are put as the daemon would meet them, through the same connections and the same
errors, so that a finding that is well means the daemon's own call goes well.
"""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.ear import PgEar
from refitd.adapters.postgres.translation import translate
from refitd.core.finding import QUEUE_ALARM, Finding
from refitd.errors import DatabaseError, RefitdError

_OLDEST_VERSION = 140000
_AS_IT_SAYS = "do what the message says"
_MIGRATE = "run `refitd migrate` as the owner of the database"


def examine(dsn: str) -> tuple[Finding, ...]:
    """In the order one would mend them. Without a connection there is nothing more to ask."""
    connection = Connection(dsn, "refitd doctor")
    try:
        with connection.use() as session:
            found = [_server(session, connection.place), _queue(session), _schema(session)]
            if found[-1].ok:
                found.append(_rights(session))
            if found[-1].ok:
                found += _tables(session, connection.place)
    except DatabaseError as error:
        return (_failing("database", error),)
    finally:
        connection.close()
    return (*found, _notifications(dsn))


def _failing(name: str, error: RefitdError) -> Finding:
    remedy = "see that the server runs and can be reached" if error.transient else _AS_IT_SAYS
    return Finding(name, ok=False, detail=str(error), remedy=remedy)


def _server(session: psycopg.Connection[TupleRow], where: str) -> Finding:
    version = session.info.server_version
    name = session.info.parameter_status("server_version") or str(version)
    if version < _OLDEST_VERSION:
        return Finding(
            "database",
            ok=False,
            detail=f"{where} is PostgreSQL {name}",
            remedy="refitd needs PostgreSQL 14 or newer",
        )
    return Finding("database", ok=True, detail=f"{where}, PostgreSQL {name}, a primary")


_QUEUE = "select pg_notification_queue_usage()"


def _queue(session: psycopg.Connection[TupleRow]) -> Finding:
    """A full queue makes every writer's COMMIT fail."""
    row = session.execute(_QUEUE).fetchone()
    assert row is not None
    used = f"{row[0]:.0%} of the notification queue is in use"
    if row[0] < QUEUE_ALARM:
        return Finding("notification queue", ok=True, detail=used)
    return Finding(
        "notification queue",
        ok=False,
        detail=used,
        remedy="some listener keeps a transaction open: see pg_stat_activity "
        "for the oldest xact_start, and end that session",
    )


_MISSING = """
    select array_agg(name)
    from unnest(%s::text[]) as expected (name)
    where not exists (
      select from pg_namespace n
      left join pg_class c on c.relnamespace = n.oid and c.relname = name
      left join pg_proc p on p.pronamespace = n.oid and p.proname = name
      where n.nspname = 'refitd' and coalesce(c.oid, p.oid) is not null
    )
"""
_EXPECTED = (
    "watched", "change", "deployment", "deployment_step", "build_log", "request", "record",
    "quarantine", "retiree", "target_state", "lease", "module", "status",
    "watch", "unwatch", "rows_of", "table_written", "take_lease", "renew_lease", "resign_lease",
    "fence", "prune",
)  # fmt: skip


def _schema(session: psycopg.Connection[TupleRow]) -> Finding:
    row = session.execute(_MISSING, [list(_EXPECTED)]).fetchone()
    missing = row[0] if row else None
    if not missing:
        return Finding("schema", ok=True, detail="schema refitd is complete")
    if len(missing) == len(_EXPECTED):
        return Finding("schema", ok=False, detail="there is no schema refitd", remedy=_MIGRATE)
    return Finding(
        "schema", ok=False, detail=f"schema refitd lacks {', '.join(missing)}", remedy=_MIGRATE
    )


_MAY_ENTER = "select has_schema_privilege('refitd', 'usage')"
_LACKING = """
    select array_agg(format('%%s on refitd.%%s', privilege, name) order by name, privilege)
    from unnest(%s::text[]) as ours (name)
    cross join unnest(array['select', 'insert', 'update', 'delete']) as wanted (privilege)
    where not has_table_privilege('refitd.' || name, privilege)
"""
_OURS = (
    "change", "deployment", "deployment_step", "build_log", "request", "record",
    "quarantine", "retiree", "target_state", "lease",
)  # fmt: skip


def _rights(session: psycopg.Connection[TupleRow]) -> Finding:
    user = session.info.user
    lacking = _lacking(session)
    if not lacking:
        return Finding("rights", ok=True, detail=f"{user} may do all that the daemon does")
    return Finding(
        "rights",
        ok=False,
        detail=f"{user} lacks {', '.join(lacking)}",
        remedy=f'GRANT refitd_daemon TO "{user}"',
    )


def _lacking(session: psycopg.Connection[TupleRow]) -> list[str]:
    if session.execute(_MAY_ENTER).fetchone() != (True,):
        return ["usage of schema refitd"]
    row = session.execute(_LACKING, [list(_OURS)]).fetchone()
    return (row and row[0]) or []


_WATCHED = """
    select
      w.source::oid, w.source_name, w.target,
      count(t.oid) filter (where t.tgenabled = 'A')
    from refitd.watched w
    left join pg_trigger t
      on t.tgrelid = w.source and t.tgfoid = to_regproc('refitd.table_written')
    group by w.source, w.source_name, w.target
    order by w.source_name
"""
_ALL_FOUR = 4


def _tables(session: psycopg.Connection[TupleRow], where: str) -> list[Finding]:
    """Whether each target has one is asked by the journal, as the daemon asks it."""
    return [_table(session, where, *row) for row in session.execute(_WATCHED).fetchall()]


_READ = "select count(*), count(*) filter (where enabled) from refitd.rows_of(%s)"


def _table(
    session: psycopg.Connection[TupleRow], where: str, oid: int, name: str, target: str, always: int
) -> Finding:
    title = f"table {name}"
    try:
        with session.transaction():
            row = session.execute(_READ, [oid]).fetchone()
    except psycopg.Error as error:
        return _failing(title, translate(error, where))
    assert row is not None
    if always != _ALL_FOUR:
        return Finding(
            title,
            ok=False,
            detail=f"{always} of 4 triggers are there and ALWAYS on",
            remedy=f"SELECT refitd.watch('{name}', ...) once more",
        )
    return Finding(
        title, ok=True, detail=f"target {target}: {row[0]} modules with a backend, {row[1]} enabled"
    )


def _notifications(dsn: str) -> Finding:
    ear = PgEar(dsn, "doctor")
    try:
        ear.open()
    except DatabaseError as error:
        return _failing("notifications", error)
    finally:
        ear.close()
    return Finding("notifications", ok=True, detail="sent from one session, heard in another")
