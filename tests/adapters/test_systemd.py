"""sd_notify: what systemd is told, over a real unix socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refitd.adapters.systemd import Systemd


class Listener:
    """What systemd is on its side: a datagram socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(10)

    def heard(self) -> str:
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def listening(address: str) -> Iterator[Listener]:
    listener = Listener(address)
    try:
        yield listener
    finally:
        listener.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give a path short enough for a unix socket."""
    return str(tmp_path / "notify")


def test_each_word_is_one_datagram(path: str) -> None:
    """In sd_notify(3)'s own words."""
    with listening(path) as systemd:
        us = Systemd({"NOTIFY_SOCKET": path})
        us.ready()
        assert systemd.heard() == "READY=1"
        us.status("backend: in step")
        assert systemd.heard() == "STATUS=backend: in step"
        us.alive()
        assert systemd.heard() == "WATCHDOG=1"
        us.stopping()
        assert systemd.heard() == "STOPPING=1"


def test_a_status_cannot_say_anything_else(path: str) -> None:
    """A line feed in an error does not become a second variable, nor a password public."""
    with listening(path) as systemd:
        Systemd({"NOTIFY_SOCKET": path}).status("cannot reach postgresql://u:pw@db\nSTOPPING=1")
        assert systemd.heard() == "STATUS=cannot reach postgresql://u:***@db STOPPING=1"


def test_an_abstract_address(tmp_path: Path) -> None:
    """Containers and older systemds use addresses without a file."""
    name = f"refitd-test-{os.getpid()}-{tmp_path.name}"
    with listening("\0" + name) as systemd:
        Systemd({"NOTIFY_SOCKET": "@" + name}).ready()
        assert systemd.heard() == "READY=1"


def test_without_systemd_nothing_happens() -> None:
    """Started by hand there is nobody to tell."""
    us = Systemd({})
    us.ready()
    us.status("fine")
    us.alive()
    us.stopping()
    assert us.watchdog_interval_s() is None


def test_a_socket_that_is_gone_is_no_error(path: str) -> None:
    """systemd may be re-executed at any moment."""
    Systemd({"NOTIFY_SOCKET": path}).alive()


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(
    environ: dict[str, str], expected: float | None
) -> None:
    """And only if it is meant for this process."""
    us = Systemd({"NOTIFY_SOCKET": "/run/nowhere"} | environ)
    assert us.watchdog_interval_s() == expected
