"""A chain as one source: the first answer is taken whole, and the first error is told when there is none."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from core.prices.fallback import FirstAnswer
from core.prices.source import Answer, Basis, Close, MalformedError, UnauthorisedError, UnavailableError
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


async def test_a_symbol_that_one_source_refuses_is_looked_for_in_the_next() -> None:
    class Refusing(ScriptedPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            answer = await super().closes(symbols, first, last)
            return replace(answer, failed={"ZZZ": UnauthorisedError("not ZZZ", "ask for another")})

    refusing, second = Refusing({"SPY": {DAY: Close(Decimal(1))}}, name="first"), source("second")
    assert (await FirstAnswer([refusing, second]).closes(["SPY", "ZZZ"], DAY, DAY)).source == "second"
    answer = await FirstAnswer([refusing]).closes(["SPY", "ZZZ"], DAY, DAY)
    assert answer.failed.keys() == {"ZZZ"}
    assert answer.closes.keys() == {"SPY"}
    down = source("down", UnavailableError("down", "wait"))
    assert (await FirstAnswer([refusing, down]).closes(["SPY", "ZZZ"], DAY, DAY)).failed.keys() == {"ZZZ"}


async def test_one_malformed_symbol_leaves_the_others_their_closes() -> None:
    class Malformed(ScriptedPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            if "ZZZ" in (wanted := list(symbols)):
                raise MalformedError("nonsense about ZZZ", "wait")
            return await super().closes(wanted, first, last)

    odd = Malformed({"SPY": {DAY: Close(Decimal(1))}, "AAA": {DAY: Close(Decimal(2))}})
    answer = await FirstAnswer([odd], "SPY").closes(["AAA", "SPY", "ZZZ"], DAY, DAY)
    assert answer.closes.keys() == {"AAA", "SPY"}
    assert answer.failed["ZZZ"].message == "nonsense about ZZZ"
