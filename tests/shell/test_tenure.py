"""How long a lease can be trusted without asking again, and what is done where it cannot."""

from __future__ import annotations

import threading

import pytest

from refitd.core import labels
from refitd.core.container import CreateRequest, EngineInfo
from refitd.core.deployment import Lease
from refitd.errors import DatabaseUnavailable, EngineRefused, EngineUnavailable, LeaseLost
from refitd.shell.held import HeldEngine
from refitd.shell.keeper import Keeper
from refitd.shell.tenure import Tenure
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.shell.fakes import FakeClock, FakeLog, MortalEngine

LEASE_S = 15.0


class Two:
    """A database, and two instances that want the same lease."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.clock = FakeClock(self.database)
        self.journals = [MemoryJournal(self.database, name) for name in ("one", "two")]
        self.one, self.two = (
            Tenure("backend", journal, self.clock, LEASE_S) for journal in self.journals
        )
        self.engine = MortalEngine(self.clock)
        self.log = FakeLog()
        self.gained: list[tuple[str, str]] = []
        self.stopping = threading.Event()

    def keeper(self, tenure: Tenure | None = None) -> Keeper:
        """Of the first one."""
        return Keeper(
            tenure=tenure or self.one,
            engine=self.engine,
            clock=self.clock,
            log=self.log,
            every_s=60.0,
            gained=lambda target, wake: self.gained.append((target, wake)),
            stopping=self.stopping,
        )


@pytest.fixture
def both() -> Two:
    """Two daemons."""
    return Two()


def test_nobody_holds_it_at_first(both: Two) -> None:
    """Without having asked, nothing may be done."""
    assert not both.one.held
    with pytest.raises(LeaseLost):
        both.one.check()
    with pytest.raises(LeaseLost):
        _ = both.one.epoch


def test_one_holds_it(both: Two) -> None:
    """One takes it, the other is told who has it."""
    assert both.one.ask("e")
    assert not both.two.ask("e")

    both.one.check()
    with pytest.raises(LeaseLost, match="one holds the lease on backend"):
        both.two.check()


def test_trust_ends_before_the_lease(both: Two) -> None:
    """What cannot be renewed is given up before another can have it."""
    both.one.ask("e")
    both.clock.sleep(13.4)
    both.one.check()
    both.clock.sleep(0.2)

    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        both.one.check()
    assert not both.two.ask("e")


def test_trust_begins_before_the_question(both: Two) -> None:
    """Time that the answer took is not trusted: the database may have counted it already."""
    take = both.journals[0].take

    def slow(*args: object, **more: object) -> object:
        answer = take(*args, **more)  # type: ignore[arg-type]
        both.clock.sleep(14.0)
        return answer

    both.journals[0].take = slow  # type: ignore[method-assign,assignment]
    both.one.ask("e")
    assert not both.one.held


def test_renewed(both: Two) -> None:
    """Renewed in time it stays ours, under the same epoch."""
    both.one.ask("e")
    epoch = both.one.epoch
    for _ in range(10):
        both.clock.sleep(5.0)
        assert not both.one.ask("e")

    assert both.one.epoch == epoch


def test_passed_on(both: Two) -> None:
    """After it ran out the other takes it under a later epoch; the first one hears of it."""
    both.one.ask("e")
    first = both.one.epoch
    both.clock.sleep(16.0)
    assert both.two.ask("e")

    assert both.two.epoch > first
    assert not both.one.ask("e")
    with pytest.raises(LeaseLost):
        both.one.extend(60.0)


def test_extended(both: Two) -> None:
    """Extended over a critical section, a later renewal does not cut it short."""
    both.one.ask("e")
    both.one.extend(300.0)
    both.clock.sleep(5.0)
    both.one.ask("e")
    both.clock.sleep(200.0)

    both.one.check()
    assert not both.two.ask("e")


def test_relaxed(both: Two) -> None:
    """When the section is over, the lease is as long as any: who dies then is soon replaced."""
    both.one.ask("engine")
    both.one.extend(100.0)
    both.one.relax()
    at_first = both.one.held
    both.clock.sleep(LEASE_S + 1.0)

    assert (at_first, both.one.held) == (True, False)
    assert both.two.ask("engine")


def test_relaxed_without_a_database(both: Two) -> None:
    """Where that cannot be told it is trusted no longer than it would be, and told later."""
    both.one.ask("engine")
    both.one.extend(100.0)
    both.database.down = True
    both.one.relax()
    both.database.down = False
    assert not both.two.ask("engine")
    assert both.one.held
    assert not both.one.ask("engine")
    both.clock.sleep(LEASE_S + 1.0)

    assert both.two.ask("engine")


def test_extension_denied(both: Two) -> None:
    """Where it has passed on, the section is not entered; nor without a database."""
    both.one.ask("e")
    both.database.down = True
    with pytest.raises(DatabaseUnavailable):
        both.one.extend(60.0)
    both.database.down = False
    both.database.leases["backend"].holder = "two"
    with pytest.raises(LeaseLost, match="passed to another"):
        both.one.extend(60.0)
    assert not both.one.held


def test_a_later_epoch_on_a_label(both: Two) -> None:
    """What bears a later epoch than ours was made by another since, whatever the database says:
    nothing is done, and the lease is taken anew, above it."""
    both.keeper().take()
    engine = HeldEngine(both.engine, both.one)
    both.engine.add_image("i")
    marks = {labels.TARGET: "backend", labels.EPOCH: "41"}
    id_ = both.engine.create(CreateRequest("a", {"Image": "i", "Labels": marks}))
    with pytest.raises(LeaseLost, match="41"):
        engine.containers("backend")
    with pytest.raises(LeaseLost):
        engine.start(id_)
    both.keeper().take()
    engine.containers("backend")
    engine.everyone()

    assert both.one.epoch == 42


def test_created_by_several_calls(both: Two) -> None:
    """Where a container is made and then connected, the lease is looked at before each call."""
    both.one.ask("e")
    for network in ("web", "db"):
        both.engine.add_network(network)
    both.engine.add_image("i")

    def depose(name: str, _args: tuple[str, ...]) -> None:
        if name == "create":
            both.clock.sleep(16.0)
            both.two.ask("e")

    both.engine.spy = depose
    body = {"Image": "i", "HostConfig": {"NetworkMode": "web"}}
    with pytest.raises(LeaseLost):
        HeldEngine(both.engine, both.one).create(CreateRequest("a", body, connect=(("db", {}),)))
    made = both.engine.container("a")

    assert made
    assert "db" not in made.inspect["NetworkSettings"]["Networks"]


def test_created_and_not_connected(both: Two) -> None:
    """What cannot be connected as it was asked for is not left behind."""
    both.one.ask("e")
    both.engine.add_image("i")
    request = CreateRequest("a", {"Image": "i"}, connect=(("gone", {}),))
    with pytest.raises(EngineRefused):
        HeldEngine(both.engine, both.one).create(request)

    assert both.engine.container("a") is None


def test_resigned(both: Two) -> None:
    """Given up, it is the other's at once."""
    both.one.ask("e")
    both.one.resign()
    both.one.resign()

    assert both.two.ask("e")


