"""Whose end may be the engine's doing, and no fault of the container's.

An engine that is killed leaves its containers running. Started again (without `live-restore`) it
stops them, and counts that as a stop by hand: whoever has the policy `unless-stopped` stays down.
So of a container that ended around the time at which the engine could not be reached, or was found
to have been away since the last look, nothing can be concluded: it is to be started again, and
proven again. That is borne a few times, so that one which takes the engine down whenever it is
started does not go on for ever; who was proven, or runs while nothing is under way, has a clean
slate. All who work on a target share one of these objects, and the engine that it lends them:
whoever finds that away may not be who looks next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, cast

from refitd.core.container import Container
from refitd.errors import EngineUnavailable
from refitd.ports import Engine

#: How often one container may be excused.
PATIENCE = 3


class Interruptions:
    """Remembers absences of the engine, and who ended around them."""

    def __init__(self) -> None:
        self._was_away = False
        self._absences: Callable[[], int] = lambda: 0
        self._known: int | None = None
        self._down: set[str] = set()
        self._excused: Counter[str] = Counter()

    def noted_of(self, engine: Engine) -> Engine:
        """The same engine; that a call got no answer is noted here, whoever made it."""
        self._absences = engine.absences
        return cast("Engine", _Noted(engine, self.engine_was_away))

    def engine_was_away(self) -> None:
        """It did not answer; or nobody can tell whether it was there."""
        self._was_away = True

    def started(self, container_id: str) -> None:
        """It has had its start: what comes after that is its own doing."""
        self._down.discard(container_id)

    def recovered(self, container_id: str) -> None:
        """It was proven, or runs with nothing under way: how often it was excused counts no more."""
        self._excused.pop(container_id, None)

    def among(self, seen: Iterable[Container]) -> frozenset[str]:
        """The ids of those seen who are down, and may not be blamed for it. Each look is asked about
        once."""
        was_away_since = self._was_away_since()
        down = {each.id for each in seen if each.state in ("exited", "dead")}
        self._down &= down
        if self._was_away or was_away_since:
            new = {id_ for id_ in down - self._down if self._excused[id_] < PATIENCE}
            self._excused.update(new)
            self._down |= new
        # It may have been away after this look: then the next one shows what it left.
        self._was_away = was_away_since
        return frozenset(self._down)

    def _was_away_since(self) -> bool:
        before, self._known = self._known, self._absences()
        return before not in (None, self._known)


class _Noted:
    """An engine, and who is to know that it did not answer."""

    def __init__(self, engine: Engine, unanswered: Callable[[], None]) -> None:
        self._engine, self._unanswered = engine, unanswered

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._engine, name)

        @wraps(call)
        def noted(*args: Any, **options: Any) -> Any:
            try:
                return call(*args, **options)
            except EngineUnavailable:
                self._unanswered()
                raise

        return noted
