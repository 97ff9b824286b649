"""Where what took long is kept from one run to the next."""

import os
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The file or folder that `make` makes at the path it is given, made once for each key.

    It appears whole or not at all: a run that is cut off leaves nothing half done, and of two that
    make it at once one is thrown away.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refitd-rig"
    kept = home / f"{kind}-{sha256(key.encode()).hexdigest()[:16]}"
    if kept.exists():
        return kept
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{kind}-", dir=home) as unfinished:
        made = Path(unfinished) / "made"
        make(made)
        if not kept.exists():
            made.rename(kept)
    return kept
