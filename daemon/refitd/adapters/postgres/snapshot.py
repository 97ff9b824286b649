"""All that the database says of one target, as of one moment.

REPEATABLE READ makes it one moment: the changes listed are those whose effect is in the rows
listed, so acknowledging them never hides a write that was not seen.
"""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.rows import row_of
from refitd.core.deployment import (
    Change,
    Deployment,
    Quarantine,
    Record,
    Request,
    Retiree,
    Snapshot,
)
from refitd.core.module import Row

_ONE_MOMENT = "set transaction isolation level repeatable read, read only"

_STATE = """
    select
      now() as at,
      exists (select from refitd.watched where target = %(target)s) as watched,
      coalesce((select paused from refitd.target_state where target = %(target)s), false) as paused
"""

_ROWS = "select id, version, enabled from refitd.module where target = %s"

# A daemon that was down for long finds many; those beyond the limit wait for the next look.
_CHANGES = """
    select id, effect, modules, at
    from refitd.change where target = %s and handled_at is null
    order by id limit 5000
"""

# One whose deployment was cut off before it had a goal is asked for still.
_REQUESTS = """
    select r.id, r.kind, r.args, r.requested_by as by, r.requested_at as at
    from refitd.request r
    left join refitd.deployment d on d.id = r.deployment_id
    where r.target = %s and r.closed_at is null
      and (r.taken_at is null or d.finished_at is null and d.goal is null)
    order by r.id
"""

_RECORD = "select * from refitd.record where target = %s"

_QUARANTINE = "select * from refitd.quarantine where target = %s order by id"

_RETIREES = "select * from refitd.retiree where target = %s order by id"

_UNFINISHED = """
    select * from refitd.deployment
    where target = %s and finished_at is null
    order by id desc limit 1
"""


def read_snapshot(connection: psycopg.Connection[TupleRow], target: str) -> Snapshot:
    """Within a transaction that has not begun to read."""
    connection.execute(_ONE_MOMENT)
    state = connection.execute(_STATE, {"target": target}).fetchone()
    assert state is not None
    at, watched, paused = state
    of_target = [target]
    with (
        connection.cursor(row_factory=row_of(Row)) as rows,
        connection.cursor(row_factory=row_of(Change)) as changes,
        connection.cursor(row_factory=row_of(Request)) as requests,
        connection.cursor(row_factory=row_of(Record)) as record,
        connection.cursor(row_factory=row_of(Quarantine)) as quarantine,
        connection.cursor(row_factory=row_of(Retiree)) as retirees,
        connection.cursor(row_factory=row_of(Deployment)) as unfinished,
    ):
        return Snapshot(
            at=at,
            rows=tuple(rows.execute(_ROWS, of_target)),
            changes=tuple(changes.execute(_CHANGES, of_target)),
            requests=tuple(requests.execute(_REQUESTS, of_target)),
            record=record.execute(_RECORD, of_target).fetchone(),
            quarantine=tuple(quarantine.execute(_QUARANTINE, of_target)),
            retirees=tuple(retirees.execute(_RETIREES, of_target)),
            unfinished=unfinished.execute(_UNFINISHED, of_target).fetchone(),
            paused=paused,
            watched=watched,
        )
