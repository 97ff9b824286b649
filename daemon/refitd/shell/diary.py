"""The row of the deployment that is being pursued, and how much its being written is worth.

Outside a critical section everything: what cannot be written ends the pursuit at a safe step.
Inside one nothing serves, and the journal must not be the reason for an outage: a write is given no
more than a moment, it may fail, and once Postgres did not answer it is not asked again until that
is over. A lease that is lost ends the pursuit in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from refitd.core.deployment import Amendment, Deployment, StepRecord
from refitd.core.goal import Goal
from refitd.core.wording import gist
from refitd.errors import DatabaseError, LeaseLost, RefitdError
from refitd.ports import Journal, Log
from refitd.shell.reading import Reading


class Diary:
    """What is written down of one pursuit. All raise `LeaseLost`, and outside a critical section
    what `Journal` raises."""

    def __init__(
        self, journal: Journal, deployment: Deployment, reading: Reading, log: Log
    ) -> None:
        self._journal, self._deployment, self._reading = journal, deployment, reading
        #: Bound to the deployment and its epoch.
        self.log = log
        #: Whether the pursuit is in a critical section.
        self.inside = False
        self._mute = False
        #: The step that was in vain the last time, whom it was about, and the gist of why.
        self._trouble: tuple[str, str, str] | None = None

    def turn_page(self, *, inside: bool) -> None:
        """A new look was taken: that there was no answer counts as long as the section lasts."""
        self.inside = inside
        self._mute = self._mute and inside

    def amend(self, amendment: Amendment) -> None:
        self._write(lambda: self._journal.amend(self._deployment, amendment))

    def note(self, goal: Goal) -> Goal:
        """What leaves no trace in the engine; answers the goal."""
        self.amend(Amendment(goal=goal.to_json()))
        return goal

    def wait_for(self, reason: str) -> None:
        """Nothing is to be done but to look again."""
        self._trouble = None
        self.log.info("step.waiting", reason=reason)
        self.amend(Amendment(state="proving", step=reason))

    def begin_step(self, step: str, detail: str) -> None:
        """It is about to be taken; where that was in vain the last time, the row goes on saying so."""
        if self._trouble is None or self._trouble[:2] != (step, detail):
            self.amend(Amendment(state="replacing", step=step))

    def end_step(self, taken: StepRecord) -> None:
        """It was taken, or was in vain: then it may be again and again, and what is the same as the
        last time is not written down once more."""
        facts = {"step": taken.step, "detail": taken.detail, "duration_s": taken.duration_s}
        if taken.error is None:
            self.leave_trouble()
            self.log.info("step.done", **facts)
        else:
            trouble = (taken.step, taken.detail, gist(taken.error))
            if trouble == self._trouble:
                return
            self._trouble = trouble
            self.log.warning("step.failed", **facts, error=taken.error)
            self.amend(Amendment(step=f"{taken.step}: {' '.join(taken.error.split())}"))
        self._write(lambda: self._journal.add_step(self._deployment, taken))

    def leave_trouble(self) -> None:
        """It is over, or done without: the row no longer says it."""
        if self._trouble is not None:
            self.amend(Amendment(step=self._trouble[0]))
            self._trouble = None

    def add_log(self, lines: Sequence[str]) -> None:
        self._write(lambda: self._journal.add_log(self._deployment, lines))

    def note_enabled(self, *, proving: bool) -> None:
        """Just before a start: what the backend is about to read, as the table says now.

        The run key is that of what is being proven: what the old one reads when it is put back
        must not be barred in its place. Where the table cannot be read, the last reading stands.
        """
        if self._mute:
            return
        try:
            with self._patience():
                self._journal.amend(self._deployment, self._reading.take(proving=proving))
        except DatabaseError as error:
            self._mute = True
            self.log.warning("enabled.unread", error=str(error))

    def _write(self, write: Callable[[], None]) -> None:
        if self.inside and self._mute:
            return
        try:
            with self._patience():
                write()
        except LeaseLost:
            raise  # what is left to be done is another's by now
        except RefitdError as error:
            if not self.inside:
                raise
            self._mute = isinstance(error, DatabaseError)
            self.log.warning("journal.unwritten", error=str(error))

    def _patience(self) -> AbstractContextManager[None]:
        return self._journal.briefly() if self.inside else nullcontext()
