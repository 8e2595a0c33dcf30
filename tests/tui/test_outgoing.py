"""What leaves the terminal: no formula, no control character, no file overwritten, no claim that is not known."""

import csv
import io
import re
import unicodedata
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyperclip
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual.widgets import Input

from core.settings import Settings
from tests.tui.driving import app_for, has_arrived, running, shown, until
from tests.tui.history import MISSED_WEEK, NEWEST_WEEK, all_weeks, close_of
from tests.tui.test_literal import HOSTILE
from tui.literal import clean
from tui.outgoing import Export, NotWrittenError, csv_text, tabbed_text, write_new_file


def test_values_are_written_whole() -> None:
    text = csv_text(Export("x", ("a", "b", "c"), [(Decimal("1E+3"), None, 'x,y\n"z"')]))
    assert list(csv.reader(io.StringIO(text))) == [["a", "b", "c"], ["1000", "", 'x,y\n"z"']]


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_text_from_outside_is_no_formula(text: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(csv_text(Export("x", ("a",), [(text,)]))))
    assert cell == f"'{text}"


BEFORE_FORMULAS = " \t\r\n\v\f\x1c\x85\u00a0\u1680\u2003\u2028\u202f\u205f\u3000\u200b\u2060\ufeff\u00ad\u2800\u3164"
SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−"


@given(
    st.text(st.sampled_from(BEFORE_FORMULAS), max_size=4),
    st.sampled_from(SIGNS),
    st.text(max_size=10) | st.sampled_from(["1+1", "1,5", "1e5", "cmd|' /C calc'!A0", "HYPERLINK(A1)"]),
)
@example(before=" ", sign="=", rest="1+1")
@example(before="\u00a0", sign="=", rest="1+1")
@example(before="\n", sign="=", rest="1+1")
@example(before="", sign="＝", rest="1+1")
@example(before="\u3000\u200b", sign="－", rest="A1")
def test_no_blank_and_no_wide_sign_hides_a_formula(before: str, sign: str, rest: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(csv_text(Export("x", ("a",), [(before + sign + rest,)]))))
    assert cell.startswith("'") or is_number(before + sign + rest)


@given(st.text(), st.booleans())
def test_no_cell_begins_like_a_formula(text: str, in_a_file: bool) -> None:
    """Neither in a file nor on a clipboard, for a reader that drops what it does not draw and narrows what is wide."""
    if in_a_file:
        [_, [cell]] = csv.reader(io.StringIO(csv_text(Export("x", ("a",), [(text,)]))))
    else:
        [_, cell] = tabbed_text(("a",), [(text,)]).split("\n")
    drawn = unicodedata.normalize("NFKC", cell).lstrip().lstrip("\N{REPLACEMENT CHARACTER}")
    assert not drawn.startswith(("=", "+", "-", "@", "−")) or is_number(text)


def is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text, re.ASCII) is not None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("-1.50"), "-1.50"),
        (-1, "-1"),
        (-1.5, "-1.5"),
        ("-1.5", "-1.5"),
        ("+2", "+2"),
        (Decimal("-1E-7"), "-0.0000001"),
    ],
)
def test_a_negative_number_stays_a_number(value: object, written: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(csv_text(Export("x", ("a",), [(value,)]))))
    assert cell == written


@pytest.mark.parametrize("text", ["", " ", "\u00a0", "x = 1", " x", "a-b", "•-1", "ＡＢＣ"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    [_, *cells] = csv.reader(io.StringIO(csv_text(Export("x", ("a", "b"), [(text, "y")]))))
    assert cells == [[text, "y"]]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_any_text_comes_back_as_it_is_shown(rows: list[tuple[str, str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(Export("x", ("a", "b"), rows)))))
    for cells, row in zip(read[1:], rows, strict=True):
        for cell, text in zip(cells, row, strict=True):
            assert cell.removeprefix("'") == clean(text, limit=100_000, lines=True).removeprefix("'")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_would_command_a_terminal_is_marked(text: str) -> None:
    written = csv_text(Export("x", ("a",), [(text,)]))
    assert "\x1b" not in written
    assert "\x9b" not in written


async def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "there.csv"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(NotWrittenError, match="there already"):
        await write_new_file(file, "other")
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["no/such/directory.csv", "a\0b", "~nobody-of-that-name/x"])
async def test_what_cannot_be_written_is_an_operators_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotWrittenError) as raised:
        await write_new_file(tmp_path / name if not name.startswith("~") else Path(name), "x")
    assert raised.value.remedy


