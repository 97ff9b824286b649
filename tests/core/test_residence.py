"""Who lives in whose namespaces, and where Postgres is: what may not be cut off, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from refitd.core.clone.residence import Server
from refitd.core.recreate import refusals

Json = dict[str, Any]
OWN, TARGET, DB, OTHER = (letter * 64 for letter in "0abc")
GATEWAY = "172.18.0.1"


def container(
    id_: str,
    name: str,
    *,
    address: str = "",
    gateway: str = GATEWAY,
    published: tuple[int, int] | None = None,
    state: str = "running",
    host: Json | None = None,
) -> Json:
    """With an address on the network `front`; `published` is the inner and the outer port."""
    inner, outer = published or (0, 0)
    ports = {f"{inner}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(outer)}]} if inner else {}  # noqa: S104 - as inspect shows it
    return {
        "Id": id_,
        "Name": f"/{name}",
        "State": {"Status": state},
        "Config": {"Labels": {}},
        "HostConfig": {"NetworkMode": "front", **(host or {})},
        "NetworkSettings": {
            "Networks": {"front": {"IPAddress": address, "Gateway": gateway}},
            "Ports": ports,
        },
        "Mounts": [],
    }


def said(*everyone: Json, server: Server | None = None, own_id: str | None = None) -> str:
    """What stands against replacing the first of them; dependants are another matter."""
    found = refusals(everyone[0], everyone, own_id, (1, 41), server=server)
    return "; ".join(each for each in found if not each.startswith("container "))


def at(peer: str, address: str, own_end: str = "172.18.0.9", peer_port: int = 5432) -> Server:
    """Where Postgres says it is, and where we reach it."""
    return Server(peer, peer_port, own_end, address, 5432)


DIRECT = at("172.18.0.3", "172.18.0.3")
HERE = at("127.0.0.1", "172.18.0.3", own_end="127.0.0.1", peer_port=15432)


@pytest.mark.parametrize(
    "server",
    [
        DIRECT,
        HERE,
        at("192.0.2.7", "172.18.0.3", own_end="192.0.2.7", peer_port=15432),
        at(GATEWAY, "172.18.0.3", peer_port=15432),
    ],
    ids=["its own address", "loopback", "this machine's address", "a gateway"],
)
def test_postgres_in_the_target_s_network(server: Server) -> None:
    """Reached at the target's address, or by a port that it publishes here, it lives there."""
    target = container(TARGET, "panel", address="172.18.0.3", published=(5432, 15432))
    postgres = container(DB, "db", host={"NetworkMode": "container:panel"})
    assert "Postgres is in it, or in its network namespace" in said(target, postgres, server=server)
    assert "a network of its own" in said(target, postgres, server=server)


@pytest.mark.parametrize("field,word", [("PidMode", "PID"), ("IpcMode", "IPC")])
@pytest.mark.parametrize("by", [TARGET, TARGET[:12], "panel"])
def test_postgres_in_another_namespace_of_the_target(field: str, word: str, by: str) -> None:
    """With a network of its own it may still live in the target's PID or IPC namespace."""
    target = container(TARGET, "panel", address="172.18.0.2")
    postgres = container(DB, "db", address="172.18.0.3", host={field: f"container:{by}"})
    text = said(target, postgres, server=DIRECT)
    assert f"Postgres (container db) lives in its {word} namespace" in text


def test_postgres_beside_a_sidecar_of_the_target() -> None:
    """It shares a third one's network, which it is reached by, and the target's PID namespace."""
    target = container(TARGET, "panel", address="172.18.0.2")
    third = container(OTHER, "pod", address="172.18.0.3")
    postgres = container(
        DB, "db", host={"NetworkMode": "container:pod", "PidMode": "container:panel"}
    )
    assert "(container db) lives in its PID" in said(target, third, postgres, server=DIRECT)


def test_postgres_by_way_of_another() -> None:
    """A namespace that was borrowed from one who borrowed it is the first one's."""
    target = container(TARGET, "panel", address="172.18.0.2")
    between = container(OTHER, "between", host={"PidMode": "container:panel"})
    postgres = container(DB, "db", address="172.18.0.3", host={"PidMode": "container:between"})
    assert "(container db) lives in its PID" in said(target, between, postgres, server=DIRECT)


