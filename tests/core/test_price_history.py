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


STORED = {"AAA": {DAYS[0]: Decimal(100)}}


def held_on(found: History) -> list[date]:
    return [move.session for move in found.moves("AAA", DAYS[0], DAYS[-1])]


@pytest.mark.parametrize(
    ("aaa", "zzz", "is_held"),
    [
        (series(), series(*WHOLE), False),
        (series(*WHOLE), series(*WHOLE), False),
        (series(*WHOLE[:3]), series(*WHOLE), False),
        (series(*WHOLE[:3]), series(*WHOLE[3:], begin=3), False),
        (series(*WHOLE[:4]), series(*WHOLE[3:], begin=3), False),
        (series(*WHOLE[:3], *OTHER[3:]), series(*WHOLE), False),
        (series(*WHOLE[:3]), series(*OTHER[:3], *WHOLE[3:]), True),
        (series(*WHOLE[:3], *OTHER[3:]), series(*OTHER[:3], *WHOLE[3:]), True),
        (series(*WHOLE[:3], *OTHER[3:]), series(*WHOLE[3:], begin=3), True),
        (series(*WHOLE[:2]), series(*WHOLE[3:], begin=3), False),
    ],
    ids=[
        "new", "both", "new and begun", "in time", "old a day longer", "another's after", "another's before",
        "another's both", "another's after, in time", "no session between",
    ],
)  # fmt: skip
def test_a_renamed_symbol_has_the_closes_of_its_company(
    aaa: dict[date, Close], zzz: dict[date, Close], is_held: bool
) -> None:
    found = history(AAA=aaa, ZZZ=zzz).renamed(CHANGES, DAYS[0], STORED)
    assert closes_of(found) == [each for each in WHOLE if each != WHOLE[2] or len(aaa) != 2]
    traced = found.trace("AAA", DAYS[0], DAYS[4])
    assert traced is not None
    assert traced.quoted_as == "ZZZ"
    assert found.close("ZZZ", DAYS[4]) == Decimal(104), "and the new name keeps its own"
    assert held_on(found) == ([DAYS[3]] if is_held else [])


def test_an_old_name_that_lacks_the_last_session_before_the_change_is_held() -> None:
    found = history(AAA=series(*WHOLE[:2]), ZZZ=series(*WHOLE[3:], begin=3), SPY=series(*WHOLE))
    assert held_on(found.renamed(CHANGES, DAYS[0], STORED)) == [DAYS[3]]
    found = history(AAA=series(*WHOLE[:3]), ZZZ=series(*WHOLE[4:], begin=4), SPY=series(*WHOLE))
    assert held_on(found.renamed(CHANGES, DAYS[0], STORED)) == [DAYS[4]]


@pytest.mark.parametrize("new", ["100.9", "99.1", "50", "33.333", "75", "80", "90", "102", "88", "53"])
def test_a_new_name_alone_needs_the_stored_baseline(new: str) -> None:
    """A simple ratio to it, as of a split, is no proof: the name may have been another company's."""
    answer = history(ZZZ=series(new, "1", "1", "1", "1"))
    assert answer.renamed(CHANGES, DAYS[0], STORED).trace("AAA", DAYS[0], DAYS[4]) is None
    assert answer.renamed(CHANGES, DAYS[0], {}).trace("AAA", DAYS[0], DAYS[4]) is None, "of a week still to be opened"
    own = history(ZZZ=series(new, "1", "1", "1", "1"), is_taken_at_its_word=True)
    assert own.renamed(CHANGES, DAYS[0], {}).trace("AAA", DAYS[0], DAYS[4]) is not None
    assert own.renamed(CHANGES, DAYS[0], STORED).trace("AAA", DAYS[0], DAYS[4]) is None


def test_a_day_without_proof_still_has_its_close_so_that_nothing_is_given_up() -> None:
    found = history(ZZZ=series("88", "1", "1", "1", "1")).renamed(CHANGES, DAYS[0], STORED)
    assert [found.has_close("AAA", day) for day in DAYS[:5]] == [False, False, False, True, True]


@pytest.mark.parametrize("old_is_kept", [True, False])
def test_shared_closes_in_one_ratio_show_a_split_that_the_old_name_does_not_have(old_is_kept: bool) -> None:
    """90, 93 and 96 of the old name, stored or sent, are 60, 62 and 64 on the new share basis of 3:2."""
    before = ("90", "93", "96")
    stored = {"AAA": {day: Decimal(price) for day, price in zip(DAYS, before, strict=False)}}
    zzz = series("60", "62", "64", "66", "68")
    found = history(AAA=series(*before) if old_is_kept else {}, ZZZ=zzz).renamed(CHANGES, DAYS[0], stored)
    assert found.trace("AAA", DAYS[0], DAYS[3]) == TracedClose(Decimal(60), Decimal(66), Decimal(1), "ZZZ")
    assert held_on(found) == []


