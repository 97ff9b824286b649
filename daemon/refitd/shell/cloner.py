"""Containers made after another one: the baseline probe, the successor, the canary, the gate.

`core.recreate` says what is to be sent; here the engine is asked for what that needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from refitd.core import labels, recreate
from refitd.core.companions import Companion, with_new_owners
from refitd.core.container import Container, CreateRequest, Json
from refitd.core.goal import Goal, Role
from refitd.core.recreate import Clone
from refitd.core.route import forebears
from refitd.core.strays import probe_name
from refitd.core.target import Target
from refitd.errors import EngineError, EngineRefused, NotFound, ReplacementRefused
from refitd.ports import Engine

#: Inspect data of those replaced, each with the id of who takes its place.
Moves = Sequence[tuple[Json, str]]

#: The restart policy of what is created; its own comes with the proof (`core.rollout`).
_UNPROVEN = ("no", 0)


class Cloner:
    """Makes and compares the containers of one target."""

    def __init__(self, engine: Engine, target: Target, instance: str, mark: str = "") -> None:
        """With a `mark` its probes have names of their own: for one who works beside a daemon,
        which must find its own name free, and sweeps what is left of others."""
        self._engine, self._target, self._instance = engine, target, instance
        self._mark = f"-{mark}" if mark else ""
        self._baselines: dict[str, Json] = {}

    @property
    def probe_name(self) -> str:
        return probe_name(self._target.container) + self._mark

    def create(self, goal: Goal, role: Role, old: Container) -> str:
        """Create (not start) the canary or the successor of `old`; answers its id."""
        clone = self._clone(goal, role, old)
        return self._engine.create(recreate.create_request(old.inspect, self.baseline(old), clone))

    def create_companion(
        self, goal: Goal, companion: Companion, old: Container, moved: Moves
    ) -> str:
        """Create (not start) the likeness of a companion, with those it depends on who are new."""
        reference = str(old.inspect["Config"]["Image"])
        tagged = self._engine.image(reference)
        clone = Clone(
            name=f"{companion.name}-successor-{goal.deployment}",
            # By the name its owner gave, unless that means another image by now.
            image=reference if tagged and tagged.id == old.image_id else old.image_id,
            labels=self._marks(goal, labels.COMPANION, old, companion.name)
            | {labels.FOLLOWS: goal.name},
            final_name=companion.name,
            api_version=self._engine.info().api_version,
            forebears=forebears(old),
            restart_policy=_UNPROVEN,
        )
        inspect = with_new_owners(old.inspect, moved)
        return self._engine.create(recreate.create_request(inspect, self.baseline(old), clone))

    def differences(
        self, old: Container, new: Container, moved: Moves = (), *, late: bool = False
    ) -> tuple[str, ...]:
        """The fidelity gate: paths in which what was asked of the two differs. One that is bound
        `late` may lack its aliases yet, and its traffic network."""
        return recreate.differences(
            with_new_owners(old.inspect, moved),
            self.baseline(old),
            new.inspect,
            self.baseline(new),
            late=late,
        )

    def trial(self, old: Container) -> tuple[str, ...]:
        """The gate beforehand: a successor of the present image, created, compared and removed.

        Raises `EngineRefused` where the engine would not create it.
        """
        name = f"{self.probe_name}-trial"
        likeness = recreate.without_copying(old.inspect)
        clone = Clone(
            name=name,
            image=old.image_id,
            labels=self._probe_labels(),
            final_name=self._target.container,
            api_version=self._engine.info().api_version,
            forebears=forebears(old),
            restart_policy=(old.restart_policy, old.restart_retries),
        )
        baseline = self.baseline(old)
        with self._made(recreate.create_request(likeness, baseline, clone)) as made:
            return recreate.differences(likeness, baseline, made.inspect, self.baseline(made))

    def baseline(self, container: Container) -> Json:
        """What image and engine supply by themselves to a container such as this one."""
        request = self._probe_request(container)
        key = container.image_id + json.dumps(request.body, sort_keys=True)
        if key not in self._baselines:
            self._baselines[key] = self._probe(container)
        return self._baselines[key]

    def forget(self) -> None:
        """Drop what was probed: the engine may have been configured otherwise since."""
        self._baselines.clear()

    def _probe(self, container: Container) -> Json:
        leftover = self._engine.container(self.probe_name)
        if leftover is not None:
            self._engine.remove(leftover.id, anonymous_volumes=True)
        try:
            with self._made(self._probe_request(container)) as probe:
                return probe.inspect
        except NotFound as error:
            if self._engine.image(container.image_id) is not None:
                raise  # it is something else that is gone
            raise ReplacementRefused(
                f"the image of {container.name} is gone from the engine, so what it supplied"
                f" cannot be told from what was asked for: {error}"
            ) from error

    def _probe_request(self, container: Container) -> CreateRequest:
        request = recreate.probe_request(container.inspect, self.probe_name)
        if not self._mark:
            return request
        return replace(request, body={**request.body, "Labels": self._probe_labels()})

    def _probe_labels(self) -> Mapping[str, str]:
        """By which a sweep finds what one who was killed has left."""
        return {
            labels.ROLE: labels.PROBE,
            labels.TARGET: self._target.name,
            labels.FINAL_NAME: self._target.container,
        }

    @contextmanager
    def _made(self, request: CreateRequest) -> Iterator[Container]:
        """A container for as long as the context lasts, never started. By its name: where the
        answer got lost on the way, it is there all the same."""
        try:
            self._engine.create(request)
            made = self._engine.container(request.name)
            if made is None:
                raise EngineRefused(
                    f"{request.name} was removed by somebody as soon as it was made"
                )
            yield made
        finally:
            with suppress(EngineError):  # under way already, or the next probe or sweep clears it
                left = self._engine.container(request.name)
                if left is not None:
                    self._engine.remove(left.id, anonymous_volumes=True)

    def _clone(self, goal: Goal, role: Role, old: Container) -> Clone:
        late = bool(goal.late)
        return Clone(
            name=goal.transitional_name(role),
            image=goal.tag,
            labels=self._labels(goal, role, old),
            kind="canary" if role == "canary" else "late" if late else "successor",
            final_name=goal.name,
            traffic_network=self._target.traffic_network if late else None,
            api_version=self._engine.info().api_version,
            forebears=forebears(old),
            compose_image=goal.image_id,
            restart_policy=_UNPROVEN,
        )

    def _labels(self, goal: Goal, role: Role, old: Container) -> Mapping[str, str]:
        return self._marks(goal, role, old, goal.name) | {
            labels.OLD_POLICY: json.dumps([goal.old_policy, goal.old_retries]),
            labels.OLD_STATE: goal.old_state,
        }

    def _marks(self, goal: Goal, role: str, old: Container, final_name: str) -> dict[str, str]:
        marks = {
            labels.TARGET: goal.target,
            labels.DEPLOYMENT: str(goal.deployment),
            labels.INSTANCE: self._instance,
            labels.ROLE: role,
            labels.REPLACES: old.id,
            labels.FINAL_NAME: final_name,
            labels.EPOCH: str(goal.epoch),
        }
        if role != labels.CANARY:
            marks[labels.FOREBEARS] = ",".join(id_[:12] for id_ in (*forebears(old), old.id)[-20:])
        return marks
