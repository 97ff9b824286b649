"""How soon a change is seen after a fault: refitd beside others, under the same faults at once.

Each has a database and a wire of its own on one server, and its own documented defaults. Of each
fault two figures, in seconds, the median of the rounds and the worst: the change committed while
it lasted, from its end (of the half-open one: from its beginning); and a change committed one
second later (half-open: ten seconds), from its commit. `never` is not within 60 s. Who has not got
over a fault is begun anew before the next, and who ends by itself after a second. refitd's look
comes 0.5 s after the last write, by design; what it sees after a reconnect it sees at once.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from bench.faults import SHORT, Fault, Line, outage
from bench.measure import NEVER_S, Numbers, Recovery, Watched, undergo
from bench.peer import Peer
from bench.refitd import Refitd
from rig.engine import Engine
from rig.postgres import Postgres
from rig.proxy import Proxy

PEERS = {
    "procrastinate": "procrastinate_jobs.py",
    "pgqueuer": "pgqueuer_jobs.py",
    "asyncpg-listen": "asyncpg_listen_hints.py",
}


def main() -> None:
    """Run all, print a table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=3, help="of each fault but the long outage")
    words.add_argument("--peers", required=True, help="a Python that has the others installed")
    words.add_argument("--json", type=Path, help="every single figure, to this file")
    given = words.parse_args()
    with ExitStack() as stack:
        cluster = stack.enter_context(Postgres())
        engine = stack.enter_context(Engine())

        def line(name: str) -> Line:
            proxy = stack.enter_context(Proxy("127.0.0.1", cluster.port))
            return Line(cluster, cluster.create_database(name.replace("-", "_")), proxy)

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refitd-bench-")))
        daemon = stack.enter_context(Refitd(line("refitd"), engine.host, folder))
        peers = [
            stack.enter_context(Peer(name, program, given.peers, line(name)))
            for name, program in PEERS.items()
        ]
        watched: list[Watched] = [daemon, *peers]
        rounds = dict.fromkeys(SHORT, given.rounds) | {outage(60.0): 1}
        found = _all_rounds(rounds, watched)
    _print_table(found, [each.name for each in watched])
    for each in peers:
        ended = each.restarts - each.helped
        print(f"\n{each.name} ended by itself {ended} times, was ended {each.helped} times.")
    print(f"Python {platform.python_version()}, refitd {version('refitd')}, Postgres 18.")
    if given.json:
        figures = {
            fault.name: {name: [(r.during_s, r.after_s) for r in each] for name, each in by.items()}
            for fault, by in found.items()
        }
        given.json.write_text(json.dumps(figures, indent=1))


def _all_rounds(
    rounds: dict[Fault, int], watched: list[Watched]
) -> dict[Fault, dict[str, list[Recovery]]]:
    numbers = Numbers()
    found: dict[Fault, dict[str, list[Recovery]]] = {}
    for fault, times in rounds.items():
        found[fault] = {each.name: [] for each in watched}
        for round_ in range(1, times + 1):
            print(f"{fault.name}, round {round_} of {times}", flush=True)
            for name, recovery in undergo(fault, watched, numbers).items():
                found[fault][name].append(recovery)
    return found


def _print_table(found: dict[Fault, dict[str, list[Recovery]]], names: list[str]) -> None:
    print(f"\n| fault | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for fault, by_name in found.items():
        cells = [
            f"{_told([r.during_s for r in by_name[name]])}; {_told([r.after_s for r in by_name[name]])}"
            for name in names
        ]
        print(f"| {fault.name} | {' | '.join(cells)} |")


def _told(seconds: list[float]) -> str:
    return f"{_one(statistics.median(seconds))} ({_one(max(seconds))})"


def _one(seconds: float) -> str:
    return "never" if math.isinf(seconds) or seconds > NEVER_S else f"{seconds:.2f}"


if __name__ == "__main__":
    main()
