"""What every journal with its leases must do, in memory as in Postgres."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

import pytest

from refitd.core.deployment import (
    Amendment,
    Answer,
    Deployment,
    NewDeployment,
    Quarantine,
    Record,
    RequestKind,
    Retiree,
    StepRecord,
)
from refitd.core.module import Row
from refitd.errors import LeaseLost
from refitd.ports import Journal, Leases

TARGET = "backend"


class Books(Protocol):
    """A journal under test, with the panel's side of its database."""

    def journal(self, instance: str = "one") -> Journal: ...

    def leases(self, instance: str = "one") -> Leases: ...

    def put(self, id_: str, *, enabled: bool = True) -> None:
        """Insert or update a has_backend row."""
        ...

    def ask(self, kind: RequestKind, args: dict[str, Any] | None = None) -> int: ...

    def answer(self, request_id: int) -> Answer: ...


def new(epoch: int = 1, **values: Any) -> NewDeployment:
    """A deployment to open."""
    return NewDeployment(
        **{
            "target": TARGET,
            "action": "rebuild",
            "reason": "because",
            "wake": "notify",
            "epoch": epoch,
            "instance": "one",
            "modules": ("a", "b"),
            "enabled": ("a",),
            "build_key": "build",
            "run_key": "run",
            **values,
        }
    )


def record(**values: Any) -> Record:
    """What is known of a container."""
    return Record(
        **{
            "container_id": "c1",
            "image_id": "i1",
            "started_at": "2026-01-01T00:00:00.123456789Z",
            "build_key": "build",
            "modules": ("a",),
            "enabled": (),
            **values,
        }
    )


