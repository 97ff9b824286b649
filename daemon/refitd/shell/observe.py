"""One look at the engine for a goal: who is there, and what is to be thought of each.

Who is who is told by ids and labels: the old one by the id in the goal, the canary and the
successor by the labels they were created with, the companions and their likenesses in the same
ways. Names play no part.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from refitd.core import labels
from refitd.core.container import Container, Json
from refitd.core.goal import Goal
from refitd.core.proof import Verdict, Watch, judge, last_check
from refitd.core.seen import SERVES, Pair, Seen
from refitd.core.target import Health, Target
from refitd.errors import EngineRefused, ReplacementRefused
from refitd.ports import Clock, Engine, Prober
from refitd.shell.cloner import Cloner, Moves
from refitd.shell.interruptions import Interruptions

_INTERRUPTED = Verdict("pending", "it stopped while the engine could not be reached")


def who_is_there(engine: Engine, target: Target, goal: Goal) -> Seen:
    """Who is who, and nothing yet of what is to be thought of them."""
    found = engine.containers(target.name, [goal.name, target.container])
    old = next((c for c in found if c.id == goal.old_id), None)
    tagged = engine.image(goal.configured_tag) if goal.configured_tag else None
    successor = _made_for(goal, labels.SUCCESSOR, found)
    canary = _made_for(goal, labels.CANARY, found)
    named = next((c for c in found if c.name == goal.name), None)
    ours = {goal.old_id, *(each.id for each in (successor, canary) if each is not None)}
    return Seen(
        old=old or engine.container(goal.old_id),
        successor=successor,
        canary=canary,
        stranger=named if named is not None and named.id not in ours else None,
        pairs=tuple(
            Pair(each, engine.container(each.id), _made_for(goal, labels.COMPANION, found, each.id))
            for each in goal.companions
        ),
        tag_image=tagged.id if tagged else None,
    )


class Observer:
    """Looks, and remembers of each container since when it has been under proof."""

    def __init__(
        self,
        engine: Engine,
        cloner: Cloner,
        prober: Prober,
        clock: Clock,
        target: Target,
        interruptions: Interruptions,
    ) -> None:
        self._engine, self._cloner, self._prober = engine, cloner, prober
        self._clock, self._target = clock, target
        self._watches: dict[str, Watch] = {}
        self._gates: dict[str, tuple[str, ...]] = {}
        self._interruptions = interruptions

    def begin(self) -> None:
        """A pursuit begins: what was remembered is of containers that are gone."""
        self._watches.clear()
        self._gates.clear()
        # Whoever was at it before us died, and the engine may have died with them.
        self._interruptions.engine_was_away()
        self._cloner.forget()

    def started(self, container_id: str) -> None:
        """It is asked to start, perhaps again: then its proof begins anew."""
        self._interruptions.started(container_id)
        self._watches.pop(container_id, None)

    def look(self, goal: Goal) -> Seen:
        """Raises `EngineUnavailable`."""
        seen = who_is_there(self._engine, self._target, goal)
        health = self._target.health
        # The probes in the settings are the target's; of others, Docker's word has to do.
        unprobed = replace(health, http=None, tcp_port=None, command=())
        verdicts = {each.id: self._judge(each, health) for each in seen.its_own}
        verdicts |= {each.id: self._judge(each, unprobed) for each in seen.companions}
        interrupted = self._interruptions.among((*seen.its_own, *seen.companions))
        return replace(
            seen,
            pairs=self._compared(goal, seen),
            verdicts=verdicts | dict.fromkeys(interrupted, _INTERRUPTED),
            gate=self._gate(seen.old, seen.successor, (), late=bool(goal.late)),
            interrupted=interrupted,
        )

    def _compared(self, goal: Goal, seen: Seen) -> tuple[Pair, ...]:
        pairs: list[Pair] = []
        for pair in seen.pairs:
            moved = moves(goal, replace(seen, pairs=tuple(pairs)))
            pairs.append(replace(pair, gate=self._gate(pair.old, pair.new, moved)))
        return tuple(pairs)

    def prove_anew(self, container: Container | None, container_id: str) -> None:
        """Its connections were cut or it was restarted: what was proven before counts no more."""
        last = last_check(container) if container else ""
        self._watches[container_id] = self._new_watch(last)

    def _judge(self, container: Container, health: Health) -> Verdict:
        now_s, probes = self._clock.now_s(), _has_probes(health)
        if container.state in SERVES and container.id not in self._watches:
            self._watches[container.id] = self._new_watch()
        watch = self._watches.get(container.id)
        if watch is not None and not probes:
            watch = replace(watch, probed=True)
        verdict = judge(container, watch, now_s, health)
        if watch is not None and verdict.is_ == "pending" and probes and container.runs:
            # Only what has passed all else is probed.
            settled = judge(container, replace(watch, probed=True, probe=None), now_s, health)
            if settled.is_ == "proven":
                watch = replace(watch, probed=True, probe=self._probe(container))
                self._watches[container.id] = watch
                verdict = judge(container, watch, self._clock.now_s(), health)
        return verdict

    def _new_watch(self, last: str = "") -> Watch:
        return Watch(self._clock.now_s(), last_check=last, probed=False)

    def _probe(self, container: Container) -> str | None:
        health = self._target.health
        address = address_of(container)
        if health.command:
            try:
                code, output = self._engine.run_command(
                    container.id, health.command, health.timeout_s
                )
            except EngineRefused as error:  # it stopped in between, or has no such program
                return f"its probe command could not be run: {error}"
            if code != 0:
                return f"its probe command answered {code}: {output.strip()[-200:]}"
        if (health.http or health.tcp_port) and address is None:
            return "it has no address to probe"
        if health.http and address:
            wrong = self._prober.http(address, health.http, health.timeout_s)
            if wrong:
                return wrong
        if health.tcp_port and address:
            return self._prober.tcp(address, health.tcp_port, health.timeout_s)
        return None

    def _gate(
        self, old: Container | None, new: Container | None, moved: Moves, *, late: bool = False
    ) -> tuple[str, ...]:
        if old is None or new is None or new.state != "created":
            return ()
        if new.id not in self._gates:
            try:
                self._gates[new.id] = self._cloner.differences(old, new, moved, late=late)
            except (EngineRefused, ReplacementRefused) as error:
                return (f"what cannot be compared ({error})",)
        return self._gates[new.id]


def address_of(container: Container) -> str | None:
    """An address at which the container can be probed: its own, or the host's loopback."""
    host = container.inspect.get("HostConfig") or {}
    if host.get("NetworkMode") == "host":
        return "127.0.0.1"
    networks = (container.inspect.get("NetworkSettings") or {}).get("Networks") or {}
    for endpoint in networks.values():
        for key in ("IPAddress", "GlobalIPv6Address"):
            text = (endpoint or {}).get(key)
            if text and not ipaddress.ip_address(text).is_unspecified:
                return str(text)
    return None


