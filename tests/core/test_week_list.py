"""The week list against a model of it, in every order, for any filter and any size of page."""

import asyncio
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from core.batches import Origin, origin_of
from core.reading import BatchRow, batch_page
from core.services import Services
from core.settings import Settings
from core.staging import stage, staged, unstage
from core.week_list import MissedWeeks, StagedWeek, WeekQuery, WeekRow, WeekSort, batch_rows, run_date_of, week_page
from db.embedded import EmbeddedServer
from tests.core.world import CALENDAR, FIRST, PICKS, RULES, World
from tests.databases import as_superuser, cloned
from tests.fakes import FixedClock, exchange

WEEK = timedelta(days=7)
CREATED = {
    Origin.LIVE: timedelta(hours=9),
    Origin.LATE: timedelta(hours=9, minutes=30),
    Origin.BACKFILLED: timedelta(days=7),
}
REASONS = ("Cheap: 50% off", "back\\slash", "under_score", "Ärger und Öl", "strong strong", "x", "sell-off")
WORDS = ("", "aaa", "B", "done", "FAIL", "missed", "2020-0", "2020-02-03", "50%", "%", "_", "\\", "äRG", "staged")
MORE_WORDS = ("live", "late backfilled", "waiting", "spy", "qqq b", "active strong", "  x \t missed ", "no such thing")
ACTION_WORDS = ("sell", "Buy", "sell bbb", "sell aaa", "buy AAA x", "SELL strong", "buy sell x", "sell missed", "sel")


@dataclass(frozen=True)
class ModelBatch:
    """A batch as the list should show it: per computed day the benchmark's return and the picks' excesses."""

    status: str
    origin: Origin
    benchmark: str
    reasons: tuple[str, ...]
    days: tuple[tuple[int, tuple[int, int, int]], ...]
    skipped: bool
    waits: bool


@dataclass(frozen=True)
class ModelMissed:
    """A Monday without a batch, and why."""

    cause: str
    detail: str


