"""A grammar of create requests: any option beside any other, so far as engines allow.

Each rule draws from few values, the engine's own defaults and those of the image among them: what
is asked for must be told from what is supplied also where the two look alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from rig.other_engines import Version

Json = dict[str, Any]
Strategy = st.SearchStrategy[Any]

_SECOND = 1_000_000_000
_MEGABYTE = 1 << 20
_WORDS = st.sampled_from(["env", "tail", "-f", "/dev/null", "", "a b"])
_LINES = st.lists(_WORDS, max_size=3)
_NUMBERS = st.integers(0, 3)
_PATHS = st.sampled_from(["/data", "/named", "/some/where", "/slash/"])


def _some(names: list[str], values: Strategy) -> Strategy:
    return st.dictionaries(st.sampled_from(names), values, max_size=3)


def _list(*values: Any) -> Strategy:
    return st.lists(st.sampled_from(values), max_size=3, unique_by=repr)


_CONFIG: dict[str, Strategy] = {
    "Env": _list("LEVEL=1", "LEVEL=2", "KEPT=same", "EMPTY=", "UNSET", "OTHER=x=y"),
    "Cmd": _LINES,
    "Entrypoint": st.sampled_from([["env"], ["tail", "-f"], [""]]),
    "User": st.sampled_from(["", "0", "1000:1000"]),
    "WorkingDir": st.sampled_from(["", "/srv", "/tmp"]),  # noqa: S108 - in a container
    "Labels": _some(["maker", "shared", "own"], st.sampled_from(["", "first", "both", "us"])),
    "ExposedPorts": _some(["8080/tcp", "9000/udp"], st.just({})),
    "Volumes": _some(["/data", "/scratch", "/slash/"], st.just({})),
    "Healthcheck": st.fixed_dictionaries(
        {},
        optional={
            "Test": st.sampled_from([["CMD", "true"], ["CMD-SHELL", "exit 0"], ["NONE"]]),
            "Interval": st.sampled_from([0, 50 * _SECOND, 70 * _SECOND]),
            "Timeout": st.sampled_from([0, 2 * _SECOND]),
            "Retries": _NUMBERS,
        },
    ),
    "StopSignal": st.sampled_from(["SIGTERM", "SIGHUP"]),
    "StopTimeout": st.sampled_from([0, 10]),
    "Tty": st.booleans(),
    "OpenStdin": st.booleans(),
    "StdinOnce": st.booleans(),
    "Shell": st.sampled_from([[], ["/bin/sh", "-c"]]),
}

_LIMIT = st.fixed_dictionaries(
    {
        "Name": st.sampled_from(["nproc", "nofile"]),
        "Soft": st.just(300),
        "Hard": st.integers(300, 301),
    }
)
_HOST: dict[str, Strategy] = {
    "CpuShares": st.sampled_from([0, 512]),
    "CpusetCpus": st.sampled_from(["", "0"]),
    "NanoCpus": st.sampled_from([0, 500_000_000]),
    "PidsLimit": st.sampled_from([None, 0, -1, 90]),
    "OomScoreAdj": _NUMBERS,
    "BlkioWeight": st.sampled_from([0, 300]),
    "Ulimits": st.lists(_LIMIT, max_size=2, unique_by=lambda limit: limit["Name"]),
    "ShmSize": st.sampled_from([0, 8 * _MEGABYTE, 24 * _MEGABYTE, 64 * _MEGABYTE]),
    "IpcMode": st.sampled_from(["", "private", "shareable", "none", "host", "container:{friend}"]),
    "PidMode": st.sampled_from(["", "host", "container:{friend}"]),
    "CgroupnsMode": st.sampled_from(["", "private", "host"]),
    "UsernsMode": st.sampled_from(["", "host"]),
    "CgroupParent": st.sampled_from(["", "/refitd-test"]),
    "Runtime": st.sampled_from(["", "runc", "other"]),
    "Init": st.sampled_from([None, True, False]),
    "Privileged": st.booleans(),
    "ReadonlyRootfs": st.booleans(),
    "CapAdd": _list("NET_ADMIN", "SYS_TIME"),
    "CapDrop": _list("MKNOD", "ALL"),
    "GroupAdd": _list("audio", "12"),
    "SecurityOpt": _list("no-new-privileges", "seccomp=unconfined", "label=disable"),
    "Sysctls": _some(["net.ipv4.ip_unprivileged_port_start"], st.just("0")),
    "MaskedPaths": st.sampled_from([None, [], ["/proc/kcore"]]),
    "ReadonlyPaths": st.sampled_from([None, [], ["/proc/sys"]]),
    "DeviceCgroupRules": _list("c 1:3 r"),
    "Devices": st.lists(
        st.fixed_dictionaries({
            "PathOnHost": st.just("/dev/null"),
            "PathInContainer": st.sampled_from(["/dev/one", "/dev/two"]),
            "CgroupPermissions": st.sampled_from(["r", "rwm"]),
        }),
        max_size=2,
    ),
    "LogConfig": st.sampled_from([
        {"Type": "", "Config": {}},
        {"Type": "json-file", "Config": {}},
        {"Type": "json-file", "Config": {"max-size": "7m"}},
        {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "3"}},
        {"Type": "local", "Config": {"max-file": "3"}},
        {"Type": "none", "Config": {}},
    ]),
    "RestartPolicy": st.sampled_from([
        {"Name": "", "MaximumRetryCount": 0},
        {"Name": "no", "MaximumRetryCount": 0},
        {"Name": "always", "MaximumRetryCount": 0},
        {"Name": "on-failure", "MaximumRetryCount": 4},
    ]),
    "VolumesFrom": _list("{donor}", "{donor}:ro"),
    "VolumeDriver": st.sampled_from(["", "local"]),
    "ExtraHosts": _list("db:192.0.2.1", "six:::1"),
    "Dns": _list("192.0.2.53", "192.0.2.54"),
    "DnsSearch": _list("example.org"),
    "DnsOptions": _list("ndots:2"),
    "ConsoleSize": st.sampled_from([[0, 0], [24, 80]]),
}  # fmt: skip

#: What goes together only in these ways.
_MEMORY = st.sampled_from([
    {},
    {"Memory": 64 * _MEGABYTE},
    {"Memory": 64 * _MEGABYTE, "MemorySwap": 128 * _MEGABYTE},
    {"Memory": 64 * _MEGABYTE, "MemorySwap": -1, "OomKillDisable": True},
    {"Memory": 64 * _MEGABYTE, "MemorySwap": 64 * _MEGABYTE, "MemorySwappiness": 10},
    {"MemoryReservation": 32 * _MEGABYTE},
])  # fmt: skip
_PORT = st.fixed_dictionaries(
    {"HostIp": st.sampled_from(["", "127.0.0.1"]), "HostPort": st.sampled_from(["", "18080"])}
)
_PORTS = st.fixed_dictionaries(
    {},
    optional={
        "PublishAllPorts": st.booleans(),
        "PortBindings": _some(["8080/tcp", "9000/udp"], st.lists(_PORT, min_size=1, max_size=2)),
    },
)

#: What is mounted somewhere. Where, is drawn apart: no two at one place.
_PLACES: dict[str, Callable[[str], Json]] = {
    "bind": lambda at: {"Binds": [f"{{folder}}:{at}:ro"]},
    "named": lambda at: {"Binds": [f"{{named}}:{at}"]},
    "loose": lambda at: {"Binds": [at]},
    "memory": lambda at: {"Tmpfs": {at: "size=1m"}},
    "volume": lambda at: {"Mounts": [{"Type": "volume", "Source": "{named}", "Target": at}]},
    "nameless": lambda at: {"Mounts": [{"Type": "volume", "Target": at, "ReadOnly": True}]},
    "uncopied": lambda at: {
        "Mounts": [{"Type": "volume", "Target": at, "VolumeOptions": {"NoCopy": True}}]
    },
    "folder": lambda at: {
        "Mounts": [
            {
                "Type": "bind",
                "Source": "{folder}",
                "Target": at,
                "BindOptions": {"Propagation": "rslave"},
            }
        ]
    },
    "tmpfs": lambda at: {
        "Mounts": [{"Type": "tmpfs", "Target": at, "TmpfsOptions": {"SizeBytes": _MEGABYTE}}]
    },
}

_ENDPOINT = st.fixed_dictionaries(
    {},
    optional={
        "Aliases": _list("panel", "api", "0123456789ab"),
        "DriverOpts": st.sampled_from([None, {"com.example.speed": "high"}]),
        "Links": _list("{friend}:database"),
    },
)


@st.composite
def bodies(draw: st.DrawFn, version: Version) -> Json:
    """The body of a create request that this version of the API takes."""
    config: Json = draw(_few(_CONFIG))
    host: Json = draw(_few(_HOST)) | draw(_MEMORY) | draw(_mounts())
    if version >= "1.45":
        host |= draw(_few({"Annotations": _some(["org.example.note"], st.just("kept"))}))
    body: Json = config | draw(_names()) | {"HostConfig": host}
    where = draw(st.sampled_from(["default", "net", "both", "none", "host", "other's"]))
    match where:
        case "net" | "both":
            host |= {"NetworkMode": "{net}"} | draw(_PORTS)
            endpoints = {"{net}": draw(_ENDPOINT) | draw(_address("{ip}"))}
            if where == "both":
                endpoints["{other}"] = draw(_ENDPOINT) | draw(_address("{other_ip}"))
            body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
        case "default":
            host |= draw(_PORTS)
        case "none":
            host["NetworkMode"] = "none"
        case "host":
            host["NetworkMode"] = "host"
            host.pop("Sysctls", None)
        case _:
            return _in_another_s_network(body)
    return body


def _in_another_s_network(body: Json) -> Json:
    """Where names, ports and addresses are the other's."""
    host = {key: item for key, item in body["HostConfig"].items() if key not in _NOT_WITH_ANOTHER}
    host["NetworkMode"] = "container:{friend}"
    without = {"Hostname", "Domainname", "ExposedPorts", "HostConfig"}
    return {key: item for key, item in body.items() if key not in without} | {"HostConfig": host}


_NOT_WITH_ANOTHER = frozenset(("ExtraHosts", "Dns", "DnsSearch", "DnsOptions", "Sysctls"))


def _few(rules: dict[str, Strategy]) -> Strategy:
    """A handful at most: what goes wrong goes wrong between two or three."""
    names = st.lists(st.sampled_from(sorted(rules)), max_size=8, unique=True)
    return names.flatmap(lambda drawn: st.fixed_dictionaries({name: rules[name] for name in drawn}))


def _names() -> Strategy:
    return _few({
        "Hostname": st.sampled_from(["panel-host", "cafecafecafe"]),
        "Domainname": st.just("example.org"),
    })  # fmt: skip


def _address(address: str) -> Strategy:
    return st.sampled_from([{}, {"IPAMConfig": {"IPv4Address": address}}])


@st.composite
def _mounts(draw: st.DrawFn) -> Json:
    found: Json = {}
    for at in draw(st.lists(_PATHS, max_size=3, unique=True)):
        for key, more in _PLACES[draw(st.sampled_from(sorted(_PLACES)))](at).items():
            found[key] = (
                {**found.get(key, {}), **more} if key == "Tmpfs" else [*found.get(key, ()), *more]
            )
    return found
