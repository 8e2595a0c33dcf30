"""A chain as one source: the first answer is taken whole, and the first error is told when there is none."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from core.prices.fallback import FirstAnswer
from core.prices.source import Basis, Close, MalformedError, UnavailableError
from tests.fakes import ScriptedPrices

DAY = date(2020, 1, 6)


def source(name: str, failure: MalformedError | UnavailableError | None = None, **changes: object) -> ScriptedPrices:
    found = ScriptedPrices({"SPY": {DAY: Close(Decimal(1))}}, name=name, failure=failure)
    for attribute, value in changes.items():
        setattr(found, attribute, value)
    return found


async def test_the_first_that_answers_is_believed_and_the_next_not_asked() -> None:
    first, second = source("first"), source("second", basis=Basis.TOTAL)
    answer = await FirstAnswer([first, second]).closes(iter(["SPY", "ZZZ"]), DAY, DAY)
    assert (answer.source, answer.basis, answer.unknown) == ("first", Basis.PRICE, frozenset({"ZZZ"}))
    assert not second.questions


async def test_the_next_is_asked_the_same_when_one_fails() -> None:
    down = source("first", UnavailableError("down", "wait"))
    second = source("second", basis=Basis.TOTAL)
    answer = await FirstAnswer([down, second]).closes(iter(["SPY", "ZZZ"]), DAY, DAY)
    assert (answer.source, answer.basis) == ("second", Basis.TOTAL), "an answer says its own basis"
    assert down.questions == second.questions == [(frozenset({"SPY", "ZZZ"}), DAY, DAY)]


async def test_the_first_error_is_told_when_all_fail() -> None:
    chain = FirstAnswer([source("a", UnavailableError("down", "wait")), source("b", MalformedError("odd", "report"))])
    with pytest.raises(UnavailableError, match="down"):
        await chain.closes(["SPY"], DAY, DAY)


async def test_a_defect_of_one_source_is_a_failure_like_any_other() -> None:
    broken, second = source("a"), source("b")
    broken.failure = KeyError("s3cret")  # type: ignore[assignment]
    assert (await FirstAnswer([broken, second]).closes(["SPY"], DAY, DAY)).source == "b"
    with pytest.raises(UnavailableError, match=r"The price source a failed: KeyError\.$"):
        await FirstAnswer([broken]).closes(["SPY"], DAY, DAY)


def test_what_a_chain_says_of_itself() -> None:
    slow = source("b", settle_delay=timedelta(hours=4), basis=Basis.TOTAL)
    chain = FirstAnswer([source("a"), slow])
    assert (chain.name, chain.basis, chain.settle_delay) == ("a,b", Basis.PRICE, timedelta(hours=4))
    with pytest.raises(ValueError, match="no sources"):
        FirstAnswer([])
