"""Who we are: an id kept in the state folder, which is locked while we live.

A restarted daemon finds its id there and takes its own lease back at once. Two daemons with
one folder would both believe to be the holder, hence the lock; the kernel lets it go when we
die, whatever we die of.
"""

from __future__ import annotations

import fcntl
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refitd.errors import SettingsError


@contextmanager
def claim(state_dir: Path, wanted: str | None = None) -> Iterator[str]:
    """The instance's id, for as long as the folder is ours. Raises `SettingsError`."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "lock").open("a+")
    except OSError as error:
        raise SettingsError(
            f"`state_dir`: cannot write to {state_dir}: {error.strerror}; make it, or set another"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"another refitd uses the state folder {state_dir}; give this one its own `state_dir`"
            ) from error
        yield wanted or _kept(state_dir / "instance")


def _kept(path: Path) -> str:
    if path.exists():
        kept = path.read_text().strip()
        if kept:
            return kept
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    made = f"{host}-{secrets.token_hex(4)}"
    path.write_text(made + "\n")
    return made
