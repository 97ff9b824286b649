"""What has been done, as the daemon and the desk both read it."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.rows import row_of
from refitd.core.deployment import Deployment, StepRecord

_DEPLOYMENT = "select * from refitd.deployment where id = %s"


def read_deployment(
    connection: psycopg.Connection[TupleRow], deployment_id: int
) -> Deployment | None:
    cursor = connection.cursor(row_factory=row_of(Deployment))
    return cursor.execute(_DEPLOYMENT, [deployment_id]).fetchone()


_STEPS = "select * from refitd.deployment_step where deployment_id = %s order by id"


def read_steps(
    connection: psycopg.Connection[TupleRow], deployment_id: int
) -> tuple[StepRecord, ...]:
    """In the order in which they were taken."""
    cursor = connection.cursor(row_factory=row_of(StepRecord))
    return tuple(cursor.execute(_STEPS, [deployment_id]))
