"""Which change of what changes which key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.fingerprint import build_key, image_key, run_key
from refitd.core.target import Build, Health, Source, Target

SOURCE = Source(repo="https://git.example.org/core.git", subdir="backend")
TARGET = Target("backend", "panel-backend", "panel-backend:latest", SOURCE)

RECIPES = {
    "another repository": replace(TARGET, source=replace(SOURCE, repo="https://other/x.git")),
    "another branch": replace(TARGET, source=replace(SOURCE, branch="next")),
    "another folder": replace(TARGET, source=replace(SOURCE, subdir="")),
    "a local folder": replace(TARGET, source=Source(path="/srv/core")),
    "another Dockerfile": replace(TARGET, build=Build(dockerfile="Dockerfile.prod")),
    "a build argument": replace(TARGET, build=Build(args=(("LEVEL", "1"),))),
    "a stage": replace(TARGET, build=Build(stage="prod")),
}

SAME = {
    "health": replace(TARGET, health=Health(deadline_s=5)),
    "container name": replace(TARGET, container="other"),
    "tag": replace(TARGET, image="other:latest"),
    "deadline of the build": replace(TARGET, build=Build(timeout_s=1)),
    "pulling": replace(TARGET, build=Build(pull=True)),
    "strategy": replace(TARGET, strategy="swap", concurrent=True),
}

words = st.lists(st.sampled_from(["a", "b", "c@1", "c@2", "ab", "a,b"]), unique=True)


@pytest.mark.parametrize("other", RECIPES.values(), ids=RECIPES.keys())
def test_recipe(other: Target) -> None:
    """A build setting changes build key and image key."""
    assert build_key(other, ["a"], "c1") != build_key(TARGET, ["a"], "c1")
    assert image_key(other, ["a"], "c1") != image_key(TARGET, ["a"], "c1")


@pytest.mark.parametrize("other", SAME.values(), ids=SAME.keys())
def test_not_the_recipe(other: Target) -> None:
    """What does not go into the image changes neither."""
    assert build_key(other, ["a"], "c1") == build_key(TARGET, ["a"], "c1")
    assert image_key(other, ["a"], "c1") == image_key(TARGET, ["a"], "c1")


def test_commit() -> None:
    """A push changes the build key only where the branch is followed, the image key always."""
    following = replace(TARGET, source=replace(SOURCE, follow=True))

    assert build_key(TARGET, ["a"], "c1") == build_key(TARGET, ["a"], "c2")
    assert build_key(following, ["a"], "c1") != build_key(following, ["a"], "c2")
    assert image_key(TARGET, ["a"], "c1") != image_key(TARGET, ["a"], "c2")


def test_following_is_no_change() -> None:
    """An image may be used again whether or not the branch is followed by now."""
    following = replace(TARGET, source=replace(SOURCE, follow=True))

    assert image_key(following, ["a"], "c1") == image_key(TARGET, ["a"], "c1")


def test_kinds() -> None:
    """The three keys never meet, even on the same parts."""
    assert len({build_key(TARGET, [], None), image_key(TARGET, [], None), run_key([])}) == 3


@given(words, words)
def test_key_is_the_set(one: list[str], other: list[str]) -> None:
    """Two lists have one key exactly where they hold the same, in whatever order."""
    same = sorted(one) == sorted(other)

    assert (run_key(one) == run_key(other)) is same
    assert (build_key(TARGET, one, None) == build_key(TARGET, other, None)) is same
    assert (image_key(TARGET, one, "c") == image_key(TARGET, other, "c")) is same
