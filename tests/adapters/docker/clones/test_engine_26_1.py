"""What is cloned on engine 26.1, with API 1.45."""

from typing import ClassVar

from rig.other_engines import Version
from tests.adapters.docker.clones.draws import Draws
from tests.adapters.docker.clones.generations import Generations
from tests.adapters.docker.clones.recorded import Recorded


class TestGenerations(Generations):
    """Of one that takes all networks at once."""

    version: ClassVar[Version] = "1.45"


class TestDraws(Draws):
    """Whatever it takes."""

    version: ClassVar[Version] = "1.45"


class TestRecorded(Recorded):
    """As the pure tests have it."""

    version: ClassVar[Version] = "1.45"
