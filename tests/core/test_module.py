"""What the table says becomes a list of modules, and what cannot be trusted is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.module import Desired, Module, Refusal, Row, desired_from

BAD = {
    "empty": "",
    "comma": "crm,billing",
    "space": "crm billing",
    "leading space": " crm",
    "single quote": "crm'",
    "double quote": 'crm"',
    "at sign": "crm@2",
    "line feed inside": "crm\nbilling",
    "line feed at the end": "crm\n",
    "carriage return at the end": "crm\r",
    "command substitution": "$(reboot)",
    "backtick": "`reboot`",
    "semicolon": "crm;reboot",
    "slash": "../crm",
    "NUL": "crm\0",
    "leading dot": ".crm",
    "leading dash": "-crm",
    "leading underscore": "_crm",
    "accented letter": "crém",
    "full-width letter": "\uff43rm",
    "arabic digit": "crm\u0663",
    "one too long": "c" * 129,
}

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
rows = st.lists(
    st.builds(Row, st.none() | ids | st.text(max_size=4), st.none() | ids, st.booleans())
)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_id(bad: str) -> None:
    """An id that is not wholly a word is refused by name, and the others go ahead."""
    desired = desired_from([Row(bad, None, enabled=True), Row("crm-1.0_b", None, enabled=True)])

    assert desired.modules == (Module("crm-1.0_b"),)
    assert [refusal.reason for refusal in desired.refused] == [
        f"module id {bad!r} is refused: it must be wholly [A-Za-z0-9][A-Za-z0-9._-]{{0,127}}"
    ]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_version(bad: str) -> None:
    """A version must be a word as well: it goes into the same build argument."""
    desired = desired_from([Row("crm", bad, enabled=True), Row("billing", "2.1", enabled=True)])

    assert desired.specs == ("billing@2.1",)
    assert desired.refused[0].id == "crm"
    assert desired.refused[0].reason.startswith(f"version {bad!r} of module 'crm' is refused")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_version_of_what_is_built_in(bad: str) -> None:
    """A slip in a version uninstalls nothing: the version that is built in stays, that is said, and
    whether it is enabled is the row's to say."""
    rows = [Row("crm", bad, enabled=False), Row("mail", bad, enabled=True)]
    desired = desired_from(rows, ["crm@2.0", "billing@1.0"])

    assert desired.modules == (Module("crm", "2.0", enabled=False),)
    crm, mail = desired.refused
    assert crm.reason.startswith(f"version {bad!r} of module 'crm' is refused")
    assert crm.reason.endswith("; crm@2.0 stays built in until it is corrected")
    assert "stays" not in mail.reason


def test_bad_version_where_none_was_mapped() -> None:
    """What was built in without a version stays so."""
    assert desired_from([Row("crm", "", enabled=True)], ["crm"]).specs == ("crm",)


def test_bad_version_beside_a_good_one() -> None:
    """Of two rows of one id the one that can be taken at its word is."""
    rows = [Row("crm", "", enabled=True), Row("crm", "3.0", enabled=True)]
    desired = desired_from(rows, ["crm@2.0"])

    assert desired.specs == ("crm@3.0",)
    assert "stays" not in desired.refused[0].reason


def test_null_id() -> None:
    """A row without an id is refused, too."""
    desired = desired_from([Row(None, None, enabled=True)])

    assert desired.modules == ()
    assert desired.refused[0].id == ""


def test_longest_id() -> None:
    """128 characters are allowed, and not one more."""
    assert desired_from([Row("c" * 128, None, enabled=True)]).specs == ("c" * 128,)


def test_twice() -> None:
    """An id that stands there twice is taken once, and the second one is named."""
    desired = desired_from([Row("crm", "2", enabled=True), Row("crm", "1", enabled=True)])

    assert desired.specs == ("crm@1",)
    assert desired.refused == (
        Refusal("crm", "module id 'crm' stands in the table more than once"),
    )


def test_build_argument() -> None:
    """MODULES holds all ids, enabled or not, sorted and joined by commas; `id@version`."""
    desired = desired_from([Row("b", "1.0", enabled=False), Row("a", None, enabled=True)])

    assert desired.build_argument == "a,b@1.0"
    assert desired.enabled == ("a",)


def test_no_modules() -> None:
    """An empty table is a backend without modules."""
    assert desired_from([]) == Desired()
    assert Desired().build_argument == ""


def test_refusal_has_no_control_characters() -> None:
    """A refused id goes into logs and rows: what it shows is its escaped form."""
    assert desired_from([Row("a\nb", None, enabled=True)]).refused[0].id == "a\\nb"


@given(rows, st.randoms())
def test_order(table: list[Row], random: object) -> None:
    """The order in which the rows come does not matter."""
    shuffled = list(table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert desired_from(shuffled) == desired_from(table)


@given(rows)
def test_nothing_disappears(table: list[Row]) -> None:
    """Each row is either taken or refused."""
    desired = desired_from(table)

    assert len(desired.modules) + len(desired.refused) == len(table)


@given(rows)
def test_build_argument_can_be_taken_apart(table: list[Row]) -> None:
    """Split at the commas, MODULES is the list again, and no part needs quoting anywhere."""
    desired = desired_from(table)

    parts = desired.build_argument.split(",") if desired.build_argument else []
    assert tuple(parts) == desired.specs
    assert all(re.fullmatch(r"[A-Za-z0-9._@-]+", part) for part in parts)
    assert list(desired.modules) == sorted(desired.modules)