class SnapshotContract:
    """What one look shows."""

    def test_empty(self, books: Books) -> None:
        """A watched target without anything has an empty snapshot, and is watched."""
        snapshot = books.journal().snapshot(TARGET)
        assert snapshot.watched
        assert not snapshot.paused
        assert (snapshot.rows, snapshot.changes, snapshot.requests) == ((), (), ())
        assert (snapshot.record, snapshot.unfinished) == (None, None)
        assert (snapshot.quarantine, snapshot.retirees) == ((), ())

    def test_unwatched(self, books: Books) -> None:
        """A target for which no table is watched says so."""
        assert not books.journal().snapshot("other").watched

    def test_rows_and_changes(self, books: Books) -> None:
        """Rows are the table's, changes tell in order what each write calls for."""
        books.put("a")
        books.put("b", enabled=False)
        books.put("b")
        snapshot = books.journal().snapshot(TARGET)
        assert set(snapshot.rows) == {Row("a", None, enabled=True), Row("b", None, enabled=True)}
        assert [(c.effect, c.modules) for c in snapshot.changes] == [
            ("rebuild", ("a",)),
            ("rebuild", ("b",)),
            ("restart", ("b",)),
        ]

    def test_other_targets(self, books: Books) -> None:
        """Nothing of one target is seen in another's snapshot."""
        books.put("a")
        books.ask("rebuild")
        journal = books.journal()
        journal.keep_record(TARGET, record(), 1)
        journal.open(new())
        other = journal.snapshot("other")
        assert (other.rows, other.changes, other.requests) == ((), (), ())
        assert (other.record, other.unfinished) == (None, None)

    def test_requests(self, books: Books) -> None:
        """A request is seen with its arguments until it is closed; the first outcome stands."""
        id_ = books.ask("retry", {"why": ["x", 1]})
        journal = books.journal()
        (request,) = journal.snapshot(TARGET).requests
        assert (request.id, request.kind, request.args) == (id_, "retry", {"why": ["x", 1]})
        assert request.by
        journal.close_request(id_, "done")
        journal.close_request(id_, "again")
        assert journal.snapshot(TARGET).requests == ()
        assert books.answer(id_) == Answer(None, "done")

    def test_record(self, books: Books) -> None:
        """The record kept last is the one read, to the last field."""
        journal = books.journal()
        journal.keep_record(TARGET, record(), 1)
        later = record(
            container_id="c2", enabled=("a",), commit="f00", deployment_id=7, adopted=True
        )
        journal.keep_record(TARGET, later, 1)
        assert journal.snapshot(TARGET).record == later

    def test_quarantine(self, books: Books) -> None:
        """One entry for each pair of keys, the latest."""
        journal = books.journal()
        now = journal.snapshot(TARGET).at
        build = Quarantine("b", None, 1, "no compiler", 1)
        proof = Quarantine("b", "r", 1, "unhealthy", 2, now + timedelta(seconds=9))
        for entry in (build, proof, replace_attempts(build, 2)):
            journal.quarantine(TARGET, entry, 1)
        assert set(journal.snapshot(TARGET).quarantine) == {proof, replace_attempts(build, 2)}

    def test_keeping_in_quarantine(self, books: Books) -> None:
        """Those named are kept, the target's others lifted, and another target's left alone."""
        journal = books.journal()
        build = Quarantine("b", None, 1, "no compiler", 1)
        proof = Quarantine("b", "r", 1, "unhealthy", 2, journal.snapshot(TARGET).at)
        for entry in (build, proof):
            journal.quarantine(TARGET, entry, 1)
        journal.quarantine("other", build, 1)
        journal.keep_quarantine(TARGET, [build], 1)
        assert journal.snapshot(TARGET).quarantine == (build,)
        journal.keep_quarantine(TARGET, [proof, build], 1)
        assert set(journal.snapshot(TARGET).quarantine) == {build, proof}
        journal.keep_quarantine(TARGET, [], 1)
        assert journal.snapshot(TARGET).quarantine == ()
        assert journal.snapshot("other").quarantine == (build,)

    def test_retirees(self, books: Books) -> None:
        """Retirees are listed oldest first, each once; dropping one that is gone is fine."""
        journal = books.journal()
        due = journal.snapshot(TARGET).at
        first = Retiree("c1", "web", "i1", "c2", 1, due)
        second = Retiree("c2", "web-2", "i2", "c3", 2, due)
        for retiree in (first, second, first):
            journal.add_retiree(TARGET, retiree, 1)
        assert journal.snapshot(TARGET).retirees == (first, second)
        journal.drop_retiree(TARGET, "c1", 1)
        journal.drop_retiree(TARGET, "c1", 1)
        assert journal.snapshot(TARGET).retirees == (second,)

    def test_pause(self, books: Books) -> None:
        """Pausing holds until it is taken back."""
        journal = books.journal()
        journal.set_paused(TARGET, paused=True, epoch=1)
        assert journal.snapshot(TARGET).paused
        journal.set_paused(TARGET, paused=False, epoch=1)
        assert not journal.snapshot(TARGET).paused


def replace_attempts(entry: Quarantine, attempts: int) -> Quarantine:
    """The same failure, once more."""
    return Quarantine(
        entry.build_key, entry.run_key, attempts, entry.cause, entry.deployment_id, entry.retry_at
    )


class WhereaboutsContract:
    """Where the database is."""

    def test_an_address_comes_with_its_port(self, books: Books) -> None:
        """Both of an end or neither; and who is reached by an address has one."""
        server = books.journal().server()
        assert (server.peer is None) == (server.peer_port is None) == (server.own_end is None)
        assert (server.address is None) == (server.port is None)
        assert (server.peer is None) == (server.address is None)


