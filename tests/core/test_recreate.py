"""What is sent to the engine, worked out from what real engines showed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from refitd.core import labels
from refitd.core.container import CreateRequest
from refitd.core.recreate import (
    Clone,
    create_request,
    differences,
    endpoint,
    probe_request,
    stop_timeout,
)
from tests.core.recorded import VERSIONS, recorded

Version = tuple[int, int]


def clone(which: str, version: Version, /, **plan: Any) -> CreateRequest:
    """The request for a clone of a recorded container."""
    old, baseline = recorded(which, version)
    wanted = {"name": "panel-next", "image": "panel:2", "final_name": "panel"} | plan
    return create_request(old, baseline, Clone(**wanted, api_version=version))


def labels_of(body: Mapping[str, Any]) -> dict[str, str]:
    """But for the note of what was asked for (see `test_asked`)."""
    return {key: value for key, value in body["Labels"].items() if key != labels.ASKED}


@pytest.fixture(params=VERSIONS, ids=lambda version: f"api {version[0]}.{version[1]}")
def version(request: pytest.FixtureRequest) -> Version:
    """Each engine that was recorded."""
    found: Version = request.param
    return found


def test_nothing_asked_nothing_sent(version: Version) -> None:
    """Of a container without options only its anonymous volume is sent, and the mode."""
    body = clone("plain", version).body
    assert body.keys() == {"Image", "HostConfig"}
    assert body["HostConfig"].keys() == {"NetworkMode", "Mounts"}
    assert [mount["Target"] for mount in body["HostConfig"]["Mounts"]] == ["/data"]


def test_the_owner_s_wishes(version: Version) -> None:
    """Every option is sent as its owner gave it, and nothing of the image's."""
    body = clone("everything", version).body
    host = body["HostConfig"]
    assert body["Env"] == ["LEVEL=9", "CONTAINER_NAME=panel"]
    assert body["Cmd"] == ["tail", "-f", "/etc/passwd"]
    assert "Entrypoint" not in body
    assert "WorkingDir" not in body
    assert (body["User"], body["StopTimeout"], body["StopSignal"]) == ("1000:1000", 3, "SIGINT")
    assert body["Hostname"] == "panel-host"
    assert body["Healthcheck"]["Interval"] == 90_000_000_000
    assert body["ExposedPorts"].keys() == {"9000/udp"}
    assert [limit["Name"] for limit in host["Ulimits"]] == ["nofile"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 4}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert host["MaskedPaths"] == []
    for derived in (
        "MemorySwap",
        "ShmSize",
        "Runtime",
        "IpcMode",
        "CgroupnsMode",
        "OomKillDisable",
    ):
        assert derived not in host


def test_anonymous_volumes_go_along(version: Version) -> None:
    """However an anonymous volume came about, it is mounted again by its name."""
    host = clone("everything", version).body["HostConfig"]
    by_target = {mount["Target"]: mount for mount in host["Mounts"]}
    for target in ("/data", "/scratch", "/nameless"):
        assert len(by_target[target]["Source"]) == 64
    loose = [bind for bind in host["Binds"] if bind.endswith(":/loose")]
    assert len(loose[0]) == 64 + len(":/loose")
    assert "named:/named" in host["Binds"]
    assert by_target["/tm"]["Type"] == "tmpfs"


def test_labels(version: Version) -> None:
    """Compose's image label is renewed, its note of a replacement dropped, ours put on top."""
    body = clone(
        "everything", version, labels={labels.TARGET: "panel"}, compose_image="sha256:new"
    ).body
    assert labels_of(body) == {
        "maker": "us",
        "com.docker.compose.project": "panel",
        "com.docker.compose.service": "backend",
        "com.docker.compose.image": "sha256:new",
        labels.TARGET: "panel",
    }


def test_our_earlier_labels_go(version: Version) -> None:
    """What an earlier deployment wrote on the old one is not carried along."""
    old, baseline = recorded("plain", version)
    old["Config"]["Labels"] |= {labels.DEPLOYMENT: "7", labels.ROLE: "successor", "owner": "us"}
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert labels_of(body) == {"owner": "us"}


