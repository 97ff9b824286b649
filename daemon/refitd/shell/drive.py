"""Pursue a goal: look, ask for the next step, perform it, look again, until it has ended.

This is where a replacement meets the world. What can happen to a step:

* the engine refuses it: on the way forward that is a reason to turn back;
* the engine does not answer: it may have happened, so the answer is to look again;
* Postgres cannot be written to: outside a critical section the pursuit is *parked* (the row
  says where it stands, whoever starts next goes on); inside one it is finished first, since
  the journal must not be the reason for an outage;
* somebody asks us to stop: as above;
* the lease is lost: nothing more is done, critical section or not. Another daemon may be at it
  by now, and two at once are worse than one that takes over (`shell/held.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial

from refitd.core.container import Container
from refitd.core.deployment import Amendment, Deployment, StepRecord
from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Failed,
    Goal,
    NoteCanaryProven,
    Outcome,
    Pause,
    Remove,
    Rename,
    Restart,
    RolledBack,
    SetPolicy,
    Start,
    Step,
    Stop,
    Succeeded,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.recreate import stop_timeout
from refitd.core.rollout import enters_critical_section, in_critical_section, next_step
from refitd.core.seen import Seen, without
from refitd.core.target import Target
from refitd.core.wording import sentence, step_name
from refitd.errors import (
    DatabaseError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    LeaseLost,
    NotFound,
    RefitdError,
    ReplacementRefused,
)
from refitd.ports import Clock, Engine, Journal, Log
from refitd.shell.cloner import Cloner
from refitd.shell.observe import Observer, moves
from refitd.shell.outage import OutageMeter
from refitd.shell.reading import Reading
from refitd.shell.tenure import Tenure

#: A refusal or a silence that may pass is borne so many times in a row.
PATIENCE = 3


class Parked(RefitdError):
    """The pursuit was left at a safe step because the daemon is to stop."""

    #: What was left, for the log.
    deployment_id: int | None = None


class Driver:
    """Pursues the goals of one target."""

    def __init__(  # noqa: PLR0913 - the wiring of one loop, by keyword
        self,
        *,
        engine: Engine,
        journal: Journal,
        cloner: Cloner,
        observer: Observer,
        meter: OutageMeter,
        tenure: Tenure,
        clock: Clock,
        log: Log,
        target: Target,
        stopping: Callable[[], bool],
        reading: Reading,
    ) -> None:
        self._engine, self._journal, self._cloner = engine, journal, cloner
        self._observer, self._meter, self._tenure = observer, meter, tenure
        self._clock, self._log, self._target = clock, log, target
        #: The log of the pursuit at hand.
        self._pursuit_log = log
        self._stopping, self._reading = stopping, reading
        self._refusals, self._silences, self._extended = 0, 0, False

    def pursue(self, deployment: Deployment, goal: Goal) -> tuple[Goal, Outcome]:
        """Go on until it has ended; answers the goal with its notes, and how it ended.

        Raises `Parked`, `LeaseLost`, `DatabaseError`: then it has not ended, and the row and the
        engine hold all that is needed to go on.
        """
        self._refusals, self._silences, self._extended = 0, 0, False
        self._left_over: set[str] = set()
        self._mute = False
        self._observer.begin()
        log = self._pursuit_log = self._log.bind(deployment=deployment.id, epoch=goal.epoch)
        waited_for, critical = "", False
        while True:
            try:
                seen = without(self._observer.look(goal), self._left_over)
            except EngineUnavailable as error:
                log.warning("engine.unavailable", error=str(error))
                self._park_if_stopping(error)
                if not critical:
                    self._may_go_on()
                self._pause(self._target.health.interval_s * 2)
                continue
            critical = in_critical_section(goal, seen)
            if critical and not self._extended:
                self._extend_late(seen)
            self._mute = self._mute and critical
            if self._extended and not critical:
                self._tenure.relax()
                self._extended = False
            self._meter.note(goal, seen)
            step = next_step(goal, seen)
            if isinstance(step, Succeeded | RolledBack | Failed):
                self._tenure.relax()
                return goal, step
            if not critical:
                self._may_go_on()
            if isinstance(step, Wait):
                if step.reason != waited_for:
                    log.info("step.waiting", reason=step.reason)
                    self._write(critical, deployment, Amendment(state="proving", step=step.reason))
                waited_for = step.reason
                self._pause(self._interval_s(critical))
                continue
            waited_for = ""
            goal = self._take(deployment, goal, seen, step, log, critical=critical)

    def _take(
        self,
        deployment: Deployment,
        goal: Goal,
        seen: Seen,
        step: Step,
        log: Log,
        *,
        critical: bool,
    ) -> Goal:
        """Take one step, time it, and write it down, with its failure where it failed."""
        entering = enters_critical_section(goal, step) and not critical
        if entering:
            self._tenure.extend(self._section_s(seen))
            self._extended = True
        name = step_name(step)
        self._write(critical, deployment, Amendment(state="replacing", step=name))
        began_s, error = self._clock.now_s(), None
        # With the call that takes away what serves, the section has begun: nothing that is
        # written down about it may end the pursuit there.
        inside = critical or entering
        try:
            goal = self._perform(deployment, goal, seen, step, critical=critical)
        except (EngineRefused, ReplacementRefused) as refused:
            error = str(refused)
            goal = self._after_refusal(deployment, goal, step, refused, critical=inside)
        except EngineUnavailable as unavailable:
            error = str(unavailable)
            self._observer.engine_was_away()
            self._pause(self._target.health.interval_s)
            goal = self._after_silence(deployment, goal, step, unavailable, critical=inside)
        took_s = round(self._clock.now_s() - began_s, 3)
        said = sentence(step, goal)
        if error is None:
            log.info("step.done", step=name, detail=said, duration_s=took_s)
        else:
            log.warning("step.failed", step=name, detail=said, duration_s=took_s, error=error)
        self._guarded(
            inside,
            lambda: self._journal.add_step(deployment, StepRecord(name, took_s, said, error)),
        )
        return goal

    def _perform(  # noqa: C901, PLR0912 - one case a step
        self, deployment: Deployment, goal: Goal, seen: Seen, step: Step, *, critical: bool
    ) -> Goal:
        engine = self._engine
        match step:
            case Create(role="companion", of=of):
                pair = next(pair for pair in seen.pairs if pair.of.id == of)
                assert pair.old is not None, "nothing is created without the old one to go by"
                moved = moves(seen.old, seen.successor, seen.pairs)
                self._cloner.create_companion(goal, pair.of, pair.old, moved)
            case Create(role="canary" | "successor" as role):
                assert seen.old is not None, "nothing is created without the old one to go by"
                id_ = self._cloner.create(goal, role, seen.old)
                if role == "successor":
                    self._write(critical, deployment, Amendment(new_container=id_))
            case Start(id=id_, role=role, of=of):
                self._before_start(deployment, id_, of, critical, proving=role != "old")
                engine.start(id_)
            case Restart(id=id_, of=of):
                self._before_start(deployment, id_, of, critical, proving=True)
                if not of:
                    self._meter.begin(seen)
                with self._proving_anew(None, id_):
                    engine.restart(id_)
            case Stop(id=id_, role=role):
                if role == "old":
                    self._meter.begin(seen)
                engine.stop(id_)
            case Pause(id=id_):
                engine.pause(id_)
            case Remove(id=id_):
                # Whatever volumes it shares with the old one are mounted by name, and stay.
                engine.remove(id_, anonymous_volumes=True)
            case Rename(id=id_, name=name):
                engine.rename(id_, name)
            case SetPolicy(id=id_, policy=policy, retries=retries):
                engine.set_restart_policy(id_, policy, retries)
            case Connect(id=id_, network=network):
                assert seen.old is not None, "its names are read off the old one"
                with self._proving_anew(seen.successor, id_):
                    engine.connect(id_, network, self._cloner.endpoint(goal, seen.old, network))
            case Disconnect(id=id_, network=network):
                with self._proving_anew(seen.successor, id_):
                    engine.disconnect(id_, network)
            case Tag(image_id=image_id, reference=reference):
                engine.tag(image_id, reference)
            case Drain(seconds=seconds, id=id_, command=command):
                self._tell(id_, command)
                self._pause(seconds)
                return self._note(critical, deployment, replace(goal, drained=True))
            case NoteCanaryProven():
                return self._note(critical, deployment, replace(goal, canary_proven=True))
            case TurnBack(cause=cause):
                return self._turn(deployment, goal, seen, cause, critical=critical)
            case Wait():
                pass
        return goal

    def _before_start(
        self,
        deployment: Deployment,
        id_: str,
        of: str,
        critical: bool,  # noqa: FBT001
        *,
        proving: bool,
    ) -> None:
        if not of:
            self._write_enabled(deployment, proving=proving, critical=critical)
        self._observer.started(id_)

    @contextmanager
    def _proving_anew(self, before: Container | None, id_: str) -> Iterator[None]:
        """What was proven before this call counts no more, whether or not an answer comes."""
        self._observer.prove_anew(before, id_)
        yield
        self._observer.prove_anew(before, id_)

    def _tell(self, id_: str, command: tuple[str, ...]) -> None:
        """Run a hook in a container; that it fails is said, and no reason to stay."""
        if not command:
            return
        try:
            code, output = self._engine.run_command(id_, command, self._target.drain_timeout_s)
        except EngineRefused as error:
            code, output = -1, str(error)
        if code != 0:
            said = output.strip()[-400:]
            self._log.warning("drain.failed", container=id_, code=code, output=said)

    def _turn(
        self, deployment: Deployment, goal: Goal, seen: Seen, cause: str, *, critical: bool
    ) -> Goal:
        """Turn back, keeping the last words of what failed before it is removed."""
        for failed in (seen.canary, seen.successor, *(pair.new for pair in seen.pairs)):
            if failed is not None and failed.state != "created":
                words = self._last_words(failed)
                lines = [f"-- the end of the log of {failed.name}:", *words]
                self._guarded(critical, partial(self._journal.add_log, deployment, lines))
        return self._note(critical, deployment, replace(goal, turned=cause))

    def _last_words(self, failed: Container) -> list[str]:
        """Good to have, and never a reason to stay where we are."""
        try:
            return self._engine.logs(failed.id).splitlines()
        except EngineError as error:
            return [f"(it could not be read: {error})"]

    def _after_silence(
        self,
        deployment: Deployment,
        goal: Goal,
        step: Step,
        error: RefitdError,
        *,
        critical: bool,
    ) -> Goal:
        """A start that gets no answer again and again, while nobody serves, is given up."""
        self._park_if_stopping(error)
        forward = goal.turned is None and isinstance(step, Start)
        self._silences = self._silences + 1 if forward and critical else 0
        if self._silences < PATIENCE:
            return goal
        cause = f"the engine did not answer when asked to {sentence(step, goal)}: {error}"
        return self._note(critical, deployment, replace(goal, turned=cause))

    def _after_refusal(
        self, deployment: Deployment, goal: Goal, step: Step, error: RefitdError, *, critical: bool
    ) -> Goal:
        if goal.turned is not None:
            self._park_if_stopping(error)
        if goal.turned is not None or isinstance(error, NotFound) or isinstance(step, Remove):
            # Something else has moved meanwhile: looking again tells. On the way back there is
            # no other way, so it is tried until it goes through.
            self._refusals += 1
            if (id_ := _dispensable(goal, step)) and self._refusals >= PATIENCE:
                # What cannot be removed is left over, and a companion that cannot be put back is
                # left as it is; that is no reason to turn back or to stay.
                self._pursuit_log.warning("container.left_over", container=id_, error=str(error))
                self._left_over.add(id_)
                self._refusals = 0
                return goal
            self._pause(min(5.0, self._target.health.interval_s * self._refusals))
            if goal.turned is not None or self._refusals < PATIENCE:
                return goal
        cause = f"the engine refused to {sentence(step, goal)}: {error}"
        return self._note(critical, deployment, replace(goal, turned=cause))

    def _note(self, critical: bool, deployment: Deployment, goal: Goal) -> Goal:  # noqa: FBT001
        self._write(critical, deployment, Amendment(goal=goal.to_json()))
        return goal

    def _write_enabled(self, deployment: Deployment, *, proving: bool, critical: bool) -> None:
        """Just before a start: what the backend is about to read, as the table says now.

        The run key is that of what is being proven: what the old one reads when it is put back
        must not be barred in its place.
        """
        if self._mute:
            return
        try:
            with self._patience(critical):
                self._journal.amend(deployment, self._reading.take(proving=proving))
        except DatabaseError as error:
            self._mute = True
            self._pursuit_log.warning("enabled.unread", error=str(error))

    def _write(self, critical: bool, deployment: Deployment, amendment: Amendment) -> None:  # noqa: FBT001
        self._guarded(critical, lambda: self._journal.amend(deployment, amendment))

    def _guarded(self, critical: bool, write: Callable[[], None]) -> None:  # noqa: FBT001
        """In a critical section a write may fail, and is given no more than a moment; and once
        Postgres did not answer it is not asked again until that is over, since each answer waited
        for is so much more of an outage."""
        if critical and self._mute:
            return
        try:
            with self._patience(critical):
                write()
        except LeaseLost:
            raise  # what is left to be done is another's by now
        except RefitdError as error:
            if not critical:
                raise
            self._mute = isinstance(error, DatabaseError)
            self._pursuit_log.warning("journal.unwritten", error=str(error))

    def _patience(self, critical: bool) -> AbstractContextManager[None]:  # noqa: FBT001
        return self._journal.briefly() if critical else nullcontext()

    def _park_if_stopping(self, error: RefitdError) -> None:
        """Nothing can be done here and now, critical or not: whoever starts next tries again."""
        if self._stopping():
            raise Parked(f"the daemon is to stop, and waits in vain: {error}") from error

    def _may_go_on(self) -> None:
        if self._stopping():
            raise Parked("the daemon is to stop; the next one goes on from here")
        self._tenure.check()

    def _extend_late(self, seen: Seen) -> None:
        """Found in a critical section (after a crash, or the old one died by itself): it is
        finished under a lease that covers it, or, without a database, under none.

        Raises `LeaseLost` where another daemon is at it by now.
        """
        try:
            self._tenure.extend(self._section_s(seen))
        except DatabaseError as error:
            self._pursuit_log.warning("lease.unextended", error=str(error))
        self._extended = True

    def _section_s(self, seen: Seen) -> float:
        """How long a critical section can last at the worst, its way back included: the target and
        its companions, one after the other."""
        those = [seen.old, *(pair.old for pair in seen.pairs)]
        grace_s = sum(stop_timeout(each.inspect) if each is not None else 10 for each in those)
        return 2 * grace_s + 2 * len(those) * self._target.health.deadline_s

    def _interval_s(self, critical: bool) -> float:  # noqa: FBT001
        """In a critical section each moment is one of outage: look more often."""
        return (
            min(0.1, self._target.health.interval_s) if critical else self._target.health.interval_s
        )

    def _pause(self, seconds: float) -> None:
        self._clock.sleep(seconds)


def _dispensable(goal: Goal, step: Step) -> str | None:
    """The container whose removal, or putting back, the pursuit can end without."""
    if isinstance(step, Remove):
        return step.id
    on_the_way_back = goal.turned is not None
    if on_the_way_back and isinstance(step, Start | Stop | Restart) and step.of:
        return step.id
    return None
