"""Picks that the operator states: nothing staged is no fault, and what arrives during the opening opens the week."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core import due_work as due_work_module
from core.due_work import run_due_work
from core.picks.file import FilePicks
from core.picks.manual import ManualPicks
from core.picks.registry import make_pick_source
from core.picks.source import (
    PickOptions,
    PicksMalformedError,
    PicksNotYetError,
    PickSource,
    PicksUnavailableError,
)
from core.picks.staged_file import picks_file_of, staging_file, takes_staged
from core.plugins import MissingSettingError
from core.services import Services, pick_source_called
from core.settings import Settings
from core.staging import stage, unstage
from tests.core.world import CALENDAR, FIRST, PICKS, SECOND, World
from tests.fakes import exchange

HEADER = "run_date,ticker,action,reasoning\n"
WEEK = "".join(f"{FIRST},{pick.ticker},{pick.action},{pick.reasoning}\n" for pick in PICKS)
TWO_OF_THREE = "".join(WEEK.splitlines(keepends=True)[:2])
OPENED_BY = "select payload->>'pick_source', payload->>'run_date' from events where event_type = 'batch_opened'"


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


class TestTheSource:
    async def test_what_is_staged_is_given(self, tmp_path: Path) -> None:
        put(tmp_path / "staged.csv", HEADER + WEEK)
        source: PickSource = ManualPicks(tmp_path / "staged.csv", "SPY")
        assert source.name == "manual"
        assert await source.picks(FIRST) == PICKS

    @pytest.mark.parametrize("content", [None, HEADER, HEADER + WEEK])
    async def test_nothing_staged_is_not_there_yet_and_says_what_to_do(
        self, tmp_path: Path, content: str | None
    ) -> None:
        path = tmp_path / "staged.csv"
        source = ManualPicks(path, "SPY")
        if content is not None:
            put(path, content)
        with pytest.raises(PicksNotYetError) as caught:
            await source.picks(SECOND)
        assert caught.value.message == (
            "nothing is staged for the week of 2020-01-13; n in the TUI, or alpha-monday open --picks FILE, opens it"
        )
        put(path, HEADER + WEEK.replace(str(FIRST), str(SECOND)))
        assert await source.picks(SECOND) == PICKS

    async def test_a_directory_that_is_not_there_yet_is_none_of_its_faults(self, tmp_path: Path) -> None:
        with pytest.raises(PicksNotYetError):
            await ManualPicks(tmp_path / "later" / "staged.csv", "SPY").picks(FIRST)

    async def test_a_file_that_is_there_and_cannot_be_read_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        put(tmp_path / "file", "")
        for path in (tmp_path, tmp_path / "loop", tmp_path / "file" / "staged.csv"):
            with pytest.raises(PicksUnavailableError, match="cannot read"):
                await ManualPicks(path, "SPY").picks(FIRST)

    async def test_a_malformed_file_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "staged.csv"
        put(path, HEADER + TWO_OF_THREE)
        with pytest.raises(PicksMalformedError, match="2 instead of 3 picks"):
            await ManualPicks(path, "SPY").picks(FIRST)
        put(path, HEADER + WEEK)
        with pytest.raises(PicksMalformedError, match="AAA is the benchmark"):
            await ManualPicks(path, "AAA").picks(FIRST)


class TestItsFile:
    def test_is_the_operators_or_one_in_the_data_directory(self, tmp_path: Path) -> None:
        own, given = tmp_path / "staged.csv", tmp_path / "picks.csv"
        plain = Settings(data_dir=tmp_path)
        assert picks_file_of(plain, "manual") == own
        assert [picks_file_of(plain, name) for name in ("file", "momentum", "my-feed")] == [None] * 3
        with_file = Settings(data_dir=tmp_path, picks_file=given)
        assert {picks_file_of(with_file, name) for name in ("manual", "file", "momentum", "my-feed")} == {given}

    def test_takes_staged_weeks_for_the_sources_that_read_them(self, tmp_path: Path) -> None:
        expected = {"manual": tmp_path / "staged.csv", "file": None, "momentum": None, None: None}
        found = {name: Settings(data_dir=tmp_path, pick_source=name) for name in expected}
        assert {name: staging_file(settings) for name, settings in found.items()} == expected
        assert {name for name, settings in found.items() if takes_staged(settings)} == {"manual", "file"}

    def test_is_needed(self) -> None:
        with pytest.raises(MissingSettingError, match="ALPHA_MONDAY_PICKS_FILE"):
            make_pick_source("manual", PickOptions(CALENDAR, None, "SPY"))

    async def test_is_where_staging_puts_picks_and_the_source_finds_them(self, conninfo: str, tmp_path: Path) -> None:
        world = World(conninfo)
        settings = Settings(data_dir=tmp_path, pick_source="manual")
        async with world.services() as plain:
            source = pick_source_called("manual", settings, CALENDAR, plain.sources)
            services = replace(plain, settings=settings, pick_source=source)
            await stage(services, FIRST, PICKS)
            await stage(services, SECOND, PICKS)
            await unstage(services, SECOND)
            assert (await run_due_work(services))[0].opened == 1
        assert (tmp_path / "staged.csv").read_text() == HEADER + WEEK
        assert world.rows(OPENED_BY) == [("manual", str(FIRST))]


@pytest.fixture
def world(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(due_work_module, "_draw", random.Random(7))
    return World(conninfo)


@pytest.fixture(params=[FilePicks, ManualPicks], ids=["file", "manual"])
async def services(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    """The week of FIRST is to be opened from `picks.csv`, which is not there yet."""
    async with world.services() as plain:
        yield replace(plain, pick_source=request.param(tmp_path / "picks.csv", "SPY"))


async def opened_at(world: World, services: Services, file: Path, contents: dict[str, str]) -> datetime | None:
    """When the week was opened by a scheduler that looks every 30 s, the file holding each content from its time on."""
    writes = {exchange(str(FIRST), clock_time): content for clock_time, content in contents.items()}
    now = exchange(str(FIRST), "08:59")
    while now < exchange(str(FIRST), "09:35"):
        for due in [due for due in writes if due <= now]:
            put(file, writes.pop(due))
        world.clock.instant = now
        if (await run_due_work(services))[0].opened:
            return now
        now += timedelta(seconds=30)
    return None


@pytest.mark.parametrize(
    ("contents", "from_", "until"),
    [
        ({"08:00": HEADER + WEEK}, "09:00", "09:00"),
        ({"08:00": HEADER, "09:12": HEADER + WEEK}, "09:12", "09:12"),
        ({"09:12": HEADER + WEEK}, "09:12", "09:17"),
        ({"08:00": HEADER, "09:10": HEADER + TWO_OF_THREE, "09:12": HEADER + WEEK}, "09:12", "09:17"),
        ({"09:05": "<html>", "09:20": HEADER + WEEK}, "09:20", "09:25"),
        ({"09:00": HEADER + TWO_OF_THREE, "09:28": HEADER + WEEK}, "09:28", "09:29"),
    ],
    ids=["in time", "rows arrive", "the file arrives", "half-written before", "mended", "mended at the last moment"],
)
async def test_what_arrives_until_trading_starts_opens_the_week(
    world: World, services: Services, tmp_path: Path, contents: dict[str, str], from_: str, until: str
) -> None:
    """Rows that are awaited are asked for at every look; a file that was wrong rests for five minutes at most."""
    found = await opened_at(world, services, tmp_path / "picks.csv", contents)
    assert found is not None
    # A look comes at most half a minute after what it was waiting for.
    assert exchange(str(FIRST), from_) <= found <= exchange(str(FIRST), until) + timedelta(seconds=30)
    assert services.pick_source is not None
    assert world.rows(OPENED_BY) == [(services.pick_source.name, str(FIRST))]


async def test_what_arrives_too_late_or_never_whole_opens_nothing(
    world: World, services: Services, tmp_path: Path
) -> None:
    contents = {"09:10": HEADER + TWO_OF_THREE, "09:30": HEADER + WEEK}
    assert await opened_at(world, services, tmp_path / "picks.csv", contents) is None
    assert world.rows() == []
