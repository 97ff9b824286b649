"""The hands of a pursuit: each step of `core.goal`, as a call to the engine or a note in the row.

Nothing is decided here, and nothing is tried twice: what a failure means is for `shell/drive.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from refitd.core.container import Container
from refitd.core.deployment import Amendment
from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Goal,
    MakeAnew,
    NoteCanaryProven,
    Pause,
    Remove,
    Rename,
    Restart,
    SetPolicy,
    Start,
    Step,
    Stop,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.rollout import turned_back
from refitd.core.seen import Seen
from refitd.core.target import Target
from refitd.errors import EngineError, EngineRefused
from refitd.ports import Clock, Engine
from refitd.shell.cloner import Cloner
from refitd.shell.diary import Diary
from refitd.shell.observe import Observer, moves
from refitd.shell.outage import OutageMeter, down_for_s


class Hands:
    """Performs the steps for one target."""

    def __init__(
        self,
        engine: Engine,
        cloner: Cloner,
        observer: Observer,
        meter: OutageMeter,
        clock: Clock,
        target: Target,
    ) -> None:
        self._engine, self._cloner, self._observer = engine, cloner, observer
        self._meter, self._clock, self._target = meter, clock, target

    def perform(  # noqa: C901, PLR0912, PLR0915 - one case a step
        self, diary: Diary, goal: Goal, seen: Seen, step: Step
    ) -> Goal:
        """Take this one step; answers the goal with what was noted of it. Raises `EngineError`,
        `ReplacementRefused`, and what `Diary` raises."""
        engine = self._engine
        match step:
            case Create(role="companion", of=of):
                pair = next(pair for pair in seen.pairs if pair.of.id == of)
                assert pair.old is not None, "nothing is created without the old one to go by"
                moved = moves(goal, seen)
                self._cloner.create_companion(goal, pair.of, pair.old, moved)
            case Create(role="canary" | "successor" as role):
                assert seen.old is not None, "nothing is created without the old one to go by"
                id_ = self._cloner.create(goal, role, seen.old)
                if role == "successor":
                    diary.amend(Amendment(new_container=id_))
            case MakeAnew(id=id_):
                engine.remove(id_, anonymous_volumes=True)
                return diary.note(replace(goal, made_anew=goal.made_anew + 1))
            case Start(id=id_, role=role, of=of):
                self._before_start(diary, id_, of, proving=role != "old")
                engine.start(id_)
            case Restart(id=id_, of=of):
                self._before_start(diary, id_, of, proving=True)
                if not of:
                    self._meter.begin(seen)
                with self._proving_anew(None, id_):
                    engine.restart(id_)
            case Stop(id=id_, role=role):
                if role == "old" or (seen.old is not None and not seen.old.runs):
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
                with self._proving_anew(seen.successor, id_):
                    engine.connect(id_, network, goal.endpoints[network])
            case Disconnect(id=id_, network=network):
                with self._proving_anew(seen.successor, id_):
                    engine.disconnect(id_, network)
            case Tag(image_id=image_id, reference=reference):
                engine.tag(image_id, reference)
            case Drain(seconds=seconds, id=id_, command=command):
                self._tell(diary, id_, command)
                self._clock.sleep(seconds)
                return diary.note(replace(goal, drained=True))
            case NoteCanaryProven():
                return diary.note(replace(goal, canary_proven=True))
            case TurnBack(cause=cause):
                return self._turn(diary, goal, seen, cause)
            case Wait():
                pass
        return goal

    def found_down(self, seen: Seen) -> None:
        """Whoever served was stopped before we came: by one of us who died then, or by itself."""
        self._meter.begin(seen, down_for_s(seen.old, self._engine.info().time))

    def _before_start(self, diary: Diary, id_: str, of: str, *, proving: bool) -> None:
        if not of:
            diary.note_enabled(proving=proving)
        self._observer.started(id_)

    @contextmanager
    def _proving_anew(self, before: Container | None, id_: str) -> Iterator[None]:
        """What was proven before this call counts no more, whether or not an answer comes."""
        self._observer.prove_anew(before, id_)
        yield
        self._observer.prove_anew(before, id_)

    def _tell(self, diary: Diary, id_: str, command: tuple[str, ...]) -> None:
        """Run a hook in a container; that it fails is said, and no reason to stay."""
        if not command:
            return
        try:
            code, output = self._engine.run_command(id_, command, self._target.drain_timeout_s)
        except EngineRefused as error:
            code, output = -1, str(error)
        if code != 0:
            said = output.strip()[-400:]
            diary.log.warning("drain.failed", container=id_, code=code, output=said)

    def _turn(self, diary: Diary, goal: Goal, seen: Seen, cause: str) -> Goal:
        """Turn back, keeping the last words of what failed before it is removed."""
        for failed in (seen.canary, seen.successor, *(pair.new for pair in seen.pairs)):
            if failed is not None and failed.state != "created":
                words = self._last_words(failed)
                diary.add_log([f"-- the end of the log of {failed.name}:", *words])
        return diary.note(turned_back(goal, seen, cause))

    def _last_words(self, failed: Container) -> list[str]:
        """Good to have, and never a reason to stay where we are."""
        try:
            return self._engine.logs(failed.id).splitlines()
        except EngineError as error:
            return [f"(it could not be read: {error})"]
