"""The listener: what it hears, how it knows that it hears, and what it says when it is cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from refitd.core.deployment import Wake
from refitd.core.target import Timing
from refitd.errors import DatabaseUnavailable
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.shell.fakes import FakeClock, FakeEar, FakeLog, FakeMetrics

TIMING = Timing(heartbeat_s=3.0, heartbeat_deadline_s=2.0)
AWAY = DatabaseUnavailable("connection refused")


class Post:
    """A listener and all that it knows."""

    def __init__(self, *script: object) -> None:
        self.database = MemoryDatabase()
        self.clock = FakeClock(self.database)
        self.log, self.metrics = FakeLog(), FakeMetrics()
        self.stopping = _Impatient()
        self.pokes: list[str] = []
        self.moves: list[ListenerState] = []
        self.ear = FakeEar([*script, self._stop])
        self.heard: list[tuple[str, str]] = []
        self.database.notify = lambda channel, payload: self.heard.append((channel, payload))
        self.listener = Listener(
            ear=self.ear,
            leases=MemoryJournal(self.database),
            clock=self.clock,
            log=self.log,
            metrics=self.metrics,
            timing=TIMING,
            instance="one",
            poke=self.pokes.append,
            moved=self.moves.append,
            stopping=self.stopping,
        )

    def _stop(self) -> list[tuple[str, str]]:
        self.stopping.set()
        return []

    def beat(self) -> list[tuple[str, str]]:
        """A heartbeat goes out; nothing is heard yet."""
        self.listener.beat()
        return []

    def echo(self) -> list[tuple[str, str]]:
        """What was notified arrives."""
        heard, self.heard[:] = list(self.heard), []
        return heard

    def later(self, seconds: float) -> Callable[[], list[tuple[str, str]]]:
        """Time passes, and nothing is heard."""

        def pass_() -> list[tuple[str, str]]:
            self.clock.sleep(seconds)
            return []

        return pass_


class _Impatient(threading.Event):
    """Waits for nothing, and remembers for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """At once."""
        self.waits.append(timeout)
        return self.is_set()


def test_listens_first_and_looks_second() -> None:
    """On a connection LISTEN comes first; then a look catches what was committed before."""
    post = Post()
    post.listener.run()

    assert post.moves == ["listening", "synced"]
    assert post.pokes == ["reconnect"]
    assert post.ear.closed == 1


def test_notification() -> None:
    """Of all that arrives at once one poke is made; other channels are none of our business."""
    post = Post([("refitd", ""), ("refitd", ""), ("refitd_status", "backend"), ("x", "")], [])
    post.listener.run()

    assert post.pokes == ["reconnect", "notify"]


def test_handler_that_fails() -> None:
    """L10: of a burst in one packet, whose handling fails, nothing is lost: the thread that was to
    handle it ends, and the one in its place listens anew and looks."""
    post = Post([("refitd", "")] * 5)
    poke, failures = post.listener._poke, ["of the handler"]

    def failing(wake: Wake) -> None:
        if wake == "notify" and failures:
            raise RuntimeError(failures.pop())
        poke(wake)

    post.listener._poke = failing
    with pytest.raises(RuntimeError, match="of the handler"):
        post.listener.run()
    assert post.pokes == ["reconnect"]
    post.listener.run()

    assert post.pokes == ["reconnect", "reconnect"]
    assert post.ear.opened == 2


def test_resignation() -> None:
    """H7: that a lease was given up is told as such; no row has changed."""
    post = Post([("refitd", "lease")], [("refitd", "lease"), ("refitd", "")])
    post.listener.run()

    assert post.pokes == ["reconnect", "lease", "notify", "lease"]


def test_reconnects() -> None:
    """A broken wire is mended, and what was missed is looked for."""
    post = Post(AWAY, [("refitd", "")])
    post.listener.run()

    assert post.pokes == ["reconnect", "reconnect", "notify"]
    assert (post.ear.opened, post.ear.closed) == (2, 2)
    assert post.moves == ["listening", "synced", "connecting", "listening", "synced"]
    assert post.metrics.states == list(post.moves)


def test_new_complaints() -> None:
    """One line for each new complaint, not one an attempt; after it was well, it is new again."""
    post = Post(AWAY)
    other = DatabaseUnavailable("no such host")
    post.ear.refusals = [AWAY, AWAY, AWAY, other, other]
    post.listener.run()

    said = [facts["error"] for facts in post.log.facts("listener.cut_off")]
    assert said == ["connection refused", "no such host", "connection refused"]


