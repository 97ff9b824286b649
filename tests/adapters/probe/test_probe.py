"""Probes against real servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from refitd.adapters.probe import NetworkProber
from refitd.core.target import HttpProbe
from rig.ports import free_port

HERE = "127.0.0.1"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/up" else 503)
        self.end_headers()
        self.wfile.write(b"all is well")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """An HTTP server that is well at /up only."""
    with ThreadingHTTPServer((HERE, 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that accepts and says nothing."""
    with socket.create_server((HERE, 0)) as server:
        yield server.getsockname()[1]


def test_http(port: int) -> None:
    """A pass says nothing; a wrong status or body says which."""
    prober = NetworkProber()
    assert prober.http(HERE, HttpProbe(port, "/up"), 5) is None
    assert prober.http(HERE, HttpProbe(port, "/up", contains="well"), 5) is None
    assert prober.http(HERE, HttpProbe(port, "/x", status=503), 5) is None
    assert "answered 503, not 200" in str(prober.http(HERE, HttpProbe(port, "/x"), 5))
    wrong = prober.http(HERE, HttpProbe(port, "/up", contains="ill"), 5)
    assert "without 'ill'" in str(wrong)


def test_http_without_an_answer(silent: int) -> None:
    """Nobody there, and nobody speaking, are told apart, and neither hangs."""
    prober = NetworkProber()
    assert "refused" in str(prober.http(HERE, HttpProbe(free_port()), 0.3))
    assert "no answer in time" in str(prober.http(HERE, HttpProbe(silent), 0.3))


def test_tcp(silent: int) -> None:
    """Whoever accepts passes."""
    prober = NetworkProber()
    assert prober.tcp(HERE, silent, 5) is None
    assert "refused" in str(prober.tcp(HERE, free_port(), 5))
