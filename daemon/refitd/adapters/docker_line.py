"""A line to the engine that is held open, to tell that it was away.

An engine that is killed and started again between two calls leaves no trace in either: the client
connects anew and says nothing. But what it was streaming ends. So a stream of its events is held,
of a kind that never comes, and looked at: whether it has ended. Whoever else cuts it, such as a
proxy before the engine that has enough of a silent stream, raises the same doubt.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from docker import APIClient
from docker.errors import DockerException
from requests import Response
from requests.exceptions import RequestException

from refitd.adapters.docker_wire import Wire
from refitd.errors import EngineError

#: The engine answers at once, though nothing ever comes.
_OPENING_S = 5.0
_NOTHING = json.dumps({"event": ["refitd-holds-the-line"]})


class DockerLine:
    """At most one open line. Any thread."""

    def __init__(self, connect: Callable[[], APIClient]) -> None:
        self._connect = connect
        self._wire: Wire | None = None
        self._answer: Response | None = None  # whoever drops it, hangs up
        self._breaks, self._is_out = 0, False
        self._lock = threading.Lock()

    def breaks(self) -> int:
        """How often it was found to have ended, and, if it could not be had again at once, how often
        it was had again. Never raises: where there is none, nothing can be told."""
        with self._lock:
            if self._wire is not None and self._wire.has_news():
                self._end()
                self._breaks += 1
                self._is_out = not self._open()
            elif self._wire is None and self._open():
                self._breaks += self._is_out
                self._is_out = False
            return self._breaks

    def close(self) -> None:
        """Nothing is held any more."""
        with self._lock:
            self._end()

    def _open(self) -> bool:
        try:
            client = self._connect()
        except EngineError:
            return False
        self._wire = Wire(client)
        try:
            url = f"{client.base_url}/v{client.api_version}/events"
            asked = {"filters": _NOTHING}
            self._answer = client.get(url, params=asked, stream=True, timeout=_OPENING_S)
            self._answer.raise_for_status()
        except (RequestException, DockerException, OSError):
            self._end()
            return False
        return True

    def _end(self) -> None:
        if self._answer is not None:
            self._answer.close()
        if self._wire is not None:
            self._wire.close()
        self._wire = self._answer = None
