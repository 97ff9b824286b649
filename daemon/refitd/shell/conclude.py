"""How a deployment ended, written where the next look finds it.

The order matters: what is known of the container first, the row's last state at the very end.
A daemon that dies in between pursues the same goal again, finds everything in place, and
writes the same once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from refitd.core import labels
from refitd.core.backoff import retry_delay_s
from refitd.core.deployment import (
    Amendment,
    Deployment,
    Quarantine,
    Record,
    Retiree,
    Snapshot,
    Status,
)
from refitd.core.goal import Failed, Goal, Outcome, RolledBack, Succeeded
from refitd.core.seen import SERVES
from refitd.core.target import Target, Timing
from refitd.errors import EngineError, RefitdError
from refitd.ports import Engine, Journal, Log, Metrics
from refitd.shell.tenure import Tenure
from refitd.shell.tidying import Tidying


class Conclusion:
    """Writes the ends of one target's deployments, and lets what they leave be cleared up."""

    def __init__(  # noqa: PLR0913 - the wiring of one thing, by keyword
        self,
        *,
        engine: Engine,
        journal: Journal,
        tenure: Tenure,
        metrics: Metrics,
        log: Log,
        target: Target,
        timing: Timing,
        tidying: Tidying,
    ) -> None:
        self._engine, self._journal, self._tenure = engine, journal, tenure
        self._metrics, self._log = metrics, log
        self._target, self._timing, self._tidying = target, timing, tidying

    def of_pursuit(
        self,
        deployment: Deployment,
        goal: Goal,
        outcome: Outcome,
        *,
        enabled: tuple[str, ...],
        tried: str,
        outage_s: float | None,
        snapshot: Snapshot,
    ) -> None:
        """A goal was pursued to its end; `enabled` is what was read as the container started,
        `tried` the run key of what was put to the proof."""
        match outcome:
            case Succeeded(container_id=id_):
                self._keep_new(deployment, goal, id_, enabled)
                self._keep_way_back(goal, id_, snapshot)
                self.keep_barred(_besides(deployment, snapshot))
                self._keep_left_over(goal, id_, snapshot)
                self._end(deployment, "succeeded", None, outage_s)
                self._tidying.prune_images(deployment.id)
            case RolledBack(cause=cause):
                self._keep_old(goal, enabled)
                self._drop_put_back(goal)
                self._bar(deployment, cause, snapshot, run_key=tried)
                self._keep_left_over(goal, goal.old_id, snapshot)
                self._end(deployment, "rolled_back", cause, outage_s)
                self._tidying.prune_images(deployment.id, failed=goal.image_id)
            case Failed(cause=cause, transient=transient):
                self._keep_old(goal, enabled)
                self._drop_put_back(goal)
                self._bar(deployment, cause, snapshot, run_key=tried, transient=transient)
                self._keep_left_over(goal, goal.old_id, snapshot)
                self._end(deployment, "failed", cause, outage_s)

    def of_failure(self, deployment: Deployment, error: RefitdError, snapshot: Snapshot) -> None:
        """No image came of it, or the container cannot be replaced: nothing was touched.

        A restart has no image of its own: barred without its run key, no toggle would ever be
        served again.
        """
        run_key = deployment.run_key if deployment.action == "restart" else None
        self._bar(deployment, str(error), snapshot, run_key=run_key, transient=error.transient)
        self._end(deployment, "failed", str(error), None)

    def of_cancellation(self, deployment: Deployment, status: Status, reason: str) -> None:
        """Nobody wants it any more, or its request was withdrawn."""
        self._end(deployment, status, reason, None)

    def keep_barred(self, entries: Iterable[Quarantine]) -> None:
        """Lift the quarantine, but for these entries."""
        self._journal.keep_quarantine(self._target.name, tuple(entries), self._tenure.epoch)

    def _keep_new(
        self, deployment: Deployment, goal: Goal, container_id: str, enabled: tuple[str, ...]
    ) -> None:
        container = self._engine.container(container_id)
        assert container is not None, "it was proven a moment ago"
        before = goal.record_before
        written = self._journal.deployment(deployment.id) or deployment
        self._keep(
            Record(
                container_id=container.id,
                image_id=container.image_id,
                started_at=container.started_at,
                build_key=deployment.build_key,
                modules=deployment.modules,
                enabled=enabled,
                commit=written.commit or (before.commit if before else None),
                deployment_id=deployment.id,
            )
        )

    def _keep_old(self, goal: Goal, enabled: tuple[str, ...]) -> None:
        """What stands there now is the old one; if it was started anew, it read the table anew."""
        old, before = self._engine.container(goal.old_id), goal.record_before
        if old is None or before is None:
            return
        started_anew = old.started_at != goal.old_started_at
        self._keep(
            replace(
                before,
                started_at=old.started_at,
                enabled=enabled if started_anew else before.enabled,
            )
        )

    def _keep(self, record: Record) -> None:
        self._journal.keep_record(self._target.name, record, self._tenure.epoch)

    def _drop_put_back(self, goal: Goal) -> None:
        """What was put back is no way back any more; it would be removed when due."""
        for id_ in (goal.old_id, *(each.id for each in goal.companions)):
            self._journal.drop_retiree(self._target.name, id_, self._tenure.epoch)

    def _keep_way_back(self, goal: Goal, container_id: str, snapshot: Snapshot) -> None:
        """The one just replaced is kept for the watch window, with its companions; those before
        them are not. Whether a companion's likeness falls over is not watched."""
        if container_id == goal.old_id:
            return
        replaced = {goal.old_id: container_id} | {each.id: "" for each in goal.companions}
        for id_, successor_id in replaced.items():
            old = self._engine.container(id_)
            if old is not None:
                retiree = Retiree(
                    container_id=old.id,
                    name=old.name,
                    image_id=old.image_id,
                    successor_id=successor_id,
                    deployment_id=goal.deployment,
                    due_at=snapshot.at + timedelta(seconds=self._target.watch_s),
                )
                self._journal.add_retiree(self._target.name, retiree, self._tenure.epoch)
        for earlier in snapshot.retirees:
            if earlier.container_id not in replaced:
                self._tidying.retire(earlier)

    def _keep_left_over(self, goal: Goal, serving: str, snapshot: Snapshot) -> None:
        """What was made for this goal and could not be removed is tried again with each look."""
        try:
            found = self._engine.containers(self._target.name)
        except EngineError as error:
            log = self._log.bind(deployment=goal.deployment)
            log.warning("container.left_over", error=str(error))
            return
        replaced = {goal.old_id, *(each.id for each in goal.companions)}
        old = self._engine.container(goal.old_id)
        old_serves = old is not None and old.state in SERVES
        for container in found:
            its = container.labels
            made_for_it = its.get(labels.REPLACES) in replaced and its.get(
                labels.DEPLOYMENT
            ) == str(goal.deployment)
            in_place = container.id == serving or container.name == its.get(labels.FINAL_NAME)
            stands_in = its.get(labels.ROLE) == labels.SUCCESSOR and container.state in SERVES
            all_there_is = stands_in and serving == goal.old_id and not old_serves
            if made_for_it and not in_place and not all_there_is:
                retiree = Retiree(
                    container_id=container.id,
                    name=container.name,
                    image_id=container.image_id,
                    successor_id="",
                    deployment_id=goal.deployment,
                    due_at=snapshot.at,
                )
                self._journal.add_retiree(self._target.name, retiree, self._tenure.epoch)

    def _bar(
        self,
        deployment: Deployment,
        cause: str,
        snapshot: Snapshot,
        *,
        run_key: str | None,
        transient: bool = False,
    ) -> None:
        key = deployment.build_key
        earlier = [q for q in snapshot.quarantine if (q.build_key, q.run_key) == (key, run_key)]
        attempts = 1 + max((entry.attempts for entry in earlier), default=0)
        delay_s = retry_delay_s(attempts, self._timing.retry_first_s, self._timing.retry_longest_s)
        retry_at = snapshot.at + timedelta(seconds=delay_s) if transient else None
        entry = Quarantine(key, run_key, attempts, cause, deployment.id, retry_at)
        self._journal.quarantine(self._target.name, entry, self._tenure.epoch)

    def _end(
        self, deployment: Deployment, status: Status, error: str | None, outage_s: float | None
    ) -> None:
        self._journal.amend(deployment, Amendment(state=status, error=error, outage_s=outage_s))
        ended = self._journal.deployment(deployment.id)
        if ended is not None:
            self._say(ended)

    def _say(self, ended: Deployment) -> None:
        """The one canonical line of a deployment."""
        steps = self._journal.steps(ended.id)
        finished = ended.finished_at or ended.created_at
        took_s = (finished - ended.created_at).total_seconds()
        say = self._log.info if ended.state == "succeeded" else self._log.warning
        say(
            "deployment.ended",
            deployment=ended.id,
            epoch=ended.epoch,
            result=ended.state,
            action=ended.action,
            reason=ended.reason,
            wake=ended.wake,
            modules=list(ended.modules),
            enabled=list(ended.enabled),
            commit=ended.commit,
            image=ended.image_id,
            strategy=ended.strategy,
            old_container=ended.old_container,
            new_container=ended.new_container,
            outage_s=ended.outage_s,
            duration_s=round(took_s, 3),
            steps={f"{n:02d} {step.step}": step.duration_s for n, step in enumerate(steps, 1)},
            error=ended.error,
        )
        self._metrics.ended(ended.target, ended.action, ended.state, took_s)
        if ended.outage_s is not None:
            self._metrics.outage(ended.target, ended.outage_s)


def _besides(deployment: Deployment, snapshot: Snapshot) -> tuple[Quarantine, ...]:
    """What stays barred after a success: a restart says nothing of a build that failed."""
    if deployment.action != "restart":
        return ()
    return tuple(e for e in snapshot.quarantine if e.build_key != deployment.build_key)
