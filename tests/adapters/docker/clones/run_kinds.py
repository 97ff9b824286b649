"""Kinds of containers that people make with `docker run`: options and, behind the bar, the command.

The placeholders are those of `api_kinds`. The client is the one that came with the engine; it says
a good deal more than was typed, and other releases of it say it otherwise.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rig.other_engines import Version


@dataclass(frozen=True)
class Run:
    """What is typed around the name and the image."""

    options: tuple[str, ...]
    command: tuple[str, ...] = ()
    since: Version = "1.41"
    starts: bool = True


def _run(line: str, since: Version = "1.41", *, starts: bool = True) -> Run:
    options, _, command = line.partition(" | ")
    return Run(tuple(shlex.split(options)), tuple(shlex.split(command)), since, starts)


RUNS: dict[str, Run] = {
    "nothing else": _run(""),
    "environment": _run("--env LEVEL=9 --env EMPTY= --env 'SPACES=a b  c' --env OTHER=x=y"),
    "command": _run(" | tail -f /etc/passwd"),
    "entrypoint": _run("--entrypoint tail | -f /etc/group"),
    "no entrypoint": _run("--entrypoint '' | sleep 100000"),
    "user": _run("--user 1000:1000 --workdir /tmp --group-add audio --group-add 12"),
    "names": _run("--hostname panel-host --domainname example.org"),
    "labels": _run("--label maker=us --label empty= --label own=yes"),
    "health check": _run(
        "--health-cmd 'true again' --health-interval 90s --health-retries 4 --health-timeout 7s"
    ),
    "no health check": _run("--no-healthcheck"),
    "interval at the start": _run(
        "--health-start-interval 2s --health-start-period 9s --health-cmd true", "1.45"
    ),
    "ports": _run("--publish 127.0.0.1:{port}:8080 --publish 9000/udp --expose 9001"),
    "all ports": _run("--publish-all"),
    "stopping": _run("--stop-signal SIGHUP --stop-timeout 0"),
    "terminal": _run("--interactive --tty"),
    "limits": _run(
        "--memory 96m --memory-reservation 48m --cpus 0.5 --pids-limit 90 --oom-score-adj 200"
    ),
    "swap": _run("--memory 64m --memory-swap 96m"),
    "processors": _run("--cpu-shares 512 --cpu-period 50000 --cpu-quota 25000 --cpuset-cpus 0"),
    "ulimits": _run("--ulimit nofile=512:1024 --ulimit nproc=300"),
    "shared memory": _run("--shm-size 8m --ipc shareable"),
    "restart on failure": _run("--restart on-failure:4"),
    "restart unless stopped": _run("--restart unless-stopped"),
    "log driver": _run("--log-driver local --log-opt max-file=3"),
    "log option": _run("--log-opt max-size=1m"),
    "security": _run(
        "--cap-add NET_ADMIN --cap-drop MKNOD --security-opt no-new-privileges --read-only"
        " --sysctl net.ipv4.ip_unprivileged_port_start=0"
    ),
    "unconfined": _run("--security-opt seccomp=unconfined --security-opt systempaths=unconfined"),
    "privileged": _run("--privileged", starts=False),
    "devices": _run(
        "--device /dev/null:/dev/nothing:rw --device /dev/zero --device-cgroup-rule 'c 1:3 r' --init"
    ),
    "graphics cards": _run("--gpus all --runtime other", starts=False),
    "removed at its end": _run("--rm", starts=False),
    "host network": _run("--network host --uts host"),
    "no network": _run("--network none"),
    "network of another": _run("--network container:{friend}"),
    "spaces of another": _run("--pid container:{friend} --ipc container:{friend}"),
    "network": _run("--network {net} --network-alias panel --network-alias api --ip {ip}"),
    "two networks": _run(
        "--network name={net},alias=front,ip={ip} --network name={other},alias=back,ip6={six}", "1.45"
    ),
    "address of its card": _run("--network {net} --mac-address {mac}"),
    "resolver": _run(
        "--dns 192.0.2.53 --dns-option ndots:2 --dns-search example.org"
        " --add-host db:192.0.2.1"
    ),
    "link": _run("--link {friend}:database"),
    "volumes": _run("-v {named}:/named -v {folder}:/folder:ro -v /loose --tmpfs /quick:size=1m"),
    "mounts": _run(
        "--mount type=volume,source={named},target=/again,readonly,volume-nocopy"
        " --mount type=volume,target=/nameless"
        " --mount type=bind,source={folder},target=/spread,bind-propagation=rshared"
        " --mount type=tmpfs,target=/tm,tmpfs-size=1m,tmpfs-mode=1770"
    ),
    "volumes of another": _run("--volumes-from {donor}:ro"),
    "cgroups": _run("--cgroup-parent /refitd-test --cgroupns private"),
    "annotations": _run("--annotation org.example.note=kept", "1.45"),
}  # fmt: skip

#: Those that go together in one container.
_TOGETHER = (
    "environment", "user", "names", "labels", "health check", "ports", "stopping", "terminal",
    "limits", "ulimits", "shared memory", "restart on failure", "log option", "security", "devices",
    "network", "resolver", "volumes", "mounts", "cgroups",
)  # fmt: skip

RUNS["everything"] = Run(
    options=tuple(option for kind in _TOGETHER for option in RUNS[kind].options),
    command=RUNS["command"].command,
)
