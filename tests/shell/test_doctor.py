"""`doctor`: each thing that refitd leans on is looked at, and every fault comes with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from refitd.core.container import EngineInfo
from refitd.core.finding import Finding
from refitd.core.target import Source, Target
from refitd.errors import (
    DatabaseUnavailable,
    EngineTooOld,
    EngineUnavailable,
    RefitdError,
    SourceRefused,
    SourceUnavailable,
)
from refitd.shell.doctor import ENGINE_ROOM, STATE_ROOM, Doctor
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.contracts.model_engine import ModelEngine

REPO = "https://git.example.org/panel/core.git"
BACKEND = Target("backend", "panel-backend", "panel-backend:latest", Source(repo=REPO))
DATABASE_IS_WELL = Finding("database", ok=True, detail="PostgreSQL 17")


@dataclass
class Remote:
    """A git remote that answers one commit, or an error."""

    answer: str | RefitdError = "0123456789abcdef"
    lacks: RefitdError | None = None

    def commit(self, source: Source) -> str:
        del source
        if isinstance(self.answer, RefitdError):
            raise self.answer
        return self.answer

    def check_subdir(self, source: Source, commit: str) -> None:
        del source, commit
        if self.lacks:
            raise self.lacks

    def checkout(self, source: Source, commit: str) -> AbstractContextManager[str]:
        raise AssertionError(f"doctor fetches nothing: {source}, {commit}")


class Engine(ModelEngine):
    """The model engine, with an `info` that a test can set."""

    told: EngineInfo | RefitdError = EngineInfo("E", "29.1", (1, 52))

    def info(self) -> EngineInfo:
        if isinstance(self.told, RefitdError):
            raise self.told
        return self.told


@dataclass
class Machine:
    """All that doctor looks at, in good health until a test spoils it."""

    state_dir: Path
    engine: Engine = field(default_factory=Engine)
    git: Remote = field(default_factory=Remote)
    database: Sequence[Finding] | RefitdError = (DATABASE_IS_WELL,)
    rows: MemoryDatabase = field(default_factory=MemoryDatabase)
    free: int = 10 * ENGINE_ROOM
    targets: Sequence[Target] = (BACKEND,)

    def __post_init__(self) -> None:
        self.rows.watch("backend")
        self.engine.add_image("panel-backend:latest")
        self.engine.run("panel-backend", "panel-backend:latest")

    def findings(self, own_id: str | None = None) -> dict[str, Finding]:
        found = Doctor(
            targets=self.targets,
            engine=self.engine,
            git=self.git,
            database=self._database,
            journal=lambda: MemoryJournal(self.rows),
            state_dir=self.state_dir,
            own_id=own_id,
            free=lambda _: self.free,
        ).findings()
        return {finding.name: finding for finding in found}

    def ill(self) -> Finding:
        """The only finding that is not well."""
        (finding,) = (each for each in self.findings().values() if not each.ok)
        return finding

    def _database(self) -> Sequence[Finding]:
        if isinstance(self.database, RefitdError):
            raise self.database
        return self.database


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine on which all is well."""
    return Machine(tmp_path / "state")


def test_all_is_well(machine: Machine, tmp_path: Path) -> None:
    """Every part is named with what was seen of it, and nothing was changed by looking."""
    machine.engine.told = EngineInfo("E", "29.1", (1, 52), root_dir=str(tmp_path))
    machine.engine.calls.clear()
    findings = machine.findings()
    assert all(finding.ok for finding in findings.values())
    assert findings["database"] is DATABASE_IS_WELL
    assert findings["rows of backend"].detail == "a table is watched"
    assert findings["engine"].detail == "version 29.1, API 1.52"
    assert findings["engine disk"].detail == f"{tmp_path} has 20.0 GiB free"
    assert findings["container of backend"].detail == "panel-backend is running"
    assert findings["source of backend"].detail == "branch main is at 0123456789ab"
    assert findings["state folder"].ok
    assert list(machine.engine.calls) == []
    assert not machine.state_dir.exists()


def test_one_ill_part_hides_no_other(machine: Machine) -> None:
    """With database and engine away, source and disk are looked at all the same."""
    machine.database = DatabaseUnavailable("connection refused")
    machine.engine.told = EngineUnavailable("no such socket")
    findings = machine.findings()
    assert [name for name, finding in findings.items() if not finding.ok] == ["database", "engine"]
    assert findings["source of backend"].ok
    assert findings["state folder"].ok


