"""A container and an image as the engine shows them, in the words of this project.

`Container.inspect` keeps the engine's raw JSON beside the few fields that decisions need,
so that re-creating one loses nothing that this code has never heard of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

State = Literal["created", "running", "paused", "restarting", "exited", "dead", "removing"]
Health = Literal["none", "starting", "healthy", "unhealthy"]
Json = Mapping[str, Any]

#: From so many letters on, a part of an id is taken for one; a shorter word is a name.
SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class Container:
    """One look at one container."""

    id: str
    name: str
    image_id: str
    state: State
    health: Health = "none"
    #: The engine's own text, compared for equality only. Empty when never started.
    started_at: str = ""
    exit_code: int = 0
    restart_count: int = 0
    #: `no`, `always`, `unless-stopped` or `on-failure`, with its retry count.
    restart_policy: str = "no"
    restart_retries: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Network name to the aliases it bears there.
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inspect: Json = field(default_factory=dict, compare=False, repr=False)

    @property
    def runs(self) -> bool:
        return self.state == "running"

    def is_meant_by_id(self, word: str) -> bool:
        """Whether `word` is its id, or the beginning of it, and not its name."""
        return word != self.name and len(word) >= SHORT_ID and self.id.startswith(word)

    @classmethod
    def from_inspect(cls, raw: Json) -> Self:
        """Read what the engine answers to `GET /containers/ID/json`."""
        state, host, config = raw["State"], raw.get("HostConfig") or {}, raw["Config"]
        policy = host.get("RestartPolicy") or {}
        health: Health = (state.get("Health") or {}).get("Status") or "none"
        networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
        started_at = state.get("StartedAt") or ""
        return cls(
            id=raw["Id"],
            name=raw["Name"].lstrip("/"),
            image_id=raw["Image"],
            state=state["Status"],
            health=health,
            started_at="" if started_at.startswith("0001-") else started_at,
            exit_code=state.get("ExitCode") or 0,
            restart_count=raw.get("RestartCount") or 0,
            restart_policy=policy.get("Name") or "no",
            restart_retries=policy.get("MaximumRetryCount") or 0,
            labels=config.get("Labels") or {},
            networks={
                name: tuple((endpoint or {}).get("Aliases") or ())
                for name, endpoint in networks.items()
            },
            inspect=raw,
        )


@dataclass(frozen=True, slots=True)
class Image:
    """One look at one image. `created` is the engine's text, sorted as such."""

    id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    #: Docker's own proof exists for what is made from it.
    has_healthcheck: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """One of the engine's networks. A name may be borne by two, an id never."""

    id: str
    name: str
    driver: str = "bridge"


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What `POST /containers/create` is to be sent, and what must follow before the start."""

    name: str
    body: Json
    platform: str | None = None
    #: Networks (with their endpoint settings) to be connected before the start, for engines
    #: that take only one at creation.
    connect: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine answers. `id` tells two engines apart, `product` Docker's from another that
    speaks the same API; `time` is its clock, as its containers' `started_at` has it."""

    id: str
    version: str
    api_version: tuple[int, int]
    root_dir: str = ""
    product: str = ""
    time: str = ""
