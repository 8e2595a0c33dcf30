"""One share in several spellings, as an operator types it: picks, prices and symbols on the command line."""

from datetime import date

import psycopg
import pytest

from tests.tui.shell.conftest import WEEKS, CommandLine, Market, counts, everything, usual_picks
from tests.tui.shell.test_accepting import ACCEPT, troubled

__all__ = ["troubled"]

WEEK = WEEKS[0]
SPELLINGS = ("BRK-B", "brk.b", "Brk/B")


def with_class_share(market: Market) -> None:
    """The price file with AAA called BRK-B in some rows, and brk.b or Brk/B in the others."""
    lines, spellings = market.prices.read_text(encoding="utf-8").splitlines(keepends=True), SPELLINGS
    spelled = [line.replace("AAA", spellings[number // 4 % 3]) for number, line in enumerate(lines)]
    market.prices.write_text("".join(spelled), encoding="utf-8")


@pytest.mark.parametrize("spelled", ["BRK.B", "brk-b", "BRK/B"])
def test_a_week_is_replayed_whatever_files_call_a_share(
    market: Market, alpha_monday: CommandLine, conninfo: str, spelled: str
) -> None:
    with_class_share(market)
    market.write_picks({WEEK: [(spelled, "BUY", "Because."), *usual_picks()[1:]]})
    told = alpha_monday("backfill", "--picks", str(market.picks), "--json").json
    assert (told["opened"], told["waiting"]) == (1, 0)
    assert alpha_monday("show", str(WEEK), "--json").json["picks"][0]["ticker"] == "BRK.B"
    again = market.picks.read_text(encoding="utf-8").replace(spelled, "Brk/b")
    told = alpha_monday("backfill", "--picks", "-", "--json", stdin=again.encode())
    assert (told.code, told.json) == (0, counts(already_there=1))


@pytest.mark.parametrize(("one", "other"), [("BRK.B", "BRK-B"), ("brk/b", "BRK.B")])
@pytest.mark.parametrize("through", ["file", "standard input"])
def test_one_share_picked_twice_is_refused_and_nothing_written(
    market: Market, alpha_monday: CommandLine, conninfo: str, one: str, other: str, through: str
) -> None:
    with_class_share(market)
    market.write_picks({WEEK: [(one, "BUY", "class B"), (other, "SELL", "the same share"), ("BBB", "BUY", "c")]})
    before, picks = everything(conninfo), str(market.picks) if through == "file" else "-"
    for command in (("backfill", "--picks", picks), ("open", str(WEEK), "--late", "--picks", picks)):
        told = alpha_monday(*command, "--json", stdin=market.picks.read_bytes())
        assert told.code == 1
        assert "'BRK.B' is picked twice" in told.error["message"]
        assert "(as BRK" in told.error["message"], "both spellings are named"
    assert everything(conninfo) == before


def test_a_benchmark_that_is_picked_in_another_spelling_is_refused(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_class_share(market)
    monkeypatch.setenv("ALPHA_MONDAY_BENCHMARK", "brk/b")
    market.write_picks({WEEK: [("BRK-B", "BUY", "Because."), *usual_picks()[1:]]})
    told = alpha_monday("backfill", "--picks", str(market.picks), "--json")
    assert told.code == 1
    assert "BRK.B is the benchmark" in told.error["message"]


def test_two_rows_of_one_share_and_day_are_refused_in_any_spelling(market: Market, alpha_monday: CommandLine) -> None:
    day = date(2020, 1, 3)
    market.prices.write_text(f"date,symbol,close\n{day},BRK.B,1\n{day},BRK-B,1\n", encoding="utf-8")
    told = alpha_monday("backfill", "--picks", str(market.picks), "--json")
    assert told.code != 0
    assert "prices.csv, line 3: a second close of 'BRK.B' on 2020-01-03" in told.out + told.err


@pytest.mark.parametrize("stored", ["BRK.B", "BRK-B", "BRK/B"])
@pytest.mark.parametrize("typed", ["BRK.B", "brk-b", "BRK/B"])
def test_a_held_price_is_accepted_under_any_spelling(
    troubled: str, alpha_monday: CommandLine, stored: str, typed: str
) -> None:
    with psycopg.connect(troubled) as connection:
        connection.execute("update waiting_days set evidence = replace(evidence::text, 'AMZN', %s)::jsonb", (stored,))
    waiting = alpha_monday(*ACCEPT, "--symbol", typed, "--dry-run", "--json").json["waiting"]
    assert [move["symbol"] for move in waiting] == [stored]
    assert alpha_monday(*ACCEPT, "--symbol", "BRK.A", "--json").code == 1
    accepted = alpha_monday(*ACCEPT, "--symbol", typed, "--json").json["accepted"]
    assert [move["symbol"] for move in accepted] == [stored]
