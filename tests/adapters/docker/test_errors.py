"""Whatever docker-py and the layers below it raise leaves the adapter as an error of ours."""

from __future__ import annotations

import gc
import inspect
import re
import socket
from collections.abc import Iterator

import docker.errors
import pytest
import requests
import urllib3.exceptions

from refitd.adapters.docker_engine import DockerEngine
from refitd.adapters.docker_errors import translated
from refitd.errors import Conflict, EngineError, EngineRefused, EngineUnavailable, NotFound
from rig.ports import free_port

DOCKER_ERRORS = [
    kind
    for _, kind in inspect.getmembers(docker.errors, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == "docker.errors"
]


def bare(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor asks for."""
    error = kind.__new__(kind)
    error.__dict__ |= {"response": None, "explanation": "", "msg": "", "name": "", "param": ""}
    return error


@pytest.mark.parametrize("kind", DOCKER_ERRORS, ids=lambda kind: str(kind.__name__))
def test_all_of_docker_py(kind: type[Exception]) -> None:
    """Every class of docker.errors is translated; a new one in a later release is found here."""
    with pytest.raises(EngineError), translated():
        raise bare(kind)


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ReadTimeout("silent"),
        requests.exceptions.ChunkedEncodingError("cut"),
        urllib3.exceptions.ProtocolError("cut"),
        ConnectionResetError("reset"),
        TimeoutError("silent"),
        docker.errors.StreamParseError("garbled"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_answer(error: Exception) -> None:
    """Where no answer came, nobody knows whether it was done: unavailable, and worth a retry."""
    with pytest.raises(EngineUnavailable) as unavailable, translated():
        raise error
    assert unavailable.value.transient


@pytest.mark.parametrize(
    "status,text,ours",
    [
        (404, "No such container: x", NotFound),
        (409, "name is already in use", Conflict),
        (500, "Bind for 0.0.0.0:80 failed: port is already allocated", Conflict),
        (403, "endpoint with name x already exists in network y", Conflict),
        (400, "client version 1.30 is too old. Minimum supported is 1.44", EngineUnavailable),
        (503, "node is not ready", EngineUnavailable),
        (400, "bad parameter", EngineRefused),
        (500, "driver failed", EngineRefused),
    ],
)
def test_answers(status: int, text: str, ours: type[EngineError]) -> None:
    """An answer is a refusal of its kind, in the engine's words."""
    response = requests.Response()
    response.status_code = status
    with pytest.raises(ours) as refused, translated():
        raise docker.errors.APIError("", response, text)
    assert type(refused.value) is ours
    assert str(refused.value) == text


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_was_tried_is_said_plainly(silent: int) -> None:
    """Where, and the system's own words; nothing of the layers in between."""
    refused = f"tcp://127.0.0.1:{free_port()}"
    wordless = f"tcp://127.0.0.1:{silent}"
    for where, words in (
        ("unix:///nowhere/docker.sock", "No such file or directory"),
        (refused, "Connection refused"),
        ("tcp://engine.invalid:2375", ""),
        (wordless, "it kept silent for too long"),
    ):
        with pytest.raises(EngineUnavailable) as unavailable:
            DockerEngine(where, call_timeout_s=1).info()
        said = str(unavailable.value)
        assert said.startswith(f"the engine does not answer: {words}")
        assert said.endswith(f" (tried {where})")
        assert not re.search(r"retries|HTTPConnection|Errno|aborted|API version", said)
    gc.collect()  # docker-py leaves a socket that it cannot connect to the collector


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_engine_that_is_not_there() -> None:
    """Without an engine every call says so, and none hangs."""
    nobody = DockerEngine("unix:///nowhere/docker.sock")
    for call in (
        nobody.info,
        nobody.everyone,
        lambda: nobody.start("x"),
        lambda: nobody.image("x"),
    ):
        with pytest.raises(EngineUnavailable):
            call()
    gc.collect()  # docker-py leaves a socket that it cannot connect to the collector
