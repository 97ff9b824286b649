"""The connection to the engine: made late, its API version negotiated, made anew when lost.

An engine may be upgraded while the daemon runs. The version is negotiated at the first call
and again after every time the engine did not answer, and `refresh` compares it at each look.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker import APIClient
from docker.utils import kwargs_from_env

from refitd.adapters.docker_errors import translated
from refitd.errors import EngineTooOld, EngineUnavailable

FLOOR = (1, 41)

#: Where the client looks when it is told nothing, for messages.
DEFAULT_HOST = "unix:///var/run/docker.sock"


class DockerConnection:
    """A client for as long as the engine answers it."""

    def __init__(self, host: str | None, call_timeout_s: float) -> None:
        self._arguments = _arguments(host) | {"timeout": call_timeout_s}
        self._where = self._arguments.get("base_url", DEFAULT_HOST)
        self._client: APIClient | None = None
        self._lock = threading.Lock()

    @contextmanager
    def client(self) -> Iterator[APIClient]:
        """The client, for one call: its errors are translated, and a lost engine forgotten."""
        try:
            with translated():
                yield self._negotiated()
        except EngineUnavailable as error:
            self.forget()
            raise EngineUnavailable(f"{error} (tried {self._where})") from error

    def another(self) -> APIClient:
        """A client of its own, without time-outs, for a call that is cut by its caller."""
        with self.client() as client:
            return APIClient(**self._arguments | {"version": client.api_version})

    def refresh(self) -> dict[str, Any]:
        """What the engine says of its version now; the client speaks it from here on."""
        with self.client() as client:
            told: dict[str, Any] = client.version(api_version=False)
            changed = told["ApiVersion"] != client.api_version
        if changed:
            self.forget()
        return told

    def forget(self) -> None:
        """The next call connects and negotiates anew. A call under way keeps its socket."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _negotiated(self) -> APIClient:
        with self._lock:
            if self._client is None:
                self._client = _new_enough(APIClient(**self._arguments | {"version": "auto"}))
            return self._client


def version_pair(text: str) -> tuple[int, int]:
    """
    >>> version_pair("1.41")
    (1, 41)
    """
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _new_enough(client: APIClient) -> APIClient:
    have = client.api_version
    if version_pair(have) < FLOOR:
        need = ".".join(map(str, FLOOR))
        client.close()
        raise EngineTooOld(f"the engine's API version is {have}, refitd needs {need} or newer")
    return client


def _arguments(host: str | None) -> dict[str, Any]:
    """As the docker command reads them: DOCKER_HOST (unless given) and the TLS variables."""
    environment = dict(os.environ) | ({"DOCKER_HOST": host} if host else {})
    return dict(kwargs_from_env(environment))