def test_back_off() -> None:
    """Between attempts it waits, with jitter, never longer than the longest."""
    post = Post()
    post.clock.dice = lambda: 0.999  # type: ignore[method-assign]
    post.ear.refusals = [AWAY] * 6
    post.listener.run()

    waits = [round(wait or 0, 1) for wait in post.stopping.waits]
    assert waits[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_back_off_starts_over() -> None:
    """After a while that went well it begins with short waits again."""
    post = Post()
    post.clock.dice = lambda: 0.999  # type: ignore[method-assign]
    post.ear.refusals = [AWAY] * 5
    post.ear.script = iter([post.later(31.0), AWAY, post._stop])
    post.listener.run()

    assert round(post.stopping.waits[5] or 0, 1) == 0.1


def test_heartbeat() -> None:
    """A heartbeat that arrives proves that it hears, and leaves it alone."""
    post = Post()
    post.ear.script = iter([post.beat, post.later(1.9), post.echo, post.later(4.9), post._stop])
    post.listener.run()

    assert post.moves == ["listening", "synced"]


def test_missed_heartbeat() -> None:
    """One that does not arrive in time ends the connection, which is open and delivers nothing."""
    post = Post()
    post.ear.script = iter([post.beat, post.later(1.9), post.later(0.2), post._stop])
    post.listener.run()

    assert post.moves == ["listening", "synced", "suspect", "connecting", "listening", "synced"]
    [said] = post.log.facts("listener.cut_off")
    assert "transaction pooler" in said["error"]
    assert post.pokes == ["reconnect", "reconnect"]


def test_one_heartbeat_at_a_time() -> None:
    """While one is on its way no other is sent; another daemon's does not stand for it."""
    post = Post()
    foreign = [("refitd_heartbeat", "two:beat-1")]
    post.ear.script = iter([post.beat, post.beat, foreign, post.later(2.1), post._stop])
    post.listener.run()

    assert len(post.heard) == 1
    assert "suspect" in post.moves


def test_no_heartbeat_while_connecting() -> None:
    """None is sent as long as nobody could hear it."""
    post = Post()
    post.listener.beat()

    assert post.heard == []


def test_heartbeat_that_hangs() -> None:
    """L4: one that is not even sent in time, as the other wire is silent too, is a missed one."""
    post = Post()

    def hang(nonce: str) -> float:
        del nonce  # in another thread it would hang on; this one hears meanwhile
        post.clock.sleep(2.1)
        post.listener.turn()
        return 0.0

    post.listener._leases.heartbeat = hang  # type: ignore[method-assign]
    post.ear.script = iter([post.beat, post._stop, post._stop])
    post.listener.run()
    assert "suspect" in post.moves


def test_pulse() -> None:
    """Heartbeats go out one after the other; one that cannot be sent is said once, and tried
    again soon."""
    sent: list[str] = []
    log, down = FakeLog(), [True, True, False, False, True]

    def beat() -> None:
        if down[len(sent)]:
            sent.append("not")
            raise AWAY
        sent.append("sent")

    pulse = Pulse(beat, log, 3.0, threading.Event())
    assert [pulse.turn() for _ in down] == [0.5, 0.5, 3.0, 3.0, 0.5]
    assert len(log.facts("heartbeat.unsent")) == 2


def test_heartbeat_cannot_be_sent() -> None:
    """That the other connection is refused at once says nothing about this one; but where none
    gets through for as long as one and its deadline take, this one is not believed in any more."""
    post = Post()

    def broken() -> list[tuple[str, str]]:
        post.database.down = True
        with pytest.raises(DatabaseUnavailable):
            post.listener.beat()
        return post.later(0.5)()

    post.ear.script = iter([*[broken] * 11, post._stop])
    post.listener.run()
    assert post.moves[:3] == ["listening", "synced", "suspect"]
    assert post.clock.now_s() == 1000.0 + 5.5
    [said] = post.log.facts("listener.cut_off")
    assert "no heartbeat could be sent" in said["error"]


def test_queue_that_fills() -> None:
    """L12: that notifications pile up is said once, and so is that they do no more."""
    post = Post()
    post.listener.state = "synced"
    pulse = Pulse(post.listener.beat, post.log, 3.0, threading.Event())
    for in_use in (0.0, 0.2, 0.3, 0.05, 0.0):
        post.database.queue_in_use = in_use
        pulse.turn()
        post.listener._nonce = ""

    assert [facts["in_use"] for facts in post.log.facts("notifications.piled_up")] == [0.2]
    assert [facts["in_use"] for facts in post.log.facts("notifications.drained")] == [0.05]
