"""The heat map: the number and its sign in every cell, shades on one symmetric scale, never wider than asked."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from db.records import Action
from tests.tui.widgets.views import CLOSED, NO_CLOSE, USUAL, Returns, returns, view
from tui.theme import HEAT_LEVELS
from tui.widgets.heat_map import heat_map, shade_step

PERCENTS = st.decimals(-(10**9), 10**9, places=4)
DAYS = st.lists(
    st.one_of(
        st.builds(Returns, PERCENTS, st.tuples(PERCENTS, PERCENTS, PERCENTS)),
        st.sampled_from([CLOSED, NO_CLOSE, "waiting", None]),
    ),
    max_size=14,
)


def lines(text: Text) -> list[str]:
    return [line.plain for line in text.split("\n")]


def cells(text: Text) -> list[tuple[str, str]]:
    """The words of every shaded stretch above the legend, with the name of the shade."""
    map_ends = text.plain.index("points")
    return [
        (text.plain[span.start : span.end].strip(), str(span.style))
        for span in text.spans
        if str(span.style).startswith("heat") and span.end <= map_ends
    ]


def test_numbers_stand_in_their_cells() -> None:
    shown = lines(heat_map(view(USUAL), 80))
    assert shown[0].split() == [
        "Mo18",
        "Tu19",
        "We20",
        "Th21",
        "Fr22",
        "Sa",
        "Su",
        "Mo25",
        "Tu26",
        "We27",
        "Th28",
        "Fr29",
        "Sa",
        "Su",
    ]
    assert shown[1].split() == ["day", *map(str, range(1, 15))]
    assert " ".join(shown[2].split()) == "B NVDA +1.3 +1.4 ╱╱╱╱╱╱ +2.4 +1.7 ░░░░░░ +0.4 +0.4 +0.9 !"
    # A sold pick wins what it loses against the benchmark.
    assert shown[3].split()[:3] == ["S", "TSLA", "+1.3"]
    assert shown[5].split()[:2] == ["batch", "+1.1"]


def test_days_to_come_are_blank() -> None:
    shown = lines(heat_map(view(USUAL[:1]), 80))
    assert shown[2].split() == ["B", "NVDA", "+1.3"]


@pytest.mark.parametrize("tickers", [("F", "T", "X"), ("NVDA", "TSLA", "BRK.B"), ("ABCDEFGHIJ", "B", "C")])
@pytest.mark.parametrize("width", [80, 110, 120, 200])
def test_all_days_fit(width: int, tickers: tuple[str, ...]) -> None:
    every_day = [returns("0", "12.34", "-12.34", "0.1")] * 14
    text = heat_map(view(every_day, [(ticker, Action.BUY) for ticker in tickers]), width)
    assert max(line.cell_len for line in text.split("\n")) <= width
    assert len(cells(text)) == 14 * 4
    expected = "+12.3" if width >= 110 else "+12"
    assert [word for word, _ in cells(text)[:14]] == [expected] * 14


def test_the_newest_days_stay_where_room_is_short() -> None:
    shown = lines(heat_map(view(USUAL), 40))
    assert shown[0].split()[-5:] == ["Tu", "We", "Th", "Fr", "SS"]
    assert "Mo18" not in shown[0]


@given(DAYS, st.integers(-1, 210))
def test_it_is_never_wider_than_asked(days: list[Returns | str | None], width: int) -> None:
    text = heat_map(view(days), width)
    assert max(line.cell_len for line in text.split("\n")) <= max(0, width)


@given(DAYS, st.integers(40, 200))
def test_what_is_shaded_as_gain_or_loss_says_so_by_its_sign(days: list[Returns | str | None], width: int) -> None:
    for word, style in cells(heat_map(view(days), width)):
        if style != "heat-none":
            assert word[0] == style[len("heat")], (word, style)


@given(st.lists(PERCENTS, min_size=1))
def test_the_scale_reaches_all_and_no_further_than_needed(values: list[Decimal]) -> None:
    step, most = shade_step(values), max(abs(value) for value in values)
    reach = step * (HEAT_LEVELS + Decimal("0.5"))
    assert reach >= most
    assert step == Decimal("0.1") or reach < most * Decimal("1.7")


def test_the_scale_is_symmetric() -> None:
    text = heat_map(view([returns("0", "9", "0", "0")]), 80)
    assert "-8  -6  -4  -2  0   +2  +4  +6  +8" in text.plain
    assert ("+9.0", "heat+4") in cells(text)
