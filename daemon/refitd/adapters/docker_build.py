"""A build through the engine's own (legacy) builder, which can be cut at any moment.

A thread reads the stream; the caller's thread waits for its lines, half a second at a time,
so that `cancelled` and the deadline are looked at while a step is silent, and even while the
engine clones a git repository and has not answered at all. Hanging up is what makes the
engine stop; it then kills and removes the container of the step at hand.

What goes wrong is told apart: the source cannot be had (nothing was built), the image does
not build, or something around it failed for the moment (`transient`).
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from docker import APIClient

from refitd.adapters.docker_errors import CLIENT_ERRORS, as_ours
from refitd.adapters.docker_wire import Wire
from refitd.core.building import BuildLine, BuildRequest, read_line
from refitd.core.redact import redact
from refitd.errors import (
    BuildCancelled,
    BuildFailed,
    BuildTimedOut,
    EngineRefused,
    EngineUnavailable,
    RefitdError,
    SourceRefused,
    SourceUnavailable,
)

#: How often the caller is asked whether it still wants the image.
ASK_EVERY_S: Final = 0.5
#: How long a reader may take to notice that its socket is gone.
_HANG_UP_S: Final = 10.0

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STEP_FAILED = "The command '"
_PASSING = re.compile(
    r"dial tcp|i/o timeout|TLS handshake timeout|connection re(fused|set)|no such host"
    r"|Temporary failure|toomanyrequests|unexpected EOF|Client\.Timeout|no space left on device"
)
_NO_FOLDER = re.compile(r"(lstat|stat) \S*docker-build-git[^/\s]*/(?P<path>[^:]*): no such file")
_NO_REF = re.compile(
    r"couldn't find remote ref|not exported|no such repository|not found|denied|could not read (Username|Password)",
    re.IGNORECASE,
)
_GIT = re.compile(
    r"error fetching|unable to access|git (clone|fetch|checkout)|not a git", re.IGNORECASE
)

Record = dict[str, Any]
_END: Final = object()


def run_build(
    client: APIClient,
    request: BuildRequest,
    on_line: Callable[[BuildLine], None],
    cancelled: Callable[[], bool],
) -> str:
    """Build with a client of its own, which is closed afterwards; answers the image id."""
    if request.context is not None and not Path(request.context).is_dir():
        raise SourceRefused(f"there is no folder {request.context!r}")
    wire = Wire(client)
    records: queue.Queue[Any] = queue.Queue()
    reader = threading.Thread(
        target=_read, args=(client, request, records), name="build stream", daemon=True
    )
    reader.start()
    try:
        return _follow(_awaited(records, request.timeout_s, cancelled), request, on_line)
    finally:
        wire.cut()
        reader.join(_HANG_UP_S)
        wire.close()


def _read(client: APIClient, request: BuildRequest, records: queue.Queue[Any]) -> None:
    """On the thread: everything the stream says, or the error that ended it."""
    try:
        for record in client.build(**_arguments(request)):
            records.put(record)
        records.put(_END)
    except (*CLIENT_ERRORS, ValueError, AttributeError, TypeError) as error:
        # A socket cut under the feet of http.client shows in several ways.
        records.put(error)


def _awaited(
    records: queue.Queue[Any], timeout_s: float, cancelled: Callable[[], bool]
) -> Iterator[Record]:
    """The stream's records as they come, as long as they are wanted."""
    deadline = time.monotonic() + timeout_s
    ask_at = time.monotonic()
    while True:
        if time.monotonic() >= deadline:
            raise BuildTimedOut(f"the build did not end within {timeout_s:g} s")
        if time.monotonic() >= ask_at:
            if cancelled():
                raise BuildCancelled("the build was cancelled")
            ask_at = time.monotonic() + ASK_EVERY_S
        try:
            record = records.get(timeout=min(ASK_EVERY_S, max(0.0, deadline - time.monotonic())))
        except queue.Empty:
            continue
        if record is _END:
            return
        if isinstance(record, Exception):
            raise record
        yield record


def _follow(
    records: Iterator[Record], request: BuildRequest, on_line: Callable[[BuildLine], None]
) -> str:
    image_id, text = "", ""
    try:
        for record in records:
            if "error" in record:
                raise failure(str(record["error"]), request)
            image_id = (record.get("aux") or {}).get("ID") or image_id
            *whole, text = (text + _said(record)).split("\n")
            for line in whole:
                on_line(read_line(_COLOUR.sub("", line).rstrip()))
    except RefitdError:
        raise
    except CLIENT_ERRORS as error:
        if _is_of_the_context(error):
            raise SourceRefused(f"the build context cannot be read: {error}") from error
        raise _not_begun(as_ours(error), request) from error
    if not image_id:
        raise EngineUnavailable("the build's stream ended without an image id")
    return image_id


def _said(record: Record) -> str:
    """Output of a step, or what a pull says (without its ticking bytes)."""
    if "stream" in record:
        return str(record["stream"])
    if "status" in record and not record.get("progressDetail"):
        return ": ".join(filter(None, (record.get("id"), record["status"]))) + "\n"
    return ""


def failure(message: str, request: BuildRequest) -> RefitdError:
    """What an error of the engine's builder means."""
    message = redact(message.strip())
    folder = _NO_FOLDER.search(message)
    if folder and request.remote:
        return SourceRefused(
            f"there is no {folder['path']!r} in {request.remote.partition('#')[0]}"
        )
    if request.remote and _GIT.search(message) and not message.startswith(_STEP_FAILED):
        kind = SourceRefused if _NO_REF.search(message) else SourceUnavailable
        return kind(f"the engine cannot fetch the source: {' '.join(message.split())}")
    failed = BuildFailed(message)
    failed.transient = not message.startswith(_STEP_FAILED) and bool(_PASSING.search(message))
    return failed


def _is_of_the_context(error: Exception) -> bool:
    """What was to be sent could not be read, and the engine has no part in it: a socket has no
    name of a file."""
    if not isinstance(error, OSError):
        return False
    return bool(error.filename) or "file in context" in str(error)


def _not_begun(error: RefitdError, request: BuildRequest) -> RefitdError:
    """An answer instead of a stream: of the source, or of the Dockerfile itself."""
    return failure(str(error), request) if isinstance(error, EngineRefused) else error


def _arguments(request: BuildRequest) -> dict[str, Any]:
    assert (request.remote is None) != (request.context is None), "one of the two is the source"
    return {
        "path": request.remote or request.context,
        "tag": request.tag,
        "dockerfile": request.dockerfile,
        "buildargs": dict(request.args),
        "labels": dict(request.labels),
        "target": request.stage,
        "pull": request.pull,
        "nocache": request.no_cache,
        "rm": True,
        "forcerm": True,
        "decode": True,
    }
