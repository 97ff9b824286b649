"""A long run with a fault every few seconds at random: `make soak`, not `make test`.

Three daemons on one panel, a writer, and everything that goes wrong, drawn from a seed: sessions
terminated, connections reset, refused, silent or stranded, daemons killed, frozen, stopped and
started, the engine out of reach, Postgres crashed. Storms of half a minute alternate with calms, in
each of which what runs must become what the table says, within `CALM_S`.

In the end: no change was lost, there were not more rebuilds than bursts that asked for one, and the
daemon that lived through it all has grown neither in memory nor in threads or open files.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from rig.postgres import Postgres
from tests.acceptance.panel import Daemon, until
from tests.acceptance.traffic import Traffic
from tests.chaos.daemons import LEASE_S, Member, Trio

MINUTES = float(os.environ.get("MINUTES") or 20)
SEED = int(os.environ.get("SEED") or time.time())
STORM_S = 30.0
#: A lease extended over a critical section at the worst, and a rebuild and another after it.
CALM_S = 120.0
QUIET_S = 2.0
MODULES = ["audit", "calendar", "mail", "search", "slugs", "tickets"]
MOST_GROWTH = 1.1


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One that may be crashed."""
    with Postgres(listen="*") as cluster:
        yield cluster


@dataclass
class Writer:
    """The panel's web app: bursts of writes, of which each is tried until it is committed."""

    trio: Trio
    dice: random.Random
    written: int = 0
    #: When a burst began that asked for a rebuild; those closer than the quiet time are one.
    bursts: list[float] = field(default_factory=list)
    last_s: float = 0.0

    def burst(self) -> None:
        """One to five writes within a second."""
        rebuilds = False
        for _ in range(self.dice.randint(1, 5)):
            rebuilds |= self._write(self.dice.choice(MODULES))
            time.sleep(self.dice.uniform(0, 0.2))
        if rebuilds:
            if time.monotonic() - self.last_s > QUIET_S:
                self.bursts.append(time.monotonic())
            self.last_s = time.monotonic()

    def _write(self, id_: str) -> bool:
        kind = self.dice.choice(("install", "uninstall", "toggle", "toggle", "nothing"))
        statement = {
            "install": "insert into modules (id, has_backend, enabled) values (%s, true, true)"
            " on conflict do nothing",
            "uninstall": "delete from modules where id = %s",
            "toggle": "update modules set enabled = not enabled where id = %s",
            "nothing": "update modules set enabled = enabled where id = %s",
        }[kind]
        while True:  # until it is committed, as a web app's user would
            with suppress(psycopg.OperationalError):
                self.trio.panel.sql(statement, id_)
                self.written += 1
                return kind in ("install", "uninstall")
            time.sleep(0.1)


class Storm:
    """Faults, one every few seconds; each of them ends, at the latest when the storm does."""

    def __init__(self, trio: Trio, postgres: Postgres, dice: random.Random) -> None:
        self._trio, self._postgres, self._dice = trio, postgres, dice
        self._ends: list[tuple[float, Callable[[], object]]] = []
        self.faults: Counter[str] = Counter()
        self.daemons: list[Daemon] = []
        #: By the member's name: nobody gets a second fault while the first one lasts.
        self._busy: set[str] = set()

    def strike(self) -> None:
        """The next fault."""
        free = [each for each in self._trio.members if each.name not in self._busy]
        if not free:
            return
        member = self._dice.choice(free)
        kinds = ["listener", "reset", "strand", "refuse", "silence", "freeze", "engine"]
        # The first one lives through it all, to be measured.
        kinds += [] if member.name == "a" else ["kill", "stop"]
        kinds += ["crash"] if self._dice.random() < 0.1 else []
        kind = self._dice.choice(kinds)
        self.faults[kind] += 1
        getattr(self, f"_{kind}")(member)

    def pass_(self, *, all_: bool = False) -> None:
        """End those whose time has come."""
        now_s = time.monotonic()
        due = [end for end in self._ends if all_ or end[0] <= now_s]
        self._ends = [end for end in self._ends if end not in due]
        for _, end in sorted(due, key=lambda each: each[0]):
            end()

    def _lasting(
        self, member: Member, least_s: float, most_s: float, end: Callable[[], object]
    ) -> None:
        self._busy.add(member.name)

        def over() -> None:
            end()
            self._busy.discard(member.name)

        self._ends.append((time.monotonic() + self._dice.uniform(least_s, most_s), over))

    def _listener(self, member: Member) -> None:
        self._trio.panel.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            f"refitd listener {member.name}",
        )

    def _reset(self, member: Member) -> None:
        member.line.reset()

    def _strand(self, member: Member) -> None:
        member.line.strand()

    def _refuse(self, member: Member) -> None:
        member.line.refuse()
        member.line.reset()
        self._lasting(member, 0.5, 5, member.line.admit)

    def _silence(self, member: Member) -> None:
        member.line.silence()
        self._lasting(member, 2, 12, member.line.heal)

    def _freeze(self, member: Member) -> None:
        member.freeze()
        self._lasting(member, 1, 5 * LEASE_S, member.thaw)

    def _engine(self, member: Member) -> None:
        member.engine.refuse()
        self._lasting(member, 0.5, 3, member.engine.admit)

    def _kill(self, member: Member) -> None:
        member.kill()
        self._again(member)

    def _stop(self, member: Member) -> None:
        member.daemon.process.terminate()
        self._again(member)

    def _again(self, member: Member) -> None:
        def start() -> None:
            member.daemon.end()
            member.start()
            self.daemons.append(member.daemon)

        self._lasting(member, 0.5, 8, start)

    def _crash(self, _member: Member) -> None:
        self._postgres.restart("immediate")


