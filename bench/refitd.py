"""The daemon itself, watched: `refitd run` on real parts.

A change that costs nothing but a look is a row whose id is refused: the look that first sees it
says so, and nothing is done. Nobody bears the target's name, so nothing else is done either.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from bench.faults import Line
from bench.measure import Sightings

_NUMBER = re.compile(r"'not valid (\d+)'")


class Refitd:
    """A daemon of its own, with a state folder of its own; a context manager."""

    name = "refitd"

    def __init__(self, line: Line, docker_host: str, folder: Path) -> None:
        self.line = line
        self.sightings = Sightings()
        #: What it has logged, parsed.
        self.events: list[dict[str, object]] = []
        self._listens = threading.Event()
        self._folder = folder
        self._config = folder / "refitd.toml"
        self._config.write_text(
            f"""\
dsn = {json.dumps(line.dsn)}
docker_host = {json.dumps(docker_host)}
state_dir = {json.dumps(str(folder / "state"))}
[target.backend]
container = "nobody-{folder.name}"
image = "nobody:latest"
source = {{ path = {json.dumps(str(folder))} }}
"""
        )

    def __enter__(self) -> Self:
        self._run("migrate")
        self.line.run(
            "create table modules (id text primary key, has_backend boolean, enabled boolean);"
            " select refitd.watch('modules');"
            " insert into modules values ('not valid 0', true, true)"
        )
        self.process = subprocess.Popen(
            [*self._argv, "run"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listens.wait(60):
            raise RuntimeError(f"refitd did not get to listen: {self.events[-20:]}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def change(self, n: int) -> None:
        """The row's id says the number."""
        self.line.run(f"update modules set id = 'not valid {n}'")  # noqa: S608 - a number

    @property
    def _argv(self) -> list[str]:
        return [sys.executable, "-m", "refitd", "--config", str(self._config)]

    def _run(self, command: str) -> None:
        done = subprocess.run([*self._argv, command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"refitd {command}: {done.stderr}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            event = json.loads(line)
            self.events.append(event)
            if event.get("event") == "target.looked":
                for number in _NUMBER.findall(" ".join(event["refused"])):
                    self.sightings.saw(int(number))
            if event.get("event") == "listener.moved" and event.get("state") == "synced":
                self._listens.set()
