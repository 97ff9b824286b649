"""Whether the engine was away is told without calling it meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from refitd.adapters.docker_engine import DockerEngine
from rig.engine import Engine
from rig.engine_proxy import EngineProxy


@pytest.fixture
def way(engine: Engine, tmp_path: Path) -> Iterator[EngineProxy]:
    """A way to the engine that can be cut, as its end cuts it."""
    with EngineProxy(tmp_path / "s", Path(engine.host.removeprefix("unix://"))) as way:
        yield way


@pytest.fixture
def adapter(way: EngineProxy) -> Iterator[DockerEngine]:
    """The engine by that way."""
    engine = DockerEngine(way.host)
    yield engine
    engine.close()


def test_while_it_is_there(adapter: DockerEngine) -> None:
    """Whatever is called, and however often: it was not away."""
    before = adapter.absences()
    for _ in range(3):
        adapter.everyone()
        adapter.info()
        assert adapter.absences() == before


def test_away_and_back(adapter: DockerEngine, way: EngineProxy) -> None:
    """Each time is found once, by whoever asks next."""
    known = [adapter.absences()]
    for _ in range(2):
        way.refuse()
        way.admit()
        known.append(adapter.absences())
        assert adapter.absences() == known[-1]

    assert known[0] < known[1] < known[2]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_away_for_longer(adapter: DockerEngine, way: EngineProxy) -> None:
    """Found away, it may do things until it is back: that it is back is found, too."""
    before = adapter.absences()
    way.refuse()
    while_away = adapter.absences()
    assert adapter.absences() == while_away
    way.admit()
    after = adapter.absences()

    assert before < while_away < after
    assert adapter.absences() == after
    gc.collect()  # docker-py leaves a socket that it cannot connect to the collector


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nobody_there(tmp_path: Path) -> None:
    """Nothing is raised, and nothing told."""
    adapter = DockerEngine(f"unix://{tmp_path / 'nobody'}")
    assert adapter.absences() == adapter.absences() == 0
    gc.collect()  # docker-py leaves a socket that it cannot connect to the collector


def test_a_line_that_cannot_be_had(adapter: DockerEngine, way: EngineProxy) -> None:
    """All else works, and it is asked for again."""
    way.hold("GET", "/events*").drop()

    assert adapter.absences() == adapter.absences() == 0
    assert adapter.info().id
    way.refuse()
    way.admit()
    assert adapter.absences() == 1
