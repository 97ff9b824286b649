"""Plays the scenes: writes, waits until refitd is done, and looks whether it ended as it should."""

import time
from collections.abc import Iterable, Mapping

from act import Act
from audit import Audit, Overdue
from load import Load
from scenes import Scene
from stage import Stage
from verdict import faults, strays
from view import View

#: For a build, a replacement and its proof, on a slow machine.
PATIENCE_S = 120.0


class Play:
    """All scenes, one after the other, up to the first that does not come to an end."""

    def __init__(self, stage: Stage, loads: Mapping[str, Load], view: View) -> None:
        self._stage, self._loads, self._view = stage, loads, view
        self._audit: Audit = stage.daemon.audit
        self.acts: list[Act] = []
        self.strays: list[str] = []

    @property
    def ended_well(self) -> bool:
        """Whether every scene was played and ended as it should, and nothing else happened."""
        return bool(self.acts) and not any(act.faults for act in self.acts) and not self.strays

    def run(self, scenes: Iterable[Scene]) -> None:
        """Play them."""
        for scene in scenes:
            target = self._stage.proxied if scene.proxied else self._stage.direct
            act = Act(scene, target, began=time.time())
            self.acts.append(act)
            try:
                self._play(act)
            except Overdue as overdue:
                act.faults = [str(overdue)]
                self._view.trouble(f"{scene.title}: {overdue}")
                return
        self.strays = strays(self.acts, self._stage.targets, self._loads)
        for stray in self.strays:
            self._view.trouble(stray)

    def _play(self, act: Act) -> None:
        scene, panel = act.scene, act.target.panel
        self._view.scene(scene)
        mark, changes = self._audit.mark(), panel.changes()
        known = max((each["id"] for each in panel.deployments()), default=0)
        scene.write(panel)
        if scene.noticed:
            self._wait_until_done(act, mark)
        ended = time.time()
        act.took_s = ended - act.began
        act.events = [e for e in self._audit.since(mark) if e.get("target") == panel.target]
        act.deployments = panel.deployments(after=known)
        act.tally = self._loads[panel.target].between(act.began, ended)
        act.faults = faults(act, panel.changes() - changes)
        self._view.ended(act)

    def _wait_until_done(self, act: Act, mark: int) -> None:
        """The end of its deployment, where there is to be one; then a look that finds no more."""
        of_it = {"target": act.target.name}
        if act.scene.end is not None:
            ended = self._audit.wait(mark, "deployment.ended", PATIENCE_S, **of_it)
            mark += self._audit.since(mark).index(ended)
        self._audit.wait(mark, "target.looked", PATIENCE_S, decision="nothing", **of_it)