class DeploymentContract:
    """The life of a deployment's row."""

    def test_opening(self, books: Books) -> None:
        """A new deployment is pending, numbered, and the target's unfinished one."""
        journal = books.journal()
        deployment = journal.open(new(old_container="c1"))
        assert deployment.state == "pending"
        assert (deployment.modules, deployment.enabled) == (("a", "b"), ("a",))
        assert deployment.old_container == "c1"
        assert (deployment.started_at, deployment.finished_at) == (None, None)
        assert journal.snapshot(TARGET).unfinished == deployment
        assert journal.deployment(deployment.id) == deployment
        assert journal.deployment(deployment.id + 1) is None

    def test_instance(self, books: Books) -> None:
        """A deployment whose opener does not say who it is bears the journal's instance."""
        assert books.journal("two").open(new(instance="")).instance == "two"

    def test_taking_up(self, books: Books) -> None:
        """Opening takes up exactly the changes and requests named, and closes them as it ends."""
        for id_ in ("a", "b", "c"):
            books.put(id_)
        asked, other = books.ask("rebuild"), books.ask("retry")
        journal = books.journal()
        first, _, third = journal.snapshot(TARGET).changes
        deployment = journal.open(new(change_ids=(first.id, third.id), request_ids=(asked,)))
        left = journal.snapshot(TARGET)
        assert [change.modules for change in left.changes] == [("b",)]
        assert [request.id for request in left.requests] == [asked, other]
        assert books.answer(asked) == Answer(deployment.id, None)
        journal.amend(deployment, Amendment(goal={"way": "swap"}))
        assert [request.id for request in journal.snapshot(TARGET).requests] == [other]
        journal.amend(deployment, Amendment(state="failed", error="no"))
        assert books.answer(asked) == Answer(deployment.id, "failed")

    def test_superseding(self, books: Books) -> None:
        """One that never ended is superseded by the next, which takes over what it had taken up."""
        asked = books.ask("rebuild")
        journal = books.journal()
        left = journal.open(new(request_ids=(asked,)))
        later = journal.open(new())
        ended = journal.deployment(left.id)
        assert ended is not None
        assert ended.state == "superseded"
        assert ended.finished_at is not None
        assert journal.snapshot(TARGET).unfinished == later
        assert books.answer(asked) == Answer(later.id, None)

    def test_giving_back(self, books: Books) -> None:
        """What ends superseded gives back what it had taken up, for the next to take."""
        books.put("a")
        asked, closed = books.ask("rebuild"), books.ask("retry")
        journal = books.journal()
        changes = journal.snapshot(TARGET).changes
        ids = tuple(change.id for change in changes)
        given_up = journal.open(new(change_ids=ids, request_ids=(asked, closed)))
        journal.close_request(closed, "done")
        journal.amend(given_up, Amendment(state="superseded"))
        left = journal.snapshot(TARGET)
        assert (left.changes, [request.id for request in left.requests]) == (changes, [asked])
        assert books.answer(asked) == Answer(None, None)
        assert books.answer(closed) == Answer(given_up.id, "done")
        later = journal.open(new(change_ids=ids, request_ids=(asked,)))
        assert journal.snapshot(TARGET).changes == ()
        journal.amend(later, Amendment(state="succeeded"))
        assert journal.snapshot(TARGET).requests == ()
        assert books.answer(asked) == Answer(later.id, "succeeded")

    def test_amending(self, books: Books) -> None:
        """What an amendment leaves out stays; the state moves the times."""
        journal = books.journal()
        deployment = journal.open(new())
        goal = {"way": "swap", "n": [1, None]}
        journal.amend(deployment, Amendment(state="building", goal=goal, progress_step=3))
        journal.amend(deployment, Amendment(progress_total=9, enabled=(), run_key="r2"))
        read = journal.snapshot(TARGET).unfinished
        assert read is not None
        assert (read.state, read.goal) == ("building", goal)
        assert (read.progress_step, read.progress_total) == (3, 9)
        assert (read.enabled, read.run_key, read.modules) == ((), "r2", ("a", "b"))
        assert read.started_at is not None
        assert read.finished_at is None

    @pytest.mark.parametrize(
        "state", ["succeeded", "failed", "rolled_back", "cancelled", "superseded"]
    )
    def test_ending(self, books: Books, state: Any) -> None:
        """Each of the last states ends a deployment."""
        journal = books.journal()
        deployment = journal.open(new())
        journal.amend(deployment, Amendment(state=state, outage_s=0.8, error="e"))
        assert journal.snapshot(TARGET).unfinished is None
        read = journal.deployment(deployment.id)
        assert read is not None
        assert (read.state, read.outage_s, read.error) == (state, 0.8, "e")
        assert read.finished_at is not None

    def test_steps_and_logs(self, books: Books) -> None:
        """Steps are read in the order written; a log line may hold anything a build prints."""
        journal = books.journal()
        deployment = journal.open(new())
        steps = (StepRecord("stop", 0.2), StepRecord("start", 1.5, "c2", "refused"))
        for step in steps:
            journal.add_step(deployment, step)
        journal.add_log(deployment, ["one", "t\0wo \udcff", ""])
        journal.add_log(deployment, [])
        assert journal.steps(deployment.id) == steps

    def test_acknowledging(self, books: Books) -> None:
        """Changes that led to nothing are acknowledged by their ids, and no others."""
        books.put("a")
        books.put("b")
        journal = books.journal()
        first, second = journal.snapshot(TARGET).changes
        journal.acknowledge(TARGET, [first.id], 1)
        assert journal.snapshot(TARGET).changes == (second,)

    def test_pruning(self, books: Books) -> None:
        """What is young or still open is not pruned."""
        books.put("a")
        journal = books.journal()
        journal.open(new())
        assert journal.prune(30) == 0
        assert len(journal.snapshot(TARGET).changes) == 1


