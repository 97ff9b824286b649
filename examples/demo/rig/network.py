"""Addresses for a private engine that nobody on this machine uses."""

import secrets
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import count

from rig import debian
from rig.missing import MissingPart


@dataclass(frozen=True)
class Block:
    """A /16 of private addresses: the engine's bridge, networks by hand, networks by the engine."""

    network: IPv4Network

    @property
    def gateway(self) -> str:
        """The address of the engine's bridge: containers reach this machine by it."""
        return str(self.network.network_address + 1)

    @property
    def gateway_with_mask(self) -> str:
        """The same with the mask of the bridge's own network."""
        return f"{self.gateway}/24"

    @property
    def pool(self) -> str:
        """The upper half, from which the engine takes what it gives to new networks."""
        return str(list(self.network.subnets(prefixlen_diff=1))[1])

    def subnet(self, number: int) -> str:
        """A /24 for a network that a test makes with addresses of its own choice, from 1 to 127."""
        return str(list(self.network.subnets(new_prefix=24))[number])


# Not `random`, which a test run seeds alike in all its processes.
_numbers = count(secrets.randbelow(90))


def free_block() -> Block:
    """A block that no address and no route of this machine touches.

    It is free until somebody takes it: two that look at the same time may see the same.
    """
    used = _used()
    for _ in range(90):
        block = IPv4Network(f"10.{160 + next(_numbers) % 90}.0.0/16")
        if not any(block.overlaps(taken) for taken in used):
            return Block(block)
    raise MissingPart("every private network from 10.160.0.0 to 10.249.0.0 is in use here")


def _used() -> list[IPv4Network]:
    ip = debian.need("ip", "iproute2", why="the private engine needs a network bridge")
    shown = subprocess.run(
        [ip, "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True
    )
    words = [word for word in shown.stdout.split() if word[0].isdigit() and word.count(".") == 3]  # noqa: PLR2004 - the dots of an address
    return [IPv4Network(word, strict=False) for word in words]
