"""What a channel is told, on a real database: each thing once, nothing of history, nothing lost where it was dead."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core import batches
from core.alerts.alerts import Alerts
from core.alerts.channel import Channels
from core.alerts.outbox import Outbox
from core.alerts.told import PREFIX
from core.backfill import backfill
from core.due_work import run_due_work
from core.pausing import begin_pause, resume
from core.prices.source import Close, UnavailableError
from core.services import Services
from core.source_health import HealthLog, SourceKind
from tests.core.alerts.receiving import (
    WITHIN_S,
    Received,
    Service,
    alerting,
    outboxes,
    refuse,
    service,
    tell,
)
from tests.core.world import FIRST, PICKS, SECOND, THIRD, World
from tests.fakes import exchange
from tests.loopback import reply


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


async def at(world: World, services: Services, day: str, clock_time: str = "17:00") -> None:
    """Does what is due then."""
    world.clock.instant = exchange(day, clock_time)
    await run_due_work(services)


def titles(received: list[Received]) -> list[str]:
    return [each.title.removeprefix("Alpha Monday: ") for each in received]


async def test_an_opening_a_day_and_a_completion_are_told_with_their_figures(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        await tell(services)
        [opened] = taker.take()
        assert opened.title == "Alpha Monday: week of 2020-01-06 opened"
        assert opened.body == "Week of 2020-01-06 opened: BUY AAA, BUY BBB, BUY CCC, against SPY (backfilled)"
        await at(world, services, "2020-01-07", "09:00")
        await tell(services)
        taker.take()
        await at(world, services, "2020-01-07")
        await tell(services)
        [day] = taker.take()
        assert day.title == "Alpha Monday: Tue 7 Jan 1 batch computed"
        [(excess,)] = world.rows(
            "select round(avg(vs_benchmark_pct), 2) from pick_checkpoint_metrics m "
            "join checkpoints c on c.id = m.checkpoint_id where checkpoint_date = '2020-01-07'"
        )
        assert excess
        assert day.body == f"Tue 7 Jan: 1 batch computed\n  2020-01-06 day 2 of 14: excess {excess:+} pp"
        await at(world, services, "2020-01-18")
        await tell(services)
        taker.take()
        await at(world, services, "2020-01-19")
        await tell(services)
        ended = taker.take()[0]
        [(mean, *picks)] = world.rows(
            "select round(avg(vs_benchmark_pct), 2), min(vs_benchmark_pct) filter (where ticker = 'AAA') "
            "from pick_checkpoint_metrics m join picks p on p.id = m.pick_id join batches b on b.id = p.batch_id "
            "join checkpoints c on c.id = m.checkpoint_id "
            "where checkpoint_date = '2020-01-17' and run_date = '2020-01-06'"
        )
        assert ended.title.startswith(f"Alpha Monday: batch of 2020-01-06 completed, excess {mean:+} pp; ")
        assert f"Batch of 2020-01-06 completed: excess {mean:+} pp: BUY AAA {picks[0]:+.2f} pp, BUY BBB" in ended.body
        assert "Sun 19 Jan: skipped, market closed" in ended.body
        assert ended.severity == "success"
        await tell(services)
        assert taker.take() == []


async def test_nothing_is_told_of_history_at_the_first_start(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        await at(world, services, "2020-01-06", "09:00")
        await at(world, services, "2020-01-11")
        await tell(services)
        await tell(services)
        assert taker.take() == []
        await at(world, services, "2020-01-12")
        await tell(services)
        assert titles(taker.take()) == ["Sun 12 Jan skipped, market closed"]


async def test_a_dead_channel_is_told_later_what_it_missed_in_one_message_and_the_others_once(
    world: World, taker: Service
) -> None:
    with service() as dead:
        dead.answers(refuse)
        async with alerting(world, dead.url, taker.url) as services:
            for _ in range(2):
                await tell(services)
            await at(world, services, "2020-01-06", "09:00")
            await tell(services)
            await at(world, services, "2020-01-06")
            await tell(services)
            await at(world, services, "2020-01-07")
            for _ in range(3):
                await tell(services)
            assert [len(titles([each])) for each in taker.received] == [1, 1, 1]
            dead.take()
            dead.answers(lambda _: reply())
            await tell(services)
            [late] = dead.take()
            assert titles([late]) == [
                "week of 2020-01-06 opened; Mon 6 Jan 1 batch computed; Tue 7 Jan 1 batch computed"
            ]
            await tell(services)
            assert dead.take() == []
            assert len(taker.received) == 3


async def test_what_was_sent_and_not_kept_is_sent_again_after_a_restart(
    world: World, taker: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the service's answer and the database's: at least once."""
    async with alerting(world, taker.url) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        with monkeypatch.context() as patched:

            async def killed(*_: object) -> Any:
                raise asyncio.CancelledError

            patched.setattr(Outbox, "_keep", killed)
            with pytest.raises(asyncio.CancelledError):
                await tell(services)
    async with alerting(world, taker.url) as services:
        await tell(services)
        await tell(services)
    assert titles(taker.take()) == ["week of 2020-01-06 opened"] * 2


