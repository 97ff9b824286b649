"""The rows of deployments, changes and requests, for the one who acts on a target.

A change or request is taken up in the transaction that writes its deployment's row, and a
request is closed in the one that ends it: whatever dies in between, neither is lost or lied to.
One that ends superseded has served neither, and gives them back to be taken up by the next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from refitd.adapters.postgres.books import Books
from refitd.adapters.postgres.history import read_deployment, read_steps
from refitd.adapters.postgres.rows import clean, params_of, row_of
from refitd.adapters.postgres.snapshot import read_snapshot
from refitd.adapters.postgres.whereabouts import server_of
from refitd.core.clone.residence import Server
from refitd.core.deployment import (
    ENDED,
    Amendment,
    Deployment,
    NewDeployment,
    Snapshot,
    StepRecord,
)
from refitd.errors import LeaseLost

_PRUNE_DEADLINE_S = 60.0


class PgJournal(Books):
    """The port `Journal`."""

    def snapshot(self, target: str) -> Snapshot:
        with self._connection.transaction() as connection:
            return read_snapshot(connection, target)

    def deployment(self, deployment_id: int) -> Deployment | None:
        with self._connection.use() as connection:
            return read_deployment(connection, deployment_id)

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]:
        with self._connection.use() as connection:
            return read_steps(connection, deployment_id)

    def server(self) -> Server:
        with self._connection.use() as connection:
            return server_of(connection)

    # What was never ended cannot be gone on with once there is a newer one.
    _SUPERSEDE = """
        update refitd.deployment
        set state = 'superseded', finished_at = now(), updated_at = now()
        where target = %s and finished_at is null
        returning id
    """
    _OPEN = """
        insert into refitd.deployment (
          target, action, reason, wake, epoch, instance,
          modules, enabled, build_key, run_key, old_container
        ) values (
          %(target)s, %(action)s, %(reason)s, %(wake)s, %(epoch)s, %(instance)s,
          %(modules)s, %(enabled)s, %(build_key)s, %(run_key)s, %(old_container)s
        )
        returning *
    """
    _TAKE_UP_CHANGES = """
        update refitd.change
        set handled_at = coalesce(handled_at, now()), deployment_id = %(id)s
        where target = %(target)s
          and (id = any(%(ids)s) and handled_at is null or deployment_id = any(%(superseded)s))
    """
    _TAKE_UP_REQUESTS = """
        update refitd.request
        set taken_at = coalesce(taken_at, now()), deployment_id = %(id)s
        where target = %(target)s and closed_at is null
          and (id = any(%(ids)s) or deployment_id = any(%(superseded)s))
    """

    def open(self, new: NewDeployment) -> Deployment:
        with self._fenced(new.target, new.epoch) as connection:
            superseded = [id_ for (id_,) in connection.execute(self._SUPERSEDE, [new.target])]
            cursor = connection.cursor(row_factory=row_of(Deployment))
            values = params_of(new, instance=new.instance or self._instance)
            deployment = cursor.execute(self._OPEN, values).fetchone()
            assert deployment is not None
            for statement, ids in (
                (self._TAKE_UP_CHANGES, new.change_ids),
                (self._TAKE_UP_REQUESTS, new.request_ids),
            ):
                taken = {"ids": list(ids), "superseded": superseded}
                connection.execute(statement, {"id": deployment.id, "target": new.target, **taken})
        return deployment

    _AMEND = """
        update refitd.deployment
        set
          state          = coalesce(%(state)s, state),
          action         = coalesce(%(action)s, action),
          step           = coalesce(%(step)s, step),
          progress_step  = coalesce(%(progress_step)s, progress_step),
          progress_total = coalesce(%(progress_total)s, progress_total),
          commit         = coalesce(%(commit)s, commit),
          image_key      = coalesce(%(image_key)s, image_key),
          image_id       = coalesce(%(image_id)s, image_id),
          new_container  = coalesce(%(new_container)s, new_container),
          strategy       = coalesce(%(strategy)s, strategy),
          enabled        = coalesce(%(enabled)s, enabled),
          run_key        = coalesce(%(run_key)s, run_key),
          outage_s       = coalesce(%(outage_s)s, outage_s),
          error          = coalesce(%(error)s, error),
          goal           = coalesce(%(goal)s, goal),
          epoch          = greatest(%(epoch)s, epoch),
          updated_at     = now(),
          started_at     = case
                             when coalesce(%(state)s, state) = 'pending' then started_at
                             else coalesce(started_at, now())
                           end,
          finished_at    = case
                             when coalesce(%(state)s, state) = any(%(ended)s)
                             then coalesce(finished_at, now())
                           end
        where id = %(id)s
    """
    _CLOSE_REQUESTS = """
        update refitd.request set closed_at = now(), outcome = %s
        where deployment_id = %s and closed_at is null
    """
    _GIVE_BACK_CHANGES = """
        update refitd.change set handled_at = null, deployment_id = null where deployment_id = %s
    """
    _GIVE_BACK_REQUESTS = """
        update refitd.request set taken_at = null, deployment_id = null
        where deployment_id = %s and closed_at is null
    """

    def amend(self, deployment: Deployment, amendment: Amendment) -> None:
        with self._fenced(deployment.target, deployment.epoch) as connection:
            which = {"id": deployment.id, "epoch": deployment.epoch, "ended": tuple(ENDED)}
            connection.execute(self._AMEND, params_of(amendment, **which))
            if amendment.state == "superseded":
                connection.execute(self._GIVE_BACK_CHANGES, [deployment.id])
                connection.execute(self._GIVE_BACK_REQUESTS, [deployment.id])
            elif amendment.state in ENDED:
                connection.execute(self._CLOSE_REQUESTS, [amendment.state, deployment.id])

    _ADD_STEP = """
        insert into refitd.deployment_step (deployment_id, step, duration_s, detail, error)
        values (%(deployment_id)s, %(step)s, %(duration_s)s, %(detail)s, %(error)s)
    """

    def add_step(self, deployment: Deployment, step: StepRecord) -> None:
        with self._fenced(deployment.target, deployment.epoch) as connection:
            connection.execute(self._ADD_STEP, params_of(step, deployment_id=deployment.id))

    _ADD_LOG = """
        insert into refitd.build_log (deployment_id, line)
        select %s, line from unnest(%s::text[]) with ordinality as added (line, n) order by n
    """

    def add_log(self, deployment: Deployment, lines: Sequence[str]) -> None:
        with self._fenced(deployment.target, deployment.epoch) as connection:
            connection.execute(self._ADD_LOG, [deployment.id, [clean(line) for line in lines]])

    _ACKNOWLEDGE = """
        update refitd.change
        set handled_at = now()
        where target = %s and id = any(%s) and handled_at is null
    """

    def acknowledge(self, target: str, change_ids: Collection[int], epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._ACKNOWLEDGE, [target, list(change_ids)])

    _CLOSE_REQUEST = """
        update refitd.request
        set taken_at = coalesce(taken_at, now()), closed_at = now(), outcome = %s
        where id = %s and closed_at is null
    """

    # Some are closed by who holds no lease, as nobody may; no epoch is known then, but whose it is.
    _WHOSE = """
        select l.holder
        from refitd.request r join refitd.lease l using (target)
        where r.id = %s and l.holder <> %s and l.expires_at > clock_timestamp()
        for key share of l
    """

    def close_request(self, request_id: int, outcome: str) -> None:
        with self._connection.transaction() as connection:
            other = connection.execute(self._WHOSE, [request_id, self._instance]).fetchone()
            if other is not None:
                raise LeaseLost(f"the request is for {other[0]} to close, who holds the lease")
            connection.execute(self._CLOSE_REQUEST, [clean(outcome), request_id])

    _MORE_TIME = "set local statement_timeout = '55s'"
    _PRUNE = "select refitd.prune(make_interval(secs => %s))"

    def prune(self, older_than_days: float) -> int:
        with self._connection.transaction(_PRUNE_DEADLINE_S) as connection:
            connection.execute(self._MORE_TIME)
            row = connection.execute(self._PRUNE, [older_than_days * 86_400]).fetchone()
        assert row is not None
        return int(row[0])
