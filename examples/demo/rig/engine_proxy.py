"""The engine's socket for one client alone, where each call is overheard, can be held, or cut off.

A call can be held before the engine hears of it, or when it is done and the answer is on its way.

Everything is passed on as it comes, both ways, so streams stay streams. What the client says is
read along, only so far as to tell where one call ends and the next begins.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Literal, Self

_ID = re.compile(r"[0-9a-f]{64}")
_LOOKS = ("GET", "HEAD", "OPTIONS")

#: Whether a call is held before the engine hears of it, or once the engine has answered.
Moment = Literal["asked", "done"]


@dataclass(eq=False)
class Call:
    """What the client asked of the engine; times are the machine's wall clock."""

    method: str
    path: str
    arrived_at_s: float = field(default_factory=time.time)
    #: Not yet while it is held.
    passed_at_s: float | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def brief(self) -> str:
        """Without what it is about, as a name for a table."""
        return _ID.sub("*", f"{self.method} {self.path.partition('?')[0]}")

    @property
    def acts(self) -> bool:
        """Whether it may change something; else it is a look."""
        return self.method not in _LOOKS


class Held:
    """The one call that is held where it fits, from its arrival until it is let go or dropped."""

    def __init__(self, fits: Callable[[Call], bool], what: str, skip: int, moment: Moment) -> None:
        self._fits, self.what, self._skip, self.moment = fits, what, skip, moment
        self._arrived, self._let_go = threading.Event(), threading.Event()
        self._taken, self._dropped = False, False

    @property
    def arrived(self) -> bool:
        """Whether it is held, or was."""
        return self._arrived.is_set()

    def wait(self, timeout_s: float = 90.0) -> None:
        """Until it has arrived; "asked": the engine has not heard of it then, "done": it has
        answered."""
        assert self._arrived.wait(timeout_s), f"no {self.what} came to be held"

    def let_go(self) -> None:
        """Pass it on, whether or not the client is still there."""
        self._let_go.set()

    def drop(self) -> None:
        """Never pass it on: the wire is cut instead."""
        self._dropped = True
        self._let_go.set()

    def takes(self, call: Call) -> bool:
        """Whether this is the one; it is once, after so many that are skipped."""
        if self._taken or not self._fits(call):
            return False
        self._skip -= 1
        self._taken = self._skip < 0
        return self._taken

    def keep(self) -> None:
        """In the thread of the call. Raises `ConnectionAbortedError` where it is dropped."""
        self._arrived.set()
        self._let_go.wait()
        if self._dropped:
            raise ConnectionAbortedError


class EngineProxy:
    """In front of the engine's socket, at a path of its own; a context manager."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path, self._engine = path, engine
        self.calls: list[Call] = []
        self._holds: list[Held] = []
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.admit()
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._holds:
            held.let_go()
        self.refuse()

    @property
    def host(self) -> str:
        """As DOCKER_HOST has it."""
        return f"unix://{self.path}"

    @property
    def acts(self) -> list[Call]:
        """The calls that may change something, in the order in which they arrived."""
        return [call for call in self.calls if call.acts]

    def hold(self, method: str, path: str, *, skip: int = 0, moment: Moment = "asked") -> Held:
        """The next call of this kind is held; `path` is a pattern, without the API's version."""

        def fits(call: Call) -> bool:
            return call.method == method and fnmatchcase(call.path, path)

        return self._hold(Held(fits, f"{method} {path}", skip, moment))

    def hold_act(self, number: int, moment: Moment = "asked") -> Held:
        """The call of this number, from now on, that may change something; the first is 0."""
        return self._hold(Held(lambda call: call.acts, f"act {number}", number, moment))

    def hold_look_after(self, number: int) -> Held:
        """The first look after the act of this number: all that follows from that act is written
        down by then."""
        acts = [0]

        def fits(call: Call) -> bool:
            acts[0] += call.acts
            return acts[0] > number and not call.acts

        return self._hold(Held(fits, f"look after act {number}", 0, "asked"))

    def _hold(self, held: Held) -> Held:
        self._holds.append(held)
        return held

    def refuse(self) -> None:
        """Nobody gets in, and whoever was in is thrown out."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        with self._lock:
            for each in self._sockets:
                _hang_up(each)

    def admit(self) -> None:
        """Let them in, at first and again."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self.path.chmod(0o666)  # a client in a container may be anybody
        self._listener.listen(64)
        threading.Thread(target=self._admit, args=[self._listener], daemon=True).start()

    def _admit(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            engine.connect(str(self._engine))
            with self._lock:
                self._sockets |= {client, engine}
            answers = _Answers()
            back = threading.Thread(target=answers.pass_on, args=(engine, client), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._listen_in(client, engine, answers)
            with contextlib.suppress(OSError):  # that the client hung up is how it cancels a build
                engine.shutdown(socket.SHUT_WR)
            back.join()
            with self._lock:
                self._sockets -= {client, engine}

    def _listen_in(self, client: socket.socket, engine: socket.socket, answers: _Answers) -> None:
        with client.makefile("rb") as said:
            while head := _head(said):
                call = self._overheard(head)
                for held in self._taking(call):
                    if held.moment == "asked":
                        held.keep()
                    else:
                        answers.held = held
                call.passed_at_s = time.time()
                engine.sendall(head)
                for part in _body(said, head):
                    engine.sendall(part)

    def _taking(self, call: Call) -> list[Held]:
        with self._lock:
            return [held for held in self._holds if held.takes(call)]

    def _overheard(self, head: bytes) -> Call:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        if path.startswith("/v1."):
            path = path[path.index("/", 1) :]
        call = Call(method, path)
        self.calls.append(call)
        return call


def _head(said: BinaryIO) -> bytes:
    head = b""
    while line := said.readline():
        head += line
        if line == b"\r\n":
            return head
    return b""


def _body(said: BinaryIO, head: bytes) -> Iterator[bytes]:
    headers = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.splitlines()[1:])
    }
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        yield from _chunks(said)
    else:
        yield from _exactly(said, int(headers.get(b"content-length", b"0")))
    if b"upgrade" in headers:  # from here on it is no HTTP any more
        while part := _some(said):
            yield part


def _chunks(said: BinaryIO) -> Iterator[bytes]:
    while size := said.readline():
        yield size
        length = int(size.split(b";")[0], 16)
        if length == 0:
            break
        yield from _exactly(said, length + 2)
    while trailer := said.readline():
        yield trailer
        if trailer == b"\r\n":
            return


def _exactly(said: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (part := _some(said, length)):
        length -= len(part)
        yield part


def _some(said: BinaryIO, most: int = 65536) -> bytes:
    """What is there by now, not all of it."""
    part: bytes = said.read1(min(most, 65536))  # type: ignore[attr-defined]
    return part


class _Answers:
    """What the engine says on one connection, where one answer may be held."""

    def __init__(self) -> None:
        self.held: Held | None = None

    def pass_on(self, engine: socket.socket, client: socket.socket) -> None:
        """Until either has hung up."""
        with contextlib.suppress(OSError):
            while said := engine.recv(65536):
                held, self.held = self.held, None
                if held is not None:
                    held.keep()
                client.sendall(said)
        # The engine ends a stream by hanging up; and one that nobody hears any more is to end.
        _hang_up(client)
        _hang_up(engine)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
