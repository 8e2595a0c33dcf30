"""Moves beyond all likelihood: how they are measured, told, noted, and known again."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.moves import LARGEST_MOVE, Move, move_in, standing_moves, without_accepted
from core.prices.source import is_price

FRIDAY, MONDAY = date(2014, 6, 6), date(2014, 6, 9)
prices = st.decimals(min_value="0.000000000001", max_value="999999999999", places=12)
sources = st.sampled_from(["tiingo", "alpaca"])
moves = st.builds(Move, st.just("AAPL"), sources, st.just(FRIDAY), st.just(MONDAY), prices, prices, prices)
numbers = st.integers() | st.floats() | st.sampled_from(["1e999999", "1e-999999", "-1"])
json_values = st.recursive(
    st.none() | st.booleans() | st.text() | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def move(previous: str, close: str, split_factor: str = "1", **changes: Any) -> Move:
    told = {"symbol": "AAPL", "source": "tiingo", "previous_session": FRIDAY, "session": MONDAY, **changes}
    return Move(**told, previous=Decimal(previous), close=Decimal(close), split_factor=Decimal(split_factor))


@pytest.mark.parametrize(
    ("previous", "close", "split_factor", "is_beyond"),
    [
        ("645.57", "93.7", "1", True),
        ("645.57", "93.7", "7", False),
        ("100", "60", "1", False),
        ("100", "59.99", "1", True),
        ("100", "140", "1", False),
        ("100", "140.01", "1", True),
        ("1", "10", "0.1", False),
        ("100", "100", "2", True),
    ],
)
def test_a_move_of_more_than_two_fifths_is_not_believed(
    previous: str, close: str, split_factor: str, is_beyond: bool
) -> None:
    assert move(previous, close, split_factor).exceeds(LARGEST_MOVE) is is_beyond


def test_a_move_is_told_in_words() -> None:
    assert move("645.57", "93.7").words == (
        "AAPL moved -85.49 % from 645.57 on 2014-06-06 to 93.7 on 2014-06-09 without a split at tiingo"
    )
    assert "+600.00 %" in move("100", "100", "7").words
    assert move("100", "100", "7").words.endswith("beyond its split by 7 at tiingo")


def test_a_move_across_a_rename_names_the_successor() -> None:
    renamed = move("90", "45", successor="NEW")
    assert "to 45 on 2014-06-09 as NEW, its new name, without a split" in renamed.words
    assert move_in(json.loads(json.dumps(renamed.payload()))) == renamed


def test_moves_there_and_back_stand_only_across_a_rename() -> None:
    there, back = move("100", "10"), move("10", "101", session=date(2014, 6, 10))
    assert standing_moves([there, back]) == ()
    assert standing_moves([there]) == (there,)
    renamed = [move("100", "99", successor="NEW"), move("99", "100", session=date(2014, 6, 10), successor="AAPL")]
    assert standing_moves(renamed) == tuple(renamed)
    assert standing_moves([there, back, renamed[0]]) == (renamed[0],)


@given(moves)
def test_any_move_of_prices_can_be_told_and_noted(moved: Move) -> None:
    assert moved.words.startswith("AAPL moved ")
    assert "E" not in json.dumps(moved.payload()).replace("AAPL", "")
    assert move_in(json.loads(json.dumps(moved.payload()))) == moved
    assert moved.is_like(moved)


def test_the_same_move_is_known_again_from_another_source() -> None:
    accepted = move("645.57", "93.7")
    assert move("645.5700", "93.702", source="alpaca").is_like(accepted)
    assert move("645.57", "655.9", "0.142857142857").is_like(accepted)
    assert not move("645.57", "93.8").is_like(accepted), "more than a tenth of a percent from it"
    assert not move("645.57", "93.7", symbol="AAP").is_like(accepted)
    assert not move("645.57", "93.7", session=date(2014, 6, 10)).is_like(accepted)


def test_what_was_accepted_is_left_out() -> None:
    known, other = move("645.57", "93.7"), move("645.57", "300")
    assert without_accepted([known, other], [known]) == (other,)
    assert without_accepted([known, other], iter([other, known])) == ()
    assert without_accepted([known], []) == (known,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous", "0"), ("previous", "-1"), ("close", "NaN"), ("close", "sNaN"), ("split_factor", "Infinity"),
        ("close", "1e999999"), ("previous", "1e-999999"), ("close", "93,7"), ("close", None), ("close", ["1"]),
        ("session", "9.6.2014"), ("session", 20140609), ("previous_session", None),
    ],
)  # fmt: skip
def test_a_note_that_is_not_understood_accepts_nothing(name: str, value: object) -> None:
    assert move_in({**move("645.57", "93.7").payload(), name: value}) is None


@given(st.dictionaries(st.sampled_from(list(move("1", "2").payload())), json_values))
def test_whatever_a_note_says_it_is_a_move_or_nothing(changes: dict[str, Any]) -> None:
    found = move_in({**move("645.57", "93.7").payload(), **changes})
    if found is not None:
        assert all(map(is_price, (found.previous, found.close, found.split_factor)))
        assert found.words
        assert found.is_like(found)


@pytest.mark.parametrize("lacking", list(move("1", "2").payload()))
def test_a_note_without_one_of_its_keys_accepts_nothing(lacking: str) -> None:
    payload = move("645.57", "93.7").payload()
    del payload[lacking]
    assert move_in(payload) is None
