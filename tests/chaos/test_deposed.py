"""Who was deposed acts no more: of three daemons on one target the one that holds the lease is
frozen or cut off, the others take over, and it comes back.

Which call got through when is on record at each daemon's own way to the engine, and who held the
lease since when in the database.
"""

from __future__ import annotations

from tests.acceptance.panel import until
from tests.chaos.daemons import LEASE_S, ROUND_S, Member, Trio, now_s

#: One answer that is waited for in vain, and what stopping the old container takes; less than the
#: 5 s that an answer is waited for elsewhere.
OUT_OF_SERVICE_S = 4.0


def test_frozen_at_rest(trio: Trio) -> None:
    """H1: SIGSTOP past the lease, then SIGCONT: it makes no call that changes anything any more."""
    a, *_ = trio.start()
    began_s = now_s()
    a.freeze()
    successor, tenancy = trio.wait_for_successor(a)
    print(f"taken over {tenancy.at_s - began_s:.2f} s after SIGSTOP")
    assert tenancy.at_s - began_s < LEASE_S + ROUND_S
    trio.panel.install("mail")
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    a.thaw()
    trio.panel.install("search")
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert trio.out_of_turn() == {"a": [], "b": [], "c": []}, trio.story()
    assert len(trio.panel.deployments()) == 2


def test_frozen_while_it_builds(trio: Trio) -> None:
    """H1: the build was decided while it held the lease; nothing follows from it."""
    a, *_ = trio.start()
    built = a.engine.hold("POST", "/build?*")
    trio.panel.install("mail")
    built.wait()
    a.freeze()
    successor, _ = trio.wait_for_successor(a)
    built.let_go()
    a.thaw()
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    out = trio.out_of_turn()
    assert len(out["a"]) <= 1, out
    assert (out["b"], out["c"]) == ([], [])


def test_frozen_in_a_critical_section(trio: Trio) -> None:
    """H1: the stop of the old container was on its way when it was frozen, past the lease that was
    extended over it. That call gets through when the target is long another's, and no other."""
    a, *_ = trio.start()
    stopped = a.engine.hold("POST", "/containers/*/stop*")
    trio.panel.install("mail")
    stopped.wait()
    a.freeze()
    successor, _ = trio.wait_for_successor(a, timeout_s=90.0)
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    stopped.let_go()
    a.thaw()
    trio.panel.install("search")
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    out = trio.out_of_turn()
    assert len(out["a"]) == 1, out
    assert (out["b"], out["c"]) == ([], [])


def test_cut_off_at_rest(trio: Trio) -> None:
    """H1: without its database, and with its engine in reach, it acts no more; nor afterwards."""
    a, *_ = trio.start()
    began_s = now_s()
    with a.stranded():
        successor, tenancy = trio.wait_for_successor(a)
        print(f"taken over {tenancy.at_s - began_s:.2f} s after its wires fell silent")
        assert tenancy.at_s - began_s < LEASE_S + ROUND_S
        trio.panel.install("mail")
        successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.panel.install("search")
    successor.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert trio.out_of_turn() == {"a": [], "b": [], "c": []}


def test_cut_off_in_a_critical_section(trio: Trio) -> None:
    """With the old container stopped it finishes, under the lease that was extended over it, and
    takes no further step; whoever takes over finds it done."""
    a, *_ = trio.start()
    started = a.engine.hold("POST", "/containers/*/start", skip=1)  # the canary's comes first
    trio.panel.install("mail")
    started.wait()
    with a.cut_off():
        started.let_go()
        until(trio.panel.healthy, "the successor serves")
        a.daemon.wait_for("lease.lacking")
        trio.wait_for_successor(a, timeout_s=90.0)
    trio.wait_until_settled()
    assert trio.out_of_turn() == {"a": [], "b": [], "c": []}
    assert [row["state"] for row in trio.panel.deployments()] == ["succeeded"]


def test_stranded_in_a_critical_section(trio: Trio) -> None:
    """L4: nor does a Postgres that is silent, and acknowledges all, hold it up there: of what it
    cannot write down it waits for one answer, and for a moment only."""
    a, *_ = trio.start()
    stopped = a.engine.hold("POST", "/containers/*/stop*")
    trio.panel.install("mail")
    stopped.wait()
    with a.stranded():
        stopped.let_go()
        until(trio.panel.healthy, "the successor serves")
        trio.wait_for_successor(a, timeout_s=90.0)
    trio.wait_until_settled()
    assert trio.out_of_turn() == {"a": [], "b": [], "c": []}
    gap_s = _between(a, "/stop", "/start")
    print(f"nothing ran for {gap_s:.2f} s")
    assert gap_s < OUT_OF_SERVICE_S


def _between(member: Member, last: str, first: str) -> float:
    """From the answer to its first call that ends so, until the next one that ends like that."""
    calls = [(call.passed_at_s or 0.0, str(call)) for call in member.acts()]
    ended_s = next(at_s for at_s, call in calls if last in call)
    return next(at_s for at_s, call in calls if first in call and at_s > ended_s) - ended_s


def test_resigning(trio: Trio) -> None:
    """H7: on SIGTERM another holds the lease long before it would have run out."""
    a, *_ = trio.start()
    began_s = now_s()
    assert a.daemon.end() == 0
    _, tenancy = trio.wait_for_successor(a, timeout_s=10.0)
    print(f"handed over {tenancy.at_s - began_s:.2f} s after SIGTERM")
    assert tenancy.at_s - began_s < LEASE_S / 2


def test_all_at_once(trio: Trio) -> None:
    """H6: of three that start together one holds the lease, and one rebuild follows a write."""
    for member in trio.members:
        member.start()
    for member in trio.members:
        member.daemon.wait_until_it_listens()
    until(lambda: bool(trio.tenancies()), "somebody holds the lease")
    trio.panel.install("mail")
    holder = next(each for each in trio.members if each.name == trio.tenancies()[-1].holder)
    holder.daemon.wait_for("deployment.ended", result="succeeded")
    trio.wait_until_settled()
    assert len(trio.tenancies()) == 1
    assert trio.out_of_turn() == {"a": [], "b": [], "c": []}
    assert len(trio.panel.deployments()) == 1
