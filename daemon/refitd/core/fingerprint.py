"""The three keys that decide: short digests of canonical values.

* the *build key*: what the image must be made of. Modules with versions, build settings, and
  the commit only where the target follows its branch; otherwise a push alone never rebuilds.
* the *run key*: what the backend reads when it starts. The enabled ids.
* the *image key*: whether an image that exists may be used again. The build key's parts, and
  always the commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from refitd.core.target import Target


def build_key(target: Target, specs: Iterable[str], commit: str | None) -> str:
    """`commit` counts only where the target follows its branch."""
    followed = commit if target.source.follow else None
    return _digest("build", _recipe(target), sorted(specs), followed)


def run_key(enabled: Iterable[str]) -> str:
    return _digest("run", sorted(enabled))


def image_key(target: Target, specs: Iterable[str], commit: str | None) -> str:
    return _digest("image", _recipe(target), sorted(specs), commit)


def _recipe(target: Target) -> dict[str, object]:
    source, build = target.source, target.build
    return {
        "repo": source.repo,
        "path": source.path,
        "branch": source.branch,
        "subdir": source.subdir,
        "dockerfile": build.dockerfile,
        "args": sorted(build.args),
        "stage": build.stage,
    }


def _digest(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
