"""Our hold on one target's lease, as far as it can be trusted without asking again.

The lease lives in Postgres, with its expiry on the database's clock. What we know of it was
true when it was asked for, so trust begins with the moment *before* the question went out and
ends `lease_s` later, less a margin: whoever looks at it last acts before the lease can have
passed on. A worker looks before each step; the keeper's thread asks again every few seconds.

A critical section (the old container stopped, the new one not proven) is entered only after
the lease was extended over all of it, and is then finished even if the database is gone: nobody
else can have the lease before that time is over. Once it is over the lease is as short as before:
the next one would wait for a holder that dies then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.deployment import Lease
from refitd.errors import DatabaseError, LeaseLost
from refitd.ports import Clock, Leases


def latest_epoch(found: Iterable[Container], target: str) -> int:
    """The highest epoch on the labels of what was made for the target, or 0."""
    ours = [each.labels for each in found if each.labels.get(labels.TARGET) == target]
    epochs = [its.get(labels.EPOCH, "") for its in ours]
    return max((int(epoch) for epoch in epochs if epoch.isdigit()), default=0)


class Tenure:
    """One target's lease, used by its worker and by the keeper's thread."""

    def __init__(self, target: str, leases: Leases, clock: Clock, lease_s: float) -> None:
        self.target = target
        self._leases, self._clock, self._lease_s = leases, clock, lease_s
        self._extended = False
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._trusted_until_s = 0.0
        self._lost = "this daemon does not hold the lease"

    @property
    def epoch(self) -> int:
        """The epoch we act under. Raises `LeaseLost` where there is none."""
        with self._lock:
            return self._held().epoch

    @property
    def held(self) -> bool:
        with self._lock:
            return self._lease is not None and self._clock.now_s() < self._trusted_until_s

    @property
    def to_renew(self) -> int | None:
        """The epoch of a lease that was ours when last heard of; it may have run out since."""
        with self._lock:
            return self._lease.epoch if self._lease else None

    def ask(self, engine_id: str, floor: int = 0) -> bool:
        """Renew the lease, or try to take it; True when it has just become ours.

        Raises `DatabaseUnavailable`: then what was trusted goes on being so until it runs out.
        """
        with self._lock:
            if self._lease is not None:
                if self._extend(self._lease.epoch, self._lease_s):
                    return False
                self._lose()
                return False
            asked_s = self._clock.now_s()
            lease = self._leases.take(self.target, engine_id, self._lease_s, floor)
            if not lease.ours:
                self._lost = f"{lease.holder} holds the lease on {self.target}"
                return False
            self._lease, self._trusted_until_s = lease, asked_s + self._lease_s - self._margin_s
            return True

    def check(self) -> None:
        """Raises `LeaseLost` unless the lease can be trusted for another step."""
        with self._lock:
            self._held()

    def reassure(self) -> None:
        """Right before acting, in a critical section too: raises `LeaseLost` unless the lease can
        be trusted, or the database says that it is ours still.

        While it is trusted nobody is waited for: the keeper may be asking on a wire that is silent.
        """
        if self._lease is not None and self._clock.now_s() < self._trusted_until_s:
            return
        with self._lock:
            if self._lease is None:
                raise LeaseLost(self._lost)
            if self._clock.now_s() < self._trusted_until_s:
                return
            try:
                if self._extend(self._lease.epoch, self._lease_s):
                    return
            except DatabaseError as error:
                raise LeaseLost(
                    f"the lease on {self.target} ran out, and nobody says whose it is: {error}"
                ) from error
            self._lose()
            raise LeaseLost(self._lost)

    def heed(self, seen: int) -> None:
        """An epoch was seen on the engine: raises `LeaseLost` where it is above the one we act
        under. The lease is then to be taken anew, above that."""
        lease = self._lease  # not locked: the keeper may be asking on a wire that is silent
        if lease is None or lease.epoch >= seen:
            return
        with self._lock:
            if self._lease is lease:
                self._lose()
        raise LeaseLost(
            f"the engine has seen epoch {seen} of {self.target}, and this daemon acts under epoch"
            f" {lease.epoch}: the database went back in a failover, and another acted since"
        )

    def extend(self, seconds: float) -> None:
        """Extend it over a critical section of that length. Raises `LeaseLost`, and
        `DatabaseUnavailable`: then the section must not be entered."""
        with self._lock:
            # What the engine takes beyond that is reckoned in leases too.
            if not self._extend(self._held().epoch, seconds + 4 * self._lease_s):
                self._lose()
                raise LeaseLost(self._lost)
            self._extended = True

    def relax(self) -> None:
        """The critical section is over: from now on it is as long as any. Never raises: where the
        database cannot be told now, the next renewal tells it."""
        with self._lock:
            if self._lease is None or not self._extended:
                return
            self._extended = False
            # Trusted for less before the question, since nobody knows when it arrives.
            shorter_s = self._clock.now_s() + self._lease_s - self._margin_s
            self._trusted_until_s = min(self._trusted_until_s, shorter_s)
            with suppress(DatabaseError):
                self._extend(self._lease.epoch, self._lease_s)

    def resign(self) -> None:
        """Give it up, so that another takes over at once. Raises `DatabaseUnavailable`."""
        with self._lock:
            lease, self._lease = self._lease, None
            self._lost = f"the lease on {self.target} was given up"
            if lease is not None:
                self._leases.resign(self.target, lease.epoch)

    @property
    def _margin_s(self) -> float:
        return self._lease_s / 10

    def _held(self) -> Lease:
        if self._lease is None:
            raise LeaseLost(self._lost)
        if self._clock.now_s() >= self._trusted_until_s:
            raise LeaseLost(f"the lease on {self.target} could not be renewed in time")
        return self._lease

    def _lose(self) -> None:
        self._lease = None
        self._lost = f"the lease on {self.target} ran out, or has passed to another daemon"

    def _extend(self, epoch: int, seconds: float) -> bool:
        asked_s = self._clock.now_s()
        # Never shorter than what was asked for before: a renewal in a critical section must
        # not cut it short.
        lasting_s = max(seconds, self._trusted_until_s + self._margin_s - asked_s)
        if not self._leases.renew(self.target, epoch, lasting_s):
            return False
        self._trusted_until_s = asked_s + lasting_s - self._margin_s
        return True
