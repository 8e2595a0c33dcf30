"""A query finds closes under the spelling that was asked for, and one bad symbol costs no other its closes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import pytest

from core.prices.query import query, query_each
from core.prices.source import (
    Answer,
    Basis,
    Close,
    MalformedError,
    PriceSourceError,
    RateLimitedError,
    SourceDefectError,
    UnauthorisedError,
)

DAY, NEXT = date(2024, 1, 3), date(2024, 1, 4)
ONE, TWO = {DAY: Close(Decimal(1))}, {NEXT: Close(Decimal(2))}


class OwnError(UnauthorisedError):
    """A third party's own error."""


@dataclass
class PluggedIn:
    """A price source that says what it is told to, whatever it is asked."""

    held: Mapping[str, Mapping[date, Close]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    failed: Mapping[str, PriceSourceError] = field(default_factory=dict)
    malformed: frozenset[str] = frozenset()
    asked: list[list[str]] = field(default_factory=list)
    name = "plugged_in"
    basis = Basis.PRICE
    settle_delay = timedelta(0)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        wanted = list(symbols)
        self.asked.append(wanted)
        if bad := self.malformed.intersection(wanted):
            raise MalformedError(f"nonsense for {min(bad)}", "wait")
        return Answer(self.name, self.basis, self.held, self.unknown, self.failed)


async def test_a_share_is_asked_for_once_and_found_under_every_spelling() -> None:
    source = PluggedIn({"BRK.B": ONE}, unknown=frozenset({"BF.B"}))
    answer = await query(source, ["BRK-B", "BRK/B", "BRK.B", "BF-B"], DAY, NEXT)
    assert source.asked == [["BF.B", "BRK.B"]]
    assert answer.closes == {"BRK-B": ONE, "BRK/B": ONE, "BRK.B": ONE}
    assert answer.unknown == {"BF-B"}


@pytest.mark.parametrize("spelled", ["BRK-B", "BRK/B", "BRK.B"])
async def test_a_source_may_spell_a_share_as_it_likes(spelled: str) -> None:
    answer = await query(PluggedIn({spelled: ONE}), ["BRK.B"], DAY, NEXT)
    assert answer.closes == {"BRK.B": ONE}


async def test_two_spellings_in_one_answer_are_one_share() -> None:
    answer = await query(PluggedIn({"BRK.B": ONE, "BRK-B": {**ONE, **TWO}}), ["BRK.B"], DAY, NEXT)
    assert answer.closes == {"BRK.B": {**ONE, **TWO}}


async def test_two_spellings_that_contradict_are_malformed() -> None:
    source = PluggedIn({"BRK.B": ONE, "BRK-B": {DAY: Close(Decimal(3))}})
    with pytest.raises(MalformedError, match=r"two closes of BRK\.B on 2024-01-03"):
        await query(source, ["BRK.B"], DAY, NEXT)


async def test_a_share_that_is_known_under_one_spelling_is_not_unknown() -> None:
    answer = await query(PluggedIn({"BRK.B": ONE}, unknown=frozenset({"BRK-B"})), ["BRK-B"], DAY, NEXT)
    assert (answer.closes, answer.unknown) == ({"BRK-B": ONE}, frozenset())


async def test_the_failure_of_one_symbol_is_found_under_its_spelling() -> None:
    source = PluggedIn({"SPY": ONE}, failed={"BRK.B": OwnError("no", "ask")})
    answer = await query(source, ["BRK-B", "SPY"], DAY, NEXT)
    assert type(answer.failed["BRK-B"]) is UnauthorisedError, "a third party's error becomes the known one"
    assert answer.closes == {"SPY": ONE}


async def test_a_failure_that_is_no_error_is_a_defect() -> None:
    source = PluggedIn({"SPY": ONE}, failed={"SPY": "down"})  # type: ignore[dict-item]
    with pytest.raises(SourceDefectError, match="TypeError"):
        await query(source, ["SPY"], DAY, NEXT)


@pytest.mark.parametrize("essential", [frozenset[str](), frozenset({"SPY"}), frozenset({"QQQ"})])
async def test_one_malformed_symbol_costs_no_other_its_closes(essential: frozenset[str]) -> None:
    symbols = ["AAA", "BBB", "CCC", "DDD", "SPY"]
    source = PluggedIn(dict.fromkeys(symbols, ONE), malformed=frozenset({"BBB"}))
    answer = await query_each(source, symbols, essential, DAY, NEXT)
    assert answer.failed.keys() == {"BBB"}
    assert answer.closes.keys() >= {"AAA", "CCC", "DDD", "SPY"}


async def test_a_single_malformed_symbol_is_asked_for_once() -> None:
    source = PluggedIn(malformed=frozenset({"AAA"}))
    with pytest.raises(MalformedError):
        await query_each(source, ["AAA"], frozenset(), DAY, NEXT)
    assert len(source.asked) == 1


async def test_a_source_that_is_malformed_for_every_symbol_fails() -> None:
    symbols = [f"A{number}" for number in range(100)]
    source = PluggedIn(malformed=frozenset(symbols))
    with pytest.raises(MalformedError):
        await query_each(source, symbols, frozenset(), DAY, NEXT)
    assert len(source.asked) < 30


@pytest.mark.parametrize("error", [RateLimitedError("wait", "wait"), UnauthorisedError("no", "no")])
async def test_limits_and_refusals_are_not_asked_again_in_halves(error: PriceSourceError) -> None:
    class Refusing(PluggedIn):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            self.asked.append(list(symbols))
            raise error

    source = Refusing()
    with pytest.raises(type(error)):
        await query_each(source, ["AAA", "BBB", "SPY"], {"SPY"}, DAY, NEXT)
    assert len(source.asked) == 1