async def test_a_replay_is_one_message_with_counts(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("opened", "checkpoint", "completed", "missed")) as services:
        await tell(services)
        world.clock.instant = exchange("2020-06-01", "12:00")
        await backfill(services, dict.fromkeys((FIRST, SECOND, THIRD), PICKS))
        await tell(services)
        [replay] = taker.take()
        assert titles([replay]) == ["summed up: 3 weeks opened"]
        [(computed, skipped)] = world.rows(
            "select count(*) filter (where status = 'computed'), count(*) filter (where status = 'skipped') "
            "from checkpoints"
        )
        assert replay.body.splitlines() == [
            "Summed up, from 2020-01-06 to 2020-02-02:",
            "  3 weeks opened",
            "  3 batches completed",
            f"  {computed} days computed",
            f"  {skipped} days skipped",
        ]
        await at(world, services, "2020-06-01", "13:00")
        await tell(services)
        [missed] = taker.take()
        assert "17 Mondays noted as missed" in missed.body
        assert "The week of 2020-06-01 was not opened: no scheduler ran" in missed.body
        assert missed.severity == "failure"


async def test_what_is_not_chosen_is_not_told_now_nor_later(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("completed",)) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        await at(world, services, "2020-01-07")
        await tell(services)
        assert taker.take() == []
    async with alerting(world, taker.url) as services:
        await tell(services)
        assert taker.take() == []


async def test_a_missed_opening_is_told_with_its_cause_and_what_helps(world: World, taker: Service) -> None:
    world.picks.weeks.discard(SECOND)
    async with alerting(world, taker.url, on=("missed",)) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        await at(world, services, "2020-01-13", "09:10")
        await at(world, services, "2020-01-13", "09:30")
        await tell(services)
        [missed] = taker.take()
    assert titles([missed]) == ["week of 2020-01-13 not opened"]
    assert "no picks in time (nothing for 2020-01-13)" in missed.body
    assert "alpha-monday open 2020-01-13 --late" in missed.body


async def test_a_close_that_is_not_believed_is_told_once(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("reminder",)) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        closes = dict(world.prices.closes_by_symbol["BBB"])
        closes[date(2020, 1, 7)] = Close(Decimal(1))
        world.prices.closes_by_symbol = {**world.prices.closes_by_symbol, "BBB": closes}
        for clock_time in ("17:00", "20:00"):
            await at(world, services, "2020-01-07", clock_time)
            await tell(services)
        [reminder] = taker.take()
        assert titles([reminder]) == ["BBB: a close waits for your word"]
        assert "alpha-monday accept 2020-01-06" in reminder.body


async def test_an_opening_that_waits_for_picks_is_reminded_of_once(world: World, taker: Service) -> None:
    world.picks.weeks.discard(SECOND)
    async with alerting(world, taker.url, on=("reminder",), pick_source="manual") as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        await tell(services)
        assert taker.take() == []
        for clock_time in ("09:00", "09:10", "09:20"):
            await at(world, services, "2020-01-13", clock_time)
            await tell(services)
        [reminder] = taker.take()
        assert titles([reminder]) == ["week of 2020-01-13 waits for its opening"]
        assert "is on until Mon 13 Jan 09:30" in reminder.body
        assert "Stage three picks with n in the TUI" in reminder.body
        await at(world, services, "2020-01-13", "09:40")
        await tell(services)
        assert taker.take() == []


