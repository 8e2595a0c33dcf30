from dataclasses import replace

import pytest

from core.picks.check import REASONING_LIMIT, check_picks, check_reasoning
from core.picks.source import PickDraft, PicksMalformedError
from db.records import Action

GOOD = (
    PickDraft("BRK.B", Action.BUY, "cheap"),
    PickDraft("AAPL", Action.SELL, " dear\n"),
    PickDraft("ZEN", Action.BUY, "x" * REASONING_LIMIT),
)


def test_three_good_picks_are_returned_as_they_are() -> None:
    assert check_picks(list(GOOD), "SPY") == GOOD


def test_tickers_are_brought_into_the_one_form() -> None:
    lower = [replace(draft, ticker=draft.ticker.lower()) for draft in GOOD]
    assert check_picks(lower, "SPY") == GOOD


@pytest.mark.parametrize(
    ("drafts", "found"),
    [
        ((), "0 picks instead of 3"),
        (GOOD[:2], "2 picks instead of 3"),
        ((*GOOD, PickDraft("T", Action.BUY, "x")), "4 picks instead of 3"),
        ((GOOD[0], GOOD[1], GOOD[0]), "BRK.B is picked twice"),
        ((GOOD[0], replace(GOOD[0], ticker="brk.b"), GOOD[1]), "BRK.B is picked twice"),
        ((GOOD[1], GOOD[0], GOOD[0]), "BRK.B is picked twice"),
        ((GOOD[0], GOOD[1], PickDraft("spy", Action.BUY, "x")), "SPY is the benchmark"),
        ((GOOD[0], GOOD[1], PickDraft("$SPY", Action.BUY, "x")), "'$SPY'"),
        ((GOOD[0], GOOD[1], PickDraft("T", "HOLD", "x")), "'HOLD'"),  # type: ignore[arg-type] # a third party's mistake
        ((GOOD[0], GOOD[1], PickDraft("T", Action.BUY, " \n\t")), "T: the reasoning is empty"),
        ((GOOD[0], GOOD[1], PickDraft("T", Action.BUY, "x" * (REASONING_LIMIT + 1))), "T: a reasoning of 4,001"),
        ((GOOD[0], GOOD[1], PickDraft("T", Action.BUY, "a\0b")), "T: a NUL character in the reasoning: 'a\\x00b'"),
        ((GOOD[0], GOOD[1], PickDraft("T", Action.BUY, "a\ud800")), "half a surrogate pair"),
    ],
)
def test_anything_but_three_picks_is_refused_and_named(drafts: tuple[PickDraft, ...], found: str) -> None:
    with pytest.raises(PicksMalformedError) as caught:
        check_picks(drafts, "SPY")
    assert found in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.remedy


def test_a_reasoning_may_hold_any_other_text() -> None:
    text = "\u202e→ 1\x1b[31m\r\n😀"
    assert check_reasoning(text) == text
