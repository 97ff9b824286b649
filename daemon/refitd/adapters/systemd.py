"""systemd behind `ports.Supervisor`: sd_notify(3), which is one datagram to a unix socket.

Without `NOTIFY_SOCKET` nobody listens and nothing is sent. A datagram that does not arrive is
no reason for a daemon to fail, so errors are dropped; if it was `WATCHDOG=1`, systemd acts.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from refitd.core.redact import redact

_PATIENCE_S = 1.0


class Systemd:
    """`ports.Supervisor` over the socket that `environ` names."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_us = environ.get("WATCHDOG_USEC", "")
        self._watchdog_pid = environ.get("WATCHDOG_PID", "")

    def watchdog_interval_s(self) -> float | None:
        """How often `alive` is expected, or None. Half of systemd's limit, as its manual says."""
        meant_for_us = self._watchdog_pid in {"", str(os.getpid())}
        if not (self._address and meant_for_us and self._watchdog_us.isdigit()):
            return None
        return int(self._watchdog_us) / 2_000_000 or None

    def ready(self) -> None:
        self._send("READY=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`; a line feed in it would begin another variable."""
        self._send("STATUS=" + " ".join(redact(text).split()))

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            # systemd may be busy for a moment, but must not make us hang.
            sender.settimeout(_PATIENCE_S)
            sender.sendto(message.encode(), self._address)


def _address(name: str) -> str:
    """A path, or, written with an `@` in front, an address in the abstract namespace."""
    return "\0" + name[1:] if name.startswith("@") else name
