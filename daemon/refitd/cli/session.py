"""What every command needs: the settings, a way to the rest of refitd, and an end.

Data goes to stdout, whatever else there is to say to stderr. Exit codes:

* 0: done, or nothing to do
* 1: it did not work: an operating error, a deployment that failed, a finding of `doctor`
* 2: it was never begun: the command line or the settings are wrong
"""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from typer.core import TyperGroup

from refitd import app, logs
from refitd import settings as settings_
from refitd.core.finding import Finding
from refitd.core.redact import redact
from refitd.core.report import OnceResult, PlanView
from refitd.errors import BadRequest, RefitdError, SettingsError
from refitd.ports import Desk
from refitd.settings import Settings

DONE, FAILED, MISUSED = 0, 1, 2

ConfigOption = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="FILE", help="The settings, instead of refitd.toml."),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", "-t", metavar="NAME", help="Which target, of several.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")]


class Rooms(Protocol):
    """What the command line asks of `refitd.app`."""

    def run(self, settings: Settings) -> int: ...

    def once(self, settings: Settings, target: str | None) -> Sequence[OnceResult]: ...

    def plan(self, settings: Settings, target: str | None) -> Sequence[PlanView]: ...

    def desk(self, settings: Settings) -> AbstractContextManager[Desk]: ...

    def doctor(self, settings: Settings) -> Sequence[Finding]: ...

    def migrate(self, settings: Settings) -> Sequence[str]: ...


@dataclass
class Session:
    """One run of the command line."""

    rooms: Rooms = app
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    #: Between two looks of a command that waits.
    pause: Callable[[], None] = lambda: time.sleep(0.5)
    config: str | None = None

    def settings(self, config: str | None, *, acting: bool = False) -> Settings:
        """Read the settings, and send the audit log to stderr: of a command that acts all of
        it, of the others what goes wrong.
        """
        settings = settings_.load(config or self.config, self.environ, self.cwd)
        logs.configure(settings.log.level if acting else "warning", settings.log.format)
        if acting:
            for note in settings.notes:
                logs.get().warning("settings.noted", note=note)
        return settings


def session_of(context: typer.Context) -> Session:
    session = context.obj
    assert isinstance(session, Session)
    return session


def known(settings: Settings, target: str | None) -> str | None:
    """`target` as asked for, once it is sure that the settings have it."""
    names = [each.name for each in settings.targets]
    if target is None or target in names:
        return target
    alike = difflib.get_close_matches(target, names, n=1)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there is {', '.join(names)}"
    raise BadRequest(f"there is no target {target!r}; {hint}")


def only(settings: Settings, target: str | None) -> str:
    """The target that is meant: the one asked for, or the only one there is."""
    names = [each.name for each in settings.targets]
    if target is None and len(names) > 1:
        raise BadRequest(f"which target? --target is one of {', '.join(names)}")
    return known(settings, target) or names[0]


class Guarded(TyperGroup):
    """Turns an error that refitd raised on purpose into one message and an exit code.

    Any other is a bug: it keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RefitdError as error:
            typer.echo(f"refitd: {redact(str(error))}", err=True)
            misused = isinstance(error, SettingsError | BadRequest)
            raise typer.Exit(MISUSED if misused else FAILED) from None
