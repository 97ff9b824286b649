"""Ports for servers that live a minute."""

import socket
import time


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nobody listens now.

    Another process may take it before its server does; the kernel deals such ports out in random
    order, so that is rare enough for a demo and a test.
    """
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(host: str, port: int, *, within_s: float = 10.0) -> bool:
    """Whether somebody accepts connections there before the time is over."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True
