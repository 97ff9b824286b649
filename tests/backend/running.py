"""The example backend as a process: put together as an image build does, run without Docker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from refitd import gen_modules

SOURCE = Path(__file__, "../../../examples/backend").resolve()
DEADLINE_S = 20.0
#: What a service finds in its environment must be what the test put there.
OURS = ("DATABASE_", "MODULES", "HANDOVER", "REPLACING_", "CONTAINER_NAME", "DOCKER_", "PORT")


def assemble(folder: Path, modules: str) -> Path:
    """Do what the Dockerfile does: copy, vendor, generate."""
    app = folder / "app"
    shutil.copytree(SOURCE, app)
    shutil.copy(gen_modules.__file__, app / "gen_modules.py")
    generate = [sys.executable, "gen_modules.py", "--language", "python", "--modules", modules]
    subprocess.run(generate, cwd=app, check=True)
    return app


def environment(**variables: str) -> dict[str, str]:
    """Give this process's environment, with nothing in it that the service listens to."""
    inherited = {key: text for key, text in os.environ.items() if not key.startswith(OURS)}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PORT": "0", **variables}


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """Read it as JSON."""
        return json.loads(self.text)


class Running:
    """A service that listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Learn from its output which port it got; a hand-over may have been told of before."""
        assert process.stdout
        said: list[str] = []
        while not (said and said[-1].startswith("listening on port ")):
            line = process.stdout.readline()
            assert line, f"it ended without listening: {said}"
            said.append(line)
        self.process = process
        self.port = int(said[-1].rsplit(maxsplit=1)[1])

    def get(self, path: str) -> Answer:
        """Ask for a path."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def wait_until_healthy(self) -> None:
        """Wait for the 200 of `/health`."""
        give_up_at = time.monotonic() + DEADLINE_S
        while (answer := self.get("/health")).status != 200:
            assert time.monotonic() < give_up_at, answer
            time.sleep(0.02)

    def stop(self) -> int:
        """Tell it to stop, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(DEADLINE_S)


@contextmanager
def serving(app: Path, **variables: str) -> Iterator[Running]:
    """Run the service for as long as the block lasts."""
    command = [sys.executable, "service.py"]
    with subprocess.Popen(
        command, cwd=app, env=environment(**variables), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()
