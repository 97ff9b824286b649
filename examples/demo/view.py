"""What is seen: a line for everything that happens and, on a terminal, how it goes below them.

Where nobody looks at a terminal it is plain lines, the steps of a build among them.
"""

import threading
import time
from collections.abc import Sequence
from typing import Self

from rich.console import Console, ConsoleRenderable, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from act import Act
from audit import Event
from load import Load
from scenes import Scene
from words import words

#: Where no terminal tells its width, lines must not be broken.
WIDE = 250


class View:
    """The terminal, for as long as its block lasts. Any thread may call it."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self.console = console if console.is_terminal else Console(highlight=False, width=WIDE)
        self._lock = threading.Lock()
        self._began_s = time.monotonic()
        self._loads: Sequence[Load] = ()
        self._doing = ""
        self._build: tuple[int, int, str] | None = None
        self._spinner = Spinner("dots")
        self._live = Live(console=self.console, get_renderable=self._below, refresh_per_second=8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, text: str, style: str = "") -> None:
        """A line, with the time."""
        since = f"{time.monotonic() - self._began_s:7.1f} s  "
        with self._lock:
            self.console.print(Text.assemble((since, "dim"), (text, style)))

    def show(self, what: RenderableType) -> None:
        """Something larger. Text is broken by the terminal alone, so that it can be pasted."""
        with self._lock:
            self.console.print(what, soft_wrap=isinstance(what, str))

    def trouble(self, text: str) -> None:
        """What went wrong."""
        self.say(text, "bold red")

    def at(self, what: str) -> None:
        """What is being done right now."""
        self._doing = what
        if what:
            self.say(f"preparing {what}", "dim")

    def count(self, loads: Sequence[Load]) -> None:
        """Requests begin: from now on show how it goes (before, a question may be asked there)."""
        self._loads = loads
        if self.console.is_terminal:
            self._live.start()

    def close(self) -> None:
        """What goes on is over."""
        self._loads, self._build = (), None
        self._live.stop()

    def scene(self, scene: Scene) -> None:
        """A scene begins."""
        self._doing = scene.title
        self.show("")
        self.say(f"{scene.title}: {scene.written}", "bold cyan")

    def heard(self, event: Event) -> None:
        """The daemon said something."""
        self._note_build(event)
        said = words(event)
        if said is not None:
            self.say(f"  {said[0]}", said[1])

    def ended(self, act: Act) -> None:
        """A scene is over."""
        for fault in act.faults:
            self.trouble(f"  {fault}")
        if not act.faults:
            self.say(f"  as it should be, after {act.took_s:.1f} s", "green")

    def _note_build(self, event: Event) -> None:
        if event.name == "build.advanced":
            self._build = int(event["step"]), int(event["total"]), str(event["line"])
            if not self.console.is_terminal:
                self.say(f"  {event['line']}", "dim")
        elif event.name in {"build.finished", "deployment.ended"}:
            self._build = None

    def _below(self) -> ConsoleRenderable:
        if not self._loads:
            return Text("")
        line = Table.grid(padding=(0, 2))
        self._spinner.update(text=Text(self._doing))
        line.add_row(self._spinner, *self._progress(), *self._requests())
        return Group(Text(""), line)

    def _progress(self) -> list[RenderableType]:
        if self._build is None:
            return []
        step, total, text = self._build
        return [ProgressBar(total=total, completed=step, width=20), Text(text[:60], style="dim")]

    def _requests(self) -> list[RenderableType]:
        made = [each for load in self._loads for each in load.all()]
        failed = sum(1 for each in made if each.failure)
        return [Text(f"{len(made)} requests, {failed} failed")]
