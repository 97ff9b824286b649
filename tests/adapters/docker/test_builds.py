"""Builds on a real engine: from git, from a folder, cut off, too long, wrong."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from refitd.adapters.docker_engine import DockerEngine
from refitd.core.building import BuildLine, BuildRequest
from refitd.core.container import CreateRequest
from refitd.core.source import remote_context
from refitd.core.target import Source
from refitd.errors import (
    BuildCancelled,
    BuildFailed,
    BuildTimedOut,
    EngineUnavailable,
    SourceRefused,
    SourceUnavailable,
)
from rig.git import Repository
from tests.adapters.docker.conftest import DockerYard
from tests.adapters.docker.containers import dockerfile

Eventually = Callable[[Callable[[], bool]], None]


def test_from_a_git_remote(yard: DockerYard, repository: Repository) -> None:
    """The engine fetches a folder at a commit by itself, and the build arguments get there."""
    text = dockerfile(yard.base, "ARG MODULES", "ENV BUILT_IN=$MODULES", "COPY word /word")
    commit = repository.commit({"backend/Dockerfile": text, "backend/word": "first"})
    repository.commit({"backend/word": "second"})
    source = Source(repo=repository.url, subdir="backend")
    request = BuildRequest(
        yard.tag(), remote=remote_context(source, commit), args={"MODULES": "a,b@1.0"}
    )
    yard.engine.build(request, lambda _: None, lambda: False)
    id_ = yard.engine.create(_container(yard, request.tag))
    yard.engine.start(id_)
    assert yard.engine.run_command(id_, ["cat", "/word"], 5) == (0, "first")
    assert yard.engine.run_command(id_, ["printenv", "BUILT_IN"], 5) == (0, "a,b@1.0")


def test_missing_subdir(yard: DockerYard, repository: Repository) -> None:
    """A folder that the commit lacks is named, whoever fetches."""
    commit = repository.commit({"backend/Dockerfile": "FROM scratch"})
    remote = remote_context(Source(repo=repository.url, subdir="backnd"), commit)
    with pytest.raises(SourceRefused, match="no 'backnd' in git://"):
        _build(yard, BuildRequest(yard.tag(), remote=remote))


def test_missing_commit(yard: DockerYard, repository: Repository) -> None:
    """A commit that is not there is the source's fault, not the module's."""
    repository.commit({"Dockerfile": "FROM scratch"})
    remote = f"{repository.url}#{'0' * 40}"
    with pytest.raises((SourceRefused, SourceUnavailable)):
        _build(yard, BuildRequest(yard.tag(), remote=remote))


def test_nobody_serves(yard: DockerYard) -> None:
    """A git server that is not there may come back."""
    remote = f"git://127.0.0.1:{yard.host_port()}/core.git#{'0' * 40}"
    with pytest.raises(SourceUnavailable):
        _build(yard, BuildRequest(yard.tag(), remote=remote))


def test_dockerignore(yard: DockerYard) -> None:
    """What a folder's .dockerignore names is not sent."""
    text = dockerfile(yard.base, "COPY . /all")
    files = {"Dockerfile": text, ".dockerignore": "secret*\n", "secret.txt": "x", "open.txt": "y"}
    request = BuildRequest(yard.tag(), context=yard.folder(**files))
    _build(yard, request)
    id_ = yard.engine.create(_container(yard, request.tag))
    yard.engine.start(id_)
    code, listed = yard.engine.run_command(id_, ["ls", "/all"], 5)
    assert (code, "open.txt" in listed, "secret.txt" in listed) == (0, True, False)


def test_stage(yard: DockerYard) -> None:
    """A stage of the Dockerfile can be asked for; one that is not there is named."""
    text = f"FROM {yard.base} AS small\nENV STAGE=small\nFROM {yard.base}\nENV STAGE=whole\n"
    request = BuildRequest(yard.tag(), context=yard.folder(Dockerfile=text), stage="small")
    id_ = _build(yard, request)
    assert "STAGE=small" in _env(yard, id_)
    wrong = BuildRequest(yard.tag(), context=yard.folder(Dockerfile=text), stage="big")
    with pytest.raises(BuildFailed, match="big"):
        _build(yard, wrong)


