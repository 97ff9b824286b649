"""`refitd doctor`: look at everything that refitd leans on, and say how to mend what is wrong.

Each part is looked at by itself: that the database is away must not hide that the disk is
full. Nothing is changed by looking.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from refitd.core.clone.refusal import FLOOR
from refitd.core.container import Container, EngineInfo
from refitd.core.finding import Finding
from refitd.core.plan import call_to_watch, id_for_name, unwatched
from refitd.core.target import Target
from refitd.errors import DatabaseError, EngineTooOld, RefitdError, SourceRefused
from refitd.ports import Engine, Git, Journal
from refitd.shell.vetting import Vetted, Vetting

_GIB = 2**30
#: Two images and their layers while one is built; a lock and an id.
ENGINE_ROOM = 2 * _GIB
STATE_ROOM = _GIB // 64


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Doctor:
    """All checks. `database` is the database's own part, `own_id` our container's, if any."""

    targets: Sequence[Target]
    engine: Engine
    git: Git
    database: Callable[[], Sequence[Finding]]
    journal: Callable[[], Journal]
    state_dir: Path
    own_id: str | None = None
    free: Callable[[Path], int] = free_bytes

    def findings(self) -> tuple[Finding, ...]:
        return (
            *self._database(),
            *self._watched(),
            *self._engine(),
            *self._sources(),
            *self._state_dir(),
        )

    def _database(self) -> Iterator[Finding]:
        try:
            yield from self.database()
        except RefitdError as error:
            yield Finding("database", ok=False, detail=str(error), remedy="check `dsn`")

    def _watched(self) -> Iterator[Finding]:
        """What keeps the rows from being read at all is the database's own finding."""
        for target in self.targets:
            try:
                watched = self.journal().snapshot(target.name).watched
            except DatabaseError:
                continue
            yield Finding(
                f"rows of {target.name}",
                ok=watched,
                detail="a table is watched" if watched else unwatched(target.name),
                remedy="" if watched else call_to_watch(target.name),
            )

    def _engine(self) -> Iterator[Finding]:
        try:
            info = self.engine.info()
        except EngineTooOld as error:
            yield Finding("engine", ok=False, detail=str(error), remedy="upgrade the engine")
            return
        except RefitdError as error:
            yield Finding(
                "engine",
                ok=False,
                detail=str(error),
                remedy="start it; check `docker_host`, and that this user may use the socket "
                "(usually: is in the group `docker`)",
            )
            return
        yield _version(info)
        yield from self._engine_room(info)
        for target in self.targets:
            yield self._container(target)

    def _engine_room(self, info: EngineInfo) -> Iterator[Finding]:
        folder = Path(info.root_dir)
        if not info.root_dir or not folder.exists():
            return  # another machine's, or outside of the container refitd runs in
        yield self._room("engine disk", folder, ENGINE_ROOM, "remove what `docker system df` shows")

    def _container(self, target: Target) -> Finding:
        name = f"container of {target.name}"
        try:
            found = self.engine.container(target.container)
            if found is None:
                return Finding(
                    name,
                    ok=False,
                    detail=f"there is no container {target.container!r}",
                    remedy="start the backend once by hand (`docker run --name …`), or correct "
                    f"`target.{target.name}.container`; refitd takes over what is there",
                )
            if found.is_meant_by_id(target.container):
                said = id_for_name(target, found)
                return Finding(name, ok=False, detail=said, remedy="write the name instead")
            vetted = self._vetted(target, found)
        except RefitdError as error:
            return Finding(name, ok=False, detail=str(error), remedy="look at the engine's log")
        if vetted.refusals:
            return Finding(
                name,
                ok=False,
                detail=f"{found.name} cannot be replaced: {'; '.join(vetted.refusals)}",
                remedy="change what is named, then run `refitd plan`",
                notes=vetted.warnings,
            )
        detail = f"{found.name} is {found.state}"
        return Finding(name, ok=True, detail=detail, notes=vetted.warnings)

    def _vetted(self, target: Target, found: Container) -> Vetted:
        """With the database away, which is a finding of its own, by what the engine says alone."""
        try:
            return Vetting(target, self.engine, self.journal(), self.own_id).of(found)
        except DatabaseError:
            return Vetting(target, self.engine, None, self.own_id).of(found)

    def _sources(self) -> Iterator[Finding]:
        for target in self.targets:
            yield self._source(target)

    def _source(self, target: Target) -> Finding:
        name, source = f"source of {target.name}", target.source
        try:
            commit = self.git.commit(source)
            self.git.check_subdir(source, commit)
        except RefitdError as error:
            refused = isinstance(error, SourceRefused)
            key = f"`target.{target.name}.source`"
            remedy = f"correct {key}, or its access" if refused else "check network and address"
            return Finding(name, ok=False, detail=str(error), remedy=remedy)
        where = f"branch {source.branch}" if source.repo else f"folder {source.path}"
        return Finding(name, ok=True, detail=f"{where} is at {commit[:12]}")

    def _state_dir(self) -> Iterator[Finding]:
        """A folder that is not there yet is made by the daemon, if it may."""
        there = next(place for place in (self.state_dir, *self.state_dir.parents) if place.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            yield Finding(
                "state folder",
                ok=False,
                detail=f"{self.state_dir} cannot be written to",
                remedy="give it to the user refitd runs as, or set `state_dir`",
            )
            return
        yield self._room("state folder", there, STATE_ROOM, "make room, or set `state_dir`")

    def _room(self, name: str, folder: Path, need: int, remedy: str) -> Finding:
        try:
            free = self.free(folder)
        except OSError as error:
            return Finding(name, ok=False, detail=f"{folder}: {error.strerror}", remedy=remedy)
        detail = f"{folder} has {free / _GIB:.1f} GiB free"
        if free < need:
            detail += f", and should have {need / _GIB:.2g}"
        return Finding(name, ok=free >= need, detail=detail, remedy="" if free >= need else remedy)


def _version(info: EngineInfo) -> Finding:
    have, need = (".".join(map(str, version)) for version in (info.api_version, FLOOR))
    ok = info.api_version >= FLOOR
    detail = f"version {info.version}, API {have}" + ("" if ok else f", below {need}")
    return Finding("engine", ok=ok, detail=detail, remedy="" if ok else "upgrade the engine")
