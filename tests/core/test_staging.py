"""Picks for a week still to come: in the operator's file, exactly, and nothing else of it touched."""

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from core.due_work import run_due_work
from core.picks.file import FilePicks
from core.picks.source import PickDraft
from core.services import Services, pick_source_called
from core.settings import Settings, SettingsError
from core.staging import StagingError, stage, staged, unstage, why_not
from db.database import Database
from db.records import Action
from tests.core.world import FIRST, PICKS, SECOND, THIRD, World
from tests.fakes import FixedClock, exchange
from tests.planting import NOBODY, acting_as

OTHERS = (PickDraft("DDD", Action.SELL, "Dear."), *PICKS[1:])
HEADER = "run_date,ticker,action,reasoning\n"


def rows(run_date: date, drafts: tuple[PickDraft, ...], end: str = "\n") -> str:
    return "".join(f"{run_date},{d.ticker},{d.action},{d.reasoning}{end}" for d in drafts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picks.csv"


def text(path: Path) -> str:
    return path.read_text()


@dataclass(frozen=True)
class Named:
    """A pick source of which only the name matters."""

    name: str

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        raise AssertionError(run_date)


def put(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def holds(path: Path, content: bytes) -> bool:
    return path.read_bytes() == content


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(path: Path) -> list[str]:
    """The names of the files in the same directory."""
    return sorted(file.name for file in path.parent.iterdir())


def on(services: Services, day: date, clock_time: str) -> Services:
    """The same services at another moment, in exchange time."""
    return replace(services, clock=FixedClock(exchange(day.isoformat(), clock_time)))


@pytest.fixture
async def services(conninfo: str, path: Path) -> AsyncIterator[Services]:
    """The clock stands at the opening of the first week."""
    async with World(conninfo).services() as plain:
        chosen = Settings(pick_source="file", picks_file=path)
        yield replace(plain, settings=chosen, pick_source=FilePicks(path, "SPY"))


async def test_a_staged_week_is_listed_and_opened_on_its_monday(services: Services, path: Path) -> None:
    assert await staged(services) == ()
    await stage(services, SECOND, PICKS)
    await stage(services, THIRD, OTHERS)
    await stage(services, SECOND, OTHERS)
    assert mode(path) == 0o600
    assert text(path) == HEADER + rows(SECOND, OTHERS) + rows(THIRD, OTHERS)
    assert [(week.run_date, week.drafts, week.opens_at) for week in await staged(services)] == [
        (SECOND, OTHERS, exchange(SECOND.isoformat(), "09:00")),
        (THIRD, OTHERS, exchange(THIRD.isoformat(), "09:00")),
    ]
    await stage(services, SECOND, PICKS)
    monday = on(services, SECOND, "09:29")
    assert len(await staged(monday)) == 2
    assert (await run_due_work(monday))[0].opened == 1
    assert [week.run_date for week in await staged(monday)] == [THIRD]
    with pytest.raises(StagingError, match="opened already"):
        await stage(monday, SECOND, OTHERS)
    with pytest.raises(StagingError, match="opened already"):
        await unstage(monday, SECOND)


async def test_what_is_past_is_not_staged(services: Services, path: Path) -> None:
    put(path, HEADER + rows(FIRST, PICKS))
    assert [week.run_date for week in await staged(services)] == [FIRST]
    late = on(services, FIRST, "09:30")
    assert await staged(late) == ()
    with pytest.raises(StagingError, match="ended at 09:30"):
        await stage(late, FIRST, OTHERS)
    with pytest.raises(StagingError, match="ended at 09:30"):
        await unstage(late, FIRST)
    assert text(path) == HEADER + rows(FIRST, PICKS)


@pytest.mark.parametrize(
    ("run_date", "drafts", "said"),
    [
        (SECOND + timedelta(days=1), PICKS, "is a Tuesday"),
        (date(2100, 12, 27), PICKS, "does not cover"),
        (SECOND, PICKS[:2], "2 picks instead of 3"),
        (SECOND, (PickDraft("SPY", Action.BUY, "x"), *PICKS[1:]), "SPY is the benchmark"),
        (SECOND, (PickDraft("AAA", Action.BUY, "nul\0"), *PICKS[1:]), "NUL"),
        (SECOND, (PickDraft("AAA", Action.BUY, "\ud800"), *PICKS[1:]), "surrogate"),
        (SECOND, (PickDraft("AAA\n", Action.BUY, " \n"), *PICKS[1:]), "reasoning is empty"),
    ],
)
async def test_what_could_never_be_opened_is_refused(
    services: Services, path: Path, run_date: date, drafts: tuple[PickDraft, ...], said: str
) -> None:
    with pytest.raises(StagingError, match=said):
        await stage(services, run_date, drafts)
    assert beside(path) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (HEADER.encode() + b"2020-01-06,AAA,HOLD,x\n", "line 2: not BUY or SELL: 'HOLD'"),
        (HEADER.encode() + b'2020-01-06,AAA,BUY,"x\n', "not CSV"),
        (b"ticker,action\n", "is missing"),
        (HEADER.encode() + b"\xff", "not UTF-8"),
    ],
)
async def test_a_malformed_file_is_told_and_not_touched(
    services: Services, path: Path, content: bytes, said: str
) -> None:
    put(path, content)
    for attempt in (staged(services), stage(services, SECOND, PICKS), unstage(services, SECOND)):
        with pytest.raises(StagingError, match=said) as caught:
            await attempt
        assert str(path) in caught.value.message
    assert holds(path, content)
    assert beside(path) == [path.name]


