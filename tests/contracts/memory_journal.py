"""Schema `refitd` in memory: what the shell's tests run on, held to the same contract.

`MemoryDatabase` is the Postgres of it: the watched rows, the books, the leases and the clock,
which only moves when told to. A `MemoryJournal` is one instance's view of it; several may share
a database, as several daemons would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from refitd.core.clone.residence import Server
from refitd.core.deployment import (
    ENDED,
    Amendment,
    Answer,
    Change,
    Deployment,
    Lease,
    NewDeployment,
    Quarantine,
    Record,
    Request,
    RequestKind,
    Retiree,
    Snapshot,
    StepRecord,
)
from refitd.core.module import Row
from refitd.errors import DatabaseUnavailable, LeaseLost


@dataclass
class ChangeRow:
    """A row of `refitd.change`."""

    target: str
    change: Change
    handled: bool = False
    deployment_id: int | None = None


@dataclass
class RequestRow:
    """A row of `refitd.request`."""

    target: str
    request: Request
    deployment_id: int | None = None
    outcome: str | None = None


@dataclass
class LeaseRow:
    """A row of `refitd.lease`."""

    holder: str
    engine_id: str
    epoch: int
    expires_at: datetime


@dataclass
class MemoryDatabase:
    """What all instances share."""

    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    changes: dict[int, ChangeRow] = field(default_factory=dict)
    requests: dict[int, RequestRow] = field(default_factory=dict)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    steps: dict[int, list[StepRecord]] = field(default_factory=dict)
    logs: dict[int, list[str]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    quarantines: dict[tuple[str, str, str | None], Quarantine] = field(default_factory=dict)
    retirees: dict[tuple[str, str], Retiree] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    problems: dict[str, str | None] = field(default_factory=dict)
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    #: Called with (channel, payload); what a listener hears.
    notify: Callable[[str, str], None] = field(default=lambda _channel, _payload: None)
    server: Server = field(default_factory=Server)
    #: While set, every call fails as it would with the server gone.
    down: bool = False
    #: While set, no call is answered; it is called with how long its caller waits in vain.
    silent: Callable[[float], None] | None = None
    #: Of the queue of notifications, 0 to 1.
    queue_in_use: float = 0.0
    #: The number of the next change, where it was drawn before: commits come in any order.
    next_id: int | None = None
    #: When its statement ran, where its transaction took its time to commit.
    next_at: datetime | None = None
    _drawn: int = 0

    def reserve(self) -> int:
        """A number of the sequence of `refitd.change`; one that is not used leaves a gap."""
        self._drawn += 1
        return self._drawn

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)

    def watch(self, target: str) -> None:
        """As `refitd.watch` on an empty table."""
        self.rows.setdefault(target, ())

    def write(self, target: str, *rows: Row) -> None:
        """The has_backend rows are these from now on: one statement, with what its trigger does."""
        before, self.rows[target] = self.rows.get(target, ()), rows
        moved = {row.id or "" for row in _difference(before, rows, lambda row: row)}
        if not moved:
            return
        came_or_went = _difference(before, rows, lambda row: (row.id, row.version))
        id_ = self.next_id or self.reserve()
        effect = "rebuild" if came_or_went else "restart"
        change = Change(id_, effect, tuple(sorted(moved)), self.next_at or self.at)  # type: ignore[arg-type]
        self.changes[id_] = ChangeRow(target, change)
        self.notify("refitd", "")

    def ask(self, target: str, kind: RequestKind, args: dict[str, Any] | None = None) -> int:
        """An operator's row in `refitd.request`."""
        id_ = len(self.requests) + 1
        self.requests[id_] = RequestRow(target, Request(id_, kind, args or {}, "operator", self.at))
        self.notify("refitd", "")
        return id_

    def is_asked_for(self, row: RequestRow) -> bool:
        """Nobody took it up, or only a deployment under way that has no goal."""
        taker = self.deployments.get(row.deployment_id or 0)
        return taker is None or (_is_open(taker) and taker.goal is None)

    def answer(self, request_id: int) -> Answer:
        """What has become of a request."""
        row = self.requests[request_id]
        return Answer(row.deployment_id, row.outcome)


