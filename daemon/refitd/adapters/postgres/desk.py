"""What the CLI reads and writes besides: status, history, logs, requests."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.history import read_deployment, read_steps
from refitd.adapters.postgres.rows import row_of
from refitd.core.deployment import Answer, Deployment, RequestKind, StepRecord, TargetStatus
from refitd.errors import BadRequest


class PgDesk:
    """The port `Desk`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _STATUS = "select * from refitd.status order by target"

    def status(self) -> tuple[TargetStatus, ...]:
        with self._connection.use() as connection:
            cursor = connection.cursor(row_factory=row_of(TargetStatus))
            return tuple(cursor.execute(self._STATUS))

    _HISTORY = """
        select * from refitd.deployment
        where target = coalesce(%s, target)
        order by id desc limit %s
    """

    def history(self, target: str | None, limit: int) -> tuple[Deployment, ...]:
        """Newest first."""
        with self._connection.use() as connection:
            cursor = connection.cursor(row_factory=row_of(Deployment))
            return tuple(cursor.execute(self._HISTORY, [target, limit]))

    def deployment(self, deployment_id: int) -> Deployment | None:
        with self._connection.use() as connection:
            return read_deployment(connection, deployment_id)

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]:
        with self._connection.use() as connection:
            return read_steps(connection, deployment_id)

    _BUILD_LOG = "select line from refitd.build_log where deployment_id = %s order by id"

    def build_log(self, deployment_id: int) -> tuple[str, ...]:
        with self._connection.use() as connection:
            return tuple(line for (line,) in connection.execute(self._BUILD_LOG, [deployment_id]))

    _REQUEST = """
        insert into refitd.request (target, kind, args) values (%s, %s, %s) returning id
    """

    def request(self, target: str, kind: RequestKind, args: Mapping[str, object]) -> int:
        """Write a row of `refitd.request`; answers its id."""
        with self._connection.use() as connection:
            row = connection.execute(self._REQUEST, [target, kind, Jsonb(dict(args))]).fetchone()
        assert row is not None
        return int(row[0])

    _ANSWER_TO = "select deployment_id, outcome from refitd.request where id = %s"

    def answer(self, request_id: int) -> Answer:
        """What has become of a request so far."""
        with self._connection.use() as connection:
            cursor = connection.cursor(row_factory=row_of(Answer))
            answer = cursor.execute(self._ANSWER_TO, [request_id]).fetchone()
        if answer is None:
            raise BadRequest(f"there is no request {request_id}")
        return answer
