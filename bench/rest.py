"""What it costs to wait: refitd at rest for a minute, beside others at rest.

Per minute: CPU time and times woken, of all threads; statements sent, from the server's own log,
which is told to have them all. And memory and threads.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.faults import Line
from bench.peer import Peer
from bench.recovery import PEERS
from bench.refitd import Refitd
from rig.engine import Engine
from rig.postgres import Postgres
from rig.proxy import Proxy

REST_S = 60.0
#: What a start brings with it is over by then.
SETTLED_S = 15.0
_STATEMENT = re.compile(r"^(\w+)\|LOG:  (?:statement|execute [^:]*): ", re.MULTILINE)


@dataclass(frozen=True)
class Effort:
    """Of one process since it began."""

    cpu_s: float
    wakes: int
    memory_mib: float
    threads: int


def effort(pid: int) -> Effort:
    """As the kernel counts it."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    nanoseconds = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    wakes = sum(_fact(task, "voluntary_ctxt_switches") for task in tasks)
    memory_mib = _fact(Path(f"/proc/{pid}"), "VmRSS") / 1024
    return Effort(nanoseconds / 1e9, wakes, memory_mib, len(tasks))


def main() -> None:
    """Print a table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--peers", required=True, help="a Python that has the others installed")
    given = words.parse_args()
    with ExitStack() as stack:
        settings = {"log_statement": "all", "log_line_prefix": "%d|"}
        cluster = stack.enter_context(Postgres(settings=settings))
        engine = stack.enter_context(Engine())
        proxy = stack.enter_context(Proxy("127.0.0.1", cluster.port))

        def line(name: str) -> Line:
            return Line(cluster, cluster.create_database(name.replace("-", "_")), proxy)

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refitd-bench-")))
        daemon = stack.enter_context(Refitd(line("refitd"), engine.host, folder))
        peers = [
            stack.enter_context(Peer(name, program, given.peers, line(name)))
            for name, program in PEERS.items()
        ]
        watched: list[Refitd | Peer] = [daemon, *peers]
        time.sleep(SETTLED_S)
        before = [(effort(each.pid), _statements(cluster)) for each in watched]
        time.sleep(REST_S)
        after = [(effort(each.pid), _statements(cluster)) for each in watched]
    print("\n| at rest, a minute | CPU s | woken | statements | MiB | threads |")
    print("|---|---|---|---|---|---|")
    for each, (was, were), (now, are) in zip(watched, before, after, strict=True):
        sent = are[each.line.database] - were[each.line.database]
        print(
            f"| {each.name} | {now.cpu_s - was.cpu_s:.2f} | {now.wakes - was.wakes} | {sent}"
            f" | {now.memory_mib:.0f} | {now.threads} |"
        )


def _statements(cluster: Postgres) -> Counter[str]:
    """By database."""
    return Counter(_STATEMENT.findall(cluster.child.log.read_text()))


def _fact(process: Path, name: str) -> int:
    (number,) = re.findall(rf"^{name}:\s+(\d+)", (process / "status").read_text(), re.MULTILINE)
    return int(number)


if __name__ == "__main__":
    main()
