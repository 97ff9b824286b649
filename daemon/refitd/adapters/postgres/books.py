"""What is known of a target besides its deployments: record, quarantine, retirees, state.

Each write is a transaction that begins with `refitd.fence`: it raises `LeaseLost` where the
lease has gone on to a later epoch, or is another's in this one, and holds off a take-over until
the write is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.rows import clean, params_of
from refitd.core.deployment import Quarantine, Record, Retiree


class Books:
    """The half of the port `Journal` that is about containers. `instance` is whose they are."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self._connection = connection
        self._instance = instance

    def briefly(self) -> AbstractContextManager[None]:
        return self._connection.briefly()

    _FENCE = "select refitd.fence(%s, %s, %s)"

    @contextmanager
    def _fenced(self, target: str, epoch: int) -> Iterator[psycopg.Connection[TupleRow]]:
        with self._connection.transaction() as connection:
            connection.execute(self._FENCE, [target, self._instance, epoch])
            yield connection

    _KEEP_RECORD = """
        insert into refitd.record (
          target, container_id, image_id, started_at, build_key,
          modules, enabled, commit, deployment_id, adopted
        ) values (
          %(target)s, %(container_id)s, %(image_id)s, %(started_at)s, %(build_key)s,
          %(modules)s, %(enabled)s, %(commit)s, %(deployment_id)s, %(adopted)s
        )
        on conflict (target) do update
        set container_id  = excluded.container_id,
            image_id      = excluded.image_id,
            started_at    = excluded.started_at,
            build_key     = excluded.build_key,
            modules       = excluded.modules,
            enabled       = excluded.enabled,
            commit        = excluded.commit,
            deployment_id = excluded.deployment_id,
            adopted       = excluded.adopted,
            updated_at    = now()
    """

    def keep_record(self, target: str, record: Record, epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._KEEP_RECORD, params_of(record, target=target))

    _QUARANTINE = """
        insert into refitd.quarantine (
          target, build_key, run_key, attempts, cause, deployment_id, retry_at
        ) values (
          %(target)s, %(build_key)s, %(run_key)s, %(attempts)s, %(cause)s,
          %(deployment_id)s, %(retry_at)s
        )
        on conflict (target, build_key, coalesce(run_key, '')) do update
        set attempts      = excluded.attempts,
            cause         = excluded.cause,
            deployment_id = excluded.deployment_id,
            retry_at      = excluded.retry_at,
            at            = now()
    """

    def quarantine(self, target: str, entry: Quarantine, epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._QUARANTINE, params_of(entry, target=target))

    _LIFT_QUARANTINE = "delete from refitd.quarantine where target = %s"

    def keep_quarantine(self, target: str, entries: Collection[Quarantine], epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._LIFT_QUARANTINE, [target])
            for entry in entries:
                connection.execute(self._QUARANTINE, params_of(entry, target=target))

    _ADD_RETIREE = """
        insert into refitd.retiree (
          target, container_id, name, image_id, successor_id, deployment_id, due_at
        ) values (
          %(target)s, %(container_id)s, %(name)s, %(image_id)s, %(successor_id)s,
          %(deployment_id)s, %(due_at)s
        )
        on conflict (target, container_id) do update
        set name          = excluded.name,
            image_id      = excluded.image_id,
            successor_id  = excluded.successor_id,
            deployment_id = excluded.deployment_id,
            due_at        = excluded.due_at
    """

    def add_retiree(self, target: str, retiree: Retiree, epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._ADD_RETIREE, params_of(retiree, target=target))

    _DROP_RETIREE = "delete from refitd.retiree where target = %s and container_id = %s"

    def drop_retiree(self, target: str, container_id: str, epoch: int) -> None:
        with self._fenced(target, epoch) as connection:
            connection.execute(self._DROP_RETIREE, [target, container_id])

    _SET_PAUSED = """
        insert into refitd.target_state (target, paused) values (%s, %s)
        on conflict (target) do update set paused = excluded.paused, updated_at = now()
        where target_state.paused <> excluded.paused
    """

    def set_paused(self, target: str, paused: bool, epoch: int) -> None:  # noqa: FBT001 - port
        with self._fenced(target, epoch) as connection:
            connection.execute(self._SET_PAUSED, [target, paused])

    # Said again at each look, so only a new one is written, and notified; and not by a daemon
    # that only looks on while another attends to the target.
    _SET_PROBLEM = """
        insert into refitd.target_state (target, problem)
        select %(target)s, %(problem)s
        where not exists (
          select from refitd.lease
          where target = %(target)s and holder <> %(instance)s
            and expires_at > clock_timestamp()
        )
        on conflict (target) do update set problem = excluded.problem, updated_at = now()
        where target_state.problem is distinct from excluded.problem
    """

    def set_problem(self, target: str, problem: str | None) -> None:
        with self._connection.use() as connection:
            connection.execute(
                self._SET_PROBLEM,
                {
                    "target": target,
                    "problem": problem and clean(problem),
                    "instance": self._instance,
                },
            )