@pytest.mark.parametrize(
    "told, detail, remedy",
    [
        (EngineUnavailable("no such socket"), "no such socket", "docker_host"),
        (EngineTooOld("API 1.38"), "API 1.38", "upgrade"),
        (EngineInfo("E", "19.3", (1, 40)), "version 19.3, API 1.40, below 1.41", "upgrade"),
    ],
)
def test_the_engine(
    machine: Machine, told: EngineInfo | RefitdError, detail: str, remedy: str
) -> None:
    """It does not answer, or is too old."""
    machine.engine.told = told
    finding = machine.findings()["engine"]
    assert (finding.ok, finding.detail) == (False, detail)
    assert remedy in finding.remedy


def test_a_target_without_a_table(machine: Machine) -> None:
    """One that no table is watched for never does anything: the call to make is said."""
    worker = replace(BACKEND, name="worker")
    machine.targets = [BACKEND, worker]
    finding = machine.ill()
    assert finding.name == "rows of worker"
    assert finding.detail == "no table is watched for target 'worker'"
    assert finding.remedy == "SELECT refitd.watch('public.modules', target => 'worker')"


def test_rows_that_cannot_be_read(machine: Machine) -> None:
    """Why is the database's own finding, and said once."""
    machine.database, machine.rows.down = DatabaseUnavailable("connection refused"), True
    assert machine.ill().name == "database"


def test_a_missing_subdir(machine: Machine) -> None:
    """A folder that the source lacks is found before a build would miss it."""
    machine.git.lacks = SourceRefused("no folder 'backnd'")
    finding = machine.ill()
    assert (finding.name, finding.detail) == ("source of backend", "no folder 'backnd'")
    assert "correct `target.backend.source`" in finding.remedy


def test_a_container_that_is_not_there(machine: Machine) -> None:
    """Its setting is named, and how to begin."""
    machine.targets = [replace(BACKEND, container="nobody")]
    finding = machine.ill()
    assert finding.detail == "there is no container 'nobody'"
    assert "`target.backend.container`" in finding.remedy


def test_a_container_named_by_its_id(machine: Machine) -> None:
    """Its name is said, which is what the settings need."""
    found = machine.engine.container("panel-backend")
    assert found is not None
    machine.targets = [replace(BACKEND, container=found.id[:12])]
    assert 'container = "panel-backend"' in machine.ill().detail


def test_a_container_that_cannot_be_replaced(machine: Machine) -> None:
    """Each objection, long before a rebuild would meet it."""
    machine.engine.run("fleeting", "panel-backend:latest", HostConfig={"AutoRemove": True})
    machine.targets = [replace(BACKEND, container="fleeting")]
    assert "fleeting cannot be replaced: it was started with --rm" in machine.ill().detail


def test_the_container_that_refitd_runs_in(machine: Machine) -> None:
    """It would stop itself."""
    own = machine.engine.container("panel-backend")
    assert own is not None
    finding = machine.findings(own.id)["container of backend"]
    assert not finding.ok
    assert "refitd itself" in finding.detail


@pytest.mark.parametrize(
    "error, remedy",
    [
        (SourceRefused("no branch main"), "correct `target.backend.source`"),
        (SourceUnavailable("no answer"), "check network"),
    ],
)
def test_the_source(machine: Machine, error: RefitdError, remedy: str) -> None:
    """What a person must correct is told from what may pass."""
    machine.git.answer = error
    finding = machine.ill()
    assert (finding.name, finding.detail) == ("source of backend", str(error))
    assert remedy in finding.remedy


def test_the_disk(machine: Machine, tmp_path: Path) -> None:
    """Too little for another image, and too little for anything."""
    machine.engine.told = EngineInfo("E", "29.1", (1, 52), root_dir=str(tmp_path))
    machine.free = ENGINE_ROOM - 1
    assert machine.ill().name == "engine disk"
    assert "docker system df" in machine.ill().remedy
    machine.free = STATE_ROOM - 1
    findings = machine.findings()
    assert not findings["state folder"].ok
    assert "`state_dir`" in findings["state folder"].remedy


def test_an_engine_elsewhere_has_no_disk_here(machine: Machine) -> None:
    """A root folder that is not on this machine is not judged."""
    machine.engine.told = EngineInfo("E", "29.1", (1, 52), root_dir="/nowhere/docker")
    assert "engine disk" not in machine.findings()


def test_a_state_folder_that_cannot_be(machine: Machine, tmp_path: Path) -> None:
    """A file is in the way; a folder that does not exist yet is no fault."""
    (tmp_path / "file").write_text("")
    machine.state_dir = tmp_path / "file" / "state"
    finding = machine.ill()
    assert finding.name == "state folder"
    assert "cannot be written to" in finding.detail
