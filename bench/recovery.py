"""How soon a change is seen after a fault: refitd beside others, under the same faults at once.

Each has a database and a wire of its own on one server, and its own documented defaults. Of each
fault two figures, in seconds, the median of the rounds and the worst: the change committed while
it lasted, from its end (of the half-open one: from its beginning; of the crash: from the commit,
which comes right after it); and a change committed one second later (half-open: eight seconds), from
its commit. `never` is not within 60 s.

Before each round everybody hears of two changes in a row, each within 1.5 s: who does not do so
within ten changes has not got over the last fault, and is begun anew. Who ends by itself is begun
anew after a second. refitd's look comes 0.5 s after the last write, by design; what it sees after a
reconnect it sees at once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
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
    words.add_argument("--json", type=Path, required=True, help="every single figure, to here")
    given = words.parse_args()
    with ExitStack() as stack:
        cluster = stack.enter_context(Postgres())
        versions = _versions(cluster, given.peers)
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
        print(f"\n{each.name} ended by itself {ended} times, was begun anew {each.helped} times.")
    print(f"\n{', '.join(f'{name} {number}' for name, number in versions.items())}")
    figures = {
        fault.name: {name: [_numbers(each) for each in rounds] for name, rounds in by.items()}
        for fault, by in found.items()
    }
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps({"versions": versions, "seconds": figures}, indent=1))


def _numbers(recovery: Recovery) -> list[float | None]:
    return [
        None if seconds > NEVER_S else round(seconds, 4)
        for seconds in (recovery.during_s, recovery.after_s)
    ]


def _versions(cluster: Postgres, peers: str) -> dict[str, str]:
    ask = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    names = [*PEERS, "asyncpg"]
    told = subprocess.run([peers, "-c", ask, *names], check=True, stdout=subprocess.PIPE, text=True)
    postgres = subprocess.run(
        [cluster.program("postgres"), "--version"], check=True, stdout=subprocess.PIPE, text=True
    )
    return {
        "refitd": version("refitd"),
        **dict(zip(names, told.stdout.split(), strict=True)),
        "psycopg": version("psycopg"),
        "Python": platform.python_version(),
        "PostgreSQL": postgres.stdout.split()[-1],
        "Linux": platform.release(),
        "CPUs": str(os.cpu_count()),
    }


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