def test_networks(version: Version) -> None:
    """Aliases without the engine's, no address; all networks at once where the engine can."""
    request = clone("everything", version)
    sent = request.body["NetworkingConfig"]["EndpointsConfig"] | dict(request.connect)
    assert sent.keys() == {"front", "back"}
    assert sent["front"] == {"Aliases": ["panel-host", "api"]} or sent["front"] == {
        "Aliases": ["api"]
    }
    assert sent["back"] == {"Aliases": ["panel-back"]}
    assert [name for name, _ in request.connect] == ([] if version >= (1, 44) else ["back"])


def test_late_has_no_names(version: Version) -> None:
    """Before its proof a late one has its networks, but no alias on any."""
    request = clone("everything", version, kind="late")
    sent = request.body["NetworkingConfig"]["EndpointsConfig"] | dict(request.connect)
    assert sent == {"front": {}, "back": {}}


def test_late_waits_with_its_traffic_network(version: Version) -> None:
    """Where one network is for the traffic, a late one is not on it before its proof."""
    request = clone("everything", version, kind="late", traffic_network="front")
    assert request.body["NetworkingConfig"]["EndpointsConfig"] == {"back": {}}
    assert request.connect == ()


def test_the_final_endpoint(version: Version) -> None:
    """Bound late, it answers to its aliases and, before it can bear it, to the final name."""
    old, _ = recorded("everything", version)
    plan = Clone("panel-next", "panel:2", "panel", kind="late", api_version=version)
    assert endpoint(old, "front", plan)["Aliases"] == ["api", "panel"]


def test_canary(version: Version) -> None:
    """A canary stands beside: no ports, names, policy, compose labels, and volumes of its own."""
    body = clone("everything", version, kind="canary", name="panel-canary").body
    host = body["HostConfig"]
    assert "PortBindings" not in host
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert "Hostname" not in body
    assert body["Labels"] == {"maker": "us"}
    sources = {mount["Target"]: mount.get("Source") for mount in host["Mounts"]}
    assert sources == {"/nameless": None, "/tm": None}
    assert host["Binds"] == ["named:/named", "/loose"]
    assert all(not settings for settings in body["NetworkingConfig"]["EndpointsConfig"].values())


def test_canary_of_a_clone(version: Version) -> None:
    """Volumes that an earlier clone mounts by the engine's name are fresh for a canary too."""
    old, baseline = recorded("plain", version)
    old["HostConfig"]["Mounts"] = [{"Type": "volume", "Source": "a" * 64, "Target": "/data"}]
    old["HostConfig"]["Binds"] = ["b" * 64 + ":/loose:ro", "named:/named"]
    plan = Clone("canary", "panel:2", "panel", kind="canary")
    host = create_request(old, baseline, plan).body["HostConfig"]
    assert host["Mounts"] == [{"Type": "volume", "Target": "/data"}]
    assert host["Binds"] == ["/loose:ro", "named:/named"]


def test_mac_address_of_its_own(version: Version) -> None:
    """A MAC address that was asked for goes where this engine takes it; others are made up."""
    request = clone("fixed-mac", version)
    endpoints = request.body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    if version < (1, 44):
        assert request.body["MacAddress"] == "02:00:00:00:00:2a"
    else:
        assert endpoints == {"bridge": {"MacAddress": "02:00:00:00:00:2a"}}
    assert "02:42" not in str(clone("everything", version).body)


def test_mac_address_by_a_vendor(version: Version) -> None:
    """On another network it is sure to be asked for if no engine can have made it up."""
    old, baseline = recorded("everything", version)
    back = old["NetworkSettings"]["Networks"]["back"]
    for mac, asked in (("00:16:3e:00:00:2b", True), ("02:42:ac:12:00:02", False)):
        back["MacAddress"] = mac
        plan = Clone("n", "panel:2", "panel", api_version=version)
        sent = create_request(old, baseline, plan).body["NetworkingConfig"]["EndpointsConfig"]
        carried = (sent.get("back") or {}).get("MacAddress")
        assert carried == (mac if asked and version >= (1, 44) else None)


def test_domain_on_the_host_s_network() -> None:
    """Its hostname is the host's there; a domain is its owner's all the same."""
    old, baseline = recorded("plain", (1, 51))
    for inspect in (old, baseline):
        inspect["HostConfig"]["NetworkMode"] = "host"
        inspect["Config"]["Hostname"] = "machine"
    old["Config"]["Domainname"] = "example.org"
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert body["Domainname"] == "example.org"
    assert "Hostname" not in body


