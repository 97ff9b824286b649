"""Paths and what answers them: modules add theirs as they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

Query = Mapping[str, str]
#: Text is answered as it is, anything else as JSON. A missing or senseless query parameter
#: may simply raise KeyError or ValueError: that is a bad request.
Handler = Callable[[Query], object]


class Response(NamedTuple):
    """A status and what goes with it."""

    status: int
    body: object


class Routes:
    """Which path is answered by what."""

    def __init__(self) -> None:
        """Begin with no path at all."""
        self._handlers: dict[str, Handler] = {}
        self._watchers: list[Callable[[str], None]] = []

    def add(self, path: str, handler: Handler) -> None:
        """Answer this path with this handler."""
        self._handlers[path] = handler

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Tell this watcher the path of every request."""
        self._watchers.append(watcher)

    def paths(self) -> list[str]:
        """List the paths that have an answer."""
        return sorted(self._handlers)

    def answer(self, url: str) -> Response:
        """Answer a request for this path and query."""
        target = urlsplit(url)
        for watcher in self._watchers:
            watcher(target.path)
        handler = self._handlers.get(target.path)
        if handler is None:
            return Response(404, {"error": f"nothing at {target.path}"})
        try:
            return respond(handler(dict(parse_qsl(target.query))))
        except KeyError as missing:
            return Response(400, {"error": f"missing: {missing.args[0]}"})
        except ValueError as senseless:
            return Response(400, {"error": str(senseless)})


def respond(answer: object) -> Response:
    """Let a handler give a status of its own; otherwise all is well."""
    return answer if isinstance(answer, Response) else Response(200, answer)
