"""What stands against a replacement, and what its owner should know."""

from __future__ import annotations

from typing import Any

import pytest

from refitd.core.container import Network
from refitd.core.recreate import own_files, refusals, warnings

Json = dict[str, Any]
ID, OTHER = "a" * 64, "b" * 64


def container(id_: str = ID, name: str = "panel", **host: Any) -> Json:
    """A plain running container."""
    return {
        "Id": id_,
        "Name": f"/{name}",
        "State": {"Status": "running"},
        "Config": {"Labels": {}},
        "HostConfig": {"NetworkMode": "front", **host},
        "NetworkSettings": {"Networks": {"front": {}}},
        "Mounts": [],
    }


def refused(old: Json, *others: Json, **more: Any) -> str:
    """The sentences, as one text."""
    asked: dict[str, Any] = {"own_id": None, "api_version": (1, 41)} | more
    return "; ".join(refusals(old, [old, *others], **asked))


def test_an_ordinary_one() -> None:
    """Nothing stands against a plain container beside plain others."""
    assert (
        refused(container(), container(OTHER, "db"), own_id=OTHER, networks=networks("front")) == ""
    )


def networks(*names: str, driver: str = "bridge") -> list[Network]:
    """The engine's networks; each has an id of its own."""
    return [Network(f"id of {name} {n}", name, driver) for n, name in enumerate(names)]


def test_itself() -> None:
    """The container that the daemon runs in is not replaced by it."""
    assert "refitd itself" in refused(container(), own_id=ID[:12])


def test_removed_at_its_end() -> None:
    """One that is started with --rm could never be put back."""
    assert "--rm" in refused(container(AutoRemove=True))


@pytest.mark.parametrize(
    "label,who",
    [
        ("com.docker.swarm.task.id", "Swarm"),
        ("io.kubernetes.pod.name", "Kubernetes"),
        ("PODMAN_SYSTEMD_UNIT", "Podman"),
    ],
)
def test_kept_by_others(label: str, who: str) -> None:
    """Those who re-create a container by themselves are left to it."""
    old = container()
    old["Config"]["Labels"][label] = "x"
    assert who in refused(old)


def test_another_engine() -> None:
    """Podman speaks the same API, and means something else by some of it."""
    assert "the engine is Podman" in refused(container(), product="Podman Engine")
    assert refused(container(), product="Engine") == ""


def test_owner_gone() -> None:
    """Whose namespace it uses must still be there."""
    old = container(NetworkMode=f"container:{OTHER}")
    assert "does not exist any more" in refused(old)
    assert refused(old, container(OTHER, "db")) == ""


def test_network_gone() -> None:
    """So must its networks, where it is known which there are."""
    said = refused(container(), networks=networks("back"))
    assert "network front does not exist" in said
    assert "`docker network create front`" in said
    assert refused(container(NetworkMode="host"), networks=networks("back")) == ""


def test_two_networks_of_one_name() -> None:
    """The engine takes them by name, and would take neither."""
    said = refused(container(), networks=networks("front", "back", "front"))
    assert "there are 2 networks called front" in said


def test_engine_too_old() -> None:
    """Below the floor nothing is tried."""
    assert "1.40 is below 1.41" in refused(container(), api_version=(1, 40))


def test_a_volume_that_cannot_be_told() -> None:
    """A volume whose name the engine does not show would be lost."""
    old = container()
    old["Mounts"] = [{"Type": "volume", "Destination": "/data", "Source": ""}]
    assert "which volume is mounted at /data" in refused(old)
    old["Mounts"] = [{"Type": "volume", "Destination": "/data", "Source": "/volumes/x/_data"}]
    assert refused(old) == ""


def test_going_away() -> None:
    """Neither with one that the engine is taking away."""
    old = container()
    old["State"]["Status"] = "removing"
    assert "removing" in refused(old)


def test_all_reasons_at_once() -> None:
    """Every reason is said, not only the first."""
    assert len(refusals(container(AutoRemove=True), [], ID, (1, 40))) == 3


def test_nothing_to_warn_of() -> None:
    """An ordinary container changes nothing that its owner would notice."""
    assert warnings(container()) == ()
    assert own_files(container(), ["/tmp/x", "/run/lock", "/app/__pycache__/m.pyc"]) is None  # noqa: S108 - in a container


def test_ports_of_the_engine_s_choice() -> None:
    """Host ports that the engine picks will be others."""
    picked = {"80/tcp": [{"HostIp": "", "HostPort": ""}], "81/tcp": [{"HostPort": "81"}]}
    (said,) = warnings(container(PortBindings=picked))
    assert "80/tcp" in said
    (said,) = warnings(container(PublishAllPorts=True))
    assert "all its ports" in said


def test_a_network_made_anew() -> None:
    """One that bears the old one's name is another network, of which the driver can be said."""
    old = container()
    old["NetworkSettings"]["Networks"]["front"]["NetworkID"] = "id of front 0"
    assert warnings(old, networks("front")) == ()
    (said,) = warnings(old, networks("back", "front", driver="macvlan"))
    assert "network front was removed and made anew" in said
    assert "macvlan" in said


def test_the_engine_s_own_bridge_is_made_anew_at_each_start() -> None:
    """That says nothing about what was asked for."""
    old = container(NetworkMode="bridge")
    old["NetworkSettings"]["Networks"] = {"bridge": {"NetworkID": "of last year"}}
    assert warnings(old, networks("bridge")) == ()


def test_files_of_its_own() -> None:
    """Files in its own layer stay behind, and are named; mounts and folders are not."""
    old = container()
    old["Mounts"] = [{"Destination": "/data/db"}]
    changed = ["/data", "/data/db", "/app", "/app/upload", *(f"/app/f{n}" for n in range(6))]
    said = own_files(old, changed)
    assert said is not None
    assert said.endswith("/app/f0, /app/f1, /app/f2, /app/f3, /app/f4 and 2 more")
    assert "/data" not in said


def test_a_mac_address_that_cannot_be_told() -> None:
    """On a network that is not its first, an odd MAC address may have been asked for."""
    old = container()
    old["NetworkSettings"]["Networks"] = {
        "front": {"MacAddress": "02:42:ac:11:00:02", "IPAddress": "172.17.0.2"},
        "back": {"MacAddress": "02:42:ac:12:00:02", "IPAddress": "172.18.0.2"},
        "edge": {"MacAddress": "02:00:00:00:00:01", "IPAddress": "172.19.0.2"},
        "sold": {"MacAddress": "00:16:3e:00:00:01", "IPAddress": "172.20.0.2"},
    }
    (said,) = warnings(old)
    assert "edge" in said
