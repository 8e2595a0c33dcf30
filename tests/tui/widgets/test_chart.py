"""Charts of a batch: within their bounds whatever the values, each line told by its mark, gaps where days lack."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tests.tui.widgets.test_heat_map import DAYS, lines
from tests.tui.widgets.views import CLOSED, NO_CLOSE, USUAL, Returns, returns, view
from tui.widgets.chart import excess_chart, returns_chart

MARKS = "●■◆○"


def is_braille(character: str) -> bool:
    return "\u2801" <= character <= "\u28ff"


def styles_of(text: Text, wanted: str) -> set[str]:
    """The styles in which the characters of `wanted` are drawn."""
    return {
        str(span.style)
        for span in text.spans
        if any(character in wanted for character in text.plain[span.start : span.end])
    }


@given(DAYS, st.integers(-1, 130), st.integers(-1, 40))
def test_they_stay_within_their_bounds(days: list[Returns | str | None], width: int, height: int) -> None:
    for draw in (returns_chart, excess_chart):
        shown = draw(view(days), width, height).split("\n")
        assert len(shown) <= max(1, height)
        assert max(line.cell_len for line in shown) <= max(0, width)


@given(DAYS.filter(lambda days: any(isinstance(day, Returns) for day in days)), st.integers(60, 130))
def test_every_line_has_its_mark_and_ends_with_its_name(days: list[Returns | str | None], width: int) -> None:
    shown = lines(returns_chart(view(days), width, 16))
    for mark, name in zip(MARKS, ("B NVDA", "S TSLA", "B BRK.B", "SPY"), strict=True):
        [line] = [line for line in shown if f"{mark} {name}" in line]
        assert shown.index(line) < 14


def test_the_ends_say_the_last_returns() -> None:
    text = returns_chart(view(USUAL), 80, 16)
    for label in ("● B NVDA +1.00", "■ S TSLA +1.10", "◆ B BRK.B -4.20", "○ SPY +0.10"):
        assert label in text.plain


def test_ends_stand_in_the_order_of_their_values() -> None:
    shown = returns_chart(view([returns("-1", "3", "2", "1")]), 80, 16).plain
    assert shown.index("NVDA +3") < shown.index("TSLA +2") < shown.index("BRK.B +1") < shown.index("SPY -1")


def test_equal_values_show_every_mark() -> None:
    text = returns_chart(view([returns("2", "2", "2", "2")] * 2), 80, 16)
    assert "●■◆○"[:3] in text.plain.replace("◆●■", "●■◆")
    assert all(text.plain.count(mark) >= 3 for mark in MARKS)


def test_a_skipped_day_is_a_gap() -> None:
    # A level line far from zero, with one day missing in the middle.
    level = returns("5", "5", "5", "5")
    whole = lines(returns_chart(view([level] * 4), 100, 16))
    broken = lines(returns_chart(view([level, NO_CLOSE, level, level]), 100, 16))
    assert sum(map(is_braille, "".join(broken))) < sum(map(is_braille, "".join(whole))) * 3 / 4
    assert "░" in broken[-2]
    assert "Tu19" in broken[-1]


def test_weekends_take_no_room_and_leave_no_gap() -> None:
    level = returns("0", "4", "-4", "4")
    text = excess_chart(view([level] * 5 + [CLOSED] * 2 + [level] * 5), 100, 12)
    assert "Sa23" not in text.plain
    assert "░" not in text.plain
    top = lines(text)[1]
    drawn = top[top.index("●") : top.rindex("●")]
    assert all(character == "●" or is_braille(character) for character in drawn)


def test_a_waiting_day_is_marked() -> None:
    assert "!" in lines(returns_chart(view(USUAL), 80, 16))[-2]


def test_without_prices_it_says_so() -> None:
    assert lines(returns_chart(view([None]), 60, 10)) == ["Return since the baseline, %", "no day with prices yet"]


def test_excess_is_coloured_by_its_side_of_zero_and_ends_with_its_sign() -> None:
    gains = excess_chart(view([returns("0", "1", "-1", "1")] * 3), 60, 10)
    losses = excess_chart(view([returns("0", "-1", "1", "-1")] * 3), 60, 10)
    assert "▲ +1.00" in gains.plain
    assert "▼ -1.00" in losses.plain
    assert styles_of(gains, "●") == {"gain"}
    # The baseline's zero is neither.
    assert styles_of(losses, "▼") == {"loss"}
    assert "loss" in styles_of(losses, "●")


def test_zero_has_a_line_and_a_tick() -> None:
    [zero] = [line for line in lines(excess_chart(view(USUAL), 60, 10)) if line.lstrip().startswith("0 ")]
    assert "─" in zero


def test_huge_returns_keep_their_ticks_short() -> None:
    text = returns_chart(view([returns("1", "900", "-99", "12345678901")]), 80, 16)
    assert "+1e+10" in text.plain
    assert "+12345678901.00" in text.plain


def test_a_narrow_chart_drops_values_then_names() -> None:
    assert "NVDA +1.00" not in returns_chart(view(USUAL), 30, 10).plain
    assert "● B NVDA" in returns_chart(view(USUAL), 30, 10).plain
    assert "NVDA" not in returns_chart(view(USUAL), 20, 10).plain
    assert lines(returns_chart(view(USUAL), 50, 2)) == ["● B NVDA +1.00  ■ S TSLA +1.10  ◆ B BRK.B -4.20  …"]
