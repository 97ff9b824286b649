"""The audit log of one target, in which every event says under which epoch it came about.

The epoch is that of the lease at the moment of the event, and of a lease that was just lost the last
one: what is said then is still of what was done under it. Which deployment it is about is for
whoever says it; not every event is about one.
"""

from __future__ import annotations

from contextlib import suppress

from refitd.errors import LeaseLost
from refitd.ports import Log
from refitd.shell.tenure import Tenure


class Epoch:
    """The epoch of a tenure, remembered beyond its end."""

    def __init__(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._last: int | None = None

    def now(self) -> int | None:
        """None before there was any."""
        with suppress(LeaseLost):
            self._last = self._tenure.epoch
        return self._last


class Audit:
    """A `ports.Log` that signs what is said; an epoch that was bound or given stands."""

    def __init__(self, log: Log, epoch: Epoch, *, signed: bool = False) -> None:
        self._log, self._epoch, self._signed = log, epoch, signed

    def bind(self, **context: object) -> Audit:
        signed = self._signed or "epoch" in context
        return Audit(self._log.bind(**context), self._epoch, signed=signed)

    def info(self, event: str, **facts: object) -> None:
        self._log.info(event, **self._sign(facts))

    def warning(self, event: str, **facts: object) -> None:
        self._log.warning(event, **self._sign(facts))

    def error(self, event: str, **facts: object) -> None:
        self._log.error(event, **self._sign(facts))

    def _sign(self, facts: dict[str, object]) -> dict[str, object]:
        epoch = None if self._signed else self._epoch.now()
        return facts if epoch is None else {"epoch": epoch, **facts}
