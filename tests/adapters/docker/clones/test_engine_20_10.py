"""What is cloned on engine 20.10, with API 1.41."""

from typing import ClassVar

from rig.other_engines import Version
from tests.adapters.docker.clones.draws import Draws
from tests.adapters.docker.clones.generations import Generations
from tests.adapters.docker.clones.recorded import Recorded


class TestGenerations(Generations):
    """Of the oldest engine that is supported."""

    version: ClassVar[Version] = "1.41"


class TestDraws(Draws):
    """Whatever it takes."""

    version: ClassVar[Version] = "1.41"


class TestRecorded(Recorded):
    """As the pure tests have it."""

    version: ClassVar[Version] = "1.41"
