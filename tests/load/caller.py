"""What a client does that looks the name up and connects anew for each request: run in a container.

    python3 caller.py HOST PORT PER_SECOND PATH CONNECT_S IN_ALL_S

Each request has its appointed moment, whether or not those before it were answered. Where the name
has several addresses they are tried in turn, as standard libraries do it, each for CONNECT_S and
all for IN_ALL_S. A line each on standard output: when it began, when it ended, and what went wrong
("" where nothing did). It knows the standard library only. SIGTERM ends it, with all that is under
way answered for.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

HANDS = 25
TIMEOUT_S = 5.0


def connect(host: str, port: int, each_s: float, in_all_s: float) -> socket.socket:
    """To the first address that takes it. Raises `OSError` where none does in time."""
    over_s = time.monotonic() + in_all_s
    error: OSError = TimeoutError("no time to look it up")
    for *_, address in socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM):
        left_s = over_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((str(address[0]), port), min(each_s, left_s))
        except OSError as failed:
            error = failed
    raise error


def ask(host: str, port: int, path: str, limits_s: Sequence[float]) -> str:
    """One request by a connection of its own; what went wrong."""
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = connect(host, port, *limits_s)
        connection.sock.settimeout(TIMEOUT_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"status {answer.status}"


def main() -> None:
    """Until SIGTERM."""
    host, port, per_second, path, *limits_s = sys.argv[1:]
    over, pen = threading.Event(), threading.Lock()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    began_s = time.monotonic()

    def work(hand: int) -> None:
        every_s = HANDS / float(per_second)
        due_s = began_s + hand / float(per_second)
        while not over.wait(max(0.0, due_s - time.monotonic())):
            started = time.time()
            failure = ask(host, int(port), path, [float(each) for each in limits_s])
            with pen:
                print(json.dumps([started, time.time(), failure]), flush=True)
            due_s = max(due_s + every_s, time.monotonic())

    hands = [threading.Thread(target=work, args=(hand,)) for hand in range(HANDS)]
    for each in hands:
        each.start()
    signal.sigwait({signal.SIGTERM})
    over.set()
    for each in hands:
        each.join()


if __name__ == "__main__":
    main()
