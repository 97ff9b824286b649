"""Requests that need no deployment, in virtual time: each is answered, and with the truth."""

from __future__ import annotations

from tests.shell.house import MAIL, NAME, House


def test_cancel_is_answered() -> None:
    """A cancel is closed by the look after it, whether a build was under way or not."""
    house = House()
    house.settle()
    asked = house.database.ask(NAME, "cancel")
    house.settle()

    assert house.database.answer(asked).outcome == "nothing is being built any more"


def test_a_build_that_is_cancelled_has_ended() -> None:
    """With the rebuild that was asked for; what the table wants besides is another deployment."""
    house = House()
    house.settle()
    wanted = house.database.ask(NAME, "rebuild")
    asked: list[int] = []

    def cancelled(_: object) -> bool:
        asked.append(house.database.ask(NAME, "cancel"))
        return True

    house.look(cancelled=cancelled)
    house.settle()

    assert house.ends == [("rebuild", "cancelled")]
    assert house.database.answer(asked[0]).outcome == "done"
    assert house.database.answer(wanted).outcome == "cancelled"


def test_a_request_outlives_the_build_that_was_superseded() -> None:
    """A change cancels the requested build and is taken back: what was requested is built."""
    house = House()
    house.settle()
    before = house.database.rows[NAME]
    wanted = house.database.ask(NAME, "rebuild")

    def changed(_: object) -> bool:
        house.write(*before, MAIL)
        return True

    house.look(cancelled=changed)
    house.write(*before)
    house.settle()

    assert house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    assert house.database.answer(wanted).outcome == "succeeded"


def test_what_is_not_served_is_refused() -> None:
    """A roll-back that is asked for is refused, and does not count as waiting for ever; what
    else was asked for is done."""
    house = House()
    house.settle()
    refused = house.database.ask(NAME, "rollback")
    house.write(MAIL)
    house.settle()

    assert house.database.answer(refused).outcome == "refused: not served yet"
    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()
