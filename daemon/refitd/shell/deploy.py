"""One deployment: a row, an image, a goal, its pursuit, a conclusion.

Nothing here is undone by dying: until the goal is written down nothing was touched, and from
then on it is for whoever looks next to go on with it (`resume`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from refitd.core.container import Container
from refitd.core.deployment import Amendment, Deployment, NewDeployment, Snapshot, Wake
from refitd.core.goal import Goal, RolledBack, Succeeded
from refitd.core.plan import Rebuild, Restart, Wanted
from refitd.core.route import make_goal, own_tag
from refitd.core.target import Target
from refitd.errors import (
    BuildCancelled,
    BuildFailed,
    EngineError,
    NotAlone,
    RefitdError,
    ReplacementRefused,
    SourceError,
)
from refitd.ports import Engine, Journal, Log
from refitd.shell.assembly import Assembly
from refitd.shell.conclude import Conclusion
from refitd.shell.drive import Driver, Parked
from refitd.shell.interruptions import Interruptions
from refitd.shell.outage import OutageMeter
from refitd.shell.reading import Reading
from refitd.shell.tenure import Tenure
from refitd.shell.vetting import Vetted, Vetting


class Deployer:
    """Carries out what was decided for one target."""

    def __init__(  # noqa: PLR0913 - the wiring of one thing, by keyword
        self,
        *,
        target: Target,
        engine: Engine,
        journal: Journal,
        tenure: Tenure,
        assembly: Assembly,
        driver: Driver,
        meter: OutageMeter,
        conclusion: Conclusion,
        reading: Reading,
        log: Log,
        interruptions: Interruptions,
        own_container: str | None,
        cancel_limit: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._target, self._engine, self._journal = target, engine, journal
        self._tenure, self._assembly, self._driver = tenure, assembly, driver
        self._meter, self._conclusion, self._reading = meter, conclusion, reading
        self._log, self._interruptions = log, interruptions
        self._vetting = Vetting(target, engine, journal, own_container)
        self._stopping = stopping
        self._outages: dict[int, float] = {}
        self._cancel_limit, self._cancels = cancel_limit, 0

    def deploy(
        self,
        decision: Rebuild | Restart,
        want: Wanted,
        snapshot: Snapshot,
        container: Container,
        wake: Wake,
        cancelled: Callable[[Wanted], bool],
    ) -> int:
        """Answers the deployment's id, however it ended. Raises `DatabaseError`, `LeaseLost`,
        `Parked`, and errors of the engine once a goal is written down."""
        deployment = self._open(decision, want, snapshot, container, wake)
        try:
            self._deploy(decision, want, snapshot, container, deployment, cancelled)
        except BuildCancelled as error:
            if self._stopping():
                parked = Parked("the daemon is to stop; the next one begins the build anew")
                parked.deployment_id = deployment.id
                raise parked from error
            self._withdraw(deployment, error)
        except (BuildFailed, SourceError, ReplacementRefused, EngineError) as error:
            if self._is_under_way(deployment):
                raise
            self._cancels = 0
            self._conclusion.of_failure(deployment, error, self._fresh())
        except RefitdError:
            raise
        except Exception as error:  # a mistake of ours: on record, and not made again and again
            if not self._is_under_way(deployment):
                unforeseen = BuildFailed(f"unforeseen, see the daemon's log: {error!r}")
                self._conclusion.of_failure(deployment, unforeseen, self._fresh())
            raise
        else:
            self._cancels = 0
        return deployment.id

    def resume(self, deployment: Deployment) -> None:
        """Go on with what another run of the daemon left half done."""
        assert deployment.goal is not None
        epoch = self._tenure.epoch
        goal = replace(Goal.from_json(deployment.goal), epoch=epoch)
        self._reading.begin(deployment.enabled, deployment.run_key)
        log = self._log.bind(deployment=deployment.id, epoch=epoch)
        log.info("deployment.resumed", step=deployment.step)
        self._pursue(replace(deployment, epoch=epoch), goal)

    def roll_back(self, deployment_id: int, why: str, wake: Wake) -> int | None:
        """Put back what this deployment replaced, while that is still there; answers the id of
        the deployment that does so."""
        fallen = self._journal.deployment(deployment_id)
        if fallen is None or fallen.goal is None:
            return None
        epoch = self._tenure.epoch
        deployment = self._journal.open(
            NewDeployment(
                target=self._target.name,
                action="rollback",
                reason=why,
                wake=wake,
                epoch=epoch,
                instance="",
                modules=fallen.modules,
                enabled=fallen.enabled,
                build_key=fallen.build_key,
                run_key=fallen.run_key,
                old_container=fallen.new_container,
            )
        )
        goal = replace(Goal.from_json(fallen.goal), turned=why, epoch=epoch)
        self._journal.amend(
            deployment, Amendment(state="replacing", strategy=goal.way, goal=goal.to_json())
        )
        self._reading.begin(fallen.enabled, fallen.run_key)
        self._pursue(deployment, goal)
        return deployment.id

    def _open(
        self,
        decision: Rebuild | Restart,
        want: Wanted,
        snapshot: Snapshot,
        container: Container,
        wake: Wake,
    ) -> Deployment:
        rebuild, record = isinstance(decision, Rebuild), snapshot.record
        assert record is not None, "an unknown container is adopted first"
        self._reading.begin(want.desired.enabled, want.run_key)
        deployment = self._journal.open(
            NewDeployment(
                target=self._target.name,
                action="rebuild" if rebuild else "restart",
                reason=decision.reason,
                wake=wake,
                epoch=self._tenure.epoch,
                instance="",
                modules=want.desired.specs if rebuild else record.modules,
                enabled=want.desired.enabled,
                build_key=want.build_key if rebuild else record.build_key,
                run_key=want.run_key,
                change_ids=tuple(change.id for change in snapshot.changes),
                request_ids=decision.request_ids,
                old_container=container.id,
            )
        )
        self._log.info(
            "deployment.opened",
            deployment=deployment.id,
            epoch=deployment.epoch,
            action=deployment.action,
            reason=deployment.reason,
            wake=wake,
            modules=list(deployment.modules),
            enabled=list(deployment.enabled),
        )
        return deployment

    def _deploy(
        self,
        decision: Rebuild | Restart,
        want: Wanted,
        snapshot: Snapshot,
        container: Container,
        deployment: Deployment,
        cancelled: Callable[[Wanted], bool],
    ) -> None:
        rebuild = isinstance(decision, Rebuild)
        log = self._log.bind(deployment=deployment.id, epoch=deployment.epoch)
        vetted = self._vet(container, rebuild=rebuild)
        if vetted.warnings:
            log.warning("replacement.warned", warnings=list(vetted.warnings))
        self._journal.amend(deployment, Amendment(strategy=vetted.way))
        log.info("strategy.chosen", strategy=vetted.way, reason=vetted.why)
        if isinstance(decision, Rebuild):
            image_id = self._assembly.image(
                deployment,
                want,
                lambda: self._is_pointless(want, cancelled),
                fresh=decision.fresh,
            )
            # Minutes may have gone by, and with them what it was found to be.
            container = self._as_it_is_now(container)
            before, vetted = vetted, self._vet(container, rebuild=rebuild)
            if vetted.way != before.way:
                self._journal.amend(deployment, Amendment(strategy=vetted.way))
                log.info("strategy.chosen", strategy=vetted.way, reason=vetted.why)
        else:
            image_id = container.image_id
            if vetted.way != "restart":
                self._engine.tag(image_id, own_tag(self._target, deployment.id))
        tagged = self._engine.image(self._target.image)
        goal = make_goal(
            self._target,
            container,
            deployment=deployment.id,
            epoch=deployment.epoch,
            way=vetted.way,
            image_id=image_id,
            # A canary of what is restarted in place is gone soon: it needs no tag.
            tag=image_id if vetted.way == "restart" else own_tag(self._target, deployment.id),
            tagged=tagged.id if tagged else None,
            before=snapshot.record,
            api_version=self._engine.info().api_version,
            rebuild=rebuild,
            falls_over=vetted.falls_over,
            companions=vetted.companions,
        )
        self._journal.amend(deployment, Amendment(state="replacing", goal=goal.to_json()))
        self._pursue(deployment, goal)

    def _pursue(self, deployment: Deployment, goal: Goal) -> None:
        """Pursue a goal to its end and conclude; also the way on after a crash."""
        try:
            goal, outcome = self._driver.pursue(deployment, goal)
        except Parked as parked:
            parked.deployment_id = deployment.id
            raise
        finally:
            self._remember(deployment, self._meter.end())
        if isinstance(outcome, Succeeded | RolledBack):
            serves = outcome.container_id if isinstance(outcome, Succeeded) else goal.old_id
            self._interruptions.recovered(serves)
        self._conclusion.of_pursuit(
            deployment,
            goal,
            outcome,
            enabled=self._reading.enabled,
            tried=self._reading.tried,
            outage_s=self._outages.get(deployment.id),
            snapshot=self._fresh(),
        )
        self._outages.pop(deployment.id, None)

    def _remember(self, deployment: Deployment, outage_s: float | None) -> None:
        """Until the row has it, which may be in another pursuit: Postgres may be away."""
        if outage_s is not None:
            before_s = self._outages.get(deployment.id, 0.0)
            self._outages[deployment.id] = max(before_s, outage_s)

    def _withdraw(self, deployment: Deployment, error: BuildCancelled) -> None:
        """Cancelled on request it has ended, with the requests it was for; superseded by a newer
        change it hands them on."""
        asked = [request for request in self._fresh().requests if request.kind == "cancel"]
        if not asked:
            self._cancels += 1
            self._conclusion.of_cancellation(deployment, "superseded", str(error))
            return
        self._conclusion.of_cancellation(deployment, "cancelled", "cancelled on request")
        for request in asked:
            self._journal.close_request(request.id, "done")

    def _is_pointless(self, want: Wanted, cancelled: Callable[[Wanted], bool]) -> bool:
        """Newer changes cancel a build so many times and no more; a stop always does."""
        return self._stopping() or (self._cancels < self._cancel_limit and cancelled(want))

    def _is_under_way(self, deployment: Deployment) -> bool:
        """With a goal written down it is for the next look to go on: containers may be left."""
        written = self._journal.deployment(deployment.id)
        return written is not None and written.goal is not None

    def _as_it_is_now(self, before: Container) -> Container:
        """Who went down with the engine is to run all the same, when all is over."""
        now = self._engine.container(before.id) or before
        if now.id in self._interruptions.among([now]):
            return replace(now, state=before.state)
        return now

    def _vet(self, container: Container, *, rebuild: bool) -> Vetted:
        """Raises `ReplacementRefused` where something stands against it."""
        vetted = self._vetting.of(container, rebuild=rebuild)
        if vetted.refusals:
            said = "; ".join(vetted.refusals)
            error = NotAlone if vetted.refusals == vetted.doubles else ReplacementRefused
            raise error(f"{container.name} cannot be replaced: {said}")
        return vetted

    def _fresh(self) -> Snapshot:
        return self._journal.snapshot(self._target.name)
