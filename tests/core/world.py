"""A small world for `next_step`: what an engine does, in as many lines as decisions need.

It performs steps as the shell would, lets a script of mishaps befall them, and can be asked at
any moment whether somebody serves, what one start would do, and what a reboot would leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from refitd.core.companions import started_before
from refitd.core.container import Container
from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Failed,
    Goal,
    MakeAnew,
    NoteCanaryProven,
    Outcome,
    Pause,
    Remove,
    Rename,
    Restart,
    RolledBack,
    SetPolicy,
    Start,
    Step,
    Stop,
    Succeeded,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.proof import PROVEN, Verdict
from refitd.core.rollout import next_step, turned_back
from refitd.core.seen import SERVES, Pair, Seen

#: What can happen to a call: it is refused; it gets no answer, and was or was not done; it is
#: done, and the host is rebooted.
Mishap = Literal["refused", "lost", "unheard", "reboot"]
#: What becomes of a container that is started: it gets healthy, falls over, or is refused.
Fate = Literal["good", "bad", "refused"]


class Refused(Exception):
    """The engine said no."""


def container(id_: str, name: str, **values: object) -> Container:
    """A container of this world."""
    base = Container(id_, name, "image-1", "running", started_at="noon", restart_policy="always")
    return replace(base, **values)  # type: ignore[arg-type]


def goal_of(**values: object) -> Goal:
    """A swap with a canary; `values` change what a test is about."""
    base = Goal(
        deployment=41,
        target="backend",
        epoch=1,
        way="swap",
        name="api",
        old_id="old",
        old_state="running",
        old_policy="always",
        old_retries=0,
        old_started_at="noon",
        image_id="image-2",
        tag="api:refitd-41",
        configured_tag="api:latest",
        configured_before="image-1",
        canary=True,
        late={},
        drain_s=0.0,
    )
    return replace(base, **values)  # type: ignore[arg-type]


@dataclass
class World:
    """The containers of one goal, and what befalls them."""

    goal: Goal
    canary_fate: Fate = "good"
    successor_fate: Fate = "good"
    mishaps: Iterator[Mishap | None] = field(default_factory=lambda: iter(()))
    containers: dict[str, Container] = field(default_factory=dict)
    by_hand: set[str] = field(default_factory=set)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    tag_image: str | None = "image-1"
    gate: tuple[str, ...] = ()
    taken: list[Step] = field(default_factory=list)
    starts: int = 0
    once_proven: set[str] = field(default_factory=set)
    companion_fates: dict[str, Fate] = field(default_factory=dict)
    outcome: Outcome | None = None

    def __post_init__(self) -> None:
        """The old one, as the goal found it."""
        state = {"running": "running", "paused": "paused", "stopped": "exited"}
        networks = dict.fromkeys(self.goal.late, ("api",))
        old = container(
            "old",
            "api",
            state=state[self.goal.old_state],
            restart_policy=self.goal.old_policy,
            networks=networks,
        )
        self.containers.setdefault("old", old)
        for each in self.goal.companions:
            self.containers.setdefault(
                each.id,
                container(
                    each.id,
                    each.name,
                    state=state[each.state],
                    started_at=each.started_at,
                    restart_policy=each.policy,
                ),
            )

    # -- looking -----------------------------------------------------------------------------------

    @property
    def old(self) -> Container | None:
        """By its id."""
        return self.containers.get("old")

    @property
    def successor(self) -> Container | None:
        """By its role."""
        return self.containers.get("successor")

    @property
    def stranger(self) -> Container | None:
        """Who bears the final name, and is none of ours."""
        return next((c for c in self.containers.values() if c.id == "stranger"), None)

    def put_in_place_by_hand(self) -> None:
        """Somebody calls whoever bears the final name otherwise, and gives it to another."""
        for each in list(self.containers.values()):
            if each.name == "api":
                self._change(each.id, name="api-by-hand")
        self.containers["stranger"] = container("stranger", "api")

    @property
    def seen(self) -> Seen:
        """One look; whoever is looked at a second time has been given time enough."""
        seen = Seen(
            self.old,
            self.successor,
            self.containers.get("canary"),
            stranger=self.stranger,
            pairs=tuple(
                Pair(each, self.containers.get(each.id), self.containers.get(f"new {each.id}"))
                for each in self.goal.companions
            ),
            verdicts=dict(self.verdicts),
            gate=self.gate,
            tag_image=self.tag_image,
        )
        for id_, verdict in self.verdicts.items():
            if verdict.is_ == "pending":
                self.verdicts[id_] = self._verdict(id_)
        self.once_proven |= {id_ for id_, verdict in seen.verdicts.items() if verdict is PROVEN}
        return seen

    @property
    def serving(self) -> bool:
        """Somebody runs (or is paused, where that is how it was) that is not the canary."""
        ours = [c for c in (self.old, self.successor) if c]
        return any(each.state in ("running", "paused") for each in ours)

    def one_start_serves(self) -> bool:
        """Nothing runs, and a start of the old one would go through."""
        return self.old is not None and self.old.state == "exited" and not self.serving

    def comes_up(self) -> bool:
        """After a reboot at this moment, somebody would run, and nobody who was never proven."""
        up = {each.id for each in (self.old, self.successor) if each and self._comes_up(each)}
        return bool(up) and up <= {"old", *self.once_proven}

    # -- going on ----------------------------------------------------------------------------------

    def steps(self, most: int = 200) -> Iterator[Step | Outcome]:
        """Pursue the goal as the shell does, and yield each step once it was tried."""
        for _ in range(most):
            step = next_step(self.goal, self.seen)
            if isinstance(step, Succeeded | RolledBack | Failed):
                self.outcome = step
                yield step
                return
            self.taken.append(step)
            self._try(step)
            yield step
        raise AssertionError(f"no end after {most} steps: {self.taken[-4:]}")

    def run(self) -> Outcome:
        """To the end."""
        for _ in self.steps():
            pass
        assert self.outcome
        return self.outcome

    def _try(self, step: Step) -> None:
        if self._noted(step):
            return
        mishap = next(self.mishaps, None)
        try:
            if mishap == "refused":
                raise Refused(str(step))
            if mishap != "lost":
                self._perform(step)
                if isinstance(step, Restart) and step.id == self.goal.old_id and mishap is None:
                    self.goal = replace(self.goal, restarted=True)
        except Refused as error:
            if self.goal.turned is None and mishap != "unheard":
                self.goal = replace(self.goal, turned=f"refused: {error}")
        if mishap == "reboot":
            self._reboot()

    def _noted(self, step: Step) -> bool:
        match step:
            case NoteCanaryProven():
                self.goal = replace(self.goal, canary_proven=True)
            case TurnBack(cause=cause):
                self.goal = turned_back(self.goal, Seen(self.old), cause)
            case Drain():
                self.goal = replace(self.goal, drained=True)
            case Wait():
                pass
            case _:
                return False
        return True

    def _perform(self, step: Step) -> None:  # noqa: C901, PLR0912 - one case a step
        match step:
            case Create(role="companion", of=of):
                self._create_companion(of)
            case Create(role="canary" | "successor" as role):
                self._create(role)
            case Start(id=id_):
                self._start(id_)
            case Restart(id=id_):
                self._change(id_, state="exited")
                self._start(id_)
            case Stop(id=id_):
                self._change(id_, state="exited")
                self.by_hand.add(id_)
            case Pause(id=id_):
                self._change(id_, state="paused")
            case Remove(id=id_):
                self.containers.pop(id_, None)
            case MakeAnew(id=id_):
                self.containers.pop(id_, None)
                self.goal = replace(self.goal, made_anew=self.goal.made_anew + 1)
            case Rename(id=id_, name=name):
                if any(each.name == name for each in self.containers.values()):
                    raise Refused(f"name {name} is in use")
                self._change(id_, name=name)
            case SetPolicy(id=id_, policy=policy, retries=retries):
                self._change(id_, restart_policy=policy, restart_retries=retries)
            case Connect(id=id_, network=network):
                names = self.goal.late[network] or ("api",)
                self._change(id_, networks={**self.containers[id_].networks, network: names})
                self._prove_anew(id_)
            case Disconnect(id=id_, network=network):
                left = {n: a for n, a in self.containers[id_].networks.items() if n != network}
                self._change(id_, networks=left)
                self._prove_anew(id_)
            case Tag(image_id=image_id):
                self.tag_image = image_id

    def _create(self, role: Literal["canary", "successor"]) -> None:
        name = self.goal.transitional_name(role)
        if any(each.name == name for each in self.containers.values()):
            raise Refused(f"name {name} is in use")
        late = {network: () for network, aliases in self.goal.late.items() if aliases}
        self.containers[role] = container(
            role, name, state="created", restart_policy="no", started_at="", networks=late
        )

    def _create_companion(self, of: str) -> None:
        old = self.containers[of]
        name = f"{old.name}-successor-41"
        if any(each.name == name for each in self.containers.values()):
            raise Refused(f"name {name} is in use")
        self.containers[f"new {of}"] = replace(
            old, id=f"new {of}", name=name, state="created", started_at="", restart_policy="no"
        )

    def _owners(self, id_: str) -> list[str]:
        """Of a companion or its likeness: whose namespaces it lives in."""
        of = id_.removeprefix("new ")
        lives_with = [c.lives_with for c in self.goal.companions if c.id == of]
        owners = lives_with[0] if lives_with else ()
        if id_ == of:
            return list(owners)
        return ["successor" if each == "old" else f"new {each}" for each in owners]

    def cut_off(self, id_: str) -> bool:
        """Whether one that runs lives in a namespace that is gone."""
        runs = self.containers[id_]
        owners = [self.containers.get(each) for each in self._owners(id_)]
        return any(
            owner is None
            or owner.state not in SERVES
            or started_before(runs.started_at, owner.started_at)
            for owner in owners
        )

    def _start(self, id_: str, *, unasked: bool = False) -> None:
        started = self.containers[id_]
        owners = [self.containers.get(each) for each in self._owners(id_)]
        if any(owner is None or owner.state not in SERVES for owner in owners):
            raise Refused("cannot join the namespace of a container that does not run")
        fate = self._fates
        rival = self.successor if id_ == "old" else self.old
        holds_ports = id_ in ("old", "successor")
        if self.goal.way == "swap" and holds_ports and rival and rival.state in SERVES:
            raise Refused("port is already allocated")
        if self.goal.way == "swap" and holds_ports and self.stranger:
            raise Refused("port is already allocated")
        if fate.get(id_) == "refused":
            raise Refused("cannot be started")
        if id_ == "old" and self.goal.old_hands_over:
            borne_by = [each.id for each in self.containers.values() if each.name == "api"]
            assert not borne_by or (unasked and borne_by == ["old"]), f"it stops {borne_by}"
        self.starts += 1
        self.by_hand.discard(id_)
        self._change(started.id, state="running", started_at=f"start {self.starts:04d}")
        self._prove_anew(id_)

    def _prove_anew(self, id_: str) -> None:
        if self.containers[id_].runs:
            self.verdicts[id_] = Verdict("pending", "its health check has not passed yet")

    def _verdict(self, id_: str) -> Verdict:
        fate = self._fates.get(id_)
        return Verdict("failed", "unhealthy") if fate == "bad" else PROVEN

    @property
    def _fates(self) -> dict[str, Fate]:
        return {
            "canary": self.canary_fate,
            "successor": self.successor_fate,
            **self.companion_fates,
        }

    def _change(self, id_: str, **values: object) -> None:
        if id_ not in self.containers:
            raise Refused("no such container")
        self.containers[id_] = replace(self.containers[id_], **values)  # type: ignore[arg-type]

    def _comes_up(self, each: Container) -> bool:
        stopped = each.id in self.by_hand
        return each.state != "created" and (
            each.restart_policy == "always"
            or (each.restart_policy == "unless-stopped" and not stopped)
        )

    def _reboot(self) -> None:
        """All stop; what its policy brings up runs again, where it finds its ports free."""
        up = [each for each in self.containers.values() if self._comes_up(each)]
        for each in self.containers.values():
            if each.state in SERVES:
                self._change(each.id, state="exited")
                self.verdicts[each.id] = Verdict("failed", "it exited with code 137")
        for each in up:
            try:
                self._start(each.id, unasked=True)
            except Refused:
                self._change(each.id, state="exited")
                self.verdicts[each.id] = Verdict("failed", "it exited with code 128")


def script(mishaps: Iterable[Mishap | None]) -> Iterator[Mishap | None]:
    """Mishaps in order; after them all goes well."""
    return iter(mishaps)
