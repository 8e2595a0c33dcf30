"""Everything that parses text from outside: what each parser is given, and what a value that it gives has to be."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from core.catch_up import Existing, plan
from core.csv_rows import decode_text, parse_date
from core.facts import count_in, instant_in, seconds_in, text_in
from core.job_history import Job, last_run
from core.leading import leader_in, standing_by_in, ticks_in, told_leader
from core.pausing import pause_in
from core.picks.check import check_picks, check_reasoning
from core.picks.file import parse_picks
from core.picks.source import PickDraft
from core.picks.universe import parse_universe
from core.price_history import History
from core.prices.csv_file import parse_prices
from core.prices.http import Reply
from core.prices.provider_errors import retry_delay
from core.prices.source import Answer, Basis, Close, parse_price
from core.prices.tiingo import ADDRESS, TiingoPrices
from core.reading import _day
from core.rules import Rules
from core.settings import LONGEST_DURATION, PREFIX
from core.settings_layers import FIELDS, load_settings
from core.settling import _Asking
from core.source_health import health_in
from core.symbol_changes import NO_CHANGES
from core.tickers import parse_ticker
from core.trading_calendar import TradingCalendar
from core.valuation import ComputedDay, Opening, open_week, value_day
from core.weeks import Week
from db.address import parse_conninfo, secrets_of, shown_address
from db.database import _weeks_in
from db.errors import AlphaMondayError
from db.leadership import Lead
from db.records import Action, Checkpoint, CheckpointStatus, SchedulerFact
from tests.faults import hostile
from tests.faults.hostile import MARKER
from tui.command_list import COMMANDS
from tui.keymap import read_keymap
from tui.shell.run import _instant

LONGEST_S = 5.0
_CALENDAR = TradingCalendar()
_FURTHEST_ZONES = (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Pago_Pago"), ZoneInfo("America/New_York"))
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TICKER = re.compile(r"[A-Z][A-Z0-9.\-]{0,9}", re.ASCII)
_FIRST, _LAST = date(2024, 1, 2), date(2024, 1, 5)
_NOW = datetime(2024, 1, 9, 12, tzinfo=UTC)
_RULES = Rules(time(9), time(9, 30), timedelta(minutes=30), timedelta(hours=48), "SPY")
_DRAFTS = tuple(PickDraft(ticker, Action.BUY, "Because.") for ticker in ("AAA", "BBB", "CCC"))
_FACT_KEYS = (
    "who", "since", "at", "took_s", "outcome", "last_at", "idle", "is_failing", "succeeded_at", "failed_at",
    "failure_code", "failure", "quota_left", "number",
)  # fmt: skip
_PAYLOAD_KEYS = ("reason", "symbols", "source", "basis", "closes", "checkpoint_date", "baseline")


@dataclass(frozen=True, slots=True)
class Case:
    """A parser with the texts it is given. `check` raises AssertionError for a value that must not be."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    documented: tuple[type[Exception], ...] = (AlphaMondayError,)
    """What the parser may raise, as its docstring says."""


def _is_in(price: Decimal, text: str) -> bool:
    """Whether `price` is a positive number of at most 12 and 12 digits that stands in `text`."""
    return _may_be_stored(price) and any(Decimal(found) == price for found in _NUMBER.findall(text))


def _may_be_stored(price: Decimal) -> bool:
    return price.is_finite() and 0 < price < 10**12 and price == round(price, 12)


def _picks(data: bytes) -> None:
    for run_date, drafts in parse_picks(decode_text(data, "picks.csv"), "picks.csv").items():
        assert run_date.weekday() == 0
        assert len({draft.ticker for draft in drafts}) == len(drafts) == 3
        for draft in drafts:
            assert _TICKER.fullmatch(draft.ticker)
            assert draft.action in Action
            assert check_reasoning(draft.reasoning).encode()


def _prices(data: bytes) -> None:
    text = decode_text(data, "prices.csv")
    for symbol, series in parse_prices(text, "prices.csv").items():
        assert _TICKER.fullmatch(symbol)
        assert series.dates == sorted(series.closes)
        for close in series.closes.values():
            assert _is_in(close.price, text)
            assert close.split_factor == 1 or _is_in(close.split_factor, text)


def _universe(data: bytes) -> None:
    universe = parse_universe(decode_text(data, "universe.csv"), "universe.csv")
    for ticker, spells in universe.spells.items():
        assert _TICKER.fullmatch(ticker)
        assert all(first <= last for first, last in spells)
    assert universe.members(_FIRST) <= universe.spells.keys()


def _tiingo(given: tuple[int, bytes]) -> None:
    status, body = given
    closes = TiingoPrices("key-" + MARKER)._read("AAA", Reply(status, body), _FIRST, _LAST)
    for day, close in (closes or {}).items():
        assert _FIRST <= day <= _LAST
        assert _is_in(close.price, body.decode())
        assert _is_in(close.split_factor, body.decode())