# -- The keeper ------------------------------------------------------------------------------------


def test_keeper_takes(both: Two) -> None:
    """A lease that became ours is looked at, once."""
    keeper = both.keeper()
    keeper.keep()
    both.clock.sleep(3.0)
    keeper.keep()

    assert both.gained == [("backend", "lease")]


class _Bed(threading.Event):
    """An event that tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """As long as it takes."""
        self.asleep.set()
        return super().wait(timeout)


def test_keeper_is_wakened(both: Two) -> None:
    """H7: told that a lease was given up, it asks at once; told to stop, it ends."""
    both.one.ask("engine")
    keeper, taken = both.keeper(both.two), threading.Event()
    keeper._wakened = bed = _Bed()
    keeper._gained = lambda _target, _wake: taken.set()
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    assert bed.asleep.wait(10)
    both.one.resign()
    assert not taken.is_set()
    keeper.wake()
    assert taken.wait(10)
    both.stopping.set()
    keeper.wake()
    thread.join(10)
    assert not thread.is_alive()


def test_resigned_while_it_asks(both: Two) -> None:
    """A keeper that was told to stop while it asks the engine for evidence takes no lease after."""
    keeper = both.keeper()
    info = both.engine.info

    def meanwhile() -> EngineInfo:
        keeper.resign()
        return info()

    both.engine.info = meanwhile  # type: ignore[method-assign]
    keeper.take()
    assert not both.one.held
    assert both.two.ask("engine")


def test_keeper_loses(both: Two) -> None:
    """One that was lost is said."""
    keeper = both.keeper()
    keeper.keep()
    both.database.leases["backend"].holder = "two"
    keeper.keep()

    assert both.log.facts("lease.lost") == [{"target": "backend", "epoch": 1}]


def test_keeper_frozen_as_it_takes_it(both: Two) -> None:
    """A lease that has run out by the time its taking is heard of is no trouble: the next round
    takes it anew."""
    keeper, take = both.keeper(), both.journals[0].take

    def slowly(target: str, engine_id: str, lease_s: float, floor: int = 0) -> Lease:
        lease = take(target, engine_id, lease_s, floor)
        both.clock.sleep(2 * lease_s)
        return lease

    both.journals[0].take = slowly  # type: ignore[method-assign]
    keeper.keep()
    both.journals[0].take = take  # type: ignore[method-assign]
    taken = both.one.held
    keeper.keep()

    assert (taken, both.one.held) == (False, True)
    assert [each["epoch"] for each in both.log.facts("lease.taken")] == [1, 2]


def test_keeper_after_a_gap(both: Two) -> None:
    """Renewed too late to be trusted all the time, it is looked at again: a look may have been
    given up in between."""
    keeper = both.keeper()
    keeper.keep()
    both.clock.sleep(14.0)
    trusted = both.one.held
    keeper.keep()

    assert (trusted, both.one.held) == (False, True)
    assert both.gained == [("backend", "lease")] * 2


def test_keeper_in_trouble(both: Two) -> None:
    """The same trouble is said once; what was trusted goes on being so until it runs out."""
    keeper = both.keeper()
    keeper.keep()
    both.database.down = True
    keeper.keep()
    keeper.keep()
    assert len(both.log.facts("lease.unkept")) == 1
    assert both.one.held
    both.database.down = False
    keeper.keep()
    both.database.down = True
    keeper.keep()
    assert len(both.log.facts("lease.unkept")) == 2
    keeper.resign()
    assert len(both.log.facts("lease.unresigned")) == 1


def test_keeper_without_an_engine(both: Two) -> None:
    """Without an engine no lease is taken: another's daemon may have one."""
    both.engine.fail("containers", error=EngineUnavailable("no socket"))
    both.keeper().keep()

    assert not both.one.held
    assert both.log.facts("lease.unkept") == [{"target": "backend", "error": "no socket"}]


def test_epoch_above_the_labels(both: Two) -> None:
    """After a failover the database may have gone back; an epoch seen on a label has not."""
    both.engine.add_image("i")
    marks = {labels.TARGET: "backend", labels.EPOCH: "41"}
    both.engine.create(CreateRequest("a", {"Image": "i", "Labels": marks}))
    both.engine.create(CreateRequest("b", {"Image": "i", "Labels": marks | {labels.EPOCH: "x"}}))
    both.keeper().keep()

    assert both.one.epoch == 42
