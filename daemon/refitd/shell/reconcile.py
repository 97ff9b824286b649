"""One look at one target, and what it calls for: the way of a change, from top to bottom.

    snapshot of the database + container of the engine
      └─ decide (core.plan) ─ Nothing | Adopt | Restart | Rebuild
           └─ deploy (shell.deploy): a row, an image, a goal pursued, a conclusion

Level-triggered: nothing here depends on what woke us. Whatever raises `DatabaseError`,
`EngineUnavailable` or `LeaseLost` on the way leaves rows and labels from which the next look
goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from refitd.core import labels
from refitd.core.companions import condition
from refitd.core.container import Container
from refitd.core.deployment import (
    Request,
    Snapshot,
    Wake,
)
from refitd.core.goal import Goal
from refitd.core.plan import (
    Adopt,
    Decision,
    Nothing,
    Rebuild,
    Wanted,
    bring_up,
    decide,
    still_barred,
    wanted,
)
from refitd.core.proof import fell_over
from refitd.core.route import born_of_hand_over
from refitd.core.target import Target
from refitd.errors import SourceError
from refitd.ports import Engine, Git, Journal, Log, Metrics
from refitd.shell.conclude import Conclusion
from refitd.shell.deploy import Deployer
from refitd.shell.interruptions import Interruptions
from refitd.shell.tenure import Tenure
from refitd.shell.tidying import Tidying

_WENT_DOWN = "it went down with the engine, which did not start it again"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found and did. `held` where a rebuild is due, but not yet."""

    decision: Decision
    deployment_id: int | None = None
    held: bool = False
    #: Whether another look is due at once, as something was done or withdrawn.
    again: bool = False


