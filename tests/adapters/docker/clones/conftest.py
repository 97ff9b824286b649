"""The engines of all versions, each made ready when a test first asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.other_engines import Engines, Version
from tests.adapters.docker.clones.api_kinds import KINDS
from tests.adapters.docker.clones.ground import SETTINGS, Ground
from tests.adapters.docker.clones.run_kinds import RUNS

pytest.register_assert_rewrite(
    "tests.adapters.docker.clones.draws",
    "tests.adapters.docker.clones.generations",
    "tests.adapters.docker.clones.recorded",
)


class Grounds:
    """One for each version."""

    def __init__(self, engines: Engines, config: pytest.Config, folder: Path) -> None:
        self._engines, self._folder = engines, folder
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._made: dict[Version, Ground] = {}

    def of(self, version: Version) -> Ground:
        """The ground of this version."""
        if version not in self._made:
            assert self._capture is not None
            with self._capture.global_and_fixture_disabled():  # what is fetched is said first
                engine = self._engines.of(version)
            self._made[version] = Ground(version, engine, self._folder)
        return self._made[version]

    def close(self) -> None:
        for ground in self._made.values():
            ground.close()


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Engines of several releases, beside one another."""
    with Engines(SETTINGS) as engines:
        yield engines


@pytest.fixture(scope="session")
def grounds(
    engines: Engines, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Grounds]:
    """What the containers of every kind are made upon, by version."""
    grounds = Grounds(engines, pytestconfig, tmp_path_factory.mktemp("images"))
    yield grounds
    grounds.close()


@pytest.fixture
def ground(grounds: Grounds, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The engine of the version that the test's class names, with a mark for this test."""
    ground = grounds.of(request.cls.version)
    with ground.test():
        yield ground


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each kind that the engine knows the options of."""
    for argument, kinds in (("api_kind", KINDS), ("run_kind", RUNS)):
        if argument in metafunc.fixturenames:
            assert metafunc.cls is not None
            version: Version = metafunc.cls.version
            known = [kind for kind in kinds if kinds[kind].since <= version]
            if kinds is RUNS and version == "1.45":
                # What its client says is what the others' say, but for what was new with it.
                known = [kind for kind in known if kind in ("nothing else", "everything")]
                known += [kind for kind in RUNS if RUNS[kind].since == version]
            metafunc.parametrize(argument, known)
