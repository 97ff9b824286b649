"""Wall clocks that are wrong, or are stepped: nothing that is decided depends on them."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

from rig.wall_clock import WallClock
from tests.acceptance.panel import Panel, until
from tests.chaos.daemons import LEASE_S, ROUND_S, Trio, now_s


def test_steps(panel: Panel) -> None:
    """D5: the wall clock of the daemon's machine goes hour after hour back, and then on, while
    writes wait for their quiet period: they are built in as soon as ever."""
    panel.migrate_and_watch()
    clock = WallClock(panel.folder / "wall-clock")
    with panel.daemon(**clock.environment) as daemon:
        daemon.wait_for("target.adopted")
        took_s = []
        for direction, module in ((-1.0, "mail"), (1.0, "search")):
            began_s = now_s()
            panel.install(module)
            for hours in count(1):
                clock.step_to(direction * hours)
                with suppress(AssertionError):
                    daemon.wait_for("deployment.opened", timeout_s=0.2)
                    break
                assert now_s() - began_s < 60.0, daemon.story()
            took_s.append(now_s() - began_s)
            daemon.wait_for("deployment.ended", result="succeeded")
    print("from the write to the start of its deployment:", [f"{each:.2f} s" for each in took_s])
    assert panel.built_in() == panel.wanted()
    # An hour back would make it an hour late; the longest wait is no part of it.
    assert max(took_s) < 12.0


def test_skew(trio: Trio) -> None:
    """H3: with one daemon's machine an hour behind the database's, and another's an hour ahead,
    a lease in force is left alone, and one that ran out is taken over as soon as ever."""
    a, b, _ = trio.members
    clocks = [
        WallClock(trio.panel.folder / f"wall-{ahead_h:g}", ahead_h) for ahead_h in (-1.0, 1.0)
    ]
    for member, clock in zip((a, b), clocks, strict=True):
        member.start(**clock.environment)
        member.daemon.wait_until_it_listens()
    began_s = now_s()
    until(lambda: trio.expiry_s() > began_s + 3 * LEASE_S, "it was renewed for two leases")
    assert [each.holder for each in trio.tenancies()] == ["a"]
    began_s = now_s()
    a.kill()
    successor, tenancy = trio.wait_for_successor(a)
    assert tenancy.at_s - began_s < LEASE_S + ROUND_S
    trio.panel.install("mail")
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    b.kill()
    assert trio.out_of_turn()["b"] == []
