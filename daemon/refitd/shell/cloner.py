"""Containers made after another one: the baseline probe, the successor, the canary, the gate.

`core.recreate` says what is to be sent; here the engine is asked for what that needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from refitd.core import labels, recreate
from refitd.core.container import Container, Json
from refitd.core.goal import Goal, Role
from refitd.core.recreate import Clone
from refitd.core.route import forebears
from refitd.core.strays import probe_name
from refitd.core.target import Target
from refitd.errors import EngineRefused, NotFound, ReplacementRefused
from refitd.ports import Engine


class Cloner:
    """Makes and compares the containers of one target."""

    def __init__(self, engine: Engine, target: Target, instance: str) -> None:
        self._engine, self._target, self._instance = engine, target, instance
        self._baselines: dict[str, Json] = {}

    @property
    def probe_name(self) -> str:
        return probe_name(self._target.container)

    def create(self, goal: Goal, role: Role, old: Container) -> str:
        """Create (not start) the canary or the successor of `old`; answers its id."""
        clone = self._clone(goal, role, old)
        return self._engine.create(recreate.create_request(old.inspect, self.baseline(old), clone))

    def endpoint(self, goal: Goal, old: Container, network: str) -> Json:
        """The settings with which the proven successor gets its names on `network`."""
        return recreate.endpoint(old.inspect, network, self._clone(goal, "successor", old))

    def differences(self, old: Container, new: Container) -> tuple[str, ...]:
        """The fidelity gate: paths in which what was asked of the two differs."""
        return recreate.differences(
            old.inspect, self.baseline(old), new.inspect, self.baseline(new)
        )

    def baseline(self, container: Container) -> Json:
        """What image and engine supply by themselves to a container such as this one."""
        request = recreate.probe_request(container.inspect, self.probe_name)
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
        request = recreate.probe_request(container.inspect, self.probe_name)
        try:
            probe_id = self._engine.create(request)
        except NotFound as error:
            raise ReplacementRefused(
                f"the image of {container.name} is gone from the engine, so what it supplied"
                f" cannot be told from what was asked for: {error}"
            ) from error
        try:
            probe = self._engine.container(probe_id)
            assert probe is not None, "a container that was just created is there"
            return probe.inspect
        finally:
            with suppress(EngineRefused):  # its removal is under way, or the next probe clears it
                self._engine.remove(probe_id, anonymous_volumes=True)

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
            restart_policy=None if role == "canary" else (goal.old_policy, goal.old_retries),
        )

    def _labels(self, goal: Goal, role: Role, old: Container) -> Mapping[str, str]:
        own = {
            labels.TARGET: goal.target,
            labels.DEPLOYMENT: str(goal.deployment),
            labels.INSTANCE: self._instance,
            labels.ROLE: role,
            labels.REPLACES: old.id,
            labels.FINAL_NAME: goal.name,
            labels.OLD_POLICY: json.dumps([goal.old_policy, goal.old_retries]),
            labels.OLD_STATE: goal.old_state,
            labels.EPOCH: str(goal.epoch),
        }
        if role == "successor":
            own[labels.FOREBEARS] = ",".join(id_[:12] for id_ in (*forebears(old), old.id)[-20:])
        return own