class FenceContract:
    """A deposed holder writes nothing."""

    def test_every_write(self, books: Books) -> None:
        """Each write of an earlier epoch raises LeaseLost and leaves everything as it was."""
        books.put("a")
        journal, at = books.journal(), books.journal().snapshot(TARGET).at
        deployment = journal.open(new(epoch=1))
        retiree = Retiree("c0", "n", "i", "c1", 1, at)
        journal.add_retiree(TARGET, retiree, 1)
        journal.quarantine(TARGET, Quarantine("b", None, 1, "c", 1), 1)
        assert books.leases("two").take(TARGET, "engine", 15, floor=1).epoch == 2

        before = journal.snapshot(TARGET)
        writes = (
            lambda: journal.open(new(epoch=1)),
            lambda: journal.amend(deployment, Amendment(state="building")),
            lambda: journal.add_step(deployment, StepRecord("stop", 0.1)),
            lambda: journal.add_log(deployment, ["line"]),
            lambda: journal.acknowledge(TARGET, [before.changes[0].id], 1),
            lambda: journal.keep_record(TARGET, record(), 1),
            lambda: journal.quarantine(TARGET, Quarantine("x", None, 1, "c", 1), 1),
            lambda: journal.keep_quarantine(TARGET, [], 1),
            lambda: journal.add_retiree(TARGET, Retiree("c9", "n", "i", "c1", 1, at), 1),
            lambda: journal.drop_retiree(TARGET, "c0", 1),
            lambda: journal.set_paused(TARGET, paused=True, epoch=1),
        )
        for write in writes:
            with pytest.raises(LeaseLost):
                write()
        after = journal.snapshot(TARGET)
        assert (after.unfinished, after.changes, after.retirees, after.quarantine) == (
            before.unfinished,
            before.changes,
            before.retirees,
            before.quarantine,
        )
        assert (after.record, after.paused) == (None, False)
        assert journal.steps(deployment.id) == ()

    def test_later_epoch(self, books: Books) -> None:
        """A write whose epoch is above the lease's (it went back in a failover) goes through."""
        books.leases().take(TARGET, "engine", 15)
        books.journal().keep_record(TARGET, record(), 5)
        assert books.journal().snapshot(TARGET).record == record()

    def test_the_same_epoch_of_another(self, books: Books) -> None:
        """Where the row went back, another may have come by the epoch we had: it is theirs."""
        books.leases("two").take(TARGET, "engine", 15)
        with pytest.raises(LeaseLost):
            books.journal("one").keep_record(TARGET, record(), 1)
        books.journal("two").keep_record(TARGET, record(), 1)

    def test_closing_requests(self, books: Books) -> None:
        """A request is closed by nobody else while somebody holds the lease."""
        asked = books.ask("cancel")
        lease = books.leases("two").take(TARGET, "engine", 15)
        with pytest.raises(LeaseLost):
            books.journal("one").close_request(asked, "done")
        assert books.answer(asked) == Answer(None, None)
        books.leases("two").resign(TARGET, lease.epoch)
        books.journal("one").close_request(asked, "done")
        assert books.answer(asked) == Answer(None, "done")

    def test_other_target(self, books: Books) -> None:
        """Another target's lease is no hindrance."""
        books.leases("two").take("other", "engine", 15, floor=9)
        books.journal().keep_record(TARGET, record(), 1)


