"""A wall clock that a program alone sees, and that can be stepped while it runs.

Clocks that only count on (`CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`) stay the machine's, as they do when
an administrator or a time server steps the wall clock.
"""

from collections.abc import Mapping
from pathlib import Path

from rig import debian
from rig.missing import MissingPart

_WHY = "tests need a wall clock that is wrong"
#: libfaketime shifts what Python sleeps until, although that is by a clock it was told to leave
#: alone; a wait that says how long it is, is left alone.
_SLEEP = """\
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


class WallClock:
    """At first it is so many hours ahead of the machine's."""

    def __init__(self, file: Path, ahead_h: float = 0.0) -> None:
        """`file` is for its own use, and so is a folder beside it."""
        self._file, self._library = file, _library()
        self._modules = file.with_suffix(".modules")
        self._modules.mkdir()
        (self._modules / "sitecustomize.py").write_text(_SLEEP)
        self.step_to(ahead_h)

    def step_to(self, ahead_h: float) -> None:
        """From the next reading on it is so many hours ahead of the machine's, or behind."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_h * 3600:+g}s")
        new.replace(self._file)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a Python program must be started with to see it."""
        return {
            "PYTHONPATH": str(self._modules),
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def _library() -> Path:
    if not (found := _find()):
        debian.install("libfaketime", why=_WHY)
        found = _find()
    if not found:
        raise MissingPart(f"{_WHY}: libfaketime is installed, but its library is not there")
    return found


def _find() -> Path | None:
    # The one for programs of several threads; `lib64` is where other systems than Debian have it.
    places = ("lib/*/faketime", "lib/faketime", "lib64/faketime")
    found = [each for place in places for each in Path("/usr").glob(f"{place}/libfaketimeMT.so.1")]
    return found[0] if found else None