class Reconciler:
    """Brings one target in step, a look at a time. Used from one thread."""

    def __init__(  # noqa: PLR0913 - the wiring of one loop, by keyword
        self,
        *,
        target: Target,
        engine: Engine,
        git: Git,
        journal: Journal,
        tenure: Tenure,
        deployer: Deployer,
        conclusion: Conclusion,
        tidying: Tidying,
        metrics: Metrics,
        log: Log,
        interruptions: Interruptions,
    ) -> None:
        self.target = target
        self._engine, self._git, self._journal = engine, git, journal
        self._tenure, self._deployer = tenure, deployer
        self._conclusion, self._tidying = conclusion, tidying
        self._metrics, self._log = metrics, log
        self._said, self._source_problem = "", ""
        self._strays: frozenset[str] = frozenset()
        self._interruptions = interruptions
        #: The id of the container that ran when it was last looked at, or was being started again.
        self._ran: str | None = None

    # -- the look -------------------------------------------------------------------------------

    def look(
        self, wake: Wake, *, ripe: Callable[[Snapshot], bool], cancelled: Callable[[Wanted], bool]
    ) -> Looked:
        """Look once and act. `ripe` says whether a rebuild may follow now; `cancelled` is asked
        while building whether to go on with what is wanted."""
        self._tenure.check()
        self._metrics.looked(self.target.name, wake)
        snapshot = self._journal.snapshot(self.target.name)
        if snapshot.unfinished is not None and snapshot.unfinished.goal is not None:
            goal = Goal.from_json(snapshot.unfinished.goal)
            self._ran = goal.old_id if goal.old_state == "running" else None
            self._deployer.resume(snapshot.unfinished)
            went_on = Nothing("went on with what was left half done")
            return Looked(went_on, snapshot.unfinished.id, again=True)
        snapshot = self._serve_switches(snapshot)
        container = self.find(snapshot)
        interrupted = self._interrupted(container)
        down = container is not None and self._is_to_run_again(
            container, snapshot, interrupted=interrupted
        )
        if container is not None and down:
            if not born_of_hand_over(container) or snapshot.record is None:
                return self._start_again(container)
            # Started under its name it would stop itself: it is replaced as if it still ran.
            container = replace(container, state="running")
        watched = None if interrupted else container
        rolled_back = None if down else self._put_back_fallen(snapshot, watched, wake)
        if rolled_back is not None:
            return Looked(Nothing("put back"), rolled_back, again=True)
        want = self.want(snapshot)
        barred = still_barred(want, snapshot)
        if barred != snapshot.quarantine:
            self._conclusion.keep_barred(barred)
            snapshot = replace(snapshot, quarantine=barred)
        decision = decide(self.target, want, snapshot, container)
        if isinstance(decision, Adopt):
            self._journal.keep_record(self.target.name, decision.record, self._tenure.epoch)
            self._log.info("target.adopted", reason=decision.reason)
            snapshot = replace(snapshot, record=decision.record)
            decision = decide(self.target, want, snapshot, container)
        if down:
            why = f"{_WENT_DOWN}, and which would stop itself"
            decision = bring_up(decision, want, snapshot, why)
        return self._act(decision, want, snapshot, container, wake, ripe=ripe, cancelled=cancelled)

    def want(self, snapshot: Snapshot) -> Wanted:
        """The desired state, refused rows said; with the commit where followed."""
        desired = snapshot.desired
        commit = snapshot.record.commit if snapshot.record else None
        self._source_problem = ""
        if self.target.source.follow:
            try:
                commit = self._git.commit(self.target.source)
            except SourceError as error:
                if snapshot.record is None:
                    raise
                # What runs is of a commit that is known; toggles need no other.
                self._log.warning("source.unavailable", error=str(error))
                self._source_problem = str(error)
        return wanted(self.target, desired, commit)

    def find(self, snapshot: Snapshot) -> Container | None:
        """The container that stands for the target: who bears its name, else whom we deployed."""
        named = self._engine.container(self.target.container)
        if named is not None:
            return named
        return self._engine.container(snapshot.record.container_id) if snapshot.record else None

    # -- acting ---------------------------------------------------------------------------------

    def _act(
        self,
        decision: Decision,
        want: Wanted,
        snapshot: Snapshot,
        container: Container | None,
        wake: Wake,
        *,
        ripe: Callable[[Snapshot], bool],
        cancelled: Callable[[Wanted], bool],
    ) -> Looked:
        assert not isinstance(decision, Adopt), "an adopted container is known"
        if isinstance(decision, Nothing):
            self._settle_down(decision, want, snapshot)
            self._say(decision, want, wake)  # when the books say it, too
            return Looked(decision)
        self._say(decision, want, wake)
        assert container is not None, "without a container nothing is decided"
        is_ripe = ripe(snapshot)  # asked in any case: it takes note of who has waited since when
        if isinstance(decision, Rebuild) and not (decision.request_ids or is_ripe):
            return Looked(decision, held=True)
        deployment_id = self._deployer.deploy(decision, want, snapshot, container, wake, cancelled)
        return Looked(decision, deployment_id, again=True)

    # -- besides --------------------------------------------------------------------------------

    def _is_to_run_again(
        self, container: Container, snapshot: Snapshot, *, interrupted: bool
    ) -> bool:
        """One that ran, and went down with the engine, which does not start it again though its
        restart policy says so: see `shell.interruptions`."""
        if not interrupted:
            self._ran = container.id if condition(container) == "running" else None
            if container.runs:
                self._interruptions.recovered(container.id)
            return False
        # It ran at the last look, or has replaced since who did.
        ran = self._ran in (container.id, container.labels.get(labels.REPLACES, container.id))
        meant_to_run = container.restart_policy in ("always", "unless-stopped")
        return ran and meant_to_run and not snapshot.paused

    def _start_again(self, container: Container) -> Looked:
        self._engine.start(container.id)  # refused, it stays excused: the next look tries again
        self._interruptions.started(container.id)
        self._log.bind(container=container.id).warning("target.started_again", reason=_WENT_DOWN)
        return Looked(Nothing("started again"), again=True)

    def _interrupted(self, container: Container | None) -> bool:
        return container is not None and container.id in self._interruptions.among([container])

    def _put_back_fallen(
        self, snapshot: Snapshot, container: Container | None, wake: Wake
    ) -> int | None:
        """In its watch window a target that falls over gets what was there before, by a deployment
        of its own."""
        for retiree in snapshot.retirees:
            watched = container is not None and retiree.successor_id == container.id
            cause = fell_over(container) if watched and container is not None else None
            if cause and retiree.due_at > snapshot.at and not snapshot.paused:
                why = f"the new container fell over within its watch window: {cause}"
                return self._deployer.roll_back(retiree.deployment_id, why, wake)
            if retiree.due_at <= snapshot.at:
                self._tidying.retire(retiree)
            elif watched and container is not None and container.runs and not snapshot.paused:
                self._tidying.keep_down(retiree)
        return None

    def _serve_switches(self, snapshot: Snapshot) -> Snapshot:
        """Requests that are done by being written down, and those that nobody can serve: one left
        open would count as waiting for ever."""
        for request in snapshot.requests:
            if request.kind in ("pause", "resume"):
                paused = request.kind == "pause"
                self._journal.set_paused(self.target.name, paused, self._tenure.epoch)
                self._journal.close_request(request.id, "done")
                self._log.info("request.done", kind=request.kind, by=request.by)
                snapshot = replace(snapshot, paused=paused)
            elif request.kind == "cancel":
                self._journal.close_request(request.id, "nothing is being built any more")
            elif request.kind == "rollback":
                self._journal.close_request(request.id, "refused: not served yet")
        return snapshot

    def _settle_down(self, decision: Nothing, want: Wanted, snapshot: Snapshot) -> None:
        """Nothing to do: the changes led back to where they began, the requests to nothing."""
        epoch = self._tenure.epoch
        if decision.problem is None and snapshot.unfinished is not None:
            unwanted = replace(snapshot.unfinished, epoch=epoch)
            self._conclusion.of_cancellation(unwanted, "superseded", "nobody wants it any more")
            snapshot = self._journal.snapshot(self.target.name)  # with what it has handed back
        if not snapshot.paused and self._is_reachable(decision):
            self._journal.acknowledge(self.target.name, [c.id for c in snapshot.changes], epoch)
            for request in snapshot.requests:
                self._close(request, decision)
        if not snapshot.paused:
            self._strays = self._tidying.sweep(snapshot, self._strays)
        problems = [text for text in (decision.problem, self._source_problem) if text]
        problems += [refusal.reason for refusal in want.desired.refused]
        self._journal.set_problem(self.target.name, "; ".join(problems) or None)

    def _is_reachable(self, decision: Nothing) -> bool:
        return decision.problem is None or decision.reason.startswith("not tried again")

    def _close(self, request: Request, decision: Nothing) -> None:
        if request.kind in ("retry", "rebuild", "restart"):
            self._journal.close_request(request.id, f"nothing to do: {decision.reason}")

    def _say(self, decision: Decision, want: Wanted, wake: Wake) -> None:
        """Each look is logged where it finds something else than the one before."""
        reason = getattr(decision, "reason", "")
        refused = [refusal.reason for refusal in want.desired.refused]
        saying = f"{type(decision).__name__} {reason} {refused}"
        if saying == self._said:
            return
        self._said = saying
        say = self._log.warning if refused or getattr(decision, "problem", None) else self._log.info
        say(
            "target.looked",
            wake=wake,
            decision=type(decision).__name__.lower(),
            reason=reason,
            refused=refused,
        )