class MemoryJournal:
    """The ports `Journal` and `Leases`, for one instance."""

    def __init__(self, database: MemoryDatabase | None = None, instance: str = "one") -> None:
        self._database = database or MemoryDatabase()
        self.instance = instance
        self._patience_s = 5.0

    @property
    def database(self) -> MemoryDatabase:
        """The database, unless it is down."""
        if self._database.down:
            raise DatabaseUnavailable("memory: the server is down")
        if self._database.silent:
            self._database.silent(self._patience_s)
            raise DatabaseUnavailable("memory: the server fell silent")
        return self._database

    # -- Journal -------------------------------------------------------------------------------

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """A second at the most."""
        before, self._patience_s = self._patience_s, 1.0
        try:
            yield
        finally:
            self._patience_s = before

    def snapshot(self, target: str) -> Snapshot:
        """All of one moment."""
        db = self.database
        unfinished = [d for d in db.deployments.values() if d.target == target and _is_open(d)]
        return Snapshot(
            at=db.at,
            rows=db.rows.get(target, ()),
            changes=tuple(
                row.change
                for row in db.changes.values()
                if row.target == target and not row.handled
            ),
            requests=tuple(
                row.request
                for row in db.requests.values()
                if row.target == target and row.outcome is None and db.is_asked_for(row)
            ),
            record=db.records.get(target),
            quarantine=tuple(q for (of, *_), q in db.quarantines.items() if of == target),
            retirees=tuple(r for (of, _), r in db.retirees.items() if of == target),
            unfinished=unfinished[-1] if unfinished else None,
            paused=target in db.paused,
            watched=target in db.rows,
        )

    def deployment(self, deployment_id: int) -> Deployment | None:
        """One row."""
        return self.database.deployments.get(deployment_id)

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]:
        """In the order taken."""
        return tuple(self.database.steps.get(deployment_id, ()))

    def server(self) -> Server:
        """Where a test says it is."""
        return self.database.server

    def open(self, new: NewDeployment) -> Deployment:
        """A row in state pending, which takes over what an unfinished one had."""
        db = self._fenced(new.target, new.epoch)
        superseded = [
            d.id for d in db.deployments.values() if d.target == new.target and _is_open(d)
        ]
        for id_ in superseded:
            db.deployments[id_] = replace(
                db.deployments[id_], state="superseded", finished_at=db.at
            )
        known = {each.name: getattr(new, each.name) for each in fields(new)}
        change_ids, request_ids = known.pop("change_ids"), known.pop("request_ids")
        known["instance"] = new.instance or self.instance
        id_ = len(db.deployments) + 1
        db.deployments[id_] = Deployment(id=id_, state="pending", created_at=db.at, **known)
        for change_id, change in db.changes.items():
            fresh = change_id in change_ids and not change.handled and change.target == new.target
            if fresh or change.deployment_id in superseded:
                change.handled, change.deployment_id = True, id_
        for request_id, request in db.requests.items():
            taken = request_id in request_ids and request.target == new.target
            if request.outcome is None and (taken or request.deployment_id in superseded):
                request.deployment_id = id_
        self._say_status(new.target)
        return db.deployments[id_]

    def amend(self, deployment: Deployment, amendment: Amendment) -> None:
        """New values; None leaves one as it is."""
        db = self._fenced(deployment.target, deployment.epoch)
        row = db.deployments[deployment.id]
        new = {each.name: getattr(amendment, each.name) for each in fields(amendment)}
        row = replace(row, **{name: value for name, value in new.items() if value is not None})
        started = None if row.state == "pending" else db.at
        db.deployments[row.id] = replace(
            row,
            epoch=max(row.epoch, deployment.epoch),
            started_at=row.started_at or started,
            finished_at=(row.finished_at or db.at) if row.state in ENDED else None,
        )
        if amendment.state == "superseded":
            for change in db.changes.values():
                if change.deployment_id == row.id:
                    change.handled, change.deployment_id = False, None
            for request in db.requests.values():
                if request.deployment_id == row.id and request.outcome is None:
                    request.deployment_id = None
        elif amendment.state in ENDED:
            for request in db.requests.values():
                if request.deployment_id == row.id and request.outcome is None:
                    request.outcome = row.state
        self._say_status(row.target)

    def add_step(self, deployment: Deployment, step: StepRecord) -> None:
        """One thing done."""
        db = self._fenced(deployment.target, deployment.epoch)
        db.steps.setdefault(deployment.id, []).append(step)

    def add_log(self, deployment: Deployment, lines: Sequence[str]) -> None:
        """Lines of the build."""
        db = self._fenced(deployment.target, deployment.epoch)
        cleaned = (
            line.replace("\0", "").encode("utf-8", "replace").decode("utf-8") for line in lines
        )
        db.logs.setdefault(deployment.id, []).extend(cleaned)

    def acknowledge(self, target: str, change_ids: Collection[int], epoch: int) -> None:
        """Taken up without a deployment."""
        for id_, row in self._fenced(target, epoch).changes.items():
            if row.target == target and id_ in change_ids:
                row.handled = True

    def close_request(self, request_id: int, outcome: str) -> None:
        """The first outcome stands; it is the holder's to say."""
        db, row = self.database, self.database.requests.get(request_id)
        lease = db.leases.get(row.target) if row else None
        if lease and lease.expires_at > db.at and lease.holder != self.instance:
            raise LeaseLost(f"the request is for {lease.holder} to close, who holds the lease")
        if row is not None:
            row.outcome = row.outcome or outcome

    def keep_record(self, target: str, record: Record, epoch: int) -> None:
        """What stands for the target."""
        self._fenced(target, epoch).records[target] = record
        self._say_status(target)

    def quarantine(self, target: str, entry: Quarantine, epoch: int) -> None:
        """One entry a pair of keys."""
        db = self._fenced(target, epoch)
        db.quarantines[target, entry.build_key, entry.run_key] = entry

    def keep_quarantine(self, target: str, entries: Collection[Quarantine], epoch: int) -> None:
        """These of the target's and no others."""
        db = self._fenced(target, epoch)
        others = {key: q for key, q in db.quarantines.items() if key[0] != target}
        db.quarantines = others | {(target, q.build_key, q.run_key): q for q in entries}

    def add_retiree(self, target: str, retiree: Retiree, epoch: int) -> None:
        """One entry a container."""
        self._fenced(target, epoch).retirees[target, retiree.container_id] = retiree

    def drop_retiree(self, target: str, container_id: str, epoch: int) -> None:
        """Fine when it is gone."""
        self._fenced(target, epoch).retirees.pop((target, container_id), None)

    def set_paused(self, target: str, paused: bool, epoch: int) -> None:  # noqa: FBT001 - the port
        """By request."""
        db = self._fenced(target, epoch)
        (db.paused.add if paused else db.paused.discard)(target)
        self._say_status(target)

    def set_problem(self, target: str, problem: str | None) -> None:
        """Not by one who only looks on."""
        db = self.database
        lease = db.leases.get(target)
        looks_on = lease and lease.expires_at > db.at and lease.holder != self.instance
        if not looks_on and db.problems.get(target) != problem:
            db.problems[target] = problem
            self._say_status(target)

    def prune(self, older_than_days: float) -> int:
        """Handled changes and closed requests; memory forgets no deployment."""
        db = self.database
        horizon = db.at - timedelta(days=older_than_days)
        old_changes = [
            id_ for id_, row in db.changes.items() if row.handled and row.change.at < horizon
        ]
        old_requests = [
            id_ for id_, row in db.requests.items() if row.outcome and row.request.at < horizon
        ]
        for id_ in old_changes:
            del db.changes[id_]
        for id_ in old_requests:
            del db.requests[id_]
        return len(old_changes) + len(old_requests)

    # -- Leases --------------------------------------------------------------------------------

    def take(self, target: str, engine_id: str, lease_s: float, floor: int = 0) -> Lease:
        """Free, expired or our own: a new epoch."""
        db = self.database
        row = db.leases.get(target)
        ours = row is None or row.holder == self.instance or row.expires_at <= db.at
        if ours:
            epoch = max(row.epoch if row else 0, floor) + 1
            row = LeaseRow(self.instance, engine_id, epoch, db.at + timedelta(seconds=lease_s))
            db.leases[target] = row
        assert row is not None
        left_s = (row.expires_at - db.at).total_seconds()
        return Lease(target, row.holder, row.epoch, ours, row.engine_id, left_s)

    def renew(self, target: str, epoch: int, lease_s: float) -> bool:
        """To end so many seconds from now."""
        row = self._own(target, epoch)
        if row is None or row.expires_at <= self.database.at:
            return False
        row.expires_at = self.database.at + timedelta(seconds=lease_s)
        return True

    def resign(self, target: str, epoch: int) -> None:
        """Expired from now on."""
        row = self._own(target, epoch)
        if row is not None:
            row.expires_at = self.database.at
            self.database.notify("refitd", "lease")

    def heartbeat(self, nonce: str) -> float:
        """To whoever listens."""
        self.database.notify("refitd_heartbeat", nonce)
        return self.database.queue_in_use

    # -- Within ----------------------------------------------------------------------------------

    def _own(self, target: str, epoch: int) -> LeaseRow | None:
        row = self.database.leases.get(target)
        return row if row and (row.holder, row.epoch) == (self.instance, epoch) else None

    def _fenced(self, target: str, epoch: int) -> MemoryDatabase:
        row = self.database.leases.get(target)
        if row is not None and row.epoch > epoch:
            raise LeaseLost(f"the lease on target {target} has gone on to epoch {row.epoch}")
        if row is not None and row.epoch == epoch and row.holder != self.instance:
            raise LeaseLost(f"the lease on target {target} is held by {row.holder}")
        return self.database

    def _say_status(self, target: str) -> None:
        self.database.notify("refitd_status", target)


def _is_open(deployment: Deployment) -> bool:
    return deployment.state not in ENDED


def _difference(
    before: Iterable[Row], after: Iterable[Row], key: Callable[[Row], Any]
) -> tuple[Row, ...]:
    """The rows whose key is not on both sides as often."""
    count = Counter(map(key, after))
    count.subtract(Counter(map(key, before)))
    return tuple(row for row in (*before, *after) if count[key(row)])
