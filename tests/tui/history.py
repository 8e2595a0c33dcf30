"""A small history: a split, a missed Monday, a failed batch, a day that waits."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from core.backfill import backfill
from core.batches import fail
from core.due_work import run_due_work
from core.picks.source import PickDraft
from core.services import Access, open_services
from core.settings import Settings
from core.settings_layers import load_settings
from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar
from db.records import Action
from tests.databases import as_superuser
from tests.fakes import FixedClock

NOW = datetime(2024, 11, 21, 17, 0, tzinfo=EXCHANGE_ZONE)
FIRST_WEEK = date(2024, 9, 2)
NEWEST_WEEK = date(2024, 11, 18)
MISSED_WEEK = date(2024, 11, 4)
FAILED_WEEK = date(2024, 10, 21)
SPLIT_WEEK = date(2024, 10, 7)
_SYMBOLS = ("SPY", "AAPL", "BRK.B", "COST", "F", "JPM", "KO", "MSFT", "NVDA", "TSLA", "XOM")


def close_of(symbol: str, day: date) -> Decimal:
    """An invented close: a slope and a wave, different for every symbol."""
    number = _SYMBOLS.index(symbol)
    days = (day - FIRST_WEEK).days
    wave = (days * (number + 3)) % 17 - 8
    base = Decimal(560 if symbol == "SPY" else 40 + 37 * number)
    return (base * (10_000 + (3 * number - 12) * days + 12 * wave) / 10_000).quantize(Decimal("0.01"))


def write_prices(path: Path, until: date | None = None) -> None:
    """A price file: KO splits 2:1, and one close of TSLA is missing."""
    lines = ["date,symbol,close,split_factor"]
    for day in TradingCalendar().sessions(FIRST_WEEK - timedelta(days=7), until or NOW.date()):
        for symbol in _SYMBOLS:
            is_split_over = symbol == "KO" and day >= SPLIT_WEEK + timedelta(days=2)
            close = close_of(symbol, day) / (2 if is_split_over else 1)
            factor = 2 if symbol == "KO" and day == SPLIT_WEEK + timedelta(days=2) else 1
            if (symbol, day) != ("TSLA", date(2024, 11, 20)):
                lines.append(f"{day},{symbol},{close},{factor}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def drafts(run_date: date) -> list[PickDraft]:
    """Three picks for a week."""
    week = (run_date - FIRST_WEEK).days // 7
    names = [_SYMBOLS[1 + (week * 3 + offset) % (len(_SYMBOLS) - 1)] for offset in range(3)]
    if run_date == NEWEST_WEEK:
        names = ["NVDA", "TSLA", "BRK.B"]
    words = (
        "Capital expenditure on data centres was guided up again; estimates lag.\nSupply is the limit, not demand.",
        "Deliveries disappoint, and the multiple leaves no room for it.",
        "Cash, patience, and underwriting that pays for both.",
    )
    return [
        PickDraft(name, Action.SELL if (week + offset) % 3 == 1 else Action.BUY, words[offset])
        for offset, name in enumerate(names)
    ]


def all_weeks() -> dict[date, list[PickDraft]]:
    """Every week up to the newest, except the missed one."""
    weeks = [FIRST_WEEK + timedelta(days=7 * week) for week in range((NEWEST_WEEK - FIRST_WEEK).days // 7 + 1)]
    return {week: drafts(week) for week in weeks if week != MISSED_WEEK}


def settings_for(conninfo: str, **values: Any) -> Settings:
    """Settings with a database of the test's own."""
    return load_settings({"database_url": conninfo, **values}).settings


def stand_still(conninfo: str, now: datetime = NOW) -> None:
    """Gives whatever the database timed by its own clock a time of the history: what is drawn must not change."""
    with psycopg.connect(as_superuser(conninfo)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            """
            update events e set created_at = %s::timestamptz + numbered.number * interval '1 second'
            from (select id, row_number() over (order by id) as number from events) numbered
            where numbered.id = e.id
            """,
            (now - timedelta(hours=1),),
        )
        connection.execute(
            "update scheduler_state set value = value || %s, updated_at = %s where name like 'job:%%'",
            (Jsonb({"who": "server:7", "took_s": 0.4}), now),
        )
        # Half of a rest is drawn.
        connection.execute("update waiting_days set next_try_at = last_tried_at + interval '5 minutes'")


async def fill(settings: Settings) -> None:
    """Writes the history through the core."""
    async with open_services(settings, Access.WRITE, clock=FixedClock(NOW)) as services:
        weeks = all_weeks()
        as_failed = datetime(2024, 10, 24, 18, 0, tzinfo=EXCHANGE_ZONE)
        await backfill(services, {week: weeks[week] for week in weeks if week <= FAILED_WEEK}, as_of=as_failed)
        await fail(services, FAILED_WEEK, "picked from a stale file")
        await backfill(services, weeks)
        await run_due_work(services)
