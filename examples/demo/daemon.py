"""refitd itself: its schema, its settings, its process."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from audit import Audit, Event
from rig.child import Child, Traces
from rig.missing import MissingPart
from target import Target

REFITD = (sys.executable, "-m", "refitd")
READY_S = 60.0


class Daemon:
    """`refitd run` in a folder of its own, as a context manager; its log is read as it grows."""

    def __init__(self, name: str, heard: Callable[[Event], None]) -> None:
        self._heard = heard
        self._stack = ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix=f"refitd-{name}-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self.config = self._folder / "refitd.toml"
        self.state = self._folder / "state"
        self.log = self._folder / "log"
        self.log.touch()
        self.audit = Audit(self.log, heard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def migrate(self, settings: str, owner: str) -> None:
        """Write the settings, and with them install the schema, as the database's owner."""
        self.config.touch(mode=0o600)
        self.config.write_text(settings)
        done = subprocess.run(
            [*REFITD, "migrate", "--config", str(self.config)],
            env=_environment() | {"REFITD_DSN": owner},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MissingPart(f"`refitd migrate` failed:\n{done.stderr.strip()}")

    def run(self, targets: Sequence[Target]) -> None:
        """Start it, and wait until it listens and has met its targets."""
        self._child = Child(
            argv=[*REFITD, "run", "--config", str(self.config)],
            log=self.log,
            env=_environment(),
            traces=Traces(folders=[self._folder]),
        )
        self.audit.start()
        self._stack.callback(self.audit.stop)
        self._stack.enter_context(self._child)
        self.audit.wait(0, "daemon.ready", READY_S)
        for target in targets:
            self.audit.wait(0, "target.looked", READY_S, decision="nothing", target=target.name)

    def leave(self) -> str:
        """Let it run on; returns the command that takes it down, with its folder."""
        self.audit.stop()
        self._stack.pop_all()
        return f"kill {self._child.leave()}"


def _environment() -> dict[str, str]:
    """This machine's, less what refitd would listen to."""
    deaf = ("REFITD_", "DATABASE_URL", "DOCKER_", "CONTAINER_NAME", "GIT_", "IMAGE_TAG")
    supervised = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_")
    ours = (*deaf, *supervised)
    return {name: text for name, text in os.environ.items() if not name.startswith(ours)}
