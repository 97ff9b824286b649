"""Three daemons on one target, and what becomes of it when the one that acts is killed, or its
lease is: one hand at a time, and in the end what runs is what the table says."""

from __future__ import annotations

from refitd.core import labels
from tests.acceptance.panel import until
from tests.chaos.daemons import LEASE_S, ROUND_S, Trio, now_s

NOBODY: dict[str, list[str]] = {"a": [], "b": [], "c": []}


def test_killed_at_rest(trio: Trio) -> None:
    """H1: a holder that was killed is replaced within a lease and a round; one other acts."""
    a, *_ = trio.start()
    began_s = now_s()
    a.kill()
    successor, tenancy = trio.wait_for_successor(a)
    print(f"taken over {tenancy.at_s - began_s:.2f} s after SIGKILL")
    assert tenancy.at_s - began_s < LEASE_S + ROUND_S
    trio.panel.install("mail")
    successor.daemon.wait_for("container.retired")
    trio.wait_until_settled()
    assert trio.out_of_turn() == NOBODY
    assert len(trio.panel.deployments()) == 1


def test_killed_while_it_builds(trio: Trio) -> None:
    """H1: whoever takes over builds what was asked for; the dead one's deployment is closed."""
    a, *_ = trio.start()
    built = a.engine.hold("POST", "/build?*")
    trio.panel.install("mail")
    built.wait()
    a.kill()
    successor, _ = trio.wait_for_successor(a)
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert trio.out_of_turn() == NOBODY
    assert {row["state"] for row in trio.panel.deployments()} <= {"succeeded", "superseded"}


def test_killed_in_a_critical_section_and_back(trio: Trio) -> None:
    """Killed with the old container stopped, under a lease that was extended over that, and
    started again: it takes its lease back at once, and goes on."""
    a, *_ = trio.start()
    started = a.engine.hold("POST", "/containers/*/start", skip=1)  # the canary's comes first
    trio.panel.install("mail")
    started.wait()
    a.kill()
    a.start()
    began_s = now_s()
    a.daemon.wait_until_it_listens()
    until(trio.panel.healthy, "the backend serves again")
    print(f"serving again {now_s() - began_s:.2f} s after the start")
    a.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    first, second = trio.tenancies()
    assert (first.holder, second.holder) == ("a", "a")
    assert second.epoch == first.epoch + 1  # not 1 and 2: another panel's labels may be a floor
    assert trio.out_of_turn() == NOBODY


def test_its_session_is_ended(trio: Trio) -> None:
    """H2: a holder whose session on the server is ended, again and again, keeps its lease."""
    trio.start()
    for _ in range(5):
        before_s = trio.expiry_s()
        trio.panel.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        until(lambda: trio.expiry_s() > before_s, "it is renewed")  # noqa: B023 - called at once
    trio.panel.install("mail")
    trio.wait_until_settled()
    assert [each.holder for each in trio.tenancies()] == ["a"]
    assert trio.out_of_turn() == NOBODY


def test_an_epoch_that_went_back(trio: Trio) -> None:
    """H4: after a failover that lost the lease's row, and with it its epoch, the next one is above
    all that the engine's labels have seen, and what was deployed goes on being known."""
    a, *_ = trio.members
    for _ in range(3):
        a.start()
        a.daemon.wait_until_it_listens()
        a.kill()
    a.start()
    a.daemon.wait_until_it_listens()
    trio.panel.install("mail")
    a.daemon.wait_for("deployment.ended", result="succeeded")
    seen = int(trio.panel.container().labels[labels.EPOCH])
    assert seen == trio.tenancies()[-1].epoch
    assert len(trio.tenancies()) == 4
    trio.panel.sql("delete from refitd.lease")
    until(lambda: trio.tenancies()[-1].epoch > seen, "it is held again, under a later epoch")
    trio.panel.install("search")
    a.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert int(trio.panel.container().labels[labels.EPOCH]) > seen
    assert len(trio.panel.deployments()) == 2
