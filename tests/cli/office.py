"""A refitd for the command line to talk to: rows in memory, and a daemon that is one's own hand.

`Office` stands for `refitd.app`, `MemoryDesk` for the rows. Real code throughout: what a command
wrote is looked up afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner, Result

from refitd.cli import cli
from refitd.cli.session import Session
from refitd.core.deployment import (
    Answer,
    Deployment,
    RequestKind,
    Status,
    StepRecord,
    TargetStatus,
)
from refitd.core.finding import Finding
from refitd.core.report import OnceResult, PlanView
from refitd.errors import RefitdError
from refitd.ports import Desk
from refitd.settings import Settings

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

ENVIRONMENT = {
    "REFITD_DSN": "postgresql://refitd:hunter2@db/panel",
    "REFITD_TARGET__BACKEND__CONTAINER": "panel-backend",
    "REFITD_TARGET__BACKEND__IMAGE": "panel-backend:latest",
    "REFITD_TARGET__BACKEND__SOURCE__REPO": "https://git.example.org/panel/core.git",
}
SECOND = {
    "REFITD_TARGET__WORKER__CONTAINER": "panel-worker",
    "REFITD_TARGET__WORKER__IMAGE": "panel-worker:latest",
    "REFITD_TARGET__WORKER__SOURCE__REPO": "https://git.example.org/panel/core.git",
}


def a_deployment(id_: int = 41, state: Status = "succeeded", **more: object) -> Deployment:
    plain = Deployment(
        id=id_,
        target="backend",
        action="rebuild",
        state=state,
        reason="audit was added",
        wake="notify",
        epoch=7,
        instance="one",
        modules=("audit", "mail"),
        enabled=("audit",),
        build_key="b",
        run_key="r",
        created_at=NOON,
        commit="0123456789abcdef0123",
        outage_s=0.757,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=48.2),
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # a test names the fields it means


@dataclass
class MemoryDesk:
    """`ports.Desk` over lists."""

    statuses: list[TargetStatus] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    steps_of: dict[int, list[StepRecord]] = field(default_factory=dict)
    log_of: dict[int, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, RequestKind, dict[str, object]]] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)

    def status(self) -> tuple[TargetStatus, ...]:
        return tuple(self.statuses)

    def history(self, target: str | None, limit: int) -> tuple[Deployment, ...]:
        rows = [row for row in self.deployments if target in {None, row.target}]
        return tuple(sorted(rows, key=lambda row: -row.id)[:limit])

    def deployment(self, deployment_id: int) -> Deployment | None:
        return next((row for row in self.deployments if row.id == deployment_id), None)

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]:
        return tuple(self.steps_of.get(deployment_id, ()))

    def build_log(self, deployment_id: int) -> tuple[str, ...]:
        return tuple(self.log_of.get(deployment_id, ()))

    def request(self, target: str, kind: RequestKind, args: Mapping[str, object]) -> int:
        self.requests.append((target, kind, dict(args)))
        return len(self.requests)

    def answer(self, request_id: int) -> Answer:
        return self.answers.get(request_id, Answer())


@dataclass
class Office:
    """`refitd.app`, answering what a test has laid out; each call is noted down."""

    rows: MemoryDesk = field(default_factory=MemoryDesk)
    results: Sequence[OnceResult] = ()
    views: Sequence[PlanView] = ()
    found: Sequence[Finding] = ()
    exit_code: int = 0
    trouble: RefitdError | None = None
    settings: Settings | None = None
    asked_for: str | None = None

    def _with(self, settings: Settings, target: str | None = None) -> None:
        self.settings, self.asked_for = settings, target
        if self.trouble:
            raise self.trouble

    def run(self, settings: Settings) -> int:
        self._with(settings)
        return self.exit_code

    def once(self, settings: Settings, target: str | None) -> Sequence[OnceResult]:
        self._with(settings, target)
        return self.results

    def plan(self, settings: Settings, target: str | None) -> Sequence[PlanView]:
        self._with(settings, target)
        return self.views

    @contextmanager
    def desk(self, settings: Settings) -> Iterator[Desk]:
        self._with(settings)
        yield self.rows

    def doctor(self, settings: Settings) -> Sequence[Finding]:
        self._with(settings)
        return self.found

    def migrate(self, settings: Settings) -> Sequence[str]:
        self._with(settings)
        return ["001_schema.sql", "002_change.sql"]


def no_pause() -> None:
    raise AssertionError("nothing here is waited for")


def refitd(
    *arguments: str,
    office: Office | None = None,
    environ: Mapping[str, str] = ENVIRONMENT,
    cwd: Path = Path("/nonexistent"),
    pause: Callable[[], None] = no_pause,
) -> Result:
    """Run the command line; `pause` is what happens between two looks of one that waits."""
    session = Session(rooms=office or Office(), environ=environ, cwd=cwd, pause=pause)
    return CliRunner().invoke(cli, list(arguments), obj=session)
