"""The example backend: a small HTTP service, made of the modules it was built with.

It listens at once and says 503 on `/health` until every enabled module has started. A
module that cannot start ends the process; SIGTERM ends it with all requests answered.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from threading import Thread

from backend import Backend
from enabled import read_enabled
from handover import take_over
from server import Server


def main() -> int:
    """Serve until told to stop; 1 if a module could not start."""
    # Blocked before the first thread, so that they all leave the signals to `sigwait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    registry = import_module("registered_modules")  # written by the image build
    backend = Backend(registry.REGISTERED, registry.VERSIONS)
    server = Server(int(os.environ.get("PORT", "8080")), backend.routes)
    failures: list[Exception] = []
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Thread(target=start, args=(backend, failures), daemon=True).start()
    print(f"listening on port {server.server_address[1]}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.drain()
    print("stopped")
    return 1 if failures else 0


def start(backend: Backend, failures: list[Exception]) -> None:
    """Start what is enabled; where that fails, stop the process by the way it always stops."""
    try:
        take_over(os.environ)
        backend.start(read_enabled(os.environ))
    except Exception as failure:  # noqa: BLE001 - whatever it was, the start has failed
        print(f"cannot start: {failure}", file=sys.stderr)
        failures.append(failure)
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