class LeaseContract:
    """One hand at a time."""

    def test_free(self, books: Books) -> None:
        """A lease that nobody ever held is taken, with the first epoch."""
        lease = books.leases().take(TARGET, "engine", 15)
        assert (lease.ours, lease.epoch, lease.holder, lease.engine_id) == (
            True,
            1,
            "one",
            "engine",
        )
        assert 14 < lease.expires_in_s <= 15

    def test_held(self, books: Books) -> None:
        """A lease in force is not taken by another, who is told how it stands."""
        books.leases().take(TARGET, "engine", 15)
        seen = books.leases("two").take(TARGET, "engine 2", 15)
        assert (seen.ours, seen.epoch, seen.holder, seen.engine_id) == (False, 1, "one", "engine")
        assert 14 < seen.expires_in_s <= 15

    def test_expired(self, books: Books) -> None:
        """An expired lease is taken over, with a new epoch, and its last holder cannot renew."""
        books.leases().take(TARGET, "engine", 0)
        lease = books.leases("two").take(TARGET, "engine", 15)
        assert (lease.ours, lease.epoch, lease.holder) == (True, 2, "two")
        assert not books.leases().renew(TARGET, 1, 15)

    def test_own(self, books: Books) -> None:
        """An instance that was restarted takes its own lease back at once, with a new epoch."""
        books.leases().take(TARGET, "engine", 15)
        lease = books.leases().take(TARGET, "engine", 15)
        assert (lease.ours, lease.epoch) == (True, 2)
        assert not books.leases().renew(TARGET, 1, 15)
        assert books.leases().renew(TARGET, 2, 15)

    def test_floor(self, books: Books) -> None:
        """A new epoch is above the last one and above the floor."""
        assert books.leases().take(TARGET, "engine", 15, floor=41).epoch == 42
        assert books.leases().take(TARGET, "engine", 15, floor=7).epoch == 43

    def test_renewing(self, books: Books) -> None:
        """Renewing sets the end anew: over a critical section, and back when that is over."""
        books.leases().take(TARGET, "engine", 15)
        assert books.leases().renew(TARGET, 1, 120)
        assert books.leases("two").take(TARGET, "engine", 15).expires_in_s > 100
        assert books.leases().renew(TARGET, 1, 15)
        assert books.leases("two").take(TARGET, "engine", 15).expires_in_s < 16

    def test_renewing_expired(self, books: Books) -> None:
        """An expired lease is not renewed, even if nobody took it: it must be taken anew."""
        books.leases().take(TARGET, "engine", 0)
        assert not books.leases().renew(TARGET, 1, 15)

    def test_resigning(self, books: Books) -> None:
        """After resigning another takes over at once; the epoch goes on from where it was."""
        books.leases().take(TARGET, "engine", 15)
        books.leases().resign(TARGET, 1)
        assert books.leases("two").take(TARGET, "engine", 15).epoch == 2

    def test_resigning_late(self, books: Books) -> None:
        """Who resigns what another holds by now takes nothing from them."""
        books.leases().take(TARGET, "engine", 0)
        books.leases("two").take(TARGET, "engine", 15)
        books.leases().resign(TARGET, 1)
        assert books.leases("two").renew(TARGET, 2, 15)


class JournalContract(
    SnapshotContract, WhereaboutsContract, DeploymentContract, FenceContract, LeaseContract
):
    """All of it. Deployment rows are compared as values: times included."""

    def test_values(self, books: Books) -> None:
        """What is read is made of the core's own values: tuples, not lists."""
        deployment: Deployment = books.journal().open(new())
        assert isinstance(deployment.modules, tuple)
        hash(deployment.enabled)