def moves(goal: Goal, seen: Seen) -> list[tuple[Json, str]]:
    """Who is to take whose place, so far as they have been created. Of an old one that is gone the
    goal still knows how others may call it."""
    its = seen.old.inspect if seen.old else {"Id": goal.old_id, "Name": goal.name}
    target = [(its, seen.successor.id)] if seen.successor else []
    pairs = ((pair.old, pair.new) for pair in seen.pairs)
    return target + [(was.inspect, new.id) for was, new in pairs if was and new]


def _has_probes(health: Health) -> bool:
    return bool(health.http or health.tcp_port or health.command)


def _made_for(
    goal: Goal, role: str, found: tuple[Container, ...], instead_of: str = ""
) -> Container | None:
    """The container made for this goal in this role. Of two (a lost answer), the running one.

    The number of a deployment is its database's own: a panel next door on this engine has a
    deployment 1 of its own `backend`, and so has a database that was set up anew. The id of the
    container that is replaced is like no other.
    """
    replaced = instead_of or goal.old_id
    mine = [
        c
        for c in found
        if c.labels.get(labels.REPLACES) == replaced
        and c.labels.get(labels.DEPLOYMENT) == str(goal.deployment)
        and c.labels.get(labels.ROLE) == role
        and c.id != replaced
    ]
    return min(mine, key=lambda c: (c.state == "created", c.id), default=None)
