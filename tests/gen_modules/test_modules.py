"""The argument `MODULES`: what is read from it, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.module import WORD as WORD_OF_THE_CORE
from refitd.gen_modules import WORD, Module, Refusal, parse_modules, python_registry

words = st.from_regex(WORD, fullmatch=True)
modules = st.builds(Module, words, st.just("") | words)
lists = st.lists(modules, unique_by=lambda module: module.id, max_size=20)


def argument(chosen: list[Module]) -> str:
    """Join modules as refitd does."""
    return ",".join(f"{m.id}@{m.version}" if m.version else m.id for m in chosen)


@given(lists, st.data())
def test_order_and_repetition_do_not_matter(chosen: list[Module], data: st.DataObject) -> None:
    """The same modules are read, sorted, in whatever order and however often they are named."""
    repeated = data.draw(st.lists(st.sampled_from(chosen))) if chosen else []
    shuffled = data.draw(st.permutations(chosen + repeated))
    assert parse_modules(argument(shuffled)) == sorted(chosen)


@given(lists.map(lambda chosen: [m._replace(id=m.id.replace("-", "_")) for m in chosen]))
def test_the_same_modules_give_the_same_text(chosen: list[Module]) -> None:
    """The text depends on which modules there are, and on nothing else."""
    try:
        forth = python_registry(parse_modules(argument(chosen)), "modules")
    except Refusal:
        return
    assert forth == python_registry(parse_modules(argument(chosen[::-1])), "modules")


@given(st.text().filter(lambda text: text and not re.search("[,@]", text)))
def test_whatever_is_no_word_is_refused(text: str) -> None:
    """An id is a word from end to end, or it is refused; no text slips through."""
    if WORD.fullmatch(text):
        assert parse_modules(text) == [Module(text, "")]
    else:
        with pytest.raises(Refusal):
            parse_modules(text)


@pytest.mark.parametrize(
    "bad",
    [" ", "a b", "a\n", "'", '"', "$(id)", "-a", ".a", "a/b", "ä", "a@", "@1", "a@1@2", "a" * 129],
)
def test_bad_items_are_refused_by_name(bad: str) -> None:
    """The refusal names what is wrong, and nothing that is right."""
    with pytest.raises(Refusal, match=re.escape(repr(bad))) as refused:
        parse_modules(f"audit,{bad}")
    assert "audit" not in str(refused.value)


def test_all_bad_items_are_named_at_once() -> None:
    """One look at the error is enough to mend the table."""
    with pytest.raises(Refusal, match="'a b', 'c d'"):
        parse_modules("a b,audit,c d")


@pytest.mark.parametrize("text", [",", "a,", ",a", "a,,b"])
def test_an_empty_id_is_refused(text: str) -> None:
    """A stray comma means that something went missing."""
    with pytest.raises(Refusal, match="''"):
        parse_modules(text)


@pytest.mark.parametrize("text", ["a@1,a@2", "a,a@1"])
def test_two_versions_of_a_module_are_refused(text: str) -> None:
    """A build has one version of a module; which one is not ours to guess."""
    with pytest.raises(Refusal, match="'a' is named with two versions"):
        parse_modules(text)


def test_the_daemon_and_the_build_agree_on_what_an_id_is() -> None:
    """This one file cannot import the core, so the pattern stands twice: here, the same."""
    assert WORD_OF_THE_CORE.pattern == WORD.pattern + r"\Z"
