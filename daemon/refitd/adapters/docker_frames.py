"""The output of a command that runs inside a container, with an end to the waiting.

docker-py takes every time-out off a stream. Here it is read with one, and a command that
keeps talking is left when its time is over. The engine has no call to end it.
"""

from __future__ import annotations

import time

import requests.exceptions
import urllib3.exceptions
from docker import APIClient

from refitd.adapters.docker_raw import post

#: As much of the end as fits into an audit row.
KEPT = 4096
_HEADER = 8
_SILENT = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


def output_of(client: APIClient, exec_id: str, deadline: float) -> tuple[str, bool]:
    """The end of the output, and whether the command ended by `deadline` (monotonic)."""
    body = {"Detach": False, "Tty": False}
    raw, ended = bytearray(), False
    try:
        left_s = max(0.1, deadline - time.monotonic())
        with post(client, f"/exec/{exec_id}/start", body, stream=True, timeout=left_s) as response:
            while time.monotonic() < deadline:
                chunk = response.raw.read1(65536)
                if not chunk:
                    ended = True
                    break
                raw += chunk
    except _SILENT:
        ended = False
    except requests.exceptions.ConnectionError as error:
        if "timed out" not in str(error).lower():
            raise
    return _text(bytes(raw))[-KEPT:].strip(), ended


def _text(raw: bytes) -> str:
    """Without the eight bytes before each frame: stream, three zeros, length."""
    parts: list[bytes] = []
    at = 0
    while at + _HEADER <= len(raw):
        length = int.from_bytes(raw[at + 4 : at + _HEADER], "big")
        parts.append(raw[at + _HEADER : at + _HEADER + length])
        at += _HEADER + length
    return b"".join(parts).decode(errors="replace")