async def test_a_source_that_fails_for_long_is_told_once_and_its_recovery(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("source",)) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        world.prices.failure = UnavailableError("the provider is <b>away</b>", "Wait.")
        told = []
        for hours in range(0, 30, 2):
            world.clock.instant = exchange("2020-01-06", "16:30") + timedelta(hours=hours)
            await note_failure(services)
            await tell(services)
            told += [(hours, received) for received in taker.take()]
        [(hours, failing)] = told
        assert hours == 6
        assert titles([failing]) == ["prices source scripted is failing"]
        assert "has failed since Mon 6 Jan 16:30 exchange time" in failing.body
        assert "the provider is ‹b›away‹∕b›" in failing.body
        world.prices.failure = None
        await run_due_work(services)
        await tell(services)
        await tell(services)
        [works] = taker.take()
        assert titles([works]) == ["prices source scripted works again"]


async def note_failure(services: Services) -> None:
    """Asks the source, whatever its back-off."""
    health = HealthLog(services.clock, services.settings.secrets)
    health.raised(SourceKind.PRICES, services.sources[0], UnavailableError("the provider is <b>away</b>", "Wait."))
    async with services.database.transaction() as connection:
        await health.flush(connection)


async def test_the_digest_comes_once_a_week_and_late_where_nobody_ran(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("digest",)) as services:
        await tell(services)
        await at(world, services, "2020-01-06", "09:00")
        for day, clock_time in (("2020-01-10", "23:00"), ("2020-01-11", "08:59")):
            await at(world, services, day, clock_time)
            await tell(services)
        assert taker.take() == []
        await at(world, services, "2020-01-11", "09:00")
        for _ in range(3):
            await tell(services)
        [first] = taker.take()
        assert titles([first]) == ["the week to Sat 11 Jan: 1 open, 0 completed"]
        world.clock.instant = exchange("2020-01-05", "10:00")
        await tell(services)
        assert taker.take() == [], "a clock that steps back brings no old one"
        await at(world, services, "2020-01-13", "09:00")
        world.prices.failure = UnavailableError("the provider is away", "Wait.")
        await at(world, services, "2020-01-24", "17:00")
    async with alerting(world, taker.url, on=("digest",)) as services:
        world.clock.instant = exchange("2020-01-27", "08:00")
        await tell(services)
        await tell(services)
        [late] = taker.take()
    lines = late.body.splitlines()
    assert lines[0] == "Open:"
    assert any(line.startswith("  2020-01-13 day 14 of 14, ") and "waiting" in line for line in lines)
    assert "Failing:" in lines
    assert "Monday 2020-01-27:" in lines
    assert len([line for line in lines if "waits, the source is unavailable" in line]) > 0


async def test_a_pause_and_its_end_are_told(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("leadership",)) as services:
        await tell(services)
        await begin_pause(services, "ann@host", "moving `house`")
        await tell(services)
        await resume(services, "bob@host")
        await tell(services)
    assert titles(taker.take()) == [
        "ann＠host paused the schedulers: moving ˋhouseˋ",
        "bob＠host let the schedulers go on",
    ]


