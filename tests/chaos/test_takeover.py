"""Three daemons on one target, and what becomes of it when the one that acts is killed, frozen
or cut off: one hand at a time, and in the end what runs is what the table says."""

from __future__ import annotations

from tests.chaos.daemons import LEASE_S, ROUND_S, Trio, now_s


def report(what: str, began_s: float, took_s: float) -> None:
    """For `pytest -s`, and in the report of a failure."""
    print(f"\n{what}: {took_s - began_s:.2f} s")


class TestKilled:
    """SIGKILL."""

    def test_at_rest(self, trio: Trio) -> None:
        """H1: a holder that was killed is replaced within a lease and a round; one other acts."""
        a, *_ = trio.start()
        began_s = now_s()
        a.kill()
        successor, tenancy = trio.wait_for_successor(a)
        report("taken over after a kill at rest", began_s, tenancy.at_s)
        assert tenancy.at_s - began_s < LEASE_S + ROUND_S
        trio.panel.install("mail")
        successor.daemon.wait_for("container.retired")
        trio.wait_until_settled()
        assert trio.out_of_turn() == {"a": [], "b": [], "c": []}
        assert len(trio.panel.deployments()) == 1
