"""The goal of a replacement, and the steps that can be taken towards it.

A goal is decided once and then only pursued: it stands in the deployment row (as JSON) before
the first step, so that whoever starts next goes on with it. What has been done is read off
the engine, not off the goal; only what leaves no trace there (a canary was proven, the drain
is over, the direction was turned, and why) is noted in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from refitd.core.companions import Companion
from refitd.core.container import Json
from refitd.core.deployment import Record

Way = Literal["swap", "overlap", "restart"]
Role = Literal["canary", "successor"]
#: Of the old one, of a companion as it was, and of the likeness that is to take its place.
Theirs = Literal["old", "old_companion", "companion"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a deployment wants of the engine, and how."""

    deployment: int
    target: str
    #: Of the lease under which it was decided; it is on the labels of what is created.
    epoch: int
    way: Way
    #: The final name, and the container that bears it before.
    name: str
    old_id: str
    #: State in which the old one was found, and is put back or succeeded in.
    old_state: Literal["running", "paused", "stopped"]
    old_policy: str
    old_retries: int
    #: Of the container that is restarted in place: how to tell that it was.
    old_started_at: str
    #: It fell over again and again: it is put back as it was, and is nothing good to go back to.
    old_falls_over: bool = field(default=False, kw_only=True)
    #: Whenever it is started it stops whoever bears the name that its environment tells, which is
    #: the final one: the old hand-over.
    old_hands_over: bool = field(default=False, kw_only=True)
    image_id: str
    #: The tag that containers are created by, the one that moves on success, what it was before.
    tag: str
    configured_tag: str | None
    configured_before: str | None
    canary: bool
    #: Networks bound late (overlap), each with the aliases that are then due there.
    late: Mapping[str, tuple[str, ...]]
    drain_s: float
    #: Who lives in the old one's namespaces or uses its volumes, each after those it depends on.
    companions: tuple[Companion, ...] = ()
    #: The record of the old one, for the day it is put back.
    before: Mapping[str, Any] | None = None
    #: What was noted on the way.
    canary_proven: bool = False
    drained: bool = False
    turned: str | None = None
    #: The engine has answered that it restarted the old one in place.
    restarted: bool = field(default=False, kw_only=True)
    #: It was restarted in place, and not proven: from there is no way back. When the life began in
    #: which it was given up.
    restarted_at: str = field(default="", kw_only=True)
    #: How often something was created in part only, and removed to be created once more.
    made_anew: int = field(default=0, kw_only=True)
    #: What each of `late` is connected with: read off the old one, which may be gone by then.
    endpoints: Mapping[str, Json] = field(default_factory=dict, kw_only=True)
    #: What is run in the old one before its drain is over.
    drain_command: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def previous_name(self) -> str:
        """What the old one is called once the successor bears the final name."""
        return self.previous(self.name)

    def previous(self, name: str) -> str:
        """What the one called so is called once another bears that name."""
        return previous_name(name, self.deployment)

    def transitional_name(self, role: Role) -> str:
        return transitional_name(self.name, role, self.deployment)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Goal:
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        late = {network: tuple(aliases) for network, aliases in values.pop("late").items()}
        companions = tuple(map(Companion.from_json, values.pop("companions", ())))
        command = tuple(values.pop("drain_command", ()))
        return cls(**values, late=late, companions=companions, drain_command=command)

    @property
    def record_before(self) -> Record | None:
        return Record.from_json(self.before) if self.before else None


def previous_name(name: str, deployment: int | str) -> str:
    return f"{name}-previous-{deployment}"


def other_name(name: str, id_: str) -> str:
    """What somebody else's container is called that must not bear the final name."""
    return f"{name}-other-{id_[:12]}"


def transitional_name(name: str, role: Role, deployment: int | str) -> str:
    return f"{name}-{role}-{deployment}"


@dataclass(frozen=True, slots=True)
class Create:
    role: Role | Literal["companion"]
    #: The id of the companion that it is about, where it is; so below.
    of: str = ""


@dataclass(frozen=True, slots=True)
class MakeAnew:
    """Remove what was created in part only, so that it is created once more; written down, so that
    it ends."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Start:
    id: str
    role: Role | Theirs
    of: str = ""


@dataclass(frozen=True, slots=True)
class Restart:
    id: str
    role: Literal["", "old_companion"] = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    id: str
    role: Role | Theirs
    of: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    id: str


@dataclass(frozen=True, slots=True)
class Remove:
    id: str
    role: Role | Literal["companion"]
    of: str = ""


@dataclass(frozen=True, slots=True)
class Rename:
    """`of` as in `SetPolicy`."""

    id: str
    name: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """`of`, where it is about a companion or its likeness: the companion's id."""

    id: str
    policy: str
    retries: int
    of: str = ""


@dataclass(frozen=True, slots=True)
class Connect:
    id: str
    network: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    id: str
    network: str


@dataclass(frozen=True, slots=True)
class Tag:
    image_id: str
    reference: str


@dataclass(frozen=True, slots=True)
class Drain:
    """A command in the old one, whose end is waited for, and then a while."""

    seconds: float
    id: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in a moment: nothing can be done until the engine or the backend moved."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoteCanaryProven:
    """Write down that the canary was proven; it may then go."""


@dataclass(frozen=True, slots=True)
class TurnBack:
    """Write down that this will not be, and why; from here on the old one is put back."""

    cause: str


Step = (
    Create
    | MakeAnew
    | Start
    | Restart
    | Stop
    | Pause
    | Remove
    | Rename
    | SetPolicy
    | Connect
    | Disconnect
    | Tag
    | Drain
    | Wait
    | NoteCanaryProven
    | TurnBack
)


@dataclass(frozen=True, slots=True)
class Succeeded:
    container_id: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The old one serves as it did before."""

    cause: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It went wrong, and there was nothing to go back to. `transient`: by no fault of the image,
    so that it is worth another try."""

    cause: str
    transient: bool = False


Outcome = Succeeded | RolledBack | Failed
