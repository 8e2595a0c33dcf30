"""One answer, arranged: what is seen of it, its splits, its unlikely moves, and its renamed symbols."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.price_history import History, TracedClose
from core.prices.source import Answer, Basis, Close, MalformedError
from core.symbol_changes import SymbolChange

FIRST = date(2020, 1, 6)
DAYS = [FIRST + timedelta(days=offset) for offset in range(6)]


def series(*closes: str, begin: int = 0) -> dict[date, Close]:
    """Closes on days in a row, such as "100" or with a split factor "50*2"; "" is a day without one."""
    found = {}
    for day, text in zip(DAYS[begin:], closes, strict=False):
        price, _, factor = text.partition("*")
        if price:
            found[day] = Close(Decimal(price), Decimal(factor or 1))
    return found


def history(last: date = DAYS[-1], *, is_taken_at_its_word: bool = False, **closes: Mapping[date, Close]) -> History:
    return History(Answer("played", Basis.PRICE, closes), last, is_taken_at_its_word=is_taken_at_its_word)


def test_both_ends_and_the_splits_between_them() -> None:
    found = history(AAA=series("100*5", "50*2", "51", "17*3", "18"))
    assert found.trace("AAA", DAYS[0], DAYS[2]) == TracedClose(Decimal(100), Decimal(51), Decimal(2))
    assert found.trace("AAA", DAYS[0], DAYS[4]) == TracedClose(Decimal(100), Decimal(18), Decimal(6))
    assert found.trace("AAA", DAYS[1], DAYS[4]) == TracedClose(Decimal(50), Decimal(18), Decimal(3))
    assert found.trace("AAA", DAYS[0], DAYS[5]) is None
    assert found.trace("BBB", DAYS[0], DAYS[1]) is None


@given(st.lists(st.integers(1, 9), min_size=6, max_size=6), st.integers(0, 5), st.integers(0, 5))
def test_a_factor_counts_from_its_day_on(factors: list[int], after: int, until: int) -> None:
    found = history(AAA={day: Close(Decimal(1), Decimal(factor)) for day, factor in zip(DAYS, factors, strict=True)})
    product = Decimal(1)
    for factor in factors[after + 1 : until + 1]:
        product *= factor
    assert found.split_factor("AAA", DAYS[after], DAYS[until]) == product


def test_nothing_later_than_allowed_is_seen() -> None:
    found = history(DAYS[2], AAA=series("100", "100", "100", "1", "1*9"))
    assert found.last_session("AAA") == DAYS[2]
    assert found.close("AAA", DAYS[3]) is None
    assert found.split_factor("AAA", DAYS[0], DAYS[5]) == 1
    assert not found.moves("AAA", DAYS[0], DAYS[5])
    assert not found.has_close_after("AAA", DAYS[2])
    assert found.has_close_from("AAA", DAYS[2])
    assert found.closes_after("AAA", DAYS[0]) == 2


def test_a_symbol_without_closes() -> None:
    found = history(AAA={})
    for symbol in ("AAA", "BBB"):
        assert found.last_session(symbol) is None
        assert found.closes_after(symbol, DAYS[0]) == 0
        assert not found.has_close_from(symbol, DAYS[0])
        assert found.moves(symbol, DAYS[0], DAYS[-1]) == []


def test_unlikely_moves_are_those_on_the_way() -> None:
    found = history(AAA=series("100", "10", "11", "", "110", "50*2"))
    moves = found.moves("AAA", DAYS[0], DAYS[5])
    assert [(move.previous_session, move.session) for move in moves] == [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[4])]
    assert (moves[0].previous, moves[0].close, moves[0].source) == (Decimal(100), Decimal(10), "played")
    assert found.moves("AAA", DAYS[1], DAYS[3]) == []
    assert [move.session for move in found.moves("AAA", DAYS[0], DAYS[3])] == [DAYS[1]]
    assert [move.session for move in found.moves("AAA", DAYS[1], DAYS[5])] == [DAYS[4]]


def test_moves_in_the_operators_own_closes_are_believed() -> None:
    assert not history(AAA=series("100", "10"), is_taken_at_its_word=True).moves("AAA", DAYS[0], DAYS[1])


@pytest.mark.parametrize("number", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("1e12"), Decimal("1e-13")])
def test_a_number_that_is_no_price_fails_its_own_symbol(number: Decimal) -> None:
    broken = {DAYS[0]: Close(Decimal(1)), DAYS[1]: Close(number), DAYS[2]: Close(Decimal(1))}
    with pytest.raises(MalformedError, match=f"AAA on {DAYS[1]}"):
        history(AAA=broken).moves("AAA", DAYS[0], DAYS[2])
    whole = {day: Close(Decimal(1)) for day in DAYS[:3]}
    found = history(AAA={**whole, DAYS[1]: Close(Decimal(1), number)}, BBB=whole)
    for read in (
        lambda: found.close("AAA", DAYS[0]),
        lambda: found.trace("AAA", DAYS[0], DAYS[2]),
        lambda: found.moves("AAA", DAYS[0], DAYS[2]),
        lambda: found.split_factor("AAA", DAYS[0], DAYS[2]),
    ):
        with pytest.raises(MalformedError, match=f"AAA on {DAYS[1]}"):
            read()
    assert found.close("BBB", DAYS[2]) == 1


@pytest.mark.parametrize("sent", [None, [], {"2020-01-06": Close(Decimal(1))}, {DAYS[1]: Decimal(1)}, {DAYS[1]: None}])
def test_closes_of_another_form_fail_their_own_symbol(sent: Any) -> None:
    found = history(AAA=sent, BBB=series("1", "2"))
    with pytest.raises(MalformedError, match="AAA"):
        found.close("AAA", DAYS[1])
    assert found.close("BBB", DAYS[1]) == 2


CHANGES = {"AAA": (SymbolChange("AAA", "ZZZ", DAYS[3]),)}
WHOLE = ("100", "101", "102", "103", "104", "105")
OTHER = ("88", "89", "90", "91", "92", "93")


def closes_of(found: History) -> list[str]:
    return [str(close) for day in DAYS if (close := found.close("AAA", day)) is not None]


@pytest.mark.parametrize(
    ("aaa", "zzz"),
    [
        (series(), series(*WHOLE)),
        (series(*WHOLE), series(*WHOLE)),
        (series(*WHOLE[:3]), series(*WHOLE)),
        (series(*WHOLE[:3]), series(*WHOLE[3:], begin=3)),
        (series(*WHOLE[:3]), series(*OTHER[:3], *WHOLE[3:])),
        (series(*WHOLE[:3], *OTHER[3:]), series(*WHOLE)),
        (series(*WHOLE[:3], *OTHER[3:]), series(*OTHER[:3], *WHOLE[3:])),
    ],
    ids=["new", "both", "new and begun", "in time", "another's before", "another's after", "another's both"],
)
def test_a_renamed_symbol_has_the_closes_of_its_company(aaa: dict[date, Close], zzz: dict[date, Close]) -> None:
    found = history(AAA=aaa, ZZZ=zzz).renamed(CHANGES, DAYS[0], {"AAA": Decimal(100)})
    assert closes_of(found) == list(WHOLE)
    traced = found.trace("AAA", DAYS[0], DAYS[4])
    assert traced is not None
    assert traced.quoted_as == "ZZZ"
    assert found.close("ZZZ", DAYS[4]) == Decimal(104), "and the new name keeps its own"


@pytest.mark.parametrize(
    ("new", "is_taken"),
    [
        ("100", True),
        ("100.9", True),
        ("99.1", True),
        ("50", True),
        ("33.333", True),
        ("102", False),
        ("88", False),
        ("53", False),
    ],
)
def test_a_new_name_alone_is_believed_if_its_baseline_can_be_the_stored_one(new: str, is_taken: bool) -> None:
    answer = history(ZZZ=series(new, "1", "1", "1", "1"))
    found = answer.renamed(CHANGES, DAYS[0], {"AAA": Decimal(100)})
    assert (found.trace("AAA", DAYS[0], DAYS[4]) is not None) is is_taken
    assert answer.renamed(CHANGES, DAYS[0], {}).trace("AAA", DAYS[0], DAYS[4]) is not None, "nothing says otherwise"


def test_names_before_and_after_a_change() -> None:
    found = history(AAA=series(*WHOLE[:3]), ZZZ=series(*WHOLE[3:], begin=3)).renamed(CHANGES, DAYS[0], {})
    before, after = found.trace("AAA", DAYS[0], DAYS[2]), found.trace("AAA", DAYS[0], DAYS[3])
    assert before is not None
    assert after is not None
    assert (before.quoted_as, after.quoted_as) == (None, "ZZZ")
    assert found.trace("ZZZ", DAYS[3], DAYS[4]) == TracedClose(Decimal(103), Decimal(104), Decimal(1))


def test_a_day_that_the_new_name_lacks_is_not_filled_by_whoever_has_the_old_one() -> None:
    aaa, zzz = series(*WHOLE[:3], *OTHER[3:]), series(*WHOLE[4:], begin=4)
    found = history(AAA=aaa, ZZZ=zzz).renamed(CHANGES, DAYS[0], {})
    assert found.close("AAA", DAYS[3]) is None
    assert closes_of(found) == [*WHOLE[:3], *WHOLE[4:]]


def test_two_changes_in_a_row() -> None:
    changes = {"AAA": (SymbolChange("AAA", "MMM", DAYS[2]), SymbolChange("MMM", "ZZZ", DAYS[4]))}
    answer = history(AAA=series(*WHOLE[:2]), MMM=series(*WHOLE[2:4], begin=2), ZZZ=series(*WHOLE[4:], begin=4))
    found = answer.renamed(changes, DAYS[0], {})
    assert closes_of(found) == list(WHOLE)
    quoted = [trace.quoted_as for day in DAYS if (trace := found.trace("AAA", DAYS[0], day)) is not None]
    assert quoted == [None, None, "MMM", "MMM", "ZZZ", "ZZZ"]


def test_splits_and_moves_are_those_of_the_joined_closes() -> None:
    found = history(AAA=series("100", "100", "100"), ZZZ=series("50*2", "51", "20", begin=3)).renamed(
        CHANGES, DAYS[0], {}
    )
    assert found.split_factor("AAA", DAYS[0], DAYS[4]) == 2
    assert [move.session for move in found.moves("AAA", DAYS[0], DAYS[5])] == [DAYS[5]]
    assert (found.source, found.basis) == ("played", Basis.PRICE)
    assert not found.close("AAA", DAYS[-1] + timedelta(days=1))


def test_the_operators_own_closes_stay_believed_when_renamed() -> None:
    found = history(AAA=series("100", "100", "100"), ZZZ=series("5", begin=3), is_taken_at_its_word=True)
    assert not found.renamed(CHANGES, DAYS[0], {}).moves("AAA", DAYS[0], DAYS[3])
    assert found.renamed({}, DAYS[0], {}) is found
