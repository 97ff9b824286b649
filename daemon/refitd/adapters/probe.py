"""`ports.Prober` with the standard library: one connection, one answer, a word about it.

An answer of `None` is a pass. The words are for the audit row, so they hold no response body.
"""

from __future__ import annotations

import http.client
import socket

from refitd.core.target import HttpProbe

#: As much of a body as `contains` is looked for in.
_BODY = 1 << 20


class NetworkProber:
    """Connects from this machine, straight to the address: no proxy, no redirects."""

    def http(self, address: str, probe: HttpProbe, timeout_s: float) -> str | None:
        connection = http.client.HTTPConnection(address, probe.port, timeout=timeout_s)
        where = f"GET {probe.path} on port {probe.port}"
        try:
            connection.request("GET", probe.path, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(_BODY)
        except (OSError, http.client.HTTPException) as error:
            return f"{where}: {_reason(error)}"
        finally:
            connection.close()
        if answer.status != probe.status:
            return f"{where} answered {answer.status}, not {probe.status}"
        if probe.contains is not None and probe.contains.encode() not in body:
            return f"{where} answered {answer.status} without {probe.contains!r}"
        return None

    def tcp(self, address: str, port: int, timeout_s: float) -> str | None:
        try:
            with socket.create_connection((address, port), timeout_s):
                return None
        except OSError as error:
            return f"port {port}: {_reason(error)}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
