"""What `make demo KEEP=1` leaves up, how to play with it, and how it is taken down again."""

import json
import os
import select
import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import docker

import sweep
from rig.dockerd import answers
from view import View

#: In the checkout, where `make clean` would remove it.
NOTES = Path(__file__).resolve().parents[2] / ".cache" / "demo"
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Left:
    """A demo that outlives its program.

    `commands` take its servers down, in this order; `engine` is set where that is not ours alone,
    and `images` are what we brought there besides.
    """

    name: str
    engine: str
    images: Sequence[str]
    commands: Sequence[str]

    def note(self) -> None:
        """Write down what there is to be taken down."""
        NOTES.mkdir(parents=True, exist_ok=True)
        (NOTES / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=2))


def take_down(which: str, view: View) -> int:
    """Take down the demo of this name, or whatever was left by whichever run."""
    notes = sorted(NOTES.glob(f"{which if which.startswith('demo-') else '*'}.json"))
    if not notes:
        view.say("there is nothing to take down")
    for note in notes:
        left = Left(**json.loads(note.read_text()))
        view.say(f"taking {left.name} down")
        _end(left)
        note.unlink()
    return 0


def _end(left: Left) -> None:
    first, *others = [command for command in left.commands if command]
    _kill(first)  # refitd, before what it works on
    if left.engine and answers(left.engine):
        with closing(docker.DockerClient(left.engine)) as client:
            sweep.descendants(client, left.name)
            sweep.images(client, left.images)
    for command in others:
        _kill(command)


def _kill(command: str) -> None:
    """`kill PID`, if that is one of our keepers still, and wait until it has cleared up."""
    pid = int(command.removeprefix("kill "))
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if b"keeper.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
            select.select([process], [], [], PATIENCE_S)
    finally:
        os.close(process)
