"""Kinds of containers that people make through the API, an area of options each.

`{net}`, `{named}`, `{friend}` and the like stand for what is there on the ground. A kind is run
on every engine whose API has what it asks for (`since`). One that this machine may not be able to
run, or that ends at once, is created and compared, and not started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rig.other_engines import Version

_MEGABYTE = 1 << 20
_SECOND = 1_000_000_000
_ON_NET = {"NetworkMode": "{net}"}
_COMPOSE = {
    "com.docker.compose.project": "panel",
    "com.docker.compose.service": "backend",
    "com.docker.compose.config-hash": "0" * 64,
    "com.docker.compose.container-number": "1",
    "com.docker.compose.oneoff": "False",
}


@dataclass(frozen=True)
class Kind:
    """A create request without its image."""

    body: dict[str, Any]
    since: Version = "1.41"
    starts: bool = True


def _host(since: Version = "1.41", *, starts: bool = True, **options: Any) -> Kind:
    return Kind({"HostConfig": options}, since, starts)


def _on_net(settings: dict[str, Any], since: Version = "1.41", **options: Any) -> Kind:
    endpoints = {"EndpointsConfig": {"{net}": settings}}
    return Kind({"HostConfig": _ON_NET | options, "NetworkingConfig": endpoints}, since)


def _on_both(
    first: dict[str, Any], second: dict[str, Any], since: Version = "1.41", **options: Any
) -> Kind:
    endpoints = {"EndpointsConfig": {"{net}": first, "{other}": second}}
    return Kind({"HostConfig": _ON_NET, "NetworkingConfig": endpoints} | options, since)


def _mounts(*mounts: dict[str, Any], since: Version = "1.41", **options: Any) -> Kind:
    return Kind({"HostConfig": {"Mounts": list(mounts)}} | options, since)


def _bind(target: str, **options: Any) -> dict[str, Any]:
    return {"Type": "bind", "Source": "{folder}", "Target": target, "BindOptions": options}


def _volume(target: str, **options: Any) -> dict[str, Any]:
    return {"Type": "volume", "Source": "{named}", "Target": target, "VolumeOptions": options}


def _tmpfs(target: str, **options: Any) -> dict[str, Any]:
    return {"Type": "tmpfs", "Target": target, "TmpfsOptions": options}


_CONFIG = {
    "plain": Kind({}),
    "environment": Kind({"Env": ["LEVEL=9", "EMPTY=", "SPACES=a b  c", "UNSET"]}),
    "a variable given twice": Kind({"Env": ["LEVEL=2", "LEVEL=1"]}),
    "command": Kind({"Cmd": ["tail", "-f", "/etc/passwd", "/etc/group"]}),
    "entrypoint": Kind({"Entrypoint": ["tail", "-f"], "Cmd": ["/dev/null"]}),
    "entrypoint alone": Kind({"Entrypoint": ["sleep", "100000"]}),
    "no entrypoint": Kind({"Entrypoint": [""], "Cmd": ["sleep", "100000"]}),
    "the image's entrypoint repeated": Kind({"Entrypoint": ["env"]}, starts=False),
    "user and folder": Kind({"User": "1000:1000", "WorkingDir": "/tmp"}),  # noqa: S108 - in a container
    "shell and triggers": Kind({"Shell": ["/bin/sh", "-u", "-c"], "OnBuild": ["RUN true"]}),
    "health check": Kind(
        {"Healthcheck": {"Test": ["CMD", "true", "own"], "Interval": 90 * _SECOND, "Retries": 4}}
    ),
    "another interval of the check": Kind({"Healthcheck": {"Interval": 90 * _SECOND}}),
    "no health check": Kind({"Healthcheck": {"Test": ["NONE"]}}),
    "interval at the start": Kind(
        {"Healthcheck": {"StartInterval": 2 * _SECOND, "StartPeriod": 9 * _SECOND}}, "1.45"
    ),
    "labels": Kind({"Labels": {"maker": "us", "shared": "own", "empty": "", "own": "yes"}}),
    "compose's labels": Kind({"Labels": {**_COMPOSE, "maker": "us"}}),
    "exposed ports": Kind({"ExposedPorts": {"9000/udp": {}, "9001/tcp": {}}}),
    "stopping": Kind({"StopSignal": "SIGHUP", "StopTimeout": 0}),
    "terminal": Kind({"Tty": True, "OpenStdin": True, "StdinOnce": True, "AttachStdin": True}),
    "names": Kind({"Hostname": "panel-host", "Domainname": "example.org"}),
    "a name like an id": Kind(
        {
            "Hostname": "cafecafecafe",
            "HostConfig": _ON_NET,
            "NetworkingConfig": {"EndpointsConfig": {"{net}": {"Aliases": ["0123456789ab"]}}},
        }
    ),
}

_LIMITS = {
    "limits": _host(
        Memory=96 * _MEGABYTE,
        MemoryReservation=48 * _MEGABYTE,
        NanoCpus=500_000_000,
        PidsLimit=90,
        OomScoreAdj=200,
        RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 4},
    ),
    "shares of the processor": _host(
        CpuShares=512, CpuPeriod=50_000, CpuQuota=25_000, CpusetCpus="0"
    ),
    "swap of its own": _host(Memory=64 * _MEGABYTE, MemorySwap=96 * _MEGABYTE),
    "swap without end": _host(Memory=64 * _MEGABYTE, MemorySwap=-1, MemorySwappiness=10),
    "no killer": _host(Memory=64 * _MEGABYTE, OomKillDisable=True),
    "disks": _host(
        starts=False,
        BlkioWeight=300,
        BlkioDeviceReadBps=[{"Path": "/dev/zero", "Rate": 1000}],
        BlkioDeviceWriteIOps=[{"Path": "/dev/zero", "Rate": 10}],
    ),
    "ulimits": _host(
        Ulimits=[
            {"Name": "nofile", "Soft": 512, "Hard": 1024},
            {"Name": "nproc", "Soft": 300, "Hard": 300},
        ]
    ),
    "shared memory": _host(ShmSize=8 * _MEGABYTE, IpcMode="shareable"),
    "no shared memory": _host(IpcMode="none"),
    "restarts": _host(RestartPolicy={"Name": "unless-stopped", "MaximumRetryCount": 0}),
    "log driver": _host(LogConfig={"Type": "local", "Config": {"max-file": "3"}}),
    "log option": _host(LogConfig={"Type": "json-file", "Config": {"max-size": "1m"}}),
    "log option beside the engine's": _host(
        LogConfig={"Type": "json-file", "Config": {"max-file": "3"}}
    ),
    "no log": _host(LogConfig={"Type": "none", "Config": {}}),
    "runtime": _host(Runtime="other"),
    "cgroups": _host(CgroupParent="/refitd-test", CgroupnsMode="private"),
    "annotations": _host("1.45", Annotations={"org.example.note": "kept", "empty": ""}),
    "console": _host(ConsoleSize=[24, 80], Isolation="default"),
}

_RIGHTS = {
    "security": _host(
        CapAdd=["NET_ADMIN"],
        CapDrop=["MKNOD"],
        SecurityOpt=["no-new-privileges"],
        ReadonlyRootfs=True,
        Sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
        MaskedPaths=[],
        ReadonlyPaths=[],
    ),
    "unconfined": _host(SecurityOpt=["seccomp=unconfined", "apparmor=unconfined"]),
    "some paths masked": _host(MaskedPaths=["/proc/kcore"], ReadonlyPaths=["/proc/sys"]),
    "privileged": _host(starts=False, Privileged=True),
    "privileged and labelled": _host(
        starts=False, Privileged=True, SecurityOpt=["label=user:one", "label=role:two"]
    ),
    "devices": _host(
        Devices=[
            {
                "PathOnHost": "/dev/null",
                "PathInContainer": "/dev/nothing",
                "CgroupPermissions": "rw",
            },
            {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zeros", "CgroupPermissions": "r"},
        ],
        DeviceCgroupRules=["c 1:3 r"],
        GroupAdd=["audio", "12"],
        Init=True,
    ),
    "graphics card": _host(
        starts=False,
        DeviceRequests=[
            {
                "Driver": "nvidia",
                "Count": -1,
                "Capabilities": [["gpu", "compute"]],
                "Options": {"one": "1"},
            },
            {"Driver": "", "DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]},
        ],
    ),
    "removed at its end": _host(starts=False, AutoRemove=True),
}

_SPACES = {
    "host network": _host(NetworkMode="host"),
    "no network": _host(NetworkMode="none"),
    "network of another": _host(NetworkMode="container:{friend}"),
    "network of another by its id": _host(NetworkMode="container:{friend_id}"),
    "processes and memory of the host": _host(PidMode="host", IpcMode="host"),
    "processes and memory of another": _host(
        PidMode="container:{friend}", IpcMode="container:{friend_id}"
    ),
    "names of the host": _host(UTSMode="host", UsernsMode="host"),
    "network disabled": Kind({"NetworkDisabled": True}, starts=False),
}

_NETWORKS = {
    "ports": Kind(
        {
            "ExposedPorts": {"8080/tcp": {}, "9000/udp": {}},
            "HostConfig": {
                "PortBindings": {
                    "8080/tcp": [
                        {"HostIp": "127.0.0.1", "HostPort": "{port}"},
                        {"HostIp": "127.0.0.1", "HostPort": ""},
                    ],
                    "9000/udp": [{"HostIp": "", "HostPort": ""}],
                }
            },
        }
    ),
    "all ports": _host(PublishAllPorts=True),
    "aliases": _on_net({"Aliases": ["panel", "api"]}),
    "its own name as an alias": _on_net({"Aliases": ["{name}", "api"]}),
    "fixed address": _on_net({"IPAMConfig": {"IPv4Address": "{ip}"}}),
    "local addresses": _on_net({"IPAMConfig": {"LinkLocalIPs": ["169.254.34.68"]}}),
    "two networks": _on_both({"Aliases": ["front"]}, {"Aliases": ["back"]}),
    "two fixed addresses": _on_both(
        {"IPAMConfig": {"IPv4Address": "{ip}"}},
        {"IPAMConfig": {"IPv4Address": "{other_ip}", "IPv6Address": "{six}"}},
    ),
    "driver's options": _on_net({"DriverOpts": {"com.example.speed": "high"}}),
    "which way out": _on_both({"GwPriority": 5}, {"GwPriority": 10}, "1.51"),
    "network by its id": _host(NetworkMode="{net_id}"),
    "address of its card": Kind({"MacAddress": "{mac}"}),
    "address of its card on a network": Kind({"MacAddress": "{mac}", "HostConfig": _ON_NET}),
    "addresses of both cards": _on_both(
        {"MacAddress": "{mac}"}, {"MacAddress": "00:16:3e:00:00:2b", "Aliases": ["b"]}, "1.45"
    ),
    "resolver": _host(
        NetworkMode="{net}",
        Dns=["192.0.2.53"],
        DnsOptions=["ndots:2"],
        DnsSearch=["example.org"],
        ExtraHosts=["db:192.0.2.1", "six:::1"],
    ),
    "links": _host(Links=["{friend}:database", "{friend}:db"]),
    "links on a network": _on_net({"Links": ["{friend}:database"], "Aliases": ["panel"]}),
}

_DATA = {
    "volumes": Kind(
        {
            "Volumes": {"/scratch": {}},
            "HostConfig": {
                "Binds": ["{named}:/named", "{folder}:/folder:ro", "/loose"],
                "Tmpfs": {"/quick": "size=1m"},
                "Mounts": [
                    {"Type": "volume", "Target": "/nameless"},
                    {"Type": "volume", "Target": "/labelled", "VolumeOptions": {"Labels": {"a": "b"}}},
                    _volume("/again", NoCopy=True) | {"ReadOnly": True},
                ],
            },
        }
    ),
    "paths with a slash behind": Kind(
        {
            "Volumes": {"/scratch/": {}},
            "HostConfig": {
                "Binds": ["{named}:/named/", "/loose/"],
                "Mounts": [{"Type": "volume", "Target": "/nameless/"}],
            },
        }
    ),
    "the image's volume by name": _host(Binds=["{named}:/data"]),
    "the image's volume in memory": _host(Tmpfs={"/data": "size=1m"}),
    "modes of binds": _host(
        Binds=["{folder}:/one:ro,rslave", "{folder}:/two:z", "{named}:/three:nocopy", "{named}:/four:ro"]
    ),
    "spreading mounts": _mounts(
        _bind("/spread", Propagation="rshared"), _bind("/alone", Propagation="private", NonRecursive=True)
    ),
    "folder to be made": _mounts(
        {**_bind("/made", CreateMountpoint=True), "Source": "{folder}/made"}, since="1.45"
    ),
    "read-only to the bottom": _mounts(
        {**_bind("/deep", ReadOnlyForceRecursive=True, Propagation="rprivate"), "ReadOnly": True},
        {**_bind("/flat", ReadOnlyNonRecursive=True), "ReadOnly": True},
        since="1.45",
    ),
    "memory": _mounts(_tmpfs("/tm", SizeBytes=_MEGABYTE, Mode=0o1770), _tmpfs("/bare")),
    "options of memory": _mounts(
        _tmpfs("/tm", Options=[["noexec"]]), since="1.51"
    ),
    "part of a volume": _mounts(_volume("/part", Subpath="part"), since="1.45"),
    "driver of a volume": _mounts(
        {
            "Type": "volume",
            "Target": "/driven",
            "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "{folder}"}}},
        }
    ),
    "an image as a mount": _mounts(
        {"Type": "image", "Source": "{image}", "Target": "/image"}, since="1.51"
    ),
    "part of an image": _mounts(
        {
            "Type": "image",
            "Source": "{image}",
            "Target": "/image",
            "ImageOptions": {"Subpath": "etc"},
        },
        since="1.51",
    ),
    "driver of volumes": _host(VolumeDriver="local", Binds=["/loose"]),
    "volumes of another": _host(VolumesFrom=["{donor}"]),
    "volumes of another, read only": _host(VolumesFrom=["{donor}:ro"], Binds=["{named}:/named"]),
}  # fmt: skip

KINDS: dict[str, Kind] = {**_CONFIG, **_LIMITS, **_RIGHTS, **_SPACES, **_NETWORKS, **_DATA}

#: The areas that go together in one container.
_TOGETHER = (
    "environment", "command", "user and folder", "health check", "labels", "compose's labels",
    "stopping", "terminal", "names", "limits", "ulimits", "shared memory", "log option",
    "runtime", "cgroups", "security", "devices", "ports", "resolver", "two fixed addresses",
    "volumes",
)  # fmt: skip


def _everything() -> Kind:
    body: dict[str, Any] = {}
    for kind in _TOGETHER:
        more = KINDS[kind].body
        host = {**body.get("HostConfig", {}), **more.get("HostConfig", {})}
        body = {**body, **more, "HostConfig": host}
    return Kind(body)


KINDS["everything"] = _everything()


def filled(value: Any, words: dict[str, str]) -> Any:
    """The same JSON with every `{word}` replaced."""
    match value:
        case dict():
            return {filled(key, words): filled(item, words) for key, item in value.items()}
        case list():
            return [filled(item, words) for item in value]
        case str():
            for word, meaning in words.items():
                value = value.replace("{" + word + "}", meaning)
            return value
        case _:
            return value
