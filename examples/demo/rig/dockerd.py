"""A private Docker engine: its own socket, data, network and addresses, gone without a trace.

It may run beside another engine, and beside others of its kind. Hence it makes no firewall rules
(every engine that does begins by throwing away the rules of the others, and turns this machine's
forwarding policy to "drop"): published ports go through the engine's proxy process, containers
reach this machine by the bridge, and have no way beyond it. All that it asks of the firewall is
one rule, that packets between its own addresses may pass, since another engine may have said no.
"""

import json
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import docker
from docker.errors import DockerException

from rig import debian
from rig.child import Child, Traces
from rig.missing import MissingPart
from rig.network import Block, free_block
from rig.turns import one_at_a_time

START_S = 60.0

_WHY = "a private Docker engine is to be started"


@dataclass(frozen=True)
class Dockerd:
    """A private engine that answers."""

    folder: Path
    block: Block
    child: Child

    @property
    def host(self) -> str:
        """As in DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"

    def reload(self, settings: Mapping[str, Any]) -> None:
        """Writes another `daemon.json`, and waits until the engine says that it has read it."""
        (self.folder / "daemon.json").write_text(json.dumps(dict(settings)))
        assert self.child.pid is not None
        with closing(docker.DockerClient(self.host, timeout=int(START_S))) as client:
            events = client.events(decode=True, filters={"event": "reload"})
            os.kill(self.child.pid, signal.SIGHUP)
            next(events)
            events.close()

    def kill(self) -> None:
        """SIGKILL; its containers run on, until it is started again."""
        self.child.stop(SIGKILL)

    def crash(self) -> None:
        """With all its containers, as a power cut does it."""
        self.child.crash()

    def start(self) -> None:
        """Start it again; returns once it answers. Of containers that still run it stops those,
        and counts that as stopped by hand; of those that do not, whose restart policy says so are
        started."""
        self.child.start()
        _wait_for(self.host, self.child)


# The bridge is made by the process that is kept, so that its traces are removed with it. With an
# address of its own: else it takes the lowest of its ports', which changes as containers come and
# go, and those that stay lose packets until they have asked again who their gateway is.
_START = """
if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
  ip link add "$BRIDGE" address "$MAC" type bridge
  ip address add "$GATEWAY" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  iptables --wait --insert FORWARD --source "$BLOCK" --destination "$BLOCK" --jump ACCEPT
fi
exec "$@"
"""

# Afterwards, for an engine on a root file system of its own: the mounts are seen by nobody else,
# and go with the last of its processes. It can write into its folder only, which is where it is
# for us, and shared, so that containers can be given mounts that propagate. What it keeps is in
# memory: it writes to disk several times for each thing that it makes, and none of it is to last.
_MOVE_TO_ROOT = """
mount --make-rprivate /
cd "$ROOT"
mount --bind . .
cd "$ROOT"
for each in proc sys dev; do mount --rbind "/$each" "$each"; done
for each in run tmp var/tmp etc/docker; do mount -t tmpfs tmpfs "$each"; done
mkdir "./$FOLDER"
mount --bind "$FOLDER" "./$FOLDER"
mount --make-shared "./$FOLDER"
for each in data exec; do
  mkdir "./$FOLDER/$each"
  mount -t tmpfs tmpfs "./$FOLDER/$each"
done
mount -o remount,bind,ro .
pivot_root . old
umount -l /old
exec "$@"
"""

# Networks that the engine made are bridges too; all have an address of the block.
_UNDO = """
ip -oneline -4 address show to "$1" | while read -r _ link _; do ip link delete "$link"; done
iptables --wait --delete FORWARD --source "$1" --destination "$1" --jump ACCEPT
"""


@contextmanager
def private_dockerd(
    root: Path | None = None, settings: Mapping[str, Any] | None = None
) -> Iterator[Dockerd]:
    """Starts an engine in a folder of its own, and takes both away at the end.

    It is this machine's program, or that of the file system at `root`. `settings` are those of
    a `daemon.json`; this machine's own are not looked at.
    """
    debian.need("iptables", "iptables", "iproute2", why=_WHY)
    program = "dockerd" if root else debian.need("dockerd", "docker.io", "git", why=_WHY)
    # Not /tmp, which is memory on many a machine: images are large.
    folder = Path(tempfile.mkdtemp(prefix="refitd-rig-engine-", dir="/var/tmp"))
    with ExitStack() as stack:
        with one_at_a_time("network"):  # until the bridge is there for the next one to see
            dockerd = _dockerd(folder, free_block(), program, root, settings or {})
            stack.enter_context(dockerd.child)
            _wait_for(dockerd.host, dockerd.child)
        yield dockerd


def _dockerd(
    folder: Path, block: Block, program: str, root: Path | None, settings: Mapping[str, Any]
) -> Dockerd:
    (folder / "daemon.json").write_text(json.dumps(dict(settings)))
    (folder / "shared").mkdir()
    argv = _argv(program, folder, block)
    if root:
        argv = ["unshare", "--mount", "sh", "-ec", _MOVE_TO_ROOT, "sh", *argv]
    child = Child(
        argv=["sh", "-ec", _START, "sh", *argv],
        log=folder / "log",
        env=os.environ
        | {
            "PATH": debian.search_path(),
            "BRIDGE": _bridge(folder),
            "MAC": _address(),
            "GATEWAY": block.gateway_with_mask,
            "BLOCK": str(block.network),
            "FOLDER": str(folder),
            "ROOT": str(root or "/"),
        },
        traces=Traces(folders=[folder], commands=[["sh", "-c", _UNDO, "sh", str(block.network)]]),
    )
    return Dockerd(folder, block, child)


def _bridge(folder: Path) -> str:
    return f"rig-{folder.name[-8:]}"


def _address() -> str:
    """A locally administered one."""
    return "02:" + secrets.token_bytes(5).hex(":")


def _argv(program: str, folder: Path, block: Block) -> list[str]:
    return [
        program,
        f"--config-file={folder}/daemon.json",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host=unix://{folder}/docker.sock",
        f"--bridge={_bridge(folder)}",
        f"--default-address-pool=base={block.pool},size=24",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        "--shutdown-timeout=5",
    ]


def _wait_for(host: str, child: Child) -> None:
    deadline = time.monotonic() + START_S
    while not answers(host):
        if not child.running() or time.monotonic() > deadline:
            raise MissingPart(f"the private engine did not come up:\n{child.last_words()}")
        time.sleep(0.1)


def answers(host: str) -> bool:
    """Whether an engine is there, and lets us in."""
    try:
        _knock(host)  # first: a docker client that fails to connect leaves its socket open
        with closing(docker.DockerClient(host, timeout=5)) as client:
            return client.ping()
    except (DockerException, OSError):
        return False


def _knock(host: str) -> None:
    path = host.removeprefix("unix://")
    if path != host:
        with socket.socket(socket.AF_UNIX) as knock:
            knock.connect(path)
