"""`backfill` and `open`: what is written, what is refused whole, and what waits while the rest proceeds."""

from datetime import date, datetime, timedelta

import pytest

from core.trading_calendar import EXCHANGE_ZONE
from tests.fakes import FixedClock
from tests.tui.shell.conftest import WEEKS, CommandLine, Market, Row, counts, everything, usual_picks

BACKFILL = ("backfill", "--json", "--picks")
FULL = counts(opened=3, computed=28, skipped=14)


def weeks(alpha_monday: CommandLine) -> list[str]:
    """The weeks there are, oldest first."""
    batches = alpha_monday("batches", "--json").json["batches"]
    return [batch["run_date"] for batch in reversed(batches)]


def test_an_unknown_symbol_is_reported_and_the_others_proceed(market: Market, alpha_monday: CommandLine) -> None:
    market.write_picks({WEEKS[0]: usual_picks(), WEEKS[1]: [*usual_picks()[:2], ("ZZZ", "BUY", "x")]})
    outcome = alpha_monday(*BACKFILL, str(market.picks))
    assert (outcome.code, outcome.json) == (3, counts(opened=1, computed=10, skipped=4))
    assert outcome.err == "2020-01-13 not opened: no close on 2020-01-10 for ZZZ from csv\n"
    assert weeks(alpha_monday) == ["2020-01-06"]
    alone = alpha_monday("open", "2020-01-13", "--late", "--json")
    assert (alone.code, alone.error["code"]) == (1, "not_possible")
    assert "ZZZ" in alone.error["message"]


def test_a_week_without_a_baseline_is_reported_and_the_others_proceed(
    market: Market, alpha_monday: CommandLine
) -> None:
    market.write_prices(without=[("SPY", date(2020, 1, 10))])
    outcome = alpha_monday(*BACKFILL, str(market.picks))
    assert outcome.code == 3
    assert outcome.json["opened"] == 2
    assert outcome.err.startswith("2020-01-13 not opened: no close on 2020-01-10 for SPY")
    assert weeks(alpha_monday) == ["2020-01-06", "2020-01-20"]
    market.write_prices()
    again = alpha_monday(*BACKFILL, str(market.picks))
    assert (again.code, again.err) == (0, "")
    assert (again.json["opened"], again.json["already_there"]) == (1, 2)


def test_the_same_picks_again_are_there_already(replayed: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    before = everything(conninfo)
    replayed.write_picks({week: list(reversed(usual_picks())) for week in reversed(WEEKS)})
    outcome = alpha_monday(*BACKFILL, str(replayed.picks))
    assert (outcome.code, outcome.json) == (0, counts(already_there=3))
    for command in (("open", "2020-01-06"), ("open", "2020-01-06", "--late", "--dry-run")):
        outcome = alpha_monday(*command, "--json")
        assert (outcome.code, outcome.json) == (0, counts(already_there=1))
    assert everything(conninfo) == before


OTHER_PICKS: dict[str, list[Row]] = {
    "another ticker": [*usual_picks()[:2], ("SPYX", "BUY", "Because of the numbers.")],
    "another action": [*usual_picks()[:2], ("CCC", "SELL", "Because of the numbers.")],
    "another reasoning": usual_picks("Because of the numbers"),
}


@pytest.mark.parametrize("other", OTHER_PICKS)
def test_other_picks_for_a_week_are_refused_and_nothing_is_written(
    replayed: Market, conninfo: str, alpha_monday: CommandLine, other: str
) -> None:
    before = everything(conninfo)
    replayed.write_picks({date(2020, 1, 27): usual_picks(), WEEKS[0]: OTHER_PICKS[other]})
    for command in (
        ("backfill", "--picks", str(replayed.picks)),
        ("backfill", "--picks", str(replayed.picks), "--dry-run"),
        ("open", "2020-01-06", "--late"),
    ):
        outcome = alpha_monday(*command, "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "conflict")
        assert "2020-01-06" in outcome.error["message"]
    assert everything(conninfo) == before


def test_from_and_to_choose_weeks_both_included(market: Market, alpha_monday: CommandLine) -> None:
    typed = (*BACKFILL, str(market.picks))
    assert alpha_monday(*typed, "--from", "2020-01-21").json == counts()
    assert alpha_monday(*typed, "--from", "2020-01-13", "--to", "2020-01-13").json["opened"] == 1
    assert weeks(alpha_monday) == ["2020-01-13"]
    assert alpha_monday(*typed, "--to", "2020-01-19").json["opened"] == 1
    assert weeks(alpha_monday) == ["2020-01-06", "2020-01-13"]
    assert alpha_monday(*typed, "--from", "2020-01-14").json["opened"] == 1


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        ("2020-01-06T16:29", 0),
        ("2020-01-06T16:30", 1),  # without an offset it is exchange time
        ("2020-01-06T21:30+00:00", 1),
        ("2020-01-06T21:29Z", 0),
        ("2020-01-06T22:30+01:00", 1),
        ("2020-01-07", 1),
        ("2020-01-07T16:30:00", 2),
    ],
)
def test_as_of(market: Market, alpha_monday: CommandLine, as_of: str, days: int) -> None:
    outcome = alpha_monday(*BACKFILL, str(market.picks), "--as-of", as_of)
    assert outcome.code == 3, "later weeks cannot be opened yet"
    assert outcome.json == counts(opened=1, computed=days)
    assert "2020-01-13 not opened: it can be opened from 2020-01-13 09:00" in outcome.err
    [event] = alpha_monday("events", "--type", "batch_opened", "--json").json["events"]
    assert datetime.fromisoformat(event["payload"]["as_of"]).utcoffset() is not None


