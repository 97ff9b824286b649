"""Any combination of options: drawn from a grammar, created on a real engine, cloned, inspected."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, reject, settings

from refitd.errors import EngineRefused
from rig.other_engines import Version
from tests.adapters.docker.clones.api_kinds import filled
from tests.adapters.docker.clones.grammar import bodies
from tests.adapters.docker.clones.ground import Ground
from tests.adapters.docker.clones.likeness import unlike

#: On each engine; the same ones each time.
DRAWS = 120


@pytest.mark.engine
class Draws:
    """A fact about containers of one engine; a subclass says of which."""

    version: ClassVar[Version]

    def test_any_combination_of_options(self, ground: Ground) -> None:
        """Of the image that it has, a clone is the old one in all that inspect shows."""
        made = 0

        @settings(
            max_examples=DRAWS,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(bodies(self.version))
        def is_cloned(body: dict[str, Any]) -> None:
            with ground.test():
                try:
                    old = ground.create({"Image": ground.images[0], **filled(body, ground.words)})
                except EngineRefused:
                    reject()  # not every two go together
                nonlocal made
                made += 1
                assert unlike(ground.rebuilt(old, (0,)), old) == {}

        is_cloned()
        assert made >= DRAWS
