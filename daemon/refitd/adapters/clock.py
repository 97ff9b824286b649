"""The machine's clock, as the shell wants it."""

from __future__ import annotations

import random
import time


class SystemClock:
    """`CLOCK_BOOTTIME`: it goes on while the machine sleeps, as leases do on the database's clock,
    and no clock adjustment makes it jump."""

    def now_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def dice(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret
