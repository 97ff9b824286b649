"""The refitd.toml of the demo: as anybody would write it, only in more of a hurry."""

import json
from collections.abc import Sequence
from pathlib import Path

from target import Target

_SHARED = """\
# Written by `make demo`.
dsn = {dsn}
docker_host = {docker_host}
state_dir = {state_dir}

[log]
format = "json"

[timing]
quiet = "1s"
poll = "10s"
"""

_TARGET = """
[target.{name}]
container = {container}
image = {image}
concurrent = {concurrent}
watch = "5s"

[target.{name}.source]
repo = {repo}
branch = "main"
subdir = "backend"

[target.{name}.build.args]
BASE = {base}

[target.{name}.health]
deadline = "30s"
interval = "200ms"
"""


def refitd_toml(
    *, dsn: str, docker_host: str, state_dir: Path, repo: str, base: str, targets: Sequence[Target]
) -> str:
    """The file's text."""
    shared = _SHARED.format(
        dsn=json.dumps(dsn),
        docker_host=json.dumps(docker_host),
        state_dir=json.dumps(str(state_dir)),
    )
    return shared + "".join(_target(target, repo, base) for target in targets)


def _target(target: Target, repo: str, base: str) -> str:
    return _TARGET.format(
        name=target.name,
        container=json.dumps(target.container),
        image=json.dumps(target.image),
        concurrent=json.dumps(target.concurrent),
        repo=json.dumps(repo),
        base=json.dumps(base),
    )
