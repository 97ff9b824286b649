"""What the shell needs of the outside world, and no more.

Each Protocol is met by an adapter (`refitd.adapters`) and by a fake in `tests/contracts`, and
both pass the same contract suite. Every method raises errors of `refitd.errors` only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from refitd.core.building import BuildLine, BuildRequest
from refitd.core.clone.residence import Server
from refitd.core.container import Container, CreateRequest, EngineInfo, Image, Json, Network
from refitd.core.deployment import (
    Amendment,
    Answer,
    Deployment,
    Lease,
    NewDeployment,
    Quarantine,
    Record,
    RequestKind,
    Retiree,
    Snapshot,
    StepRecord,
    TargetStatus,
)
from refitd.core.target import HttpProbe, Source


class Engine(Protocol):
    """A Docker-compatible engine. Raises `EngineUnavailable`, `EngineRefused`, `NotFound`,
    `Conflict`.

    After `EngineUnavailable` a call may have happened all the same: look again.
    """

    def info(self) -> EngineInfo: ...

    def absences(self) -> int:
        """How often it was found to have been away, whether or not a call was made meanwhile: a
        number that grows. Raises nothing."""
        ...

    def containers(self, target: str, names: Collection[str] = ()) -> tuple[Container, ...]:
        """All containers, in any state, labelled for `target` or bearing one of `names`."""
        ...

    def everyone(self) -> tuple[Container, ...]:
        """Every container of the engine, in any state (to find those that depend on ours)."""
        ...

    def container(self, id_or_name: str) -> Container | None: ...

    def create(self, request: CreateRequest) -> str:
        """Create (not start) a container, with all its networks; answers its id."""
        ...

    def start(self, container_id: str) -> None: ...

    def stop(self, container_id: str) -> None:
        """Stop by the container's own signal and timeout; fine when it does not run."""
        ...

    def restart(self, container_id: str) -> None:
        """Restart with the container's own stop timeout; the engine finishes it without us."""
        ...

    def pause(self, container_id: str) -> None: ...

    def unpause(self, container_id: str) -> None: ...

    def remove(self, container_id: str, *, anonymous_volumes: bool = False) -> None:
        """Remove, by force; fine when it is gone. Volumes stay unless asked otherwise."""
        ...

    def rename(self, container_id: str, name: str) -> None: ...

    def set_restart_policy(self, container_id: str, policy: str, retries: int = 0) -> None: ...

    def connect(self, container_id: str, network: str, endpoint: Json) -> None: ...

    def disconnect(self, container_id: str, network: str) -> None:
        """Fine when it is not connected."""
        ...

    def run_command(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> tuple[int, str]:
        """Run a command inside; answers its exit code and the end of its output."""
        ...

    def logs(self, container_id: str, lines: int = 40) -> str: ...

    def networks(self) -> tuple[Network, ...]:
        """All networks of the engine, the built-in ones too."""
        ...

    def changed_files(self, container_id: str) -> tuple[str, ...]:
        """Paths written into the container's own layer (`docker diff`)."""
        ...

    def image(self, reference: str) -> Image | None: ...

    def images(self, labels: Mapping[str, str]) -> tuple[Image, ...]:
        """Images that bear all these labels, newest first."""
        ...

    def tag(self, image_id: str, reference: str) -> None: ...

    def remove_image(self, reference: str) -> bool:
        """Remove a tag (or an untagged image); False when it is in use or gone."""
        ...

    def build(
        self,
        request: BuildRequest,
        on_line: Callable[[BuildLine], None],
        cancelled: Callable[[], bool],
    ) -> str:
        """Build an image and answer its id, as the stream's aux record has it.

        `on_line` gets each line of output; `cancelled` is asked about twice a second. Raises
        `BuildFailed`, `BuildTimedOut`, `BuildCancelled`; the engine has then been told to stop.
        """
        ...


class Git(Protocol):
    """Git remotes. Raises `SourceUnavailable`, `SourceRefused`."""

    def commit(self, source: Source) -> str:
        """The full commit id that the branch points to now (a digest of a local folder)."""
        ...

    def check_subdir(self, source: Source, commit: str) -> None:
        """Raise `SourceRefused` where there is no folder `subdir` at `commit`."""
        ...

    def checkout(self, source: Source, commit: str) -> AbstractContextManager[str]:
        """A folder holding `subdir` at `commit`, for as long as the context lasts."""
        ...


class Prober(Protocol):
    """Probes of a running container, from here."""

    def http(self, address: str, probe: HttpProbe, timeout_s: float) -> str | None:
        """None when it answered as it should, else what was wrong."""
        ...

    def tcp(self, address: str, port: int, timeout_s: float) -> str | None: ...


class Journal(Protocol):
    """The rows of schema `refitd`. Raises `DatabaseUnavailable`, `DatabaseRefused`.

    Every write that belongs to a deployment bears its epoch and does nothing but raise
    `LeaseLost` where the lease has a later one, or is another instance's in that epoch.
    """

    def briefly(self) -> AbstractContextManager[None]:
        """Inside, no answer is waited for longer than a moment: while nobody serves, what is not
        written is the lesser evil. Of the one thread that uses this journal."""
        ...

    def snapshot(self, target: str) -> Snapshot:
        """Its requests are those not taken up, or only by a deployment under way without a goal:
        cut off there, nothing of it can be gone on with."""
        ...

    def deployment(self, deployment_id: int) -> Deployment | None: ...

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]: ...

    def server(self) -> Server:
        """Where the database is, by the connection that this journal uses."""
        ...

    def open(self, new: NewDeployment) -> Deployment:
        """Write the row, and in the same transaction acknowledge its changes and requests.

        A deployment of the target that has not ended is superseded by it, also in the same
        transaction, and hands its changes on.
        """
        ...

    def amend(self, deployment: Deployment, amendment: Amendment) -> None:
        """Write new values; a state that ends it sets `finished_at`; NOTIFY refitd_status.

        Its requests are closed with it; one that ends superseded gives them back, and its
        changes, for the next snapshot to show.
        """
        ...

    def add_step(self, deployment: Deployment, step: StepRecord) -> None: ...

    def add_log(self, deployment: Deployment, lines: Sequence[str]) -> None:
        """Append lines to the build log."""
        ...

    def acknowledge(self, target: str, change_ids: Collection[int], epoch: int) -> None:
        """Mark changes as taken up without a deployment: the table is as the target is."""
        ...

    def close_request(self, request_id: int, outcome: str) -> None:
        """The first outcome stands. Raises `LeaseLost` where another instance has the lease."""
        ...

    def keep_record(self, target: str, record: Record, epoch: int) -> None: ...

    def quarantine(self, target: str, entry: Quarantine, epoch: int) -> None: ...

    def keep_quarantine(self, target: str, entries: Collection[Quarantine], epoch: int) -> None:
        """These entries and no others, all or nothing: what is kept is at no moment lifted."""
        ...

    def add_retiree(self, target: str, retiree: Retiree, epoch: int) -> None: ...

    def drop_retiree(self, target: str, container_id: str, epoch: int) -> None: ...

    def set_paused(self, target: str, paused: bool, epoch: int) -> None: ...  # noqa: FBT001 - a state

    def set_problem(self, target: str, problem: str | None) -> None:
        """What stands in the way of the target (missing, refused rows), for the status."""
        ...

    def prune(self, older_than_days: float) -> int:
        """Drop old changes, requests, deployments and logs; answers how many rows."""
        ...