async def test_every_week_of_the_filter_is_exported_by_keyboard(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(app_for(settings)) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: f"CSV of {len(all_weeks()) + 1} rows" in shown(pilot.app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: "Written to" in shown(pilot.app), "the answer")
    [file] = tmp_path.glob("alpha-monday-weeks-*.csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [row["run_date"] for row in rows] == sorted([*map(str, all_weeks()), str(MISSED_WEEK)], reverse=True)
    [newest] = [row for row in rows if row["run_date"] == str(NEWEST_WEEK)]
    assert newest["picks"] == "BUY NVDA BUY TSLA SELL BRK.B"
    assert len(newest["excess_pct"].partition(".")[2]) > 6


async def test_an_export_to_a_file_that_is_there_stays_open(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = tmp_path / "taken.csv"
    taken.write_text("", encoding="utf-8")
    async with running(app_for(settings)) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: "CSV of" in shown(pilot.app), "the question")
        answer = pilot.app.screen.query_one(Input)
        answer.value = str(taken)
        await pilot.press("enter")
        await until(pilot, lambda: "nothing was written" in shown(pilot.app), "the refusal")
        await pilot.press("escape")
    assert taken.read_text(encoding="utf-8") == ""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a thread may begin later than a clipboard program may take."""
    monkeypatch.setattr("tui.outgoing._CLIPBOARD_TAKES_AT_MOST_S", 60.0)


def no_clipboard(text: str) -> None:
    raise pyperclip.PyperclipException(f"no clipboard for {len(text)} characters")


async def test_copying_without_a_clipboard_claims_nothing_and_offers_a_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pyperclip, "copy", no_clipboard)
    async with running(app_for(settings)) as pilot:
        await pilot.press("y")
        await until(pilot, lambda: "whether it did, it does not say" in shown(pilot.app), "the offer")
        assert pilot.app.clipboard.splitlines()[1].startswith(f"{NEWEST_WEEK}\t")
        await pilot.press("enter")
        await until(pilot, lambda: "Written to" in shown(pilot.app), "the answer")
    [file] = tmp_path.glob("alpha-monday-row-*.txt")
    assert "BUY NVDA" in file.read_text(encoding="utf-8")


async def test_a_clipboard_program_that_took_it_is_believed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", taken.append)
    async with running(app_for(settings)) as pilot:
        await pilot.press("y")
        await until(pilot, lambda: "Copied." in shown(pilot.app), "the word")
    [headings, row] = (line.split("\t") for line in taken[0].splitlines())
    assert headings == ["Week", "State", "Sess", "Picks", "SPY", "Excess", "Trend", "Opened"]
    assert len(row) == len(headings)
    assert row[0] == str(NEWEST_WEEK)


COPIES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "a missed week": (
        ("j", "j"),
        "No batch was opened",
        ("Week\tState\tSess\tPicks\n", f"{MISSED_WEEK}\t– missed\t·\tno scheduler ran"),
    ),
    "picks": (("enter",), "▸ Picks", (f"{NEWEST_WEEK} BUY NVDA\nCapital",)),
    "a day": (("enter", "tab"), "▸ Checkpoints", ("Week\tDay\tDate\tStatus\tSPY\t", f"{NEWEST_WEEK}\t1\tMon 18 Nov\t")),
    "a day that waits": (
        ("enter", "tab", "j", "j"),
        "▸ Checkpoints",
        ("Week\tDay\tDate\tStatus\n", "\t3\tWed 20 Nov\t"),
    ),
    "heat map": (
        ("enter", "tab", "tab"),
        "▸ Heat map",
        ("run_date\tday\t", f"\n{NEWEST_WEEK}\t1\t2024-11-18\tcomputed"),
    ),
    "chart": (
        ("enter", "tab", "tab", "tab"),
        "▸ Chart",
        ("run_date\tday\t", f"\n{NEWEST_WEEK}\t1\t2024-11-18\tcomputed"),
    ),
    "a batch's event": (("enter", "shift+tab"), "▸ Events", ("Week\tExchange time\tEvent\tWhat\n", f"{NEWEST_WEEK}\t")),
    "a payload": (("enter", "shift+tab", "enter"), "─ ", ("checkpoint_computed · ", '"checkpoint_date": "')),
    "problems": (("exclamation_mark",), "Problems", ("Problems\n", "TSLA")),
    "help": (("question_mark",), "Keys", ("Keys\n", "Copy the row under the cursor with its headings")),
    "performance": (("2",), "Batting average", ("Batting average",)),
    "a job": (("3",), "Leadership", ("Job\tNext\t",)),
    "an event": (("4",), "Exchange time", ("created_at\trun_date\tevent_type\tpayload\n",)),
}


@pytest.mark.parametrize("place", COPIES)
async def test_what_is_shown_is_copied_with_its_headings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", taken.append)
    keys, words, wanted = COPIES[place]
    async with running(app_for(settings)) as pilot:
        for key in keys:
            await until(pilot, lambda: has_arrived(pilot.app), "what the key before opens")
            await pilot.press(key)
        await until(pilot, lambda: has_arrived(pilot.app) and words in shown(pilot.app), words)
        await pilot.press("y")
        await until(pilot, lambda: bool(taken) and "Copied." in shown(pilot.app), "the word")
    for each in wanted:
        assert each in taken[0]
    assert len({line.count("\t") for line in taken[0].splitlines() if "\t" in line}) <= 1


async def test_the_prices_of_a_day_are_copied_with_what_they_mean(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", taken.append)
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app) and "▸ Picks" in shown(pilot.app), "the batch")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "Baseline close" in shown(pilot.app), "the details")
        await pilot.press("y")
        await until(pilot, lambda: "Copied." in shown(pilot.app), "the word")
    found = list(csv.DictReader(io.StringIO(taken[0]), delimiter="\t"))
    day = NEWEST_WEEK.isoformat()
    assert [(row["run_date"], row["checkpoint_date"], row["ticker"], row["action"]) for row in found] == [
        (day, day, "NVDA", "BUY"), (day, day, "TSLA", "BUY"), (day, day, "BRK.B", "SELL"), (day, day, "SPY", ""),
    ]  # fmt: skip
    for row in found:
        friday = NEWEST_WEEK - timedelta(days=3)
        assert Decimal(row["baseline_close"]) == Decimal(row["initial_price"]) == close_of(row["ticker"], friday)
        assert Decimal(row["close"]) == Decimal(row["current_price"]) == close_of(row["ticker"], NEWEST_WEEK)
        assert Decimal(row["split_factor"]) == 1
        assert (row["source"], row["basis"]) == ("csv", "unspecified")
