"""The log takes events of any program with the right to write; none of them may take the screens away."""

import json
from datetime import date

import psycopg
from uuid_utils.compat import uuid7

from core.due_work import run_due_work
from core.problems import problems
from core.reading import batch_detail, batch_page, event_page
from core.schedule_view import schedule_view, who_schedules
from core.week_list import MissedWeeks, WeekQuery, WeekSort, week_page
from db.events import EventType
from tests.core.world import FIRST, World
from tests.fakes import exchange

NOTHING_THAT_IS_MEANT: tuple[object, ...] = (
    [], "x", 7, None, {}, {"run_date": "2020-02-31"}, {"run_date": "99999-01-02"}, {"run_date": "0000-01-01"},
    {"run_date": ["2020-01-13"], "cause": {}}, {"run_date": "infinity"}, {"run_date": 20200113}, {"checkpoint_date": 1},
)  # fmt: skip


async def test_whatever_stands_in_it_every_reader_goes_on(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-14")
        await run_due_work(services)
        [(batch_id,)] = world.rows("select id from batches where run_date = '2020-01-06'")
        with psycopg.connect(world.conninfo) as connection:
            for event_type in EventType:
                for payload in NOTHING_THAT_IS_MEANT:
                    connection.execute(
                        "insert into events (id, batch_id, event_type, payload) values (%s, %s, %s, %s)",
                        (uuid7(), None if event_type is EventType.BATCH_MISSED else batch_id, event_type.value,
                         json.dumps(payload)),
                    )  # fmt: skip
        missed = {date(2020, 1, 13)}
        assert len((await event_page(services, limit=500)).events) > len(EventType) * len(NOTHING_THAT_IS_MEANT)
        for sort in WeekSort:
            page = await week_page(services, WeekQuery(sort=sort))
            assert {week.run_date for week in page.rows if isinstance(week, MissedWeeks)} <= missed
        assert {week.run_date for week in (await batch_page(services)).missed} == missed
        assert {problem.run_date for problem in await problems(services, None) if problem.kind == "missed"} <= missed
        detail = await batch_detail(services, FIRST)
        assert detail is not None
        await schedule_view(services)
        assert (await who_schedules(services)).paused is None
        world.clock.instant = exchange("2020-02-20")
        report, _ = await run_due_work(services)
        assert report.computed > 0
