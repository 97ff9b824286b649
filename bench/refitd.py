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
from refitd.adapters.postgres import migrate

_NUMBER = re.compile(r"'not valid (\d+)'")


class Refitd:
    """A daemon of its own, with a state folder of its own; a context manager."""

    name = "refitd"

    def __init__(
        self,
        line: Line,
        docker_host: str,
        folder: Path,
        *,
        dsn: str | None = None,
        poll: str = "30s",
        look_quiet: str = "500ms",
        listens: bool = True,
    ) -> None:
        """`dsn` is the way it takes, if not by the line's proxy; `listens` whether to wait for
        that as it is started."""
        self.line = line
        self.sightings = Sightings()
        #: What it has logged, parsed.
        self.events: list[dict[str, object]] = []
        self._told = threading.Condition()
        self._listens = threading.Event()
        self._waits = listens
        self._folder = folder
        self._config = folder / "refitd.toml"
        self._config.write_text(
            f"""\
dsn = {json.dumps(dsn or line.dsn)}
docker_host = {json.dumps(docker_host)}
state_dir = {json.dumps(str(folder / "state"))}
[timing]
poll = {json.dumps(poll)}
look_quiet = {json.dumps(look_quiet)}
[target.backend]
container = "nobody-{folder.name}"
image = "nobody:latest"
source = {{ path = {json.dumps(str(folder))} }}
"""
        )

    def __enter__(self) -> Self:
        migrate(self.line.cluster.dsn(self.line.database))
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
        if self._waits:
            self.wait_until_it_listens()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def pid(self) -> int:
        """The daemon's."""
        return self.process.pid

    def change(self, n: int) -> None:
        """The row's id says the number."""
        self.line.run(f"update modules set id = 'not valid {n}'")  # noqa: S608 - a number

    def begin_anew(self) -> None:
        """Is never called for."""
        raise RuntimeError(f"refitd did not get over it: {self.events[-20:]}")

    def wait_until_it_listens(self) -> None:
        """And hears itself."""
        if not self._listens.wait(60):
            raise RuntimeError(f"refitd did not get to listen: {self.events[-20:]}")

    def wait_for(self, event: str, timeout_s: float = 20.0, **holding: str) -> dict[str, object]:
        """The first event of this name, each of these facts holding that text."""

        def found() -> dict[str, object] | None:
            for each in list(self.events):
                facts = all(text in str(each.get(fact)) for fact, text in holding.items())
                if each["event"] == event and facts:
                    return each
            return None

        with self._told:
            self._told.wait_for(lambda: found() is not None, timeout_s)
        if (event_ := found()) is None:
            raise RuntimeError(f"refitd did not say {event} {holding}: {self.events[-20:]}")
        return event_

    @property
    def _argv(self) -> list[str]:
        return [sys.executable, "-m", "refitd", "--config", str(self._config)]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            event = json.loads(line)
            with self._told:
                self.events.append(event)
                self._told.notify_all()
            if event.get("event") == "target.looked":
                for number in _NUMBER.findall(" ".join(event["refused"])):
                    self.sightings.saw(int(number), all_before=True)
            if event.get("event") == "listener.moved" and event.get("state") == "synced":
                self._listens.set()
