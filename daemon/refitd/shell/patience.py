"""How long one pursuit bears what is refused, and what does not stay up.

A refusal may pass: something else has moved, and the next look tells. So each kind of step is tried
a few times in a row; then it is over, or done without where it can be (`core.spare`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from refitd.core.goal import Goal, Outcome, Remove, Restart, Start, Step, Succeeded
from refitd.core.seen import Seen
from refitd.core.spare import Key, can_be_spared, key_of
from refitd.core.wording import sentence, step_name

#: A refusal that may pass is borne so many times in a row; so is the silence of the engine where
#: each moment is one of outage.
PATIENCE = 3
#: Its silence elsewhere: it may have much to do.
SILENCES = 10
#: So often a companion is started that does not stay up.
STARTS = 5
_LONGEST_PAUSE_S = 5.0


class Patience:
    """Of one pursuit. `pause` waits so many seconds, `interval_s` is the first of its waits."""

    def __init__(self, pause: Callable[[float], None], interval_s: float) -> None:
        self._pause, self._interval_s = pause, interval_s
        self._refused: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()
        self._started: Counter[str] = Counter()
        self._undone: dict[Key, str] = {}

    @property
    def vain(self) -> frozenset[Key]:
        """What is done without."""
        return frozenset(self._undone)

    def passed(self, seen: Seen, step: Step) -> None:
        """The step went through."""
        self._refused.pop(_kind(step), None)
        self._unanswered.pop(_kind(step), None)
        if isinstance(step, Start | Restart) and step.id not in seen.interrupted:
            self._started[step.id] += 1

    def is_over(self, step: Step) -> bool:
        """It was refused: whether it was so too often. Waits, a little longer each time."""
        self._refused[_kind(step)] += 1
        times = self._refused[_kind(step)]
        if times >= PATIENCE:
            return True
        self._wait(times)
        return False

    def is_over_in_silence(self, step: Step, *, urgent: bool) -> bool:
        """It got no answer: whether it was so too often."""
        self._unanswered[_kind(step)] += 1
        return self._unanswered[_kind(step)] >= (PATIENCE if urgent else SILENCES)

    def go_without(self, goal: Goal, seen: Seen, step: Step) -> bool:
        """From here on, where the pursuit can end so; else it waits, to try once more."""
        if not can_be_spared(goal, seen, step):
            self._wait(self._refused[_kind(step)])
            return False
        self._undone[key_of(step)] = "" if isinstance(step, Remove) else sentence(step, goal)
        self._refused.pop(_kind(step), None)
        self._unanswered.pop(_kind(step), None)
        return True

    def does_not_stay_up(self, seen: Seen, step: Step) -> bool:
        """Whether a companion was started so often that once more would do no good. The target is
        started for ever, but not without a pause."""
        if not isinstance(step, Start | Restart) or step.id in seen.interrupted:
            return False
        times = self._started[step.id]
        if step.of and times >= STARTS:
            return True
        self._wait(times)
        return False

    def told(self, outcome: Outcome) -> Outcome:
        """With what was left undone, so that the row says so."""
        undone = [said for said in self._undone.values() if said]
        if not undone or isinstance(outcome, Succeeded):
            return outcome
        return replace(outcome, cause=f"{outcome.cause}; left undone: {'; '.join(undone)}")

    def _wait(self, times: int) -> None:
        if times:
            self._pause(min(_LONGEST_PAUSE_S, self._interval_s * times))


def _kind(step: Step) -> str:
    """Of those that are made anew each time, too."""
    return f"{step_name(step)} {getattr(step, 'of', '')} {getattr(step, 'name', '')}"