async def test_a_batch_that_an_operator_fails_is_told_whatever_its_week(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        await at(world, services, "2020-01-06", "09:00")
        await tell(services)
        world.clock.instant = exchange("2020-03-06")
        await batches.fail(services, FIRST, "the wrong week @everyone")
        await tell(services)
    [failed] = taker.take()[:1]
    assert "Batch of 2020-01-06 marked failed: the wrong week ＠everyone" in failed.body


async def test_two_leaders_tell_twice_at_worst_and_lose_nothing(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services, alerting(world, taker.url) as others:
        await tell(services)
        seen: set[str] = set()
        for day in range(6, 17):
            world.picks.weeks = {FIRST, SECOND}
            await at(world, services, f"2020-01-{day:02}", "09:00")
            await at(world, services, f"2020-01-{day:02}")
            await asyncio.gather(tell(services), tell(others))
            seen |= {part for title in titles(taker.take()) for part in title.split("; ")}
        await tell(others)
        assert taker.take() == []
    assert {f"week of {run_date} opened" for run_date in (FIRST, SECOND)} <= seen
    assert {word for title in seen for word in title.split() if word in ("Mon", "Tue", "Wed", "Thu", "Fri")} == {
        "Mon", "Tue", "Wed", "Thu", "Fri",
    }  # fmt: skip


async def test_a_round_that_fails_is_logged_once_and_the_next_one_tells(
    world: World, taker: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    async with alerting(world, taker.url) as services:
        alerts = Alerts(services, Channels(services.settings))
        await alerts.run_once()
        await at(world, services, "2020-01-06", "09:00")
        with monkeypatch.context() as patched:

            async def broken(*_: object) -> Any:
                raise KeyError("a defect")

            patched.setattr(Outbox, "_look", broken)
            await alerts.run_once()
            await alerts.run_once()
        assert [vars(record)["event"] for record in caplog.records] == ["alerts_unread"]
        assert caplog.records[0].exc_info
        await alerts.run_once()
        await alerts.close()
    assert titles(taker.take()) == ["week of 2020-01-06 opened"]


async def test_a_channel_that_failed_is_left_alone_for_a_while(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        alerts = Alerts(services, Channels(services.settings))
        await alerts.run_once()
        await at(world, services, "2020-01-06", "09:00")
        taker.answers(refuse)
        for _ in range(5):
            await alerts.run_once()
        await alerts.close()
    assert len(taker.received) == 1


async def test_a_silent_service_holds_up_nobody(world: World, taker: Service) -> None:
    with service() as silent:
        silent.answers(lambda _: None)
        async with alerting(world, silent.url, taker.url) as services:
            await tell(services)
            alerts = Alerts(services, Channels(services.settings))
            await at(world, services, "2020-01-06", "09:00")
            began = asyncio.get_running_loop().time()
            alerts.look()
            alerts.look()
            assert asyncio.get_running_loop().time() - began < 0.5
            async with asyncio.timeout(WITHIN_S):
                while not (taker.provider.requests and silent.provider.requests):  # noqa: ASYNC110 - they come in threads
                    await asyncio.sleep(0.01)
            await at(world, services, "2020-01-06")
            async with asyncio.timeout(1):
                await alerts.close()
    assert len(world.rows("select from checkpoints")) == 1


async def test_nothing_is_read_where_no_channel_is_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(*_: object) -> Any:
        raise AssertionError("the database was read for nobody")

    monkeypatch.setattr(Outbox, "_look", asked)
    async with world.services() as services:
        before = asyncio.all_tasks()
        alerts = Alerts(services, Channels(services.settings))
        alerts.look()
        await alerts.run_once()
        assert asyncio.all_tasks() == before
        await alerts.close()


async def test_events_of_other_programs_and_forms_do_no_harm(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        await at(world, services, "2020-01-06", "09:00")
        await tell(services)
        [(batch_id,)] = world.rows("select id from batches")
        with psycopg.connect(world.conninfo) as connection:
            for event_type in ("nonsense", "batch_completed", "batch_missed", "checkpoint_skipped", "symbol_stopped"):
                for payload in ("[1]", '"x"', "null", "{}", '{"symbols": 1, "checkpoint_date": 7, "run_date": {}}'):
                    connection.execute(
                        "insert into events (id, batch_id, event_type, payload) values (uuidv7(), %s, %s, %s::jsonb)",
                        (batch_id, event_type, payload),
                    )
        await tell(services)
        await tell(services)
        assert len(taker.take()) == 1


async def test_what_stands_in_another_form_makes_a_channel_new(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        await tell(services)
        with psycopg.connect(world.conninfo) as connection:
            connection.execute("update scheduler_state set value = '[]' where name = %s", (PREFIX + "json 1",))
        await at(world, services, "2020-01-06", "09:00")
        await tell(services)
        await tell(services)
        assert taker.take() == []


async def test_secrets_in_a_source_s_words_are_masked(world: World, taker: Service) -> None:
    async with alerting(world, taker.url, on=("missed",)) as services:
        secret = next(iter(each for each in services.settings.secrets() if each.startswith("T0ken")))
        await tell(services)
        world.picks.weeks = {FIRST}
        await at(world, services, "2020-01-06", "09:00")
        with psycopg.connect(world.conninfo) as connection:
            connection.execute(
                "insert into events (id, event_type, payload) values (uuidv7(), 'batch_missed', %s::jsonb)",
                ('{"run_date": "2020-01-06", "cause": "unavailable", "detail": "GET ' + secret + '"}',),
            )
        [outbox] = await outboxes(services)
        await outbox.tell()
    [missed] = taker.take()
    assert "GET ∗∗∗" in missed.body
    assert secret not in missed.body
