"""A deployment: one attempt to bring a target in step, and the rows that tell of it.

These are the values behind `refitd.deployment` and its neighbours. A deployment moves
`pending → building → replacing → proving` and ends in one of the last five states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from refitd.core.module import Desired, Row, desired_from

Action = Literal["rebuild", "restart", "rollback"]
Status = Literal[
    "pending",
    "building",
    "replacing",
    "proving",
    "succeeded",
    "failed",
    "rolled_back",
    "cancelled",
    "superseded",
]
Wake = Literal["start", "notify", "poll", "reconnect", "request", "lease", "retry", "watch"]
RequestKind = Literal["rebuild", "restart", "rollback", "pause", "resume", "retry", "cancel"]

ENDED: frozenset[Status] = frozenset(
    ("succeeded", "failed", "rolled_back", "cancelled", "superseded")
)


@dataclass(frozen=True, slots=True)
class Change:
    """An unacknowledged row of `refitd.change`."""

    id: int
    effect: Literal["rebuild", "restart"]
    modules: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """An open row of `refitd.request`. `args` as the operator wrote them."""

    id: int
    kind: RequestKind
    args: dict[str, Any]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What has become of a request: the deployment that took it up, or how it was closed.

    While both are unset nobody has looked at it yet.
    """

    deployment_id: int | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of the container that stands for the target: `refitd.record`, one a target.

    `modules` and `enabled` are what it was built of and what it read when it started at
    `started_at`; for a container that was adopted, what the table said at that moment.
    """

    container_id: str
    image_id: str
    started_at: str
    build_key: str
    modules: tuple[str, ...]
    enabled: tuple[str, ...]
    commit: str | None = None
    deployment_id: int | None = None
    adopted: bool = False

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Record:
        values = dict(raw)
        for name in ("modules", "enabled"):
            values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A failure that is not tried again until it is lifted: `refitd.quarantine`.

    A failed build bears no run key: no toggle could mend it. `retry_at` is only set where the
    cause was transient; it is on the database's clock, like `Snapshot.at`.
    """

    build_key: str
    run_key: str | None
    attempts: int
    cause: str
    deployment_id: int
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A row of `refitd.deployment`. `goal` is `core.rollout.Goal` as JSON, once there is one."""

    id: int
    target: str
    action: Action
    state: Status
    reason: str
    wake: Wake
    epoch: int
    instance: str
    modules: tuple[str, ...]
    enabled: tuple[str, ...]
    build_key: str
    run_key: str
    created_at: datetime
    commit: str | None = None
    image_key: str | None = None
    image_id: str | None = None
    old_container: str | None = None
    new_container: str | None = None
    strategy: str | None = None
    step: str | None = None
    progress_step: int | None = None
    progress_total: int | None = None
    outage_s: float | None = None
    error: str | None = None
    goal: dict[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """What is known of a deployment when its row is first written (state `pending`)."""

    target: str
    action: Action
    reason: str
    wake: Wake
    epoch: int
    instance: str
    modules: tuple[str, ...]
    enabled: tuple[str, ...]
    build_key: str
    run_key: str
    change_ids: tuple[int, ...] = ()
    request_ids: tuple[int, ...] = ()
    old_container: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """New values for a deployment row; `None` leaves a column as it is."""

    state: Status | None = None
    action: Action | None = None
    step: str | None = None
    progress_step: int | None = None
    progress_total: int | None = None
    commit: str | None = None
    image_key: str | None = None
    image_id: str | None = None
    new_container: str | None = None
    strategy: str | None = None
    enabled: tuple[str, ...] | None = None
    run_key: str | None = None
    outage_s: float | None = None
    error: str | None = None
    goal: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A row of `refitd.deployment_step`: one thing done, how long it took, and its failure."""

    step: str
    duration_s: float
    detail: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Retiree:
    """A container kept (stopped) behind its successor until `due_at`: `refitd.retiree`.

    Until then it is the way back: `deployment_id` is the deployment that replaced it.
    """

    container_id: str
    name: str
    image_id: str
    successor_id: str
    deployment_id: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the database says of one target, read in one transaction.

    `at` is the database's clock then. `unfinished` is the newest deployment that has not
    ended, `retirees` oldest first.
    """

    at: datetime
    rows: tuple[Row, ...] = ()
    changes: tuple[Change, ...] = ()
    requests: tuple[Request, ...] = ()
    record: Record | None = None
    quarantine: tuple[Quarantine, ...] = ()
    retirees: tuple[Retiree, ...] = ()
    unfinished: Deployment | None = None
    paused: bool = False
    watched: bool = True

    @property
    def desired(self) -> Desired:
        """What the backend should be, by the rows and what is known of what runs."""
        return desired_from(self.rows, self.record.modules if self.record else ())


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as Postgres has it. `ours` where this instance holds it."""

    target: str
    holder: str
    epoch: int
    ours: bool
    engine_id: str = ""
    expires_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A row of the view `refitd.status`, for the CLI and the web app."""

    target: str
    #: `in_step`, `behind`, `working`, `failed`, `paused`, `missing`, `unwatched`, `unattended`
    condition: str
    detail: str
    deployment_id: int | None = None
    action: Action | None = None
    state: Status | None = None
    step: str | None = None
    progress_step: int | None = None
    progress_total: int | None = None
    error: str | None = None
    container_id: str | None = None
    image_id: str | None = None
    modules: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    pending_changes: int = 0
    holder: str | None = None
    updated_at: datetime | None = None
