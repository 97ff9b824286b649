"""The old hand-over: asleep by default, and what it would do to the container it names."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from tests.backend.running import assemble, serving


class Engine(socketserver.UnixStreamServer):
    """An engine's socket that does nothing and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        """Listen."""
        self.asked: list[str] = []
        self.path = path
        super().__init__(str(path), Conversation)


class Conversation(BaseHTTPRequestHandler):
    """Whatever is asked, it is done."""

    def do_POST(self) -> None:
        """Remember, and agree."""
        assert isinstance(self.server, Engine)
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(204)
        self.end_headers()

    do_DELETE = do_POST  # noqa: N815 - http.server finds it by this name

    def address_string(self) -> str:
        """Give no address: a unix socket has none, and the one to be logged is empty."""
        return "unix"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Serve the socket while the test runs."""
    with Engine(tmp_path / "engine.sock") as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_stops_and_removes_the_one_it_replaces(tmp_path: Path, engine: Engine) -> None:
    """Switched on, it does what the old backends do: unproven, the old one is gone."""
    with serving(
        assemble(tmp_path, ""),
        HANDOVER="1",
        REPLACING_CONTAINER="panel-backend",
        DOCKER_SOCKET=str(engine.path),
    ) as service:
        service.wait_until_healthy()
    assert engine.asked == [
        "POST /containers/panel-backend/stop",
        "DELETE /containers/panel-backend?force=1",
    ]


@pytest.mark.parametrize(
    "variables",
    [{}, {"HANDOVER": "1"}, {"REPLACING_CONTAINER": "panel-backend"}],
    ids=["nothing", "no name", "not switched on"],
)
def test_otherwise_it_asks_for_nothing(
    tmp_path: Path, engine: Engine, variables: dict[str, str]
) -> None:
    """Without the switch and the name, it leaves the engine alone."""
    app = assemble(tmp_path, "")
    with serving(app, DOCKER_SOCKET=str(engine.path), **variables) as service:
        service.wait_until_healthy()
    assert engine.asked == []


def test_without_a_socket_it_just_starts(tmp_path: Path) -> None:
    """A backend that cannot reach the engine is none the worse."""
    with serving(
        assemble(tmp_path, ""),
        HANDOVER="1",
        REPLACING_CONTAINER="panel-backend",
        DOCKER_SOCKET=str(tmp_path / "none"),
    ) as service:
        service.wait_until_healthy()