def test_a_ratio_over_two_sessions_is_no_evidence() -> None:
    changes = {"AAA": (SymbolChange("AAA", "ZZZ", DAYS[2]),)}
    found = history(AAA=series("90", "93"), ZZZ=series("60", "62", "64"))
    assert held_on(found.renamed(changes, DAYS[0], {})) == [DAYS[2]]


def test_a_split_that_only_one_of_two_names_flags_is_held() -> None:
    found = history(AAA=series("100", "50*2", "51"), ZZZ=series("100", "50", "51", "52"))
    assert held_on(found.renamed(CHANGES, DAYS[0], STORED)) == [DAYS[3]]


@pytest.mark.parametrize(("close", "is_held"), [("91.8", False), ("91.7", True), ("61.2*1.5", False), ("61.2", True)])
def test_a_jump_between_two_names_needs_a_factor_or_an_operator(close: str, is_held: bool) -> None:
    found = history(AAA=series("100", "101", "102"), ZZZ=series(close, begin=3)).renamed(CHANGES, DAYS[0], STORED)
    assert held_on(found) == ([DAYS[3]] if is_held else [])


def test_stored_prices_are_compared_on_the_share_basis_of_the_baseline() -> None:
    stored = {"AAA": {DAYS[0]: Decimal(100), DAYS[1]: Decimal(102), DAYS[2]: Decimal(104)}}
    found = history(ZZZ=series("100", "51*2", "52", "53")).renamed(CHANGES, DAYS[0], stored)
    assert found.trace("AAA", DAYS[0], DAYS[3]) == TracedClose(Decimal(100), Decimal(53), Decimal(2), "ZZZ")


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("sNaN"), Decimal(0), Decimal("Infinity")])
def test_a_number_that_is_no_price_is_not_compared_across_a_rename(number: Decimal) -> None:
    answer = history(AAA=series(*WHOLE[:3]), ZZZ={**series(*WHOLE), DAYS[1]: Close(number)})
    with pytest.raises(MalformedError, match=f"ZZZ on {DAYS[1]}"):
        answer.renamed(CHANGES, DAYS[0], STORED)


def test_a_company_that_takes_its_name_back_keeps_the_days_of_the_other() -> None:
    changes = {"AAA": (SymbolChange("AAA", "ZZZ", DAYS[2]), SymbolChange("ZZZ", "AAA", DAYS[4]))}
    apart = history(AAA=series(*WHOLE[:2], "", "", *WHOLE[4:]), ZZZ=series(*WHOLE[2:4], begin=2))
    whole = history(AAA=series(*WHOLE), ZZZ=series(*WHOLE[2:4], begin=2))
    for answer in (apart, whole):
        found = answer.renamed(changes, DAYS[0], STORED)
        assert closes_of(found) == list(WHOLE)
        assert held_on(found) == []
    split = {"AAA": {DAYS[0]: Decimal(100), DAYS[1]: Decimal(102), DAYS[2]: Decimal(104)}}
    merged = history(AAA=series("100", "51*2", "52", "53", "54")).renamed(changes, DAYS[0], split)
    assert merged.trace("AAA", DAYS[0], DAYS[4]) == TracedClose(Decimal(100), Decimal(54), Decimal(2), None)
    assert held_on(merged) == []
    another = history(AAA=series(*WHOLE[:2], *OTHER[2:4], *WHOLE[4:]), ZZZ=series(*WHOLE[2:4], begin=2))
    assert held_on(another.renamed(changes, DAYS[0], STORED)) == [DAYS[2], DAYS[4]]
    gone = history(AAA=series(*WHOLE[:2], "", "", *WHOLE[4:]), SPY=series(*WHOLE))
    found = gone.renamed(changes, DAYS[0], STORED)
    assert closes_of(found) == [*WHOLE[:2], *WHOLE[4:]]
    assert held_on(found) == [DAYS[4]]


def test_names_before_and_after_a_change() -> None:
    found = history(AAA=series(*WHOLE[:3]), ZZZ=series(*WHOLE[3:], begin=3)).renamed(CHANGES, DAYS[0], {})
    before, after = found.trace("AAA", DAYS[0], DAYS[2]), found.trace("AAA", DAYS[0], DAYS[3])
    assert before is not None
    assert after is not None
    assert (before.quoted_as, after.quoted_as) == (None, "ZZZ")
    assert found.trace("ZZZ", DAYS[3], DAYS[4]) == TracedClose(Decimal(103), Decimal(104), Decimal(1))


def test_a_day_that_the_new_name_lacks_is_not_filled_by_another_company_with_the_old_one() -> None:
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