class Leases(Protocol):
    """Who acts on a target. Raises `DatabaseUnavailable`, `DatabaseRefused`."""

    def take(self, target: str, engine_id: str, lease_s: float, floor: int = 0) -> Lease:
        """Take the lease if it is free, expired or our own instance's; answer how it stands.

        A take-over bumps the epoch above its last and above `floor`.
        """
        ...

    def renew(self, target: str, epoch: int, lease_s: float) -> bool:
        """Let it end `lease_s` from now, sooner or later than before; False when it is no longer
        ours, or when a later renewal was answered before."""
        ...

    def resign(self, target: str, epoch: int) -> None: ...

    def heartbeat(self, nonce: str) -> float:
        """Notify our own listener, from this (another) connection; answers how much of the
        server's queue of notifications is in use, 0 to 1."""
        ...


class Ear(Protocol):
    """The dedicated connection that LISTENs. Raises `DatabaseUnavailable`, `DatabaseRefused`."""

    def open(self) -> None:
        """Connect, LISTEN, and see that what another session notifies does arrive; afterwards
        nothing committed goes unheard."""
        ...

    def hear(self, timeout_s: float) -> Iterable[tuple[str, str]]:
        """(channel, payload) of all that arrives within the time, as soon as any does."""
        ...

    def close(self) -> None:
        """At once, whatever the wire does."""
        ...


class Desk(Protocol):
    """What the CLI reads and writes besides. Raises as `Journal`."""

    def status(self) -> tuple[TargetStatus, ...]: ...

    def history(self, target: str | None, limit: int) -> tuple[Deployment, ...]: ...

    def deployment(self, deployment_id: int) -> Deployment | None: ...

    def steps(self, deployment_id: int) -> tuple[StepRecord, ...]: ...

    def build_log(self, deployment_id: int) -> tuple[str, ...]: ...

    def request(self, target: str, kind: RequestKind, args: Mapping[str, object]) -> int:
        """Write a row of `refitd.request`; answers its id."""
        ...

    def answer(self, request_id: int) -> Answer:
        """What has become of a request so far."""
        ...


class Metrics(Protocol):
    """Numbers for a Prometheus to fetch; never an error."""

    def looked(self, target: str, wake: str) -> None: ...

    def ended(self, target: str, action: str, state: str, duration_s: float) -> None: ...

    def outage(self, target: str, seconds: float) -> None: ...

    def listener_state(self, state: str) -> None: ...


class Timer(Protocol):
    """Runs functions later, or again and again, on threads of its own."""

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None: ...

    def at(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        """Once, replacing an earlier one of that name; never dropped for being late."""
        ...

    def start(self) -> None: ...

    def ticks(self) -> bool:
        """Whether it lives; one that died says nothing, and nothing is called any more."""
        ...

    def revive(self) -> None:
        """Go on with all that was asked for."""
        ...

    def stop(self) -> None: ...


class Log(Protocol):
    """The audit log: dotted events in the past tense (`build.finished`), facts as flat keys.

    A traceback goes along with `exc_info=True`. Secrets are taken out on the way.
    """

    def bind(self, **context: object) -> Log: ...

    def info(self, event: str, **facts: object) -> None: ...

    def warning(self, event: str, **facts: object) -> None: ...

    def error(self, event: str, **facts: object) -> None: ...


class Supervisor(Protocol):
    """Whoever started us (systemd), told how we are. Never an error."""

    def ready(self) -> None: ...

    def status(self, text: str) -> None: ...

    def alive(self) -> None: ...

    def stopping(self) -> None: ...


class Clock(Protocol):
    """Time that does not jump: seconds since some fixed moment, suspended time included."""

    def now_s(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def dice(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...
