"""Steps in words, as they stand in rows, logs and plans."""

from __future__ import annotations

import pytest

from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    NoteCanaryProven,
    Pause,
    Remove,
    Rename,
    Restart,
    SetPolicy,
    Start,
    Step,
    Stop,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.wording import gist, sentence, step_name
from tests.core.world import goal_of

WORDS: list[tuple[Step, str, str]] = [
    (
        Create("canary"),
        "create_canary",
        "create a canary from the new image, without ports and names",
    ),
    (
        Create("successor"),
        "create_successor",
        "create the new container (not started), compare it with the old one",
    ),
    (Start("c", "canary"), "start_canary", "start the canary"),
    (Start("c", "successor"), "start_successor", "start the new container"),
    (Start("c", "old"), "start_old", "start the old container"),
    (Restart("c"), "restart", "restart the container, with its own stop timeout"),
    (Stop("c", "old"), "stop_old", "stop the old container by its own signal and timeout"),
    (Pause("c"), "pause", "pause it, as the old one was"),
    (Remove("c", "canary"), "remove_canary", "remove the canary"),
    (Rename("old", "x"), "rename", "rename the old container to x"),
    (Rename("c", "api"), "rename", "rename the new container to api"),
    (SetPolicy("old", "no", 0), "set_policy", "set the old container's restart policy to no"),
    (SetPolicy("c", "always", 0), "set_policy", "set the new container's restart policy to always"),
    (
        Connect("c", "web"),
        "connect",
        "connect the new container to web with its final names",
    ),
    (
        Disconnect("c", "web"),
        "disconnect",
        "take the new container off web, to be connected again with its names",
    ),
    (Tag("i", "api:latest"), "tag", "move the tag api:latest"),
    (Drain(2.5), "drain", "let the old container drain for 2.5 s"),
    (Drain(0.0, "old", ("drain", "-q")), "drain", "run 'drain -q' in the old container"),
    (Wait("starting"), "wait", "wait: starting"),
    (
        NoteCanaryProven(),
        "note_canary_proven",
        "the canary is proven: write it down",
    ),
    (TurnBack("it broke"), "turn_back", "turn back: it broke"),
]


@pytest.mark.parametrize("step, name, words", WORDS, ids=[words for _, _, words in WORDS])
def test_words(step: Step, name: str, words: str) -> None:
    """Each step has a name for rows and logs, and a sentence for people."""
    assert (step_name(step), sentence(step, goal_of())) == (name, words)


def test_a_toggle_has_no_new_image() -> None:
    """Its canary is of the image that runs, whichever way the toggle goes."""
    toggle = goal_of(way="restart", configured_tag=None)
    words = "create a canary from the same image, without ports and names"
    assert sentence(Create("canary"), toggle) == words


def test_late_names() -> None:
    """A successor that gets its names late is said to."""
    words = sentence(Create("successor"), goal_of(late={"web": ("api",)}))

    assert words.endswith("its names to be bound later")


def test_the_same_trouble_with_another_endpoint() -> None:
    """What the engine refuses again and again is told by one id each time, and is one trouble."""
    first, second = (f"endpoint api ({digit * 64}): the port is taken" for digit in "a4")
    assert gist(first) == gist(second)
    assert gist(first) != gist(first.replace("port", "name"))