@pytest.mark.parametrize(
    "server",
    [
        None,
        Server(),
        at("198.51.100.5", "172.18.0.3"),
        at("127.0.0.1", "172.18.0.3", own_end="127.0.0.1", peer_port=6432),
        at("127.0.0.1", "127.0.0.1", own_end="127.0.0.1"),
        at("172.18.0.8", "172.18.0.8"),
    ],
    ids=[
        "unknown",
        "a Unix socket",
        "another machine whose network has the same addresses",
        "a tunnel to another machine, at a port that nobody publishes",
        "on this machine, in no container",
        "in a container that is not the target",
    ],
)
def test_postgres_elsewhere(server: Server | None) -> None:
    """An address that is also the target's own is no reason where the connection ends elsewhere."""
    target = container(TARGET, "panel", address="172.18.0.3", published=(5432, 15432))
    other = container(OTHER, "cache", address="172.18.0.8")
    assert said(target, other, server=server) == ""


def test_a_target_that_lives_with_postgres_may_go() -> None:
    """It takes nothing away from whoever owns the namespace."""
    target = container(TARGET, "panel", host={"NetworkMode": "container:db"})
    postgres = container(DB, "db", address="172.18.0.3")
    assert said(target, postgres, server=DIRECT) == ""


def test_one_that_stands_still_holds_no_address() -> None:
    """What an engine still shows of a stopped container's address may be another's by now."""
    target = container(TARGET, "panel", address="172.18.0.3", state="exited")
    assert said(target, server=DIRECT) == ""


def test_by_ipv6() -> None:
    """The same address, written otherwise."""
    target = container(TARGET, "panel")
    target["NetworkSettings"]["Networks"]["front"]["GlobalIPv6Address"] = "fd00::3"
    assert "Postgres is in it" in said(target, server=at("FD00:0::3", "fd00::3"))


@pytest.mark.parametrize(
    "field,word", [("NetworkMode", "network"), ("PidMode", "PID"), ("IpcMode", "IPC")]
)
def test_refitd_in_a_namespace_of_the_target(field: str, word: str) -> None:
    """It would cut itself off."""
    target = container(TARGET, "panel", address="172.18.0.2")
    own = container(OWN, "refitd", host={field: "container:panel"})
    text = said(target, own, own_id=OWN)
    assert f"refitd's own container lives in its {word} namespace" in text
    assert "start refitd in one of its own" in text


@pytest.mark.parametrize("field,word", [("NetworkMode", "network"), ("PidMode", "PID")])
def test_the_target_in_a_namespace_of_refitd(field: str, word: str) -> None:
    """A crash of refitd in the middle could then not be made good by the engine."""
    target = container(TARGET, "panel", host={field: f"container:{OWN}"})
    text = said(target, container(OWN, "refitd", address="172.18.0.9"), own_id=OWN[:12])
    assert f"it lives in the {word} namespace of refitd's own container" in text


def test_refitd_with_volumes_of_the_target() -> None:
    """It cannot be brought along either."""
    target = container(TARGET, "panel", address="172.18.0.2")
    own = container(OWN, "refitd", host={"VolumesFrom": ["panel:ro"]})
    assert "refitd's own container has its volumes" in said(target, own, own_id=OWN)


def test_refitd_and_the_target_with_a_third() -> None:
    """Who both live with somebody else, or with the machine, take nothing from each other."""
    third = container(OTHER, "vpn", address="172.18.0.4")
    for mode in ("container:vpn", "host"):
        target = container(TARGET, "panel", host={"NetworkMode": mode})
        own = container(OWN, "refitd", host={"NetworkMode": mode})
        assert said(target, own, third, own_id=OWN) == ""


def test_a_circle_is_walked_once() -> None:
    """Containers that name each other, as no engine would have it, are no endless walk."""
    one = container(OTHER, "one", host={"NetworkMode": "container:two"})
    two = container(DB, "two", host={"NetworkMode": "container:one"})
    assert said(container(TARGET, "panel"), one, two, own_id=OTHER) == ""
