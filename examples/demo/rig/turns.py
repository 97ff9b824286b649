"""Turns at what this machine has once: its package manager, its free addresses."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Waits until no other process of the rig is inside for the same; the kernel lets go for one
    that dies there."""
    with (Path(tempfile.gettempdir()) / f"refitd-rig-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