def test_as_of_sees_no_later_close(market: Market, alpha_monday: CommandLine) -> None:
    """A close that is missing as of then is waited for, although the file holds later ones."""
    market.write_prices(without=[("AAA", date(2020, 1, 8))])
    market.write_picks(WEEKS[:1])
    outcome = alpha_monday(*BACKFILL, str(market.picks), "--as-of", "2020-01-09T12:00")
    assert (outcome.code, outcome.json) == (3, counts(opened=1, computed=2, waiting=1))
    assert "2020-01-08" in outcome.err
    assert alpha_monday(*BACKFILL, str(market.picks)).json == counts(already_there=1, computed=7, skipped=5)


@pytest.mark.parametrize("already", [(), WEEKS[:1], WEEKS[1:]])
def test_a_dry_run_writes_nothing_and_counts_as_the_real_run_does(
    market: Market, conninfo: str, alpha_monday: CommandLine, already: tuple[date, ...]
) -> None:
    market.write_prices(without=[("BBB", date(2020, 1, 15)), ("CCC", date(2020, 1, 17))])
    part = market.directory / "part.csv"
    market.write_picks(already)
    market.picks.rename(part)
    alpha_monday("backfill", "--picks", str(part), "--as-of", "2020-01-22T12:00")
    market.write_picks(
        {**dict.fromkeys(WEEKS, usual_picks()), date(2020, 1, 27): [*usual_picks()[:2], ("Z", "BUY", "x")]}
    )
    typed = (*BACKFILL, str(market.picks), "--as-of", "2020-01-29T12:00")
    before = everything(conninfo)
    rehearsed = alpha_monday(*typed, "--dry-run")
    assert everything(conninfo) == before
    done = alpha_monday(*typed)
    assert rehearsed == done
    assert done.code == 3
    assert everything(conninfo) != before


