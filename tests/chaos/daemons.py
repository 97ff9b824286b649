"""Three daemons on one target, each a process of its own with its own ways out:

    refitd a ── proxy ──▶ Postgres          refitd b, refitd c: the same
           └─── proxy ──▶ the engine

so that each can be killed, frozen and cut off alone, and so that what each asked of the engine is
on record. Who held the lease since when is on record too, by a trigger on its row.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from rig.engine_proxy import Call, EngineProxy
from rig.proxy import Proxy
from tests.acceptance.panel import Daemon, Panel, matches, until

#: Short, so that tests are: a lease, and all that a critical section can last.
LEASE_S = 4.0
#: A round of the keeper, and a connect.
ROUND_S = 2.0
SETTINGS = {
    "timing": {"lease": f"{LEASE_S:g}s"},
    "target": {"backend": {"health": {"deadline": "8s", "interval": "100ms"}, "watch": "2s"}},
}

_RECORD = """
    create table public.tenure (holder text, epoch bigint, at_s double precision);
    create function public.record_tenure() returns trigger language plpgsql as $$
    begin
      insert into public.tenure values (new.holder, new.epoch, extract(epoch from clock_timestamp()));
      return null;
    end $$;
    create trigger tenure after insert or update of epoch on refitd.lease
      for each row execute function public.record_tenure();
"""


@dataclass(frozen=True)
class Tenancy:
    """Somebody's hold on the lease, and when it began, by the clock that the proxies have too."""

    holder: str
    epoch: int
    at_s: float


@dataclass
class Member:
    """One of the daemons, and its ways."""

    name: str
    panel: Panel
    engine: EngineProxy
    line: Proxy
    _running: Daemon | None = None

    @property
    def daemon(self) -> Daemon:
        assert self._running is not None, f"{self.name} was not started"
        return self._running

    def start(self, prefix: Sequence[str] = (), **environment: str) -> None:
        """`refitd run`; it is up when it listens, which is for `Trio.start` to wait for."""
        self._running = Daemon(
            self.panel.config(), self.panel.folder, prefix=prefix, environment=environment
        )

    def freeze(self) -> None:
        """SIGSTOP; it stands still when this returns."""
        self.daemon.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.daemon.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self.daemon.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.daemon.kill()

    def end(self) -> None:
        """Whatever state it is in."""
        if self._running is not None:
            self.thaw()
            self._running.kill()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """From Postgres: its connections are reset, and no new one is let in."""
        self.line.refuse()
        self.line.reset()
        yield
        self.line.admit()

    @contextmanager
    def stranded(self) -> Iterator[None]:
        """From Postgres: whatever it sends is acknowledged and goes nowhere."""
        self.line.silence()
        yield
        self.line.heal()

    def acts(self, since_s: float = 0.0) -> list[Call]:
        """What it asked of the engine that may change something, and got through since then."""
        passed = [call for call in self.engine.acts if call.passed_at_s is not None]
        return [call for call in passed if (call.passed_at_s or 0.0) >= since_s]


