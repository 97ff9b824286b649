"""The ways on which requests reach the target: straight to its name, and through three proxies.

Who calls by name looks it up for each request, and tries the addresses that it gets in turn.

Each proxy is the real one of Debian 12, in a container on the target's network, and finds the
target by Docker's DNS (127.0.0.11), whose answers it keeps for a second at most. Each tries again
where a connect is refused or stays silent, and where a connection ends before any answer: no server
can close its door without cutting off whoever was just let in. What a backend has begun to answer
is not asked twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.models.containers import Container

PACKAGES = ("python3", "ca-certificates", "nginx-light", "haproxy", "caddy")
IMAGE = "refitd-rig/proxies:bookworm"
CALLER = Path(__file__).with_name("caller.py")
#: What a module answers, so that a backend without its modules is no answer.
PATH = "/billing?net=100&rate=19"

_NGINX = """\
pid /tmp/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  resolver 127.0.0.11 valid=1s ipv6=off;
  server {
    listen 80;
    location / {
      set $backend http://api:8080;
      proxy_pass $backend;
      proxy_connect_timeout 500ms;
      proxy_next_upstream error timeout;
    }
  }
}
"""
_HAPROXY = """\
global
  maxconn 1000
resolvers docker
  nameserver dns 127.0.0.11:53
  timeout resolve 500ms
  timeout retry 200ms
  hold valid 1s
defaults
  mode http
  timeout connect 500ms
  timeout client 10s
  timeout server 10s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend all
  bind :80
  default_backend api
backend api
  server-template api 3 api:8080 resolvers docker init-addr none
"""
_CADDY = """\
{
  admin off
  auto_https off
}
:80 {
  reverse_proxy {
    dynamic a {
      name api
      port 8080
      refresh 1s
    }
    lb_try_duration 3s
    lb_try_interval 50ms
    transport http {
      dial_timeout 500ms
    }
  }
}
"""
PROXIES = {
    "nginx": (_NGINX, 'nginx -c /tmp/conf -g "daemon off;"'),
    "haproxy": (_HAPROXY, "haproxy -W -db -f /tmp/conf"),
    "caddy": (_CADDY, "caddy run --adapter caddyfile --config /tmp/conf"),
}


@dataclass(frozen=True)
class Caller:
    """How often it calls, and how long it tries to connect: to each address, and to all."""

    per_second: float
    connect_s: float = 0.3
    in_all_s: float = 5.0


@dataclass(frozen=True)
class Request:
    """One request; times are the machine's clock, as they are in the daemon's log."""

    began_s: float
    ended_s: float
    failure: str

    @property
    def took_s(self) -> float:
        """With all it waited for."""
        return self.ended_s - self.began_s


class Way:
    """A proxy, where there is one, and who calls by it; all on one network."""

    def __init__(self, name: str, caller: Container) -> None:
        self.name, self._caller = name, caller

    def stop(self) -> list[Request]:
        """Answers all requests, the first one first."""
        self._caller.stop(timeout=30)
        lines = self._caller.logs(stdout=True, stderr=False).decode().splitlines()
        return sorted((Request(*json.loads(line)) for line in lines), key=lambda r: r.began_s)


@contextmanager
def ways(
    client: docker.DockerClient, prefix: str, network: str, callers: dict[str, Caller]
) -> Iterator[Sequence[Way]]:
    """Callers by all of these ways, for as long as it lasts."""
    with ExitStack() as stack:

        def run(name: str, command: Sequence[str], **environment: str) -> Container:
            container = client.containers.run(
                IMAGE,
                list(command),
                name=f"{prefix}-{name}",
                network=network,
                environment=environment,
                detach=True,
            )
            stack.callback(container.remove, force=True, v=True)
            return container

        for name, (configuration, command) in PROXIES.items():
            script = f'printf "%s" "$CONF" > /tmp/conf && exec {command}'
            run(name, ["sh", "-c", script], CONF=configuration)
        found: list[Way] = []
        for name, how in callers.items():
            host, port = (f"{prefix}-{name}", 80) if name in PROXIES else ("api", 8080)
            words = ["sh", "-c", 'exec python3 -c "$CALLER" "$@"', "sh"]
            words += [host, str(port), str(how.per_second), PATH]
            words += [str(how.connect_s), str(how.in_all_s)]
            caller = run(f"caller-{len(found)}", words, CALLER=CALLER.read_text())
            found.append(Way(name, caller))
        yield found