def _tiingo_address(given: tuple[str, str]) -> None:
    key, address = given
    source = TiingoPrices(key, address)
    assert source.name == "tiingo"
    assert key.isascii()
    assert key.isprintable()


def _answer(given: tuple[list[Decimal], list[Decimal], bool]) -> None:
    """What a third party's price source may hand over, valued."""
    prices, factors, tomorrow_too = given
    days = [date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)]
    closes = {
        symbol: {day: Close(prices[(row + 3 * column) % len(prices)], factors[(row + column) % len(factors)])}
        | ({days[1]: Close(prices[row % len(prices)], Decimal(1))} if tomorrow_too else {})
        for row, symbol in enumerate(("SPY", "AAA", "BBB", "CCC"))
        for column, day in enumerate(days[:1])
    }
    history = asyncio.run(_asked(Answer("other", Basis.PRICE, closes)))
    opening = open_week(
        history,
        run_date=days[1],
        drafts=_DRAFTS,
        pick_source="x",
        benchmark="SPY",
        baseline_date=days[0],
        created_at=_NOW,
    )
    if not isinstance(opening, Opening):
        return
    stored = [opening.batch.benchmark_initial_price, *(pick.initial_price for pick in opening.picks)]
    assert all(_may_be_stored(price) and price in prices for price in stored)
    valued = value_day(history, opening.batch, opening.picks, days[0], days[1])
    if isinstance(valued, ComputedDay):
        assert all(metric.current_price > 0 and metric.vs_benchmark_pct.is_finite() for metric in valued.metrics)


@dataclass(frozen=True, slots=True)
class _Saying:
    """A price source that says one thing."""

    answer: Answer
    name: str = "other"
    basis: Basis = Basis.PRICE
    settle_delay: timedelta = timedelta(0)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        return self.answer


async def _asked(answer: Answer) -> History:
    """`answer` as it comes to those who ask for it."""
    week = Week.to_open(date(2024, 1, 8), _DRAFTS, "x", _RULES, _CALENDAR, _NOW, with_days=True)
    return await _Asking(_Saying(answer), _CALENDAR, _RULES, _NOW, NO_CHANGES).history([week])


def _drafts(given: list[tuple[str, Any, str]]) -> None:
    for draft in check_picks([PickDraft(*each) for each in given], "SPY"):
        assert _TICKER.fullmatch(draft.ticker)
        assert draft.ticker != "SPY"
        assert draft.action in Action


def _says_no_secret(parse: Callable[[], object]) -> None:
    try:
        parse()
    except AlphaMondayError as exc:
        told = exc.message + exc.remedy
        if MARKER in told:
            raise AssertionError(f"a value is told that may be a secret: {told}") from exc
        raise


def _settings(values: Mapping[str, str], file: Path | None = None) -> None:
    loaded = load_settings(values, env_file=file)
    found = loaded.settings
    assert found.open_at < found.open_until
    assert _TICKER.fullmatch(found.benchmark)
    for duration in (found.settle_delay, found.give_up_after, found.tick_every):
        assert timedelta(0) <= duration <= LONGEST_DURATION
    assert all("\0" not in str(path) for path in (found.data_dir, found.price_file, found.picks_file) if path)
    assert all(isinstance(secret, str) for secret in found.secrets())


def _environment(directory: Path, values: dict[str, str]) -> None:
    empty = directory / "empty.env"
    empty.touch()
    _says_no_secret(partial(_settings, values, empty))


def _env_file(directory: Path, data: bytes) -> None:
    file = directory / "settings.env"
    file.write_bytes(data)
    _settings({}, file)


def _keys(directory: Path, data: bytes) -> None:
    file = directory / "keys.toml"
    file.write_bytes(data)
    keymap = read_keymap(file, COMMANDS)
    assert all(command_id in COMMANDS for command_id in keymap)
    assert not list(COMMANDS.with_keys(keymap).clashes())


def _refuse_usage(message: str) -> Any:
    raise ValueError(message)


def _as_of(text: str) -> None:
    instant = _instant(text, _refuse_usage)
    assert instant <= datetime.now(UTC)
    planned = plan(Existing((), (), None, False, ()), _CALENDAR, _RULES, instant, rest_until=None)
    assert planned.next_due.at > instant or planned.opening is not None


def _date(text: str) -> None:
    day = parse_date(text)
    assert day.isoformat() == text
    assert 1900 <= day.year <= 2100


def _ticker(text: str) -> None:
    assert _TICKER.fullmatch(parse_ticker(text))


def _price(text: str) -> None:
    assert _is_in(parse_price(text), text)


def _notification(text: str) -> None:
    assert all(type(week) is date for week in _weeks_in(text) or ())


def _retry_after(text: str) -> None:
    delay = retry_delay(text, _NOW)
    assert delay is None or timedelta(0) <= delay <= timedelta(days=1)


def _can_be_shown(instant: datetime | None) -> None:
    """An instant that no screen can convert, or take from another, is none."""
    if instant is not None:
        for zone in _FURTHEST_ZONES:
            assert instant.astimezone(zone) == instant
        assert isinstance(instant - _NOW, timedelta)


