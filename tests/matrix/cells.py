"""The cells of the kill matrix: a scene, the call to the engine at which somebody dies, and who.

The daemon's calls go through a proxy of its own, which counts those that may change something
("acts") and can hold one:

    asked   the request has not reached the engine; all before it is done and written down
    done    the engine has done it, and the answer is on its way
    noted   the first look that follows it: it is written down, and nothing has followed

While it is held, somebody is killed, and started again. Then all must come out as if nobody had
been: see `Scene.unlike`. One thing is the engine's own: a port that it keeps for nobody
(`kept_port`). Where it is shown to, it is stopped and started, and then all must come out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from rig.dockerd import Dockerd
from rig.engine_proxy import EngineProxy, Held
from rig.proxy import Proxy
from tests.acceptance.panel import Daemon, Panel, until
from tests.matrix import kept_port
from tests.matrix.scenes import Scene

Moment = Literal["asked", "done", "noted"]
Fault = Literal["daemon", "daemon, without Postgres", "engine", "machine"]

#: Of each fault, the moments that differ: an engine that died has nothing written down to differ
#: by, and to a machine that went down with all its programs it is the same who was to speak next.
MOMENTS: Mapping[Fault, tuple[Moment, ...]] = {
    "daemon": ("asked", "done", "noted"),
    "daemon, without Postgres": ("asked", "done"),
    "engine": ("asked", "done"),
    "machine": ("done",),
}
#: Without a database only one thing can be done, and that is not waited for long.
RESCUE_S = 30.0
#: An engine's start, a deployment that begins anew, the watch window of what it deploys.
CALM_S = 120.0


@dataclass(frozen=True)
class Call:
    """A call by what it says: the first such, after so many others."""

    method: str
    path: str
    skip: int = 0

    def __str__(self) -> str:
        nth = f" (after {self.skip})" if self.skip else ""
        return f"{self.method} {self.path}{nth}"


@dataclass(frozen=True)
class Played:
    """Which call it was, and whether the engine, killed while it started the target, kept the port
    of that for nobody, and had to be started once more (`kept_port`)."""

    call: str
    port_was_kept: bool = False

    def __str__(self) -> str:
        return f"{self.call} (ENGINE KEPT THE PORT)" if self.port_was_kept else self.call


@dataclass(frozen=True)
class Cell:
    """One cell. Acts are numbered from 0, in the order in which a daemon left alone asks them."""

    scene: Scene
    fault: Fault
    act: int | Call
    moment: Moment

    def __str__(self) -> str:
        return f"{self.scene.name}: {self.fault} killed, act {self.act} {self.moment}"

    def play(self, panel: Panel, dockerd: Dockerd, postgres_port: int) -> Played | None:
        """Play it; None where the scene has no such call.

        Raises `AssertionError` where it does not come out as it should.
        """
        self.scene.set_up(panel)
        with _Stage(panel, dockerd, postgres_port) as stage:
            before = str(panel.container().id)
            stage.start()
            held = self._hold(stage.engine)
            self.scene.act(panel)
            until(
                lambda: held.arrived or not self.scene.unlike(panel, before),
                f"{self}: the call, or the end",
                CALM_S,
                every_s=0.2,
            )
            if not held.arrived:
                return None
            call = stage.engine.acts[-1].brief
            stage.strike(self.fault, lambda: _end(held, self.moment))
            end = self.scene
            if end.take_back is not None and self.fault in ("engine", "machine"):
                # Those start the old one too, and so it has read the row that it cannot bear.
                until(lambda: end.says_failed(panel), f"{self}: a failure on record", CALM_S)
                end.take_back(panel)
                end = replace(end, back=False)
            try:
                self._wait_for(end, panel, before, stage)
            except AssertionError:
                if self.fault not in ("engine", "machine") or not kept_port.is_kept(panel):
                    raise
                kept_port.give_back(dockerd)
                self._wait_for(end, panel, before, stage)
                return Played(call, port_was_kept=True)
            return Played(call)

    def _hold(self, engine: EngineProxy) -> Held:
        if isinstance(self.act, Call):
            assert self.moment != "noted", "only acts by number are noted"
            call = self.act
            return engine.hold(call.method, call.path, skip=call.skip, moment=self.moment)
        if self.moment == "noted":
            return engine.hold_look_after(self.act)
        return engine.hold_act(self.act, self.moment)

    def _wait_for(self, end: Scene, panel: Panel, before: str, stage: _Stage) -> None:
        found = [""]

        def over() -> bool:
            found[0] = end.unlike(panel, before)
            return not found[0]

        try:
            until(over, f"{self}: the end", CALM_S, every_s=0.2)
        except AssertionError as late:
            raise AssertionError(f"{late}: {found[0]}\n{stage.daemon.story()}") from None


class _Stage:
    """A daemon with its own ways to the engine and to Postgres; a context manager."""

    def __init__(self, panel: Panel, dockerd: Dockerd, postgres_port: int) -> None:
        self._panel, self._dockerd, self._postgres_port = panel, dockerd, postgres_port
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # Not in tmp_path, which may be too long for a socket's address.
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        socket = Path(self._dockerd.host.removeprefix("unix://"))
        self.engine = self._stack.enter_context(EngineProxy(folder / "docker.sock", socket))
        self._line = self._stack.enter_context(Proxy("127.0.0.1", self._postgres_port))
        self._settings = replace(
            self._panel,
            docker_host=self.engine.host,
            dsn=self._panel.dsn.replace(f":{self._postgres_port}/", f":{self._line.port}/"),
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.end()
        self._stack.close()

    def start(self) -> None:
        """Up to where it has adopted what is there."""
        self._run()
        self.daemon.wait_until_it_listens()
        self.daemon.wait_for("target.adopted")

    def strike(self, fault: Fault, end: Callable[[], None]) -> None:
        """Kill whom it says, end the call that is held, and start again whom was killed."""
        with self._postgres_away(fault):
            if fault != "engine":
                self.daemon.process.kill()
            if fault == "engine":
                self._dockerd.kill()
            if fault == "machine":
                self._dockerd.crash()
            end()
            if fault in ("engine", "machine"):
                self._dockerd.start()
            if fault != "engine":
                self.daemon.end()
                self._run()

    @contextmanager
    def _postgres_away(self, fault: Fault) -> Iterator[None]:
        """From before the death until somebody serves again."""
        if fault != "daemon, without Postgres":
            yield
            return
        self._line.refuse()
        self._line.reset()
        yield
        until(self._panel.serves, f"somebody serves: {self.daemon.story()}", RESCUE_S)
        self._line.admit()

    def _run(self) -> None:
        self.daemon = Daemon(self._settings.config(), self._settings.folder)


def _end(held: Held, moment: Moment) -> None:
    if moment == "done":
        held.let_go()
    else:
        held.drop()