def test_a_dry_run_leaves_a_database_without_tables_as_it_is(
    market: Market, bare_conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", bare_conninfo)
    outcome = alpha_monday(*BACKFILL, str(market.picks), "--dry-run")
    assert (outcome.code, outcome.error["code"]) == (1, "schema")
    assert "db up" in outcome.error["remedy"]
    assert alpha_monday(*BACKFILL, str(market.picks)).json == FULL


def test_a_dry_run_knows_that_simulated_prices_and_real_ones_do_not_meet(
    replayed: Market, conninfo: str, alpha_monday: CommandLine
) -> None:
    replayed.write_picks([*WEEKS, date(2020, 1, 27)])
    before = everything(conninfo)
    for more in ((), ("--dry-run",)):
        outcome = alpha_monday(*BACKFILL, str(replayed.picks), "--price-source", "simulated", *more)
        assert (outcome.code, outcome.error["code"]) == (1, "mixed_prices")
    assert everything(conninfo) == before


def test_real_prices_do_not_meet_simulated_ones_either(
    market: Market, conninfo: str, alpha_monday: CommandLine
) -> None:
    simulated = (*BACKFILL, str(market.picks), "--price-source", "simulated", "--as-of", "2020-01-21T12:00")
    assert alpha_monday(*simulated).json["opened"] == 3
    before = everything(conninfo)
    for command in (
        (*BACKFILL, str(market.picks)),
        ("open", "2020-01-27", "--late", "--json", "--picks", str(market.picks)),
        ("--headless", "--once", "--json"),
    ):
        outcome = alpha_monday(*command)
        assert (outcome.code, outcome.error["code"]) == (1, "mixed_prices")
    assert everything(conninfo) == before
    mixed = alpha_monday("backfill", "--picks", str(market.picks), "--price-source", "csv,simulated", "--json")
    assert (mixed.code, mixed.error["code"]) == (1, "settings")


class TestOpening:
    """`open` in the present, whatever the clock of the machine says."""

    MONDAY = date(2020, 1, 13)

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> FixedClock:
        clock = FixedClock(datetime(2020, 1, 13, 9, 10, tzinfo=EXCHANGE_ZONE))
        monkeypatch.setattr("core.services.SystemClock", lambda: clock)
        return clock

    def test_this_weeks_by_default(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        assert alpha_monday("open", "--json").json == counts(opened=1)
        assert weeks(alpha_monday) == ["2020-01-13"]
        assert "2020-01-13" in alpha_monday("latest").out

    def test_not_before_it_begins(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        clock.instant -= timedelta(minutes=11)
        outcome = alpha_monday("open", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "not_possible")
        assert "Mon 13 Jan 2020 09:00" in outcome.error["remedy"]
        assert alpha_monday("open", "--late").code == 1
        assert weeks(alpha_monday) == []

    def test_late_only_when_told(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        clock.instant += timedelta(minutes=20)
        outcome = alpha_monday("open", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "not_possible")
        assert "--late" in outcome.error["remedy"]
        assert alpha_monday("open", "--late", "--dry-run", "--json").json == counts(opened=1)
        assert weeks(alpha_monday) == []
        assert alpha_monday("open", "--late", "--json").json == counts(opened=1)

    def test_a_day_that_is_no_monday(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        outcome = alpha_monday("open", "2020-01-14", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "not_possible")
        assert "Tuesday" in outcome.error["message"]
        assert "2020-01-13" in outcome.error["remedy"]

    def test_a_week_that_the_file_lacks(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        market.write_picks(WEEKS[:1])
        asked = alpha_monday("open", "--json")
        assert (asked.code, asked.error["code"]) == (1, "picks_not_yet")
        named = alpha_monday("open", "--picks", str(market.picks), "--json")
        assert (named.code, named.error["code"]) == (1, "not_found")

    def test_sources_that_are_not_there(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        for typed, code in (
            (("open", "--source", "oracle"), "unknown_source"),
            (("open", "--pick-source", "oracle"), "unknown_source"),
            (("open", "--price-source", "oracle"), "unknown_source"),
            (("open", "--source", "momentum"), "missing_setting"),
        ):
            outcome = alpha_monday(*typed, "--json")
            assert (outcome.code, outcome.error["code"]) == (1, code)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "half a pair \udcff"])
def test_a_reason_is_needed_to_fail_a_batch(
    market: Market, conninfo: str, alpha_monday: CommandLine, reason: str
) -> None:
    alpha_monday("backfill", "--picks", str(market.picks), "--as-of", "2020-01-21T12:00")
    before = everything(conninfo)
    outcome = alpha_monday("fail", "2020-01-20", "--reason", reason, "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "not_possible")
    assert everything(conninfo) == before
    assert alpha_monday("fail", "2020-01-20", "--reason", "A trial.").code == 0
    again = alpha_monday("fail", "2020-01-20", "--reason", "Once more.", "--json")
    assert (again.code, again.error["code"]) == (1, "not_possible")
    completed = alpha_monday("fail", "2020-01-06", "--reason", "Too late.", "--json")
    assert (completed.code, completed.error["code"]) == (1, "not_possible")


def test_the_picks_are_read_before_the_database_is_looked_for(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    missing = str(market.directory / "none.csv")
    assert alpha_monday("backfill", "--picks", missing, "--json").error["code"] == "file"
    assert alpha_monday("backfill", "--picks", str(market.picks), "--json").error["code"] == "database_unavailable"
