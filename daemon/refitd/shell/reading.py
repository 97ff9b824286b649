"""What a container that is started now is about to read: the enabled ids, as the table has them.

Asked just before each start, so that a toggle committed before it needs no second restart, and
so that what fails is set aside for what it had read, and not for what the table said before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from refitd.core.deployment import Amendment
from refitd.core.fingerprint import run_key
from refitd.ports import Journal


class Reading:
    """The last reading of one target: `enabled`, and `tried`, the run key last put to the proof."""

    def __init__(self, journal: Journal, target: str) -> None:
        self._journal, self._target = journal, target
        self.enabled: tuple[str, ...] = ()
        self.tried = ""

    def begin(self, enabled: Iterable[str], tried: str) -> None:
        """What is known before anything is started."""
        self.enabled, self.tried = tuple(enabled), tried

    def take(self, *, proving: bool) -> Amendment:
        """Raises `DatabaseError`: then the last one stands. What the old one reads when it is
        put back is not what was tried, and must not be set aside in its place."""
        desired = self._journal.snapshot(self._target).desired
        self.enabled = desired.enabled
        amendment = Amendment(enabled=desired.enabled)
        if proving:
            self.tried = run_key(desired.enabled)
            amendment = replace(amendment, run_key=self.tried)
        return amendment
