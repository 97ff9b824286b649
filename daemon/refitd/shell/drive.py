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

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from refitd.core.deployment import Deployment, StepRecord
from refitd.core.goal import (
    Failed,
    Goal,
    Outcome,
    Remove,
    Restart,
    RolledBack,
    Start,
    Step,
    Succeeded,
    Wait,
)
from refitd.core.recreate import stop_timeout
from refitd.core.rollout import (
    enters_critical_section,
    in_critical_section,
    next_step,
    turned_back,
)
from refitd.core.seen import Seen
from refitd.core.spare import can_be_spared
from refitd.core.target import Target
from refitd.core.wording import sentence, step_name
from refitd.errors import (
    DatabaseError,
    EngineRefused,
    EngineUnavailable,
    NotFound,
    RefitdError,
    ReplacementRefused,
)
from refitd.ports import Clock, Engine, Journal, Log
from refitd.shell.cloner import Cloner
from refitd.shell.diary import Diary
from refitd.shell.hands import Hands
from refitd.shell.observe import Observer
from refitd.shell.outage import OutageMeter
from refitd.shell.patience import Patience
from refitd.shell.reading import Reading
from refitd.shell.tenure import Tenure


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
        self._hands = Hands(engine, cloner, observer, meter, clock, target)
        self._journal, self._observer, self._meter, self._tenure = journal, observer, meter, tenure
        self._clock, self._log, self._target = clock, log, target
        self._stopping, self._reading = stopping, reading
        self._extended = False

    def pursue(self, deployment: Deployment, goal: Goal) -> tuple[Goal, Outcome]:
        """Go on until it has ended; answers the goal with its notes, and how it ended.

        Raises `Parked`, `LeaseLost`, `DatabaseError`: then it has not ended, and the row and the
        engine hold all that is needed to go on.
        """
        self._extended = False
        self._patience = Patience(self._pause, self._target.health.interval_s)
        self._observer.begin()
        log = self._log.bind(deployment=deployment.id, epoch=goal.epoch)
        diary = Diary(self._journal, deployment, self._reading, log)
        waited_for = ""
        while True:
            try:
                seen = replace(self._observer.look(goal), vain=self._patience.vain)
            except EngineUnavailable as error:
                self._bear_silence(diary, error)
                continue
            self._keep_lease(diary, goal, seen)
            self._meter.note(goal, seen)
            step = next_step(goal, seen)
            if isinstance(step, Succeeded | RolledBack | Failed):
                diary.leave_trouble()
                self._tenure.relax()
                return goal, self._patience.told(step)
            if not diary.inside:
                self._may_go_on()
            if isinstance(step, Wait):
                if step.reason != waited_for:
                    diary.wait_for(step.reason)
                waited_for = step.reason
                self._pause(self._interval_s(diary))
                continue
            waited_for = ""
            if self._patience.does_not_stay_up(seen, step):
                why = f"it does not stay up: to {sentence(step, goal)} is in vain"
                goal = self._give_up(diary, goal, seen, step, why)
            else:
                goal = self._take(diary, goal, seen, step)

    def _bear_silence(self, diary: Diary, error: EngineUnavailable) -> None:
        diary.log.warning("engine.unavailable", error=str(error))
        self._park_if_stopping(error)
        if not diary.inside:
            self._may_go_on()
        self._pause(self._target.health.interval_s * 2)

    def _keep_lease(self, diary: Diary, goal: Goal, seen: Seen) -> None:
        """In a critical section it covers all of it, and is short again after it."""
        diary.turn_page(inside=in_critical_section(goal, seen))
        if diary.inside and not self._extended:
            self._extend_late(seen, diary.log)
            self._measure_late(seen)
        if self._extended and not diary.inside:
            self._tenure.relax()
            self._extended = False

    def _take(self, diary: Diary, goal: Goal, seen: Seen, step: Step) -> Goal:
        """Take one step, time it, and write it down, with its failure where it failed."""
        entering = enters_critical_section(goal, step) and not diary.inside
        if entering:
            self._tenure.extend(self._section_s(seen))
            self._extended = True
        name, said = step_name(step), sentence(step, goal)
        diary.begin_step(name, said)
        began_s, error = self._clock.now_s(), None
        try:
            try:
                goal = self._hands.perform(diary, goal, seen, step)
            finally:
                # With the call that takes away what serves, the section has begun: nothing that
                # is written down about it may end the pursuit there.
                diary.inside = diary.inside or entering
        except (EngineRefused, ReplacementRefused) as refused:
            error = str(refused)
            goal = self._after_refusal(diary, goal, seen, step, refused)
        except EngineUnavailable as unavailable:
            error = str(unavailable)
            self._pause(self._target.health.interval_s)
            goal = self._after_silence(diary, goal, seen, step, unavailable)
        if error is None:
            self._patience.passed(seen, step)
        took_s = round(self._clock.now_s() - began_s, 3)
        diary.end_step(StepRecord(name, took_s, said, error))
        # Not by the hands: only by now the critical section has begun, which no write may end.
        if isinstance(step, Restart) and step.id == goal.old_id and error is None:
            goal = diary.note(replace(goal, restarted=True))
        return goal

    def _after_silence(
        self, diary: Diary, goal: Goal, seen: Seen, step: Step, error: RefitdError
    ) -> Goal:
        """It may have happened: looking again tells. What gets no answer again and again, while all
        else does, is given up; a start sooner than the rest, while nobody serves."""
        self._park_if_stopping(error)
        urgent = diary.inside and goal.turned is None and isinstance(step, Start | Restart)
        if not self._patience.is_over_in_silence(step, urgent=urgent):
            return goal
        why = f"the engine did not answer when asked to {sentence(step, goal)}: {error}"
        return self._give_up(diary, goal, seen, step, why)

    def _after_refusal(
        self, diary: Diary, goal: Goal, seen: Seen, step: Step, error: RefitdError
    ) -> Goal:
        """Something else may have moved meanwhile: looking again tells. On the way back there is no
        other way."""
        if goal.turned is not None:
            self._park_if_stopping(error)
        may_pass = (
            goal.turned is not None or isinstance(error, NotFound) or isinstance(step, Remove)
        )
        if may_pass and not self._patience.is_over(step):
            return goal
        why = f"the engine refused to {sentence(step, goal)}: {error}"
        return self._give_up(diary, goal, seen, step, why)

    def _give_up(self, diary: Diary, goal: Goal, seen: Seen, step: Step, why: str) -> Goal:
        """It is done without, where it can be; else it is a reason to turn back."""
        if goal.turned is None and not can_be_spared(goal, seen, step):
            return diary.note(turned_back(goal, seen, why))
        if self._patience.go_without(goal, seen, step):
            diary.log.warning("step.left_undone", step=step_name(step), error=why)
        return goal

    def _park_if_stopping(self, error: RefitdError) -> None:
        """Nothing can be done here and now, critical or not: whoever starts next tries again."""
        if self._stopping():
            raise Parked(f"the daemon is to stop, and waits in vain: {error}") from error

    def _may_go_on(self) -> None:
        if self._stopping():
            raise Parked("the daemon is to stop; the next one goes on from here")
        self._tenure.check()

    def _extend_late(self, seen: Seen, log: Log) -> None:
        """Found in a critical section (after a crash, or the old one died by itself): it is
        finished under a lease that covers it, or, without a database, under none.

        Raises `LeaseLost` where another daemon is at it by now.
        """
        try:
            self._tenure.extend(self._section_s(seen))
        except DatabaseError as error:
            log.warning("lease.unextended", error=str(error))
        self._extended = True

    def _measure_late(self, seen: Seen) -> None:
        with suppress(EngineUnavailable):  # then the outage is told from the next step on
            self._hands.found_down(seen)

    def _section_s(self, seen: Seen) -> float:
        """How long a critical section can last at the worst, its way back included: the target and
        its companions, one after the other."""
        those = [seen.old, *(pair.old for pair in seen.pairs)]
        grace_s = sum(stop_timeout(each.inspect) if each is not None else 10 for each in those)
        return 2 * grace_s + 2 * len(those) * self._target.health.deadline_s

    def _interval_s(self, diary: Diary) -> float:
        """In a critical section each moment is one of outage: look more often."""
        interval_s = self._target.health.interval_s
        return min(0.1, interval_s) if diary.inside else interval_s

    def _pause(self, seconds: float) -> None:
        self._clock.sleep(seconds)