@dataclass(frozen=True)
class Size:
    """What a process takes."""

    memory_mib: float
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Size:
        """Now."""
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
        )


@pytest.mark.timeout(MINUTES * 60 + 900)
def test_soak(trio: Trio, postgres: Postgres) -> None:
    """Nothing is lost, nothing is done too often, and nothing grows."""
    print(f"\nseed {SEED}, {MINUTES:g} minutes", flush=True)
    dice = random.Random(SEED)  # noqa: S311 - a schedule
    a, *_ = trio.start()
    writer, storm = Writer(trio, dice), Storm(trio, postgres, dice)
    storm.daemons += [member.daemon for member in trio.members]
    sizes, retried, calms = [], 0, []
    end_s = time.monotonic() + MINUTES * 60
    with Traffic(trio.panel.port, every_s=0.05, most=int(MINUTES * 60 * 40)) as traffic:
        while time.monotonic() < end_s:
            _rage(writer, storm, dice)
            took_s, retries = _calm(trio)
            calms.append(took_s)
            retried += retries
            sizes.append(Size.of(a.daemon.process.pid))
            _report(trio, writer, storm, sizes[-1], took_s)
    ends = Counter((row["action"], row["state"]) for row in trio.panel.deployments())
    print(f"deployments: {dict(ends)}; failed for a crash of Postgres and retried: {retried}")
    print(f"writes {writer.written}, bursts that ask for a rebuild {len(writer.bursts)}")
    print(f"faults: {dict(storm.faults)}")
    print(f"calm after {statistics.median(calms):.1f} s, {max(calms):.1f} s at the worst")
    print(f"requests {traffic.answered}, failed {traffic.failed}")
    print(f"the first daemon: {sizes[0]} at first, {sizes[-1]} at last")

    wrong = [
        e for d in storm.daemons for e in d.events if e["event"] in ("thread.crashed", "not json")
    ]
    assert not wrong, wrong
    assert ends["rebuild", "succeeded"] <= len(writer.bursts) + retried
    assert not trio.panel.sql("select id from refitd.change where handled_at is null")
    _check_flat(sizes)


def _rage(writer: Writer, storm: Storm, dice: random.Random) -> None:
    over_s = time.monotonic() + STORM_S
    write_s = strike_s = 0.0
    while (now_s := time.monotonic()) < over_s:
        if now_s >= write_s:
            writer.burst()
            write_s = time.monotonic() + dice.uniform(3, 12)
        if now_s >= strike_s:
            storm.strike()
            strike_s = time.monotonic() + dice.uniform(2, 8)
        storm.pass_()
        time.sleep(0.1)
    storm.pass_(all_=True)


def _calm(trio: Trio) -> tuple[float, int]:
    """How long until what runs is what the table says, and how often a retry was asked for."""
    began_s, retried = time.monotonic(), 0

    def settled() -> bool:
        nonlocal retried
        [condition] = [row["condition"] for row in trio.panel.sql("select * from refitd.status")]
        if condition == "failed":
            # The backend could not start while Postgres was away, and says so: a person's turn.
            trio.panel.sql("insert into refitd.request (target, kind) values ('backend', 'retry')")
            retried += 1
            time.sleep(1.0)
        return trio.is_settled()

    until(settled, f"it is settled\n{trio.story()}", CALM_S)
    return time.monotonic() - began_s, retried


def _report(trio: Trio, writer: Writer, storm: Storm, size: Size, took_s: float) -> None:
    done = len(trio.panel.deployments())
    print(
        f"{writer.written} writes, {sum(storm.faults.values())} faults, {done} deployments;"
        f" calm in {took_s:.1f} s; {size.memory_mib:.1f} MiB, {size.files} files,"
        f" {size.threads} threads",
        flush=True,
    )


def _check_flat(sizes: list[Size]) -> None:
    """The last third grows beyond nothing that was there before; who holds the lease has more
    files open than who waits, so the highest counts."""
    third = len(sizes) // 3
    assert third, "too short a run to tell"
    for what in ("memory_mib", "files", "threads"):
        was, is_ = (
            max(getattr(s, what) for s in part) for part in (sizes[:-third], sizes[-third:])
        )
        assert is_ <= was * MOST_GROWTH, f"{what}: {was} before, {is_} after"
