"""prometheus-client behind `ports.Metrics`, with the small HTTP server that shows them.

`/metrics` is for a Prometheus, `/healthz` for whoever asks whether the daemon does its work:
200 or 503 with a sentence. Both names and labels are a promise to dashboards: change with
care. The registry is our own, so that two daemons in one process (tests) do not meet.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from threading import Thread
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from refitd import __version__
from refitd.errors import SettingsError

LISTENER_STATES = ("connecting", "listening", "synced", "suspect")

#: Replacements take from a fraction of a second to a quarter of an hour.
_DURATIONS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800)
_OUTAGES_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)


class PrometheusMetrics:
    """`ports.Metrics`: counts and times in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._looks = Counter(
            "refitd_looks",
            "Looks at a target, by what woke the daemon.",
            ("target", "wake"),
            registry=self.registry,
        )
        self._deployments = Counter(
            "refitd_deployments",
            "Deployments that ended, by action and how.",
            ("target", "action", "state"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "refitd_deployment_duration_seconds",
            "How long a deployment took, from its row to its end.",
            ("target", "action", "state"),
            buckets=_DURATIONS_S,
            registry=self.registry,
        )
        self._ended_at = Gauge(
            "refitd_deployment_ended_timestamp_seconds",
            "When a deployment last ended so, in seconds of the epoch.",
            ("target", "state"),
            registry=self.registry,
        )
        self._outages = Histogram(
            "refitd_outage_seconds",
            "How long nothing served while a container was replaced or restarted.",
            ("target",),
            buckets=_OUTAGES_S,
            registry=self.registry,
        )
        self._listener = Enum(
            "refitd_listener_state",
            "How well notifications are heard.",
            states=LISTENER_STATES,
            registry=self.registry,
        )
        Gauge(
            "refitd_build_info", "Which refitd this is.", ("version",), registry=self.registry
        ).labels(__version__).set(1)

    def looked(self, target: str, wake: str) -> None:
        self._looks.labels(target, wake).inc()

    def ended(self, target: str, action: str, state: str, duration_s: float) -> None:
        self._deployments.labels(target, action, state).inc()
        self._durations.labels(target, action, state).observe(duration_s)
        self._ended_at.labels(target, state).set_to_current_time()

    def outage(self, target: str, seconds: float) -> None:
        self._outages.labels(target).observe(seconds)

    def listener_state(self, state: str) -> None:
        """A word that is not known shows as `suspect`: numbers are never an error."""
        self._listener.state(state if state in LISTENER_STATES else "suspect")


class MetricsServer:
    """Serves a registry, and whether all is well, until its `with` block ends.

    `trouble` answers what is wrong with the daemon, or None; it must not block.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        address: str,
        port: int,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        kind = _Server6 if ":" in address else ThreadingHTTPServer
        try:
            self._server = kind((address, port), _handler(registry, trouble))
        except OSError as error:
            raise SettingsError(
                f"`metrics_port`: cannot listen on {address} port {port}: {error.strerror}"
            ) from error
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on: the one asked for, or a free one where that was 0."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server6(ThreadingHTTPServer):
    address_family = AF_INET6


def _handler(
    registry: CollectorRegistry, trouble: Callable[[], str | None]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                case "/healthz":
                    wrong = trouble()
                    self._answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode())
                case _:
                    self._answer(404, b"there is /metrics and /healthz\n")

        def _answer(
            self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape is no event."""

    return Handler
