"""A private Docker engine: its own socket, data, network and addresses, gone without a trace.

It may run beside another engine, and beside others of its kind. Hence it makes no firewall rules
(every engine that does begins by throwing away the rules of the others, and turns this machine's
forwarding policy to "drop"): published ports go through the engine's proxy process, containers
reach this machine by the bridge, and have no way beyond it. All that it asks of the firewall is
one rule, that packets between its own addresses may pass, since another engine may have said no.
"""

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from rig import debian
from rig.child import Child, Traces
from rig.missing import MissingPart
from rig.network import Block, free_block

START_S = 60.0


@dataclass(frozen=True)
class Dockerd:
    """A private engine that answers."""

    host: str
    block: Block
    child: Child


# The bridge is made by the process that is kept, so that its traces are removed with it. With an
# address of its own: else it takes the lowest of its ports', which changes as containers come and
# go, and those that stay lose packets until they have asked again who their gateway is.
_START = """
ip link add "$BRIDGE" address "$MAC" type bridge
ip address add "$GATEWAY" dev "$BRIDGE"
ip link set "$BRIDGE" up
iptables --wait --insert FORWARD --source "$BLOCK" --destination "$BLOCK" --jump ACCEPT
exec "$@"
"""

# Networks that the engine made are bridges too; all have an address of the block.
_UNDO = """
ip -oneline -4 address show to "$1" | while read -r _ link _; do ip link delete "$link"; done
iptables --wait --delete FORWARD --source "$1" --destination "$1" --jump ACCEPT
"""


@contextmanager
def private_dockerd() -> Iterator[Dockerd]:
    """Starts an engine in a folder of its own, and takes both away at the end."""
    dockerd = _program()
    # Not /tmp, which is memory on many a machine: images are large.
    folder = Path(tempfile.mkdtemp(prefix="refitd-rig-engine-", dir="/var/tmp"))
    block = free_block()
    (folder / "daemon.json").write_text("{}")  # not the settings of this machine's engine
    child = Child(
        argv=["sh", "-ec", _START, "sh", *_argv(dockerd, folder, block)],
        log=folder / "log",
        env=os.environ
        | {
            "PATH": debian.search_path(),
            "BRIDGE": _bridge(folder),
            "MAC": _address(),
            "GATEWAY": block.gateway_with_mask,
            "BLOCK": str(block.network),
        },
        traces=Traces(folders=[folder], commands=[["sh", "-c", _UNDO, "sh", str(block.network)]]),
    )
    with child:
        host = f"unix://{folder}/docker.sock"
        _wait_for(host, child)
        yield Dockerd(host, block, child)


def _program() -> str:
    why = "no Docker engine answers here, and a private one is to be started"
    program = debian.need("dockerd", "docker.io", "iptables", "iproute2", "git", why=why)
    debian.need("iptables", "iptables", why=why)
    return program


def _bridge(folder: Path) -> str:
    return f"rig-{folder.name[-8:]}"


def _address() -> str:
    """A locally administered one."""
    return "02:" + secrets.token_bytes(5).hex(":")


def _argv(dockerd: str, folder: Path, block: Block) -> list[str]:
    return [
        dockerd,
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
