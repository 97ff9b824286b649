"""An HTTP server that loses no request when it is told to stop.

It speaks HTTP/1.0, one request a connection: then a thread that ends is a request answered,
and no idle connection can hold up a stop.
"""

from __future__ import annotations

import json
import socketserver
from http.server import BaseHTTPRequestHandler
from typing import cast

from routes import Routes


class Server(socketserver.ThreadingTCPServer):
    """A thread for each request.

    Not an `HTTPServer`: as it binds, that one looks its own name up, and where there is no
    name server the backend would start seconds late.
    """

    allow_reuse_address = True
    request_queue_size = 128  # the default of 5 refuses a burst

    def __init__(self, port: int, routes: Routes) -> None:
        """Listen on every address."""
        self.routes = routes
        self._queue_is_empty = False
        super().__init__(("", port), Conversation)

    def drain(self) -> None:
        """Stop accepting, but answer whoever got in, or had only got into the queue."""
        self.shutdown()
        self.timeout = 0
        while not self._queue_is_empty:
            self.handle_request()
        self.server_close()  # waits for the threads

    def handle_timeout(self) -> None:
        """Note that nobody was waiting."""
        self._queue_is_empty = True


class Conversation(BaseHTTPRequestHandler):
    """One request and its answer."""

    timeout = 10  # a client that connects and says nothing must not hold up a stop

    def do_GET(self) -> None:
        """Answer from the routes."""
        status, body = cast("Server", self.server).routes.answer(self.path)
        text = body if isinstance(body, str) else json.dumps(body, indent=2) + "\n"
        kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Keep quiet: a health check every second would drown what matters."""