class Trio:
    """The three, and what is known of them all; a context manager."""

    def __init__(self, panel: Panel, engine: Path, port: int, folder: Path) -> None:
        self.panel = panel
        panel.settings = SETTINGS
        panel.migrate_and_watch()
        panel.sql(_RECORD)
        # It stops at a word, and must not be given long for it: the lease is extended over that.
        _allow_to_stop(panel, seconds=1)
        self._stack = ExitStack()
        self.members = [self._member(name, engine, port, folder) for name in "abc"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.end()
        self._stack.close()

    def start(self) -> tuple[Member, Member, Member]:
        """Start the first one, which takes the lease, then the others; answers all three."""
        a, b, c = self.members
        a.start()
        a.daemon.wait_until_it_listens()
        a.daemon.wait_for("target.adopted")
        for other in (b, c):
            other.start()
            other.daemon.wait_until_it_listens()
        return a, b, c

    def tenancies(self) -> list[Tenancy]:
        """Who took the lease and when, the first one first."""
        return [Tenancy(**row) for row in self.panel.sql("select * from tenure order by epoch")]

    def expiry_s(self) -> float:
        """When the lease runs out, by the database's clock."""
        found = self.panel.sql(
            "select extract(epoch from expires_at)::float8 as at_s from refitd.lease"
        )
        return float(found[0]["at_s"]) if found else 0.0

    def wait_for_successor(self, of: Member, timeout_s: float = 60.0) -> tuple[Member, Tenancy]:
        """Until another than `of` has the lease; answers who, and since when."""
        until(lambda: self.tenancies()[-1].holder != of.name, "another holds the lease", timeout_s)
        tenancy = self.tenancies()[-1]
        return next(each for each in self.members if each.name == tenancy.holder), tenancy

    def out_of_turn(self) -> dict[str, list[str]]:
        """Of each daemon the acts that got through while another held the lease."""
        tenancies = self.tenancies()
        return {
            member.name: [
                str(call)
                for call in member.acts()
                if _holder_at(tenancies, call.passed_at_s or 0.0) != member.name
            ]
            for member in self.members
        }

    def wait_until_settled(self, timeout_s: float = 90.0) -> None:
        """Until the backend is what the table says, and nothing is under way or left over."""
        until(self.is_settled, "it is settled", timeout_s)

    def story(self) -> str:
        """For a failure."""
        return "\n".join(
            f"{member.name}: {json.dumps(event)}"
            for member in self.members
            for event in member.daemon.events[-30:]
        )

    def is_settled(self) -> bool:
        """Whether the backend is what the table says, and nothing is under way or left over."""
        panel = self.panel
        if [each.name for each in panel.containers()] != [panel.container_name]:
            return False
        conditions = [row["condition"] for row in panel.sql("select condition from refitd.status")]
        if conditions != ["in_step"] or not panel.healthy():
            return False
        return panel.built_in() == panel.wanted() and panel.enabled() == self._switched_on()

    def _switched_on(self) -> list[str]:
        """The ids that the table has on, which the backend reads at its start."""
        rows = self.panel.sql("select id from modules where has_backend and enabled order by id")
        return [row["id"] for row in rows]

    def _member(self, name: str, engine: Path, port: int, folder: Path) -> Member:
        proxy = self._stack.enter_context(EngineProxy(folder / f"{name}.sock", engine))
        line = self._stack.enter_context(Proxy("127.0.0.1", port))
        own = self.panel.folder / name
        own.mkdir()
        panel = replace(
            self.panel,
            docker_host=proxy.host,
            dsn=self.panel.dsn.replace(f":{port}/", f":{line.port}/"),
            folder=own,
            settings={**self.panel.settings, "instance": name},
        )
        return Member(name, panel, proxy, line)


def said_since(daemon: Daemon, count: int, event: str, **facts: object) -> list[dict[str, Any]]:
    """What it said after its first `count` events."""
    return [each for each in daemon.events[count:] if matches(each, event, facts)]


def now_s() -> float:
    """By the clock of the proxies and of the database."""
    return time.time()


def _holder_at(tenancies: Sequence[Tenancy], at_s: float) -> str | None:
    held = [tenancy.holder for tenancy in tenancies if tenancy.at_s <= at_s]
    return held[-1] if held else None


def _allow_to_stop(panel: Panel, seconds: int) -> None:
    """Make the backend's container anew with that stop timeout."""
    old = panel.container()
    config = {**old.attrs["Config"], "HostConfig": old.attrs["HostConfig"], "StopTimeout": seconds}
    config["Hostname"] = ""
    old.remove(force=True)
    api: Any = panel.client.api  # parts of it have no types
    made = api.create_container_from_config(config, panel.container_name)
    api.start(made["Id"])
    until(panel.healthy, "the backend is healthy again")
