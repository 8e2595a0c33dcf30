"""The machine that does everything to a database at once, and what must hold after each of its steps."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core import batches
from core.backfill import backfill
from core.due_work import run_due_work
from core.pausing import pause, resume
from core.prices.source import Answer, UnavailableError
from core.services import Services
from core.settings import Settings
from core.trading_calendar import batch_days
from db.embedded import EmbeddedServer
from db.errors import DatabaseUnavailableError, LeadershipLostError
from tests.core.world import CALENDAR, FIRST, PICKS, RULES, SECOND, SYMBOLS, THIRD, PicksOfWeeks, all_closes
from tests.databases import cloned, leading
from tests.fakes import FixedClock, ScriptedPrices, exchange
from tests.faults.market import OTHER_PICKS
from tests.faults.mortal import Fate, MortalDatabase
from tests.faults.rows import Row, broken, content
from tests.faults.turning import Turning

FIRST_INSTANT, LAST_INSTANT = exchange("2020-01-06", "08:00"), exchange("2020-02-14", "18:00")
WEEKS = (FIRST, SECOND, THIRD)
WITHIN_S = 20
_MOST_MOMENTS = 14
_MOST_TRIES_TO_FAIL = 2  # what rules are open to draw from must not depend on who wins a race
_ANY_WEEK = st.sampled_from(WEEKS)
_MOMENTS = st.integers(0, _MOST_MOMENTS)

Result = TypeVar("Result")


class ExactlyOnce(RuleBasedStateMachine):
    """Time passes and jumps, processes die, leaders lose the lead, prices come and go, operators act."""

    server: EmbeddedServer
    template: str
    undisturbed: frozenset[Row]
    counts: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.counts["histories"] += 1
        self.clone = cloned(self.server, self.template)
        self.conninfo = self.clone.__enter__()
        self.loop = asyncio.new_event_loop()
        self.clock = FixedClock(FIRST_INSTANT)
        self.highest = FIRST_INSTANT
        self.closes = all_closes()
        self.prices = ScriptedPrices(self.closes)
        self.withheld: set[tuple[str, date]] = set()
        self.ever_withheld: set[date] = set()
        self.failed: set[date] = set()
        self.tries_to_fail = 0
        self.seen: Counter[Row] = Counter()
        self.is_paused = False

    def teardown(self) -> None:
        try:
            self.all_ends_well()
        finally:
            self.loop.close()
            self.clone.__exit__(None, None, None)

    # What processes are

    @asynccontextmanager
    async def process(self, fate: Fate | None = None, prices: ScriptedPrices | None = None) -> AsyncIterator[Services]:
        """A process that has just started: nothing is left of those before it but the database."""
        settings = Settings.model_construct(provider_settings={}, tick_every=timedelta(milliseconds=5))
        async with MortalDatabase(self.conninfo, fate or Fate(None)) as database:
            yield Services(
                settings, self.clock, CALENDAR, RULES, database, (prices or self.prices,), PicksOfWeeks(set(WEEKS))
            )

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(work)

    def ticks(self, processes: int, as_of: datetime | None = None) -> None:
        """So many processes look for work at the same time."""

        async def all_at_once() -> None:
            async with AsyncExitStack() as stack:
                some = [await stack.enter_async_context(self.process()) for _ in range(processes)]
                await asyncio.gather(*(run_due_work(services, as_of) for services in some))

        self.run(all_at_once())

    def read_clock(self, instant: datetime) -> None:
        """Sets the clock, within the weeks that there are prices for."""
        self.clock.instant = min(max(instant, FIRST_INSTANT), LAST_INSTANT)
        self.highest = max(self.highest, self.clock.instant)

    # Time

    @rule(hours=st.sampled_from([1, 8, 24, 24, 60, 170]), processes=st.sampled_from([1, 1, 2]))
    def time_passes(self, hours: int, processes: int) -> None:
        self.read_clock(self.clock.instant + timedelta(hours=hours))
        self.ticks(processes)

    @rule(minutes=st.one_of(st.integers(-2 * 1440, 1440), st.just(7 * 1440)))
    def the_clock_jumps(self, minutes: int) -> None:
        self.read_clock(self.clock.instant + timedelta(minutes=minutes))
        self.ticks(1)

    @rule(week=_ANY_WEEK, minute=st.integers(-1, 40))
    def a_monday_comes(self, week: date, minute: int) -> None:
        self.read_clock(exchange(week.isoformat(), "09:00") + timedelta(minutes=minute))
        self.ticks(2)

    @rule(week=_ANY_WEEK, offset=st.integers(10, 13))
    def an_evening_comes(self, week: date, offset: int) -> None:
        """Of one of a batch's last days."""
        self.read_clock(exchange((week + timedelta(days=offset)).isoformat()))
        self.ticks(1)

    # Processes that die, lead, stand by and are replaced

    @rule(dies_at=_MOMENTS, hours=st.sampled_from([0, 24, 170]))
    def a_process_dies_in_a_tick(self, dies_at: int, hours: int) -> None:
        self.read_clock(self.clock.instant + timedelta(hours=hours))
        self.dies(Fate(dies_at), run_due_work)

    @rule(week=_ANY_WEEK, dies_at=_MOMENTS)
    def a_process_dies_in_a_backfill(self, week: date, dies_at: int) -> None:
        self.dies(Fate(dies_at), lambda services: backfill(services, {week: PICKS}))

    @precondition(lambda self: self.tries_to_fail < _MOST_TRIES_TO_FAIL)
    @rule(week=st.sampled_from([FIRST, SECOND]), dies_at=st.integers(0, 6))
    def a_process_dies_failing_a_batch(self, week: date, dies_at: int) -> None:
        self.tries_to_fail += 1
        try:
            self.dies(Fate(dies_at), lambda services: batches.fail(services, week, "On purpose."))
        except (batches.NotFoundError, batches.NotPossibleError):
            return
        if any(row.key == f"batch_failed {week}" for row in content(self.conninfo)):
            self.failed.add(week)

    def dies(self, fate: Fate, work: Any) -> None:
        """Does some work in a process whose session dies, if it comes so far."""

        async def dying() -> None:
            async with self.process(fate) as services:
                await work(services)

        try:
            self.run(dying())
        except DatabaseUnavailableError:
            assert fate.died, "nothing else was in the way"
        else:
            assert not fate.died, "a death goes unnoticed"
        finally:
            self.counts["deaths"] += fate.died

    @rule(count=st.integers(1, 2), hours=st.sampled_from([0, 1, 24, 60]), dies_at=st.none() | _MOMENTS)
    def schedulers_run(self, count: int, hours: int, dies_at: int | None) -> None:
        """One leads and ticks while the others stand by; the first one's session may die, and it goes on by itself."""
        self.read_clock(self.clock.instant + timedelta(hours=hours))

        turned = asyncio.Event()

        async def scheduling() -> None:
            async with AsyncExitStack() as stack:
                fates = [Fate(dies_at), *[Fate(None)] * (count - 1)]
                some = [await stack.enter_async_context(self.process(fate)) for fate in fates]
                schedulers = [Turning(each, turned, number) for number, each in enumerate(some)]
                running = [asyncio.create_task(scheduler.run()) for scheduler in schedulers]
                await asyncio.wait_for(turned.wait(), WITHIN_S)
                for scheduler in schedulers:
                    scheduler.stop()
                await asyncio.gather(*running)
                self.counts["deaths"] += fates[0].died

        before = content(self.conninfo)
        self.run(scheduling())
        if self.is_paused:
            assert content(self.conninfo) == before, "who is paused writes nothing"

    @rule(hours=st.sampled_from([1, 24, 60]), taken_over=st.booleans())
    def a_leader_loses_the_lead_without_knowing(self, hours: int, taken_over: bool) -> None:
        """Its session is gone while it waits for prices; whatever it then tries to write is refused."""
        self.read_clock(self.clock.instant + timedelta(hours=hours))
        asked, answered = asyncio.Event(), asyncio.Event()

        class Slow(ScriptedPrices):
            async def closes(self, *args: Any) -> Answer:
                asked.set()
                await answered.wait()
                return await super().closes(*args)

        async def losing() -> None:
            async with self.process(prices=Slow(self.closes, name="lost")) as old, self.process() as new:
                async with leading(old.database) as term:
                    pid = term.session
                    old_work = asyncio.create_task(run_due_work(replace(old, database=old.database.fenced(term))))
                    waiting = asyncio.create_task(asked.wait())
                    await asyncio.wait({old_work, waiting}, return_when=asyncio.FIRST_COMPLETED)
                await self.end_of_session(new, pid)
                if taken_over:
                    await self.lead_and_tick(new)
                answered.set()
                waiting.cancel()
                [outcome] = await asyncio.gather(old_work, return_exceptions=True)
                if asked.is_set():
                    self.counts["refused leaders"] += 1
                    assert isinstance(outcome, LeadershipLostError), outcome
                elif isinstance(outcome, BaseException):
                    raise outcome

        self.run(losing())

    async def end_of_session(self, services: Services, pid: int) -> None:
        """Waits until the server has ended a session that is closed: until then it holds its locks, and leads."""
        async with asyncio.timeout(WITHIN_S), services.database.connection() as connection:
            # The server tells nobody that a session has ended.
            while await (await connection.execute("select from pg_locks where pid = %s", (pid,))).fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    async def lead_and_tick(self, services: Services) -> None:
        """Takes the lead that is free, and works as the leader."""
        async with leading(services.database) as term:
            await run_due_work(replace(services, database=services.database.fenced(term)))

    # Prices

    @rule(symbol=st.sampled_from(SYMBOLS), ahead=st.integers(-1, 4))
    def a_price_vanishes(self, symbol: str, ahead: int) -> None:
        day = self.clock.instant.date() + timedelta(days=ahead)
        if self.closes[symbol].pop(day, None) is not None:
            self.withheld.add((symbol, day))
            self.ever_withheld.add(day)

    @precondition(lambda self: self.withheld)
    @rule(choice=st.randoms(use_true_random=False))
    def a_price_appears(self, choice: random.Random) -> None:
        symbol, day = choice.choice(sorted(self.withheld))
        self.withheld.discard((symbol, day))
        self.closes[symbol][day] = all_closes()[symbol][day]
        self.ticks(1, self.clock.instant)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def a_close_is_late(self, symbol: str) -> None:
        """It is missing on the evening of the next session, and comes before anybody asks again."""
        day = CALENDAR.next_session(self.clock.instant.date())
        close = self.closes[symbol].pop(day, None)
        self.read_clock(exchange(day.isoformat()))
        self.ticks(1)
        if close is not None:
            self.closes[symbol][day] = close
        self.ticks(2, self.clock.instant)

    @rule()
    def the_provider_goes_away_or_returns(self) -> None:
        away = UnavailableError("the provider is away", "Wait.")
        self.prices.failure = None if self.prices.failure else away

    # Operators

    @rule(week=_ANY_WEEK, same=st.sampled_from([True, True, False]))
    def an_operator_opens(self, week: date, same: bool) -> None:
        """Late too, beside a tick; other picks only for a week that exists, where they are refused."""
        exists = any(row.table == "batches" and row.key == str(week) for row in content(self.conninfo))
        if not same and not exists:
            return

        async def opening() -> tuple[Any, Any]:
            async with self.process() as one, self.process() as other:
                return await asyncio.gather(
                    batches.open_week(one, week, PICKS if same else OTHER_PICKS, "file", late=True),
                    run_due_work(other),
                    return_exceptions=True,
                )

        opened, worked = self.run(opening())
        if isinstance(worked, BaseException):
            raise worked
        if not same:
            assert isinstance(opened, batches.ConflictError), opened
        elif isinstance(opened, BaseException):
            assert isinstance(opened, batches.NotPossibleError), opened
            assert not exists
        else:
            assert opened.opened + opened.already_there == 1

    @rule(week=_ANY_WEEK)
    def an_operator_backfills(self, week: date) -> None:
        async def filling() -> None:
            async with self.process() as one, self.process() as other:
                await asyncio.gather(backfill(one, {week: PICKS}), run_due_work(other))

        self.run(filling())

    @precondition(lambda self: self.tries_to_fail < _MOST_TRIES_TO_FAIL)
    @rule(week=st.sampled_from([FIRST, SECOND]))
    def an_operator_fails_a_batch(self, week: date) -> None:
        self.tries_to_fail += 1

        async def failing() -> tuple[Any, Any]:
            async with self.process() as one, self.process() as other:
                return await asyncio.gather(
                    batches.fail(one, week, "On purpose."), run_due_work(other), return_exceptions=True
                )

        outcome, worked = self.run(failing())
        if isinstance(worked, BaseException):
            raise worked
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, batches.NotFoundError | batches.NotPossibleError), outcome
        else:
            self.failed.add(week)

    @rule(resumes=st.booleans())
    def an_operator_pauses_or_resumes(self, resumes: bool) -> None:
        async def pausing() -> None:
            async with self.process() as services:
                await (resume(services, "ann") if resumes else pause(services, "ann"))

        self.run(pausing())
        self.is_paused = not resumes

    # What holds after each step

    @invariant()
    def everything_is_whole(self) -> None:
        self.counts["looks"] += 1
        assert broken(self.conninfo) == []

    @invariant()
    def what_is_written_stays(self) -> None:
        rows = content(self.conninfo)
        keys = Counter((row.table, row.key) for row in rows if not row.is_of_schedule)
        assert keys.total() == len(keys), "one row a week, a pick, a day"
        now = Counter(row.without_status for row in rows)
        assert self.seen <= now, "rows never change once written"
        self.seen = now
        for row in rows:
            if row.table == "batches":
                week = date.fromisoformat(row.key)
                assert (row.value.split()[0] == "failed") == (week in self.failed)
                assert RULES.opens_at(CALENDAR, week) <= self.highest, "nothing is opened before its time"
            if row.table == "checkpoints":
                day = date.fromisoformat(row.key.split()[1])
                assert RULES.due_at(CALENDAR, day) <= self.highest, "nothing is written before it is due"

    @invariant()
    def what_is_written_is_that_of_an_undisturbed_run(self) -> None:
        """But for days whose prices were withheld for a time, and what only a disturbed run has to tell."""
        strange = set(content(self.conninfo)) - self.undisturbed
        assert [row for row in strange if not self.is_allowed(row)] == []

    def is_allowed(self, row: Row) -> bool:
        """Whether a disturbance explains that a row is not that of an undisturbed run."""
        if row.is_missed or row.is_of_schedule:
            return True
        if row.table == "batches" or row.key.startswith(("batch_completed", "batch_failed")):
            return True  # `broken` compares them with the days that are there
        is_skipped = row.value.startswith("skipped") or row.key.startswith("checkpoint_skipped")
        return is_skipped and any(str(day) in row.key.split() for day in self.ever_withheld)

    def all_ends_well(self) -> None:
        """With all prices there and the last moment come, every week that was opened is as if nothing had happened."""
        self.closes.update(all_closes())
        self.prices.failure = None
        self.clock.instant = self.highest = LAST_INSTANT + timedelta(days=1)
        self.an_operator_pauses_or_resumes(resumes=True)
        for _ in range(3):
            self.ticks(2)
        self.everything_is_whole()
        self.what_is_written_stays()
        self.what_is_written_is_that_of_an_undisturbed_run()
        found = content(self.conninfo)
        opened = {row.run_date for row in found if row.table == "batches"}
        missing = {row for row in self.undisturbed if row.run_date in opened - self.failed} - set(found)
        assert [row for row in missing if not self.is_explained(row)] == [], "nothing is lost"
        if opened:
            missed = {row.run_date for row in found if row.is_missed}
            unopened = {week for week in WEEKS if week > min(week for week in opened if week)} - opened
            assert unopened <= missed, "a Monday that passed unopened is noted"

    def is_explained(self, row: Row) -> bool:
        """Whether a day whose prices were withheld explains that a row of an undisturbed run is not there."""
        days = set(batch_days(row.run_date)) if row.run_date else set()
        if row.table == "batches" or row.key.startswith("batch_completed"):
            return bool(days & self.ever_withheld)
        return any(str(day) in row.key.split()[1:] for day in self.ever_withheld)