def _scheduler_facts(value: dict[str, Any]) -> None:
    names = (
        "leader", "ticks", "pause", "standby:x", "job:opening", "job:checkpoints", "source:prices:csv", "source:picks:x"
    )  # fmt: skip
    facts = {name: SchedulerFact(name, value, _NOW) for name in names}
    lead = Lead(True, False, _NOW)
    for key in value:
        _can_be_shown(instant_in(value, key))
        assert len(text_in(value, key) or "") <= 300
        assert timedelta(0) <= seconds_in(value, key) <= timedelta(days=1)
        assert isinstance(count_in(value, key), int | None)
    who, since = told_leader(facts["leader"])
    assert isinstance(who, str | None)
    _can_be_shown(since)
    leader = leader_in(facts, lead)
    assert leader is not None
    assert leader.who
    assert [standby.who for standby in standing_by_in(facts.values(), lead)] != []
    pause = pause_in(facts["pause"])
    assert pause is not None, "a pause in an unknown form holds all the same"
    ticks_in(facts["ticks"])
    for job in Job:
        last_run(facts, job)
    for health in health_in(facts, (), None, lead.server_time):
        assert isinstance(health.quota_left, int | None)


def _payload(value: dict[str, Any]) -> None:
    day = Checkpoint(uuid4(), uuid4(), _FIRST, CheckpointStatus.SKIPPED, None, None)
    read = _day(day, {}, value)
    assert all(isinstance(symbol, str) for symbol in (*read.symbols, *read.traces))


def _database_url(text: str) -> None:
    secrets = secrets_of(text)
    assert all(isinstance(secret, str) for secret in secrets)
    _says_no_secret(partial(parse_conninfo, text))
    if MARKER in "".join(secrets):
        assert MARKER not in shown_address(text)


def cases(directory: Path) -> Sequence[Case]:
    """Every parser of text from outside; those that read files are given them in `directory`."""
    names = [name for name in FIELDS.values() if name not in ("database_url", "data_dir")]
    env_names = [*FIELDS, f"{PREFIX}TIINGO_KEY", f"{PREFIX}TIINGO_URL"]
    decimals = st.lists(
        st.one_of(
            st.decimals(allow_nan=True),
            st.sampled_from([Decimal("100.25"), Decimal("1E+400"), Decimal(-1), Decimal("1e-13"), Decimal("sNaN")]),
            st.decimals(min_value=1, max_value=1000, places=2),
        ),
        min_size=1,
        max_size=6,
    )
    sides = st.sampled_from(list(Action))
    good = st.tuples(st.sampled_from(["AAA", "bbb", "BRK.B", "C-1"]), sides, st.just("Because."))
    bad = st.tuples(hostile.tickers, st.one_of(sides, hostile.actions), hostile.texts)
    drafts = st.one_of(st.lists(good, min_size=3, max_size=3), st.lists(st.one_of(good, bad), min_size=2, max_size=4))
    keys = st.one_of(st.just("key-4711"), hostile.texts)
    addresses = st.one_of(
        st.sampled_from([ADDRESS, "http://127.0.0.1:8080/base"]),
        hostile.database_urls,
        hostile.texts.map(lambda text: f"https://{text}"),
    )
    return (
        Case("picks file", hostile.pick_files(), _picks),
        Case(
            "price file",
            hostile.csv_files(
                date=hostile.dates, symbol=hostile.tickers, close=hostile.numbers, split_factor=hostile.numbers
            ),
            _prices,
        ),
        Case(
            "universe file",
            hostile.csv_files(ticker=hostile.tickers, **{"from": hostile.dates, "to": hostile.dates}),
            _universe,
        ),
        Case("Tiingo's answers", st.tuples(st.sampled_from([200, 200, 404]), hostile.tiingo_bodies), _tiingo),
        Case("Tiingo's key and address", st.tuples(keys, addresses), _tiingo_address),
        Case("a source's numbers", st.tuples(decimals, decimals, st.booleans()), _answer),
        Case("a source's picks", drafts, _drafts),
        Case("settings", hostile.settings_of(names), partial(_environment, directory)),
        Case(".env files", hostile.env_files(env_names), partial(_env_file, directory)),
        Case("keys.toml", hostile.key_files([command.id for command in COMMANDS]), partial(_keys, directory)),
        Case("--as-of", hostile.dates, _as_of, (ValueError, AlphaMondayError)),
        Case("dates", hostile.dates, _date, (ValueError,)),
        Case("tickers", hostile.tickers, _ticker, (ValueError,)),
        Case("prices", hostile.numbers, _price, (ValueError,)),
        Case("notifications", hostile.notifications, _notification),
        Case("Retry-After", st.one_of(hostile.dates, hostile.numbers, hostile.texts), _retry_after),
        Case("scheduler facts", hostile.facts(_FACT_KEYS), _scheduler_facts),
        Case("event payloads", hostile.facts(_PAYLOAD_KEYS), _payload),
        Case("DATABASE_URL", hostile.database_urls, _database_url),
    )
