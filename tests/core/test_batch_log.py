"""What a batch's log tells: who served its prices in turn, and which symbols trade no more."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.batch_log import ServedSpell, StoppedSymbol, served_spells, stopped_symbols
from core.trading_calendar import EXCHANGE_ZONE
from db.records import Event
from tests.fakes import exchange
from tui.words import served_words

FIRST = date(2022, 10, 24)


def spells(*sources: str | None, opened_by: str | None = "tiingo") -> tuple[ServedSpell, ...]:
    return served_spells(opened_by, [(FIRST + timedelta(days=day), source) for day, source in enumerate(sources)])


def test_one_source_is_named_alone() -> None:
    assert served_words(spells("tiingo", "tiingo")) == "tiingo"
    assert served_words(spells()) == "tiingo"
    assert served_words(spells(opened_by=None)) == ""


def test_a_fallback_is_told_with_its_first_day_and_so_is_the_return() -> None:
    assert served_words(spells("tiingo", "yahoo", "yahoo")) == "tiingo, yahoo from 25 Oct"
    assert served_words(spells("yahoo", "tiingo")) == "tiingo, yahoo from 24 Oct, tiingo from 25 Oct"
    assert served_words(spells("yahoo", opened_by=None)) == "yahoo", "its first day is the batch's"


def test_sources_that_take_turns_are_named_once_each() -> None:
    assert served_words(spells("yahoo", "tiingo", "yahoo", "csv")) == "tiingo and yahoo and csv by turns"


@given(st.lists(st.sampled_from(["tiingo", "yahoo", None]), max_size=14))
def test_every_day_lies_in_the_spell_of_its_source(sources: list[str | None]) -> None:
    found = spells(*sources)
    assert all(one.source != next_.source for one, next_ in pairwise(found))
    for number, source in enumerate(sources):
        day = FIRST + timedelta(days=number)
        [*_, current] = [spell for spell in found if spell.first is None or spell.first <= day]
        assert source in (current.source, None)


def stop(symbol: object, last_session: object, event_type: str = "symbol_stopped") -> Event:
    payload: dict[str, Any] = {"symbol": symbol, "last_session": last_session}
    return Event(uuid4(), exchange("2022-11-02").astimezone(EXCHANGE_ZONE), uuid4(), event_type, payload)


def test_a_symbol_that_stopped_is_told_until_a_later_day_is_computed() -> None:
    log = [stop("TWTR", "2022-10-27")]
    assert stopped_symbols(log, date(2022, 10, 27)) == (StoppedSymbol("TWTR", date(2022, 10, 27)),)
    assert stopped_symbols(log, None) == (StoppedSymbol("TWTR", date(2022, 10, 27)),)
    assert stopped_symbols(log, date(2022, 10, 28)) == ()


def test_what_is_told_again_counts_and_what_is_of_another_form_does_not() -> None:
    log = [
        stop("TWTR", "2022-10-26"), stop("TWTR", "2022-10-27"), stop("ABC", "soon"), stop(7, "2022-10-27"),
        stop("XYZ", None), stop("KO", "2022-10-27", "symbol_renamed"),
    ]  # fmt: skip
    assert stopped_symbols(log, None) == (StoppedSymbol("TWTR", date(2022, 10, 27)),)