Model = tuple[Sequence[ModelBatch | ModelMissed | None], int]
SMALL = st.integers(-2, 2)
BATCH = st.builds(
    ModelBatch,
    st.sampled_from(["active", "completed", "failed"]),
    st.sampled_from(list(Origin)),
    st.sampled_from(["SPY", "QQQ"]),
    st.tuples(*[st.sampled_from(REASONS)] * 3),
    st.lists(st.tuples(SMALL, st.tuples(SMALL, SMALL, SMALL)), max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
)
MISSED = st.builds(ModelMissed, st.sampled_from(["not_running", "picks_not_yet"]), st.sampled_from(["", "asleep"]))
MODELS = st.tuples(st.lists(st.one_of(BATCH, MISSED, MISSED, st.none()), max_size=12), st.integers(0, 2))


def insert(connection: psycopg.Connection, run_date: date, week: ModelBatch | ModelMissed) -> None:
    if isinstance(week, ModelMissed):
        payload = {"run_date": run_date.isoformat(), "cause": week.cause, "detail": week.detail, "as_of": None}
        connection.execute(
            "insert into events values (%s, now(), null, 'batch_missed', %s)", (uuid7(), json.dumps(payload))
        )
        return
    batch, created = uuid7(), exchange(run_date.isoformat(), "00:00") + CREATED[week.origin]
    if week.origin is Origin.LIVE:
        created += timedelta(minutes=29)
    connection.execute(
        "insert into batches values (%s, %s, %s, %s, 100, 'active')", (batch, created, run_date, week.benchmark)
    )
    picks = [uuid7() for _ in range(3)]
    for pick, ticker, action, reason in zip(
        picks, ("AAA", "BBB", "CCC"), ("BUY", "SELL", "BUY"), week.reasons, strict=True
    ):
        connection.execute("insert into picks values (%s, %s, %s, %s, %s, 10)", (pick, batch, ticker, action, reason))
    for number, (benchmark, excesses) in enumerate(week.days):
        day = uuid7()
        connection.execute(
            "insert into checkpoints values (%s, %s, %s, 'computed', 100, %s)",
            (day, batch, run_date + timedelta(days=number), benchmark),
        )
        for pick, excess, sign in zip(picks, excesses, (1, -1, 1), strict=True):
            connection.execute(
                "insert into pick_checkpoint_metrics values (%s, %s, %s, 10, 0, %s)",
                (uuid7(), day, pick, sign * excess),
            )
    if week.skipped:
        connection.execute(
            "insert into checkpoints values (%s, %s, %s, 'skipped', null, null)",
            (uuid7(), batch, run_date + timedelta(days=5)),
        )
    if week.waits:
        connection.execute(
            "insert into waiting_days values (%s, %s, 'close_missing', '', 1, now(), now(), now())", (batch, run_date)
        )
    if week.status != "active":
        connection.execute("update batches set status = %s where id = %s", (week.status, batch))


@dataclass(frozen=True)
class Expected:
    """A row of the model: what it is called, sorted by and found by."""

    run_date: date
    values: dict[WeekSort, int]
    beginnings: tuple[str, ...]
    picks: tuple[tuple[str, str, str], ...] = ()


def expected_rows(model: Model) -> list[Expected]:
    history, upcoming = model
    rows: list[Expected] = []
    previous: object = None
    for number, week in enumerate(history):
        run_date = FIRST + number * WEEK
        by_week = {WeekSort.WEEK: number}
        if isinstance(week, ModelMissed):
            if week == previous:
                rows[-1] = replace(rows[-1], beginnings=(*rows[-1].beginnings, str(run_date)), run_date=run_date)
                rows[-1].values[WeekSort.WEEK] = number
            else:
                rows.append(Expected(run_date, {**by_week, WeekSort.STATE: 4}, ("missed", str(run_date))))
        elif week is not None:
            values = {
                **by_week,
                WeekSort.STATE: ("", "active", "completed", "failed").index(week.status),
                WeekSort.SESSIONS: len(week.days),
            }
            if week.days:
                values |= {WeekSort.BENCHMARK: week.days[-1][0], WeekSort.EXCESS: sum(week.days[-1][1])}
            states = (
                week.status,
                week.origin.value,
                *["done"] * (week.status == "completed"),
                *["waiting"] * week.waits,
            )
            beginnings = (*states, str(run_date), week.benchmark.lower())
            picks = zip(("aaa", "bbb", "ccc"), ("buy", "sell", "buy"), map(str.lower, week.reasons), strict=True)
            rows.append(Expected(run_date, values, beginnings, tuple(picks)))
        previous = week
    for number in range(len(history), len(history) + upcoming):
        run_date = FIRST + number * WEEK
        values = {WeekSort.WEEK: number, WeekSort.STATE: 5}
        drafts = tuple((pick.ticker.lower(), pick.action.lower(), pick.reasoning.lower()) for pick in PICKS)
        rows.append(Expected(run_date, values, ("staged", str(run_date), "spy"), drafts))
    return rows


def is_found(row: Expected, words: Sequence[str]) -> bool:
    actions = {"buy", "sell"} & set(words)
    picks = [(ticker, reason) for ticker, action, reason in row.picks if not actions or action in actions]
    return actions <= {action for _, action, _ in row.picks} and all(
        any(text.startswith(word) for text in row.beginnings)
        or any(ticker.startswith(word) or word in reason for ticker, reason in picks)
        for word in words
        if word not in actions
    )


def expected_order(rows: Iterable[Expected], query: WeekQuery) -> list[date]:
    found = [row for row in rows if is_found(row, query.words.lower().split())]
    sign = -1 if query.descending else 1
    found.sort(key=lambda row: row.run_date, reverse=True)
    found.sort(key=lambda row: (query.sort not in row.values, sign * row.values.get(query.sort, 0)))
    return [row.run_date for row in found]


async def pages(services: Services, query: WeekQuery, limit: int) -> list[WeekRow]:
    page = await week_page(services, query, limit=limit)
    rows = list(page.rows)
    while page.next_cursor is not None:
        assert sum(not isinstance(row, StagedWeek) for row in page.rows) == limit
        assert len(rows) < 100, "the pages do not end"
        page = await week_page(services, query, cursor=page.next_cursor, limit=limit)
        rows += page.rows
    return rows


@settings(deadline=None, max_examples=15)
@given(model=MODELS, words=st.sampled_from(WORDS + MORE_WORDS + ACTION_WORDS), limit=st.integers(1, 5))
def test_pages_in_turn_are_the_list_in_its_order(
    server: EmbeddedServer, template: str, model: Model, words: str, limit: int
) -> None:
    history, upcoming = model
    expected = expected_rows(model)

    async def check(conninfo: str, picks_file: Path) -> None:
        now = exchange((FIRST + len(history) * WEEK).isoformat(), "08:00")
        async with World(conninfo, clock=FixedClock(now)).services() as plain:
            services = replace(plain, settings=Settings(pick_source="file", picks_file=picks_file))
            for number in range(upcoming):
                await stage(services, FIRST + (len(history) + number) * WEEK, PICKS)
            for wanted, sort, descending in product(dict.fromkeys(("", words)), WeekSort, (True, False)):
                query = WeekQuery(wanted, sort, descending)
                whole = await week_page(services, query, limit=1000)
                assert whole.next_cursor is None
                assert [run_date_of(row) for row in whole.rows] == expected_order(expected, query), query
                assert await pages(services, query, limit) == list(whole.rows), query

    with cloned(server, template) as conninfo, tempfile.TemporaryDirectory() as directory:
        with psycopg.connect(conninfo) as connection:
            for number, week in enumerate(history):
                if week is not None:
                    insert(connection, FIRST + number * WEEK, week)
        asyncio.run(check(conninfo, Path(directory) / "picks.csv"))


A_BATCH = ModelBatch("active", Origin.LIVE, "SPY", ("x", "y", "z"), ((1, (1, 1, 1)),), skipped=False, waits=False)
ASLEEP = ModelMissed("not_running", "")


def write(world: World, weeks: Iterable[tuple[date, ModelBatch | ModelMissed]]) -> None:
    with psycopg.connect(world.conninfo) as connection:
        for run_date, week in weeks:
            insert(connection, run_date, week)


async def test_years_of_missed_mondays_are_one_row_with_their_number(world: World) -> None:
    write(world, [(FIRST, A_BATCH), *((FIRST + n * WEEK, ASLEEP) for n in range(1, 401))])
    async with world.services() as services:
        page = await week_page(services, limit=10)
        assert [type(row) for row in page.rows] == [MissedWeeks, BatchRow]
        missed = page.rows[0]
        assert isinstance(missed, MissedWeeks)
        assert (missed.run_date, missed.oldest, missed.count) == (FIRST + 400 * WEEK, FIRST + WEEK, 400)
        found = await week_page(services, WeekQuery((FIRST + 200 * WEEK).isoformat()))
        assert found.rows == (missed,)


async def test_a_batch_or_another_cause_divides_missed_mondays(world: World) -> None:
    tired = ModelMissed("not_running", "asleep")
    kinds: list[ModelBatch | ModelMissed] = [A_BATCH, ASLEEP, ASLEEP, tired, ASLEEP, A_BATCH, ASLEEP]
    write(world, [(FIRST + n * WEEK, kind) for n, kind in enumerate(kinds)])
    write(world, [(FIRST + 5 * WEEK, ASLEEP)])  # missed first, opened late then
    async with world.services() as services:
        page = await week_page(services)
    assert [row.count for row in page.rows if isinstance(row, MissedWeeks)] == [1, 1, 1, 2]
    assert len(page.rows) == 6


async def test_a_week_is_found_by_how_it_came_to_be_as_it_is_shown(world: World) -> None:
    """On both sides of the boundaries, the statement and `origin_of` agree."""
    write(world, [(FIRST + n * WEEK, replace(A_BATCH, origin=origin)) for n, origin in enumerate(Origin)])
    async with world.services() as services:
        for origin in Origin:
            [row] = (await week_page(services, WeekQuery(origin.value))).rows
            assert isinstance(row, BatchRow)
            assert origin_of(row.overview, RULES, CALENDAR) == row.origin == origin


@pytest.mark.parametrize(
    "words",
    [
        "\0",
        "a\0b",
        "\ud800",
        "'; drop table batches; --",
        "%s %(words)s",
        "x" * 1_000_000,
        "x " * 100_000,
        "{1,2}",
        "\\",
    ],
)
async def test_hostile_words_find_nothing_or_something_and_harm_nothing(world: World, words: str) -> None:
    write(world, [(FIRST, A_BATCH)])
    async with world.services() as services:
        page = await week_page(services, WeekQuery(words, WeekSort.EXCESS))
        assert len(page.rows) == (1 if words.startswith("x ") else 0)
        assert len((await week_page(services)).rows) == 1


async def test_what_is_wanted_is_found_however_far_down_it_lies(world: World) -> None:
    write(world, [(FIRST, replace(A_BATCH, status="failed")), *((FIRST + n * WEEK, A_BATCH) for n in range(1, 9))])
    async with world.services() as services:
        page = await week_page(services, WeekQuery("failed"), limit=1)
    assert [run_date_of(row) for row in page.rows] == [FIRST]
    assert page.next_cursor is None


async def test_of_a_very_long_text_the_rest_is_not_looked_at(world: World) -> None:
    write(world, [(FIRST, A_BATCH)])
    async with world.services() as services:
        for blanks, found in ((990, 0), (1_000, 1)):
            assert len((await week_page(services, WeekQuery("x" + " " * blanks + "absent"))).rows) == found


async def test_rows_are_those_of_the_other_list_and_can_be_fetched_by_week(world: World) -> None:
    write(world, [(FIRST + n * WEEK, A_BATCH) for n in range(4)])
    async with world.services() as services:
        rows = (await week_page(services)).rows
        assert rows == (await batch_page(services)).batches
        assert await batch_rows(services, {FIRST, FIRST + 2 * WEEK, FIRST + 9 * WEEK}) == (rows[1], rows[3])
        assert await batch_rows(services, []) == ()
        with pytest.raises(ValueError, match="at least one"):
            await week_page(services, limit=0)


async def test_a_picks_file_that_is_broken_leaves_the_history_on_the_screen(world: World, tmp_path: Path) -> None:
    write(world, [(FIRST, A_BATCH)])
    path = tmp_path / "picks.csv"
    path.write_text("run_date,ticker\n")
    async with world.services() as plain:
        services = replace(plain, settings=Settings(pick_source="file", picks_file=path))
        assert [run_date_of(row) for row in (await week_page(services)).rows] == [FIRST]


async def test_a_staged_week_is_no_longer_shown_once_it_is_opened_and_never_twice(world: World, tmp_path: Path) -> None:
    path = tmp_path / "picks.csv"
    second = FIRST + WEEK
    async with world.services() as plain:
        services = replace(plain, settings=Settings(pick_source="file", picks_file=path))
        await stage(services, second, PICKS)
        # Another process, whose clock is ahead, holds the Monday for missed already.
        write(world, [(FIRST, A_BATCH), (second, ASLEEP)])
        assert [type(row) for row in (await week_page(services)).rows] == [StagedWeek, BatchRow]
        await unstage(services, second)
        assert [type(row) for row in (await week_page(services)).rows] == [MissedWeeks, BatchRow]
        await stage(services, second, PICKS)
        write(world, [(second, A_BATCH)])
        assert [type(row) for row in (await week_page(services)).rows] == [BatchRow, BatchRow]
        assert await staged(services) == ()


@pytest.mark.parametrize("words", ["sell pep", "PEP Sell", "sell p peaked"])
async def test_a_sold_ticker_is_found_and_no_sell_off_in_a_reasoning(world: World, words: str) -> None:
    write(world, [(FIRST + n * WEEK, A_BATCH) for n in range(4)])
    picks = (
        ("BUY", "PEP", "cheap after the sell-off"),
        ("SELL", "PEP", "peaked"),
        ("BUY", "PEP", "peaked, whoever may sell"),
        ("SELL", "KO", "PEP is better"),
    )
    with psycopg.connect(as_superuser(world.conninfo)) as connection:
        connection.execute("set session_replication_role = replica")
        for n, pick in enumerate(picks):
            [batch] = (
                connection.execute("select id from batches where run_date = %s", (FIRST + n * WEEK,)).fetchone() or ()
            )
            connection.execute("update picks set action = 'BUY' where batch_id = %s", (batch,))
            connection.execute(
                "update picks set action = %s, ticker = %s, reasoning = %s where batch_id = %s and ticker = 'AAA'",
                (*pick, batch),
            )
    async with world.services() as services:
        found = {run_date_of(row) for row in (await week_page(services, WeekQuery(words))).rows}
    assert found - {FIRST + 3 * WEEK} == {FIRST + WEEK}  # the word may stand in the reasoning of a sold share, too
    assert (FIRST + 3 * WEEK in found) == (words != "sell p peaked")