def test_a_variable_given_twice(version: Version) -> None:
    """Both lines go along: the last is what the container sees, though it be the image's own."""
    old, baseline = recorded("plain", version)
    old["Config"]["Env"] = ["LEVEL=2", "LEVEL=1", "KEPT=same"]
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert body["Env"] == ["LEVEL=2", "LEVEL=1"]


def test_a_slash_behind_a_path() -> None:
    """A volume's data goes along, too, where its owner wrote a slash behind the path."""
    old, baseline = recorded("everything", (1, 41))
    old["HostConfig"]["Binds"] = ["named:/named/", "/loose/"]
    old["HostConfig"]["Mounts"][0]["Target"] = "/nameless/"
    old["Config"]["Volumes"] = {"/data": {}, "/scratch/": {}}
    host = create_request(old, baseline, Clone("n", "panel:2", "panel")).body["HostConfig"]
    assert [bind.partition(":")[2] for bind in host["Binds"]] == ["/named/", "/loose/"]
    targets = [mount["Target"] for mount in host["Mounts"]]
    assert targets == ["/nameless/", "/tm", "/data", "/scratch"]
    assert all(len(m["Source"]) == 64 for m in host["Mounts"] if m["Type"] == "volume")


def test_policy_of_the_plan(version: Version) -> None:
    """A restart policy that the plan gives takes the place of the old one's."""
    host = clone("everything", version, restart_policy=("always", 0)).body["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}


@pytest.mark.parametrize("where", ["Config", "HostConfig"])
def test_an_unknown_field_is_carried(version: Version, where: str) -> None:
    """A field that this code has never heard of goes along, unless the image supplies it."""
    old, baseline = recorded("plain", version)
    old[where] |= {"NewInFuture": {"Depth": 3}, "OfTheImage": 1}
    baseline[where]["OfTheImage"] = 1
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    sent = body if where == "Config" else body["HostConfig"]
    assert sent["NewInFuture"] == {"Depth": 3}
    assert "OfTheImage" not in sent


def test_an_unknown_field_of_an_endpoint_is_carried(version: Version) -> None:
    """So does one of a network endpoint."""
    old, baseline = recorded("everything", version)
    old["NetworkSettings"]["Networks"]["front"]["GwPriority"] = 100
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert body["NetworkingConfig"]["EndpointsConfig"]["front"]["GwPriority"] == 100


@pytest.mark.parametrize(
    "image,own,sent",
    [
        ((["e"], ["c"]), (["e"], ["c"]), {}),
        ((["e"], ["c"]), (["e"], ["d"]), {"Cmd": ["d"]}),
        ((["e"], ["c"]), (["f"], None), {"Entrypoint": ["f"], "Cmd": None}),
        ((["e"], ["c"]), (["f"], ["c"]), {"Entrypoint": ["f"], "Cmd": ["c"]}),
        ((["e"], ["c"]), (["e"], None), {"Entrypoint": ["e"], "Cmd": None}),
        ((["e"], ["c"]), (None, ["d"]), {"Entrypoint": [""], "Cmd": ["d"]}),
        ((None, ["c"]), (None, ["c"]), {}),
    ],
)
def test_entrypoint_and_command_are_a_pair(
    image: tuple[Any, Any], own: tuple[Any, Any], sent: dict[str, Any]
) -> None:
    """What is sent makes the engine's merge end where it is now."""
    old, baseline = recorded("plain", (1, 41))
    old["Config"] |= {"Entrypoint": own[0], "Cmd": own[1]}
    baseline["Config"] |= {"Entrypoint": image[0], "Cmd": image[1]}
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert {key: body[key] for key in ("Entrypoint", "Cmd") if key in body} == sent


def test_stale_names_go_by_the_ids() -> None:
    """Short ids of earlier generations are no names; other words of twelve hex digits are."""
    old, baseline = recorded("everything", (1, 41))
    front = old["NetworkSettings"]["Networks"]["front"]
    first, second, theirs = "a" * 64, "b" * 64, "c" * 12
    front["Aliases"] = [first[:12], second[:12], theirs, old["Id"][:12]]
    old["Config"]["Hostname"] = first[:12]
    old["Config"]["Labels"][labels.FOREBEARS] = second[:12]
    body = create_request(old, baseline, Clone("n", "panel:2", "panel", forebears=(first,))).body
    assert body["NetworkingConfig"]["EndpointsConfig"]["front"]["Aliases"] == [theirs]
    assert "Hostname" not in body


def test_borrowed_namespaces() -> None:
    """With another's network there are no endpoints, and no hostname of its own."""
    old, baseline = recorded("everything", (1, 41))
    old["HostConfig"]["NetworkMode"] = "container:" + "d" * 64
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert "NetworkingConfig" not in body
    assert "Hostname" not in body
    assert body["HostConfig"]["NetworkMode"] == "container:" + "d" * 64


def test_network_mode_by_id() -> None:
    """A mode that names a network by id is sent by name, the key of its endpoint."""
    old, baseline = recorded("everything", (1, 41))
    old["HostConfig"]["NetworkMode"] = old["NetworkSettings"]["Networks"]["front"]["NetworkID"]
    request = create_request(old, baseline, Clone("n", "panel:2", "panel"))
    assert request.body["HostConfig"]["NetworkMode"] == "front"
    assert list(request.body["NetworkingConfig"]["EndpointsConfig"]) == ["front"]


def test_links() -> None:
    """A link is shown with two paths and sent with two names."""
    old, baseline = recorded("plain", (1, 41))
    old["HostConfig"]["Links"] = ["/db:/panel/database"]
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert body["HostConfig"]["Links"] == ["db:database"]


def test_links_in_any_order() -> None:
    """An engine shows them now in this order and now in that: the gate finds them the same."""
    old, baseline = recorded("plain", (1, 41))
    new = copy.deepcopy(old)
    old["HostConfig"]["Links"] = ["/db:/panel/database", "/db:/panel/db"]
    new["HostConfig"]["Links"] = ["/db:/panel/db", "/db:/panel/database"]
    assert differences(old, baseline, new, baseline, late=False) == ()


def test_option_blocks_of_another_mount_type_go() -> None:
    """Newer engines refuse them, older ones show them."""
    old, baseline = recorded("plain", (1, 41))
    bind = {"Type": "bind", "Source": "/srv", "Target": "/srv", "VolumeOptions": {"NoCopy": True}}
    old["HostConfig"]["Mounts"] = [bind]
    body = create_request(old, baseline, Clone("n", "panel:2", "panel")).body
    assert body["HostConfig"]["Mounts"][0] == {"Type": "bind", "Source": "/srv", "Target": "/srv"}


def test_volumes_of_another_are_not_pinned() -> None:
    """A volume that only comes from another container goes on coming from there."""
    old, baseline = recorded("plain", (1, 41))
    old["HostConfig"]["VolumesFrom"] = ["donor"]
    old["Mounts"].append({"Type": "volume", "Name": "n", "Destination": "/theirs", "RW": True})
    host = create_request(old, baseline, Clone("n", "panel:2", "panel")).body["HostConfig"]
    assert host["VolumesFrom"] == ["donor"]
    assert [mount["Target"] for mount in host["Mounts"]] == ["/data"]
    old["Mounts"][0]["RW"] = False  # nobody's own
    host = create_request(old, baseline, Clone("n", "panel:2", "panel")).body["HostConfig"]
    assert "Mounts" not in host


def test_probe(version: Version) -> None:
    """The baseline is of the old image's id, wishes for nothing and is known as a probe."""
    old, _ = recorded("everything", version)
    request = probe_request(old, "panel-probe")
    assert request.name == "panel-probe"
    assert request.body == {
        "Image": old["Image"],
        "Labels": {labels.ROLE: labels.PROBE},
        "HostConfig": {"NetworkMode": "front", "Privileged": False},
    }


def test_platform() -> None:
    """Where the image store knows the platform, it is asked for again."""
    old, _ = recorded("plain", (1, 45))
    old["ImageManifestDescriptor"] = {
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}
    }
    assert probe_request(old, "p").platform == "linux/arm/v7"


def test_stop_timeout() -> None:
    """The container's own, zero included, else the engine's ten seconds."""
    old, _ = recorded("everything", (1, 41))
    assert stop_timeout(old) == 3
    for given, meant in ((None, 10), (0, 0)):
        old["Config"]["StopTimeout"] = given
        assert stop_timeout(old) == meant
