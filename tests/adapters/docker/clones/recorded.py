"""What is recorded for the pure tests is what an engine shows."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from rig.other_engines import Version
from tests.adapters.docker.clones.ground import Ground
from tests.adapters.docker.clones.record import FOLDER, RECORDED, paths, shown


@pytest.mark.engine
class Recorded:
    """A fact about one engine; a subclass says about which."""

    version: ClassVar[Version]

    def test_what_is_recorded_is_what_it_shows(self, ground: Ground) -> None:
        """Made again, each container and each baseline has the fields that were recorded; unless
        the engine is a newer one by now, and may have others.
        """
        found = dict(shown(ground))
        assert found.keys() == RECORDED.keys()
        for kind, both in found.items():
            kept = json.loads((FOLDER / f"{kind}-api-{self.version}.json").read_text())
            for which in ("container", "baseline"):
                for inspect in (both[which], kept[which]):
                    inspect["State"].pop("Health", None)  # it may have been asked by now
                    inspect["State"].pop("Pid", None)
                newer = ground.api > tuple(map(int, self.version.split(".")))
                assert newer or paths(both[which]) == paths(kept[which])
