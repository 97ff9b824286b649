"""What a Prometheus fetches, over real HTTP."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

from refitd.adapters.metrics import MetricsServer, PrometheusMetrics
from refitd.errors import SettingsError


def get(server: MetricsServer, path: str, address: str = "127.0.0.1") -> tuple[int, str]:
    connection = HTTPConnection(address, server.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_what_happened_is_counted() -> None:
    """Looks by wake source, deployments by action and end, times and outages."""
    metrics = PrometheusMetrics()
    metrics.looked("backend", "notify")
    metrics.looked("backend", "notify")
    metrics.ended("backend", "rebuild", "succeeded", 48.0)
    metrics.outage("backend", 0.757)
    metrics.listener_state("synced")
    value = metrics.registry.get_sample_value
    ended = {"target": "backend", "action": "rebuild", "state": "succeeded"}
    assert value("refitd_looks_total", {"target": "backend", "wake": "notify"}) == 2
    assert value("refitd_deployments_total", ended) == 1
    assert value("refitd_deployment_duration_seconds_sum", ended) == 48.0
    assert value("refitd_outage_seconds_bucket", {"target": "backend", "le": "1.0"}) == 1
    assert value("refitd_outage_seconds_bucket", {"target": "backend", "le": "0.5"}) == 0
    assert value("refitd_listener_state", {"refitd_listener_state": "synced"}) == 1


def test_a_state_nobody_knows_is_no_error() -> None:
    """Numbers never get in the way of the work they count."""
    metrics = PrometheusMetrics()
    metrics.listener_state("puzzled")
    value = metrics.registry.get_sample_value
    assert value("refitd_listener_state", {"refitd_listener_state": "suspect"}) == 1


def test_two_daemons_in_a_process_do_not_meet() -> None:
    """Each has a registry of its own."""
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.looked("backend", "poll")
    poll = {"target": "backend", "wake": "poll"}
    assert other.registry.get_sample_value("refitd_looks_total", poll) is None


def test_they_are_served() -> None:
    """`/metrics` in Prometheus' own format, `/healthz` as a status and a word."""
    metrics = PrometheusMetrics()
    metrics.looked("backend", "poll")
    trouble: list[str] = []
    with MetricsServer(metrics.registry, "127.0.0.1", 0, lambda: next(iter(trouble), None)) as here:
        status, text = get(here, "/metrics")
        assert status == 200
        assert 'refitd_looks_total{target="backend",wake="poll"} 1.0' in text
        assert "refitd_build_info{version=" in text
        assert get(here, "/healthz") == (200, "ok\n")
        trouble.append("the listener is gone")
        assert get(here, "/healthz?x=1") == (503, "the listener is gone\n")
        assert get(here, "/")[0] == 404


def test_a_port_in_use_is_said_by_its_setting() -> None:
    """It is the operator's to mend."""
    registry = PrometheusMetrics().registry
    with (
        MetricsServer(registry, "127.0.0.1", 0) as first,
        pytest.raises(SettingsError, match=f"`metrics_port`: cannot listen on .* {first.port}"),
    ):
        MetricsServer(registry, "127.0.0.1", first.port)