def test_output_line_by_line(yard: DockerYard) -> None:
    """Lines come whole, without colours, and steps with their number and total."""
    text = f"FROM {yard.base}\nRUN printf 'one\\ntw'; printf '\\033[31mo\\033[0m\\n'\n"
    lines: list[BuildLine] = []
    request = BuildRequest(yard.tag(), context=yard.folder(Dockerfile=text), no_cache=True)
    yard.engine.build(request, lines.append, lambda: False)
    said = [line.text for line in lines]
    assert "one" in said
    assert "two" in said
    assert [(line.step, line.total) for line in lines if line.step] == [(1, 2), (2, 2)]


def test_cancel_stops_the_engine(yard: DockerYard, eventually: Eventually) -> None:
    """A build that is cancelled ends in the engine: its container is killed and removed."""
    before = _ids(yard)
    began: list[str] = []

    def begun() -> bool:
        running = _ids(yard) - before
        began.extend(running)
        return bool(began)

    with pytest.raises(BuildCancelled):
        yard.engine.build(yard.endless_build(), lambda _: None, begun)
    assert began
    eventually(lambda: not _ids(yard) & set(began))


def test_deadline_of_a_silent_build(yard: DockerYard, eventually: Eventually) -> None:
    """A build that says nothing is ended by its deadline, in the engine too."""
    before = _ids(yard)
    endless = yard.endless_build()
    request = BuildRequest(endless.tag, context=endless.context, no_cache=True, timeout_s=2)
    start = time.monotonic()
    with pytest.raises(BuildTimedOut, match="within 2 s"):
        _build(yard, request)
    assert time.monotonic() - start < 5
    eventually(lambda: _ids(yard) <= before)


def test_wrong_dockerfile(yard: DockerYard) -> None:
    """What is wrong with a Dockerfile is said in the engine's words, and is not transient."""
    for text, words in (("FRM x\n", "unknown instruction: FRM"), ("", "empty")):
        request = BuildRequest(yard.tag(), context=yard.folder(Dockerfile=text))
        with pytest.raises(BuildFailed, match=words) as failed:
            _build(yard, request)
        assert not failed.value.transient


def test_base_image_out_of_reach(yard: DockerYard) -> None:
    """A registry that cannot be reached is a failure of the moment."""
    request = BuildRequest(
        yard.tag(), context=yard.folder(Dockerfile="FROM registry.invalid/none:1\n")
    )
    with pytest.raises(BuildFailed) as failed:
        _build(yard, request)
    assert failed.value.transient


def test_missing_folder(yard: DockerYard) -> None:
    """A folder that is gone is refused before the engine is asked."""
    with pytest.raises(SourceRefused, match="/nowhere"):
        _build(yard, BuildRequest(yard.tag(), context="/nowhere"))


def test_dockerfile_outside_of_the_context(yard: DockerYard) -> None:
    """What cannot be read here is the source's fault, and no silence of the engine."""
    request = BuildRequest(
        yard.tag(), context=yard.folder(Dockerfile="FROM scratch\n"), dockerfile="../nowhere/x"
    )
    with pytest.raises(SourceRefused, match=r"the build context cannot be read: .*nowhere/x"):
        _build(yard, request)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_engine(yard: DockerYard) -> None:
    """Without an engine there is no build, and no word that it failed."""
    nobody = DockerEngine("unix:///nowhere/docker.sock")
    with pytest.raises(EngineUnavailable):
        nobody.build(yard.good_build(), lambda _: None, lambda: False)
    gc.collect()  # docker-py leaves a socket that it cannot connect to the collector


def _build(yard: DockerYard, request: BuildRequest) -> str:
    return yard.engine.build(request, lambda _: None, lambda: False)


def _ids(yard: DockerYard) -> set[str]:
    return {each.id for each in yard.engine.everyone()}


def _env(yard: DockerYard, image: str) -> list[str]:
    id_ = yard.engine.create(_container(yard, image))
    seen = yard.engine.container(id_)
    assert seen is not None
    return list(seen.inspect["Config"]["Env"])


def _container(yard: DockerYard, image: str) -> CreateRequest:
    return CreateRequest(yard.name("built"), {"Image": image})
