"""Templates: registries in languages that refitd does not know."""

from __future__ import annotations

import pytest

from refitd.gen_modules import Module, Refusal, fill_template

MODULES = [Module("audit", "1.4"), Module("e-mail", "")]


def test_lines_with_a_placeholder_are_repeated() -> None:
    """A line that speaks of a module stands once for each, every other line once."""
    template = "# $$ generated\n[\n  '$id' => ${name}_init('$version'),\n]\n"
    assert fill_template(template, MODULES) == (
        "# $ generated\n[\n  'audit' => audit_init('1.4'),\n  'e-mail' => e_mail_init(''),\n]\n"
    )


def test_no_modules_leave_the_other_lines() -> None:
    """With nothing to repeat, what is left is the frame."""
    assert fill_template("[\n  $id\n]\n", []) == "[\n]\n"


@pytest.mark.parametrize("line", ["$ids", "${title}", "$", "100 $ a", "${"])
def test_what_means_nothing_is_refused(line: str) -> None:
    """A placeholder that is unknown, or a lone dollar sign, is named with its line."""
    with pytest.raises(Refusal, match="line 2"):
        fill_template(f"ok\n{line}\n", MODULES)


def test_two_ids_of_one_name_are_refused() -> None:
    """As in every language."""
    with pytest.raises(Refusal, match=r"'a-b' and 'a\.b'"):
        fill_template("$name\n", [Module("a-b", ""), Module("a.b", "")])