async def test_a_path_that_is_no_file_is_told(services: Services, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, said in (("", "not a regular file"), ("loop", "loop"), ("absent/picks.csv", "No such file")):
        wrong = replace(services, settings=Settings(pick_source="file", picks_file=tmp_path / name))
        with pytest.raises(StagingError, match=said):
            await stage(wrong, SECOND, PICKS)
    with pytest.raises(StagingError, match="symbolic links"):
        await staged(replace(services, settings=Settings(pick_source="file", picks_file=tmp_path / "loop")))


async def test_a_failure_while_writing_leaves_the_file_as_it_was(
    services: Services, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage(services, SECOND, PICKS)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StagingError, match="No space left on device"):
            await stage(services, THIRD, PICKS)
    assert text(path) == HEADER + rows(SECOND, PICKS)
    assert beside(path) == [path.name]


async def test_many_at_once_lose_no_week(services: Services, path: Path) -> None:
    weeks = [SECOND + timedelta(weeks=n) for n in range(12)]
    await asyncio.gather(*(stage(services, run_date, PICKS) for run_date in weeks))
    assert [week.run_date for week in await staged(services)] == weeks
    await asyncio.gather(*(unstage(services, run_date) for run_date in weeks))
    assert text(path) == HEADER


async def test_every_listening_screen_hears_of_it(services: Services, path: Path) -> None:
    heard: list[frozenset[date] | None] = []
    async with asyncio.timeout(20):  # only where nothing is said
        async for run_dates in services.database.notifications():
            heard.append(run_dates)
            if len(heard) == 1:
                await stage(services, SECOND, PICKS)
                await unstage(services, SECOND)
            if len(heard) == 3:
                break
    assert heard[1:] == [frozenset({SECOND})] * 2


async def test_taking_away_what_is_not_there_makes_no_file(services: Services, path: Path) -> None:
    await unstage(services, SECOND)
    assert beside(path) == []


async def test_why_nothing_can_be_staged_is_a_sentence(services: Services, conninfo: str, path: Path) -> None:
    assert why_not(services) is None
    assert why_not(replace(services, settings=Settings(pick_source="manual"))) is None, "it has a file of its own"
    momentum = replace(
        services, settings=Settings(pick_source="momentum", picks_file=path), pick_source=Named("momentum")
    )
    nothing = replace(services, settings=Settings(pick_source="file"))
    looking = replace(services, database=Database(conninfo, read_only=True))
    put(path, HEADER + rows(SECOND, PICKS))
    for closed, said, shown in (
        (momentum, "takes its picks from momentum", 0),
        (nothing, "No picks file is set", 0),
        (replace(services, settings=Settings(), pick_source=None), "from no source", 0),
    ):
        assert said in (why_not(closed) or "")
        with pytest.raises(StagingError, match=said):
            await stage(closed, SECOND, PICKS)
        assert len(await staged(closed)) == shown
    async with looking.database:
        assert why_not(looking) == "This session is read-only."
        assert [week.run_date for week in await staged(looking)] == [SECOND]
        with pytest.raises(StagingError, match="read-only"):
            await unstage(looking, SECOND)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_root_stages_nothing_where_others_can_put_a_link(services: Services, reachable_directory: Path) -> None:
    """Through it root would write to any file, and read any."""
    data = Path(tempfile.mkdtemp(dir=reachable_directory))
    target = data.with_name(f"{data.name}.target")
    target.write_text(HEADER)
    os.chown(data, NOBODY, NOBODY)
    with acting_as(NOBODY):
        (data / "staged.csv").symlink_to(target)
    manual = replace(services, settings=Settings(pick_source="manual", data_dir=data))
    assert "others than root can write" in (why_not(manual) or "")
    with pytest.raises(StagingError, match="others than root can write"):
        await stage(manual, SECOND, PICKS)
    with pytest.raises(StagingError, match="others than root can write"):
        await staged(manual)
    with pytest.raises(SettingsError, match="others than root can write"):
        pick_source_called("manual", manual.settings, manual.calendar, ())
    assert target.read_text() == HEADER
    os.chown(data, 0, 0)
    (data / "staged.csv").unlink()
    await stage(manual, SECOND, PICKS)
    assert [week.run_date for week in await staged(manual)] == [SECOND]
