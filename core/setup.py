"""Set-up: what it asks for each source, one test request, and the user's settings file that it writes."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from core.clock import Clock, SystemClock
from core.csv_rows import read_text
from core.logs import redacted
from core.picks.file import read_picks_file
from core.picks.universe import parse_universe
from core.prices.source import PriceSource, UnavailableError
from core.services import pick_source_called, price_chain, rules_of
from core.settings import PREFIX, Settings, environment_name, load_settings, user_settings_file
from core.settings_file import write_settings
from core.trading_calendar import TradingCalendar
from db.errors import AlphaMondayError

FILE_PICKS = "file"
DEFAULT_PICKS_FILE = "picks.csv"
SPAN = timedelta(days=10)
_KEY_SUFFIX = "_key"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a source has to be told: a field of the settings, or a provider's key (`tiingo_key`).

    `if_empty` says what an empty answer means, where one may be given.
    """

    field: str
    label: str
    hint: str
    is_secret: bool = False
    is_path: bool = False
    if_empty: str = ""

    @property
    def may_be_empty(self) -> bool:
        """Whether the source can do without."""
        return bool(self.if_empty)


# What the house's own sources need besides their name.
_PRICE_NEEDS: Mapping[str, tuple[Need, ...]] = {
    "csv": (Need("price_file", "Price file", "CSV of date,symbol,close[,split_factor]", is_path=True),),
    "simulated": (),
    "tiingo": (Need("tiingo_key", "Tiingo key", "the API token of your account at tiingo.com", is_secret=True),),
}
_PICK_NEEDS: Mapping[str, tuple[Need, ...]] = {
    FILE_PICKS: (
        Need(
            "picks_file",
            "Picks file",
            "CSV of run_date,ticker,action,reasoning",
            is_path=True,
            if_empty=f"{DEFAULT_PICKS_FILE} in the data directory",
        ),
    ),
    "momentum": (Need("universe", "Universe", "CSV of ticker[,from,to]", is_path=True),),
}


# One line on each of the house's own sources, for who has to choose.
_ABOUT: Mapping[str, str] = {
    "csv": "closes from a file that you keep",
    "simulated": "invented closes, to look around; needs nothing",
    "tiingo": "closes of US stocks from tiingo.com; needs a free key",
    FILE_PICKS: "picks that you write here or put into a file",
    "momentum": "ranked by momentum among the tickers of a file",
}


def about_source(name: str) -> str:
    """What the source `name` is and needs, in one line."""
    return _ABOUT.get(name, "from an installed package; may need a key")


def price_source_needs(name: str) -> tuple[Need, ...]:
    """What to ask for the price source `name`."""
    return _PRICE_NEEDS[name] if name in _PRICE_NEEDS else (_key_of(name),)


def pick_source_needs(name: str) -> tuple[Need, ...]:
    """What to ask for the pick source `name`."""
    return _PICK_NEEDS[name] if name in _PICK_NEEDS else (_key_of(name),)


def _key_of(name: str) -> Need:
    """A third party's source says nowhere whether it needs a key."""
    named = f"{name.replace('-', '_').lower()}{_KEY_SUFFIX}"
    return Need(named, f"Key for {name}", "where it needs one", is_secret=True, if_empty="none")


@dataclass(frozen=True, slots=True)
class Answers:
    """The sources chosen, and what was answered to their needs by field; an empty answer leaves what is in force.

    Keys may be given among `values`: they are moved to `secrets`, which `repr` does not show.
    """

    price_source: str
    pick_source: str
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        given = {name: text.strip() for name, text in {**self.values, **self.secrets}.items() if text.strip()}
        secrets = {name: text for name, text in given.items() if name.endswith(_KEY_SUFFIX)}
        object.__setattr__(self, "values", {name: text for name, text in given.items() if name not in secrets})
        object.__setattr__(self, "secrets", secrets)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the settings that are written besides keys."""
        chosen = (*price_source_needs(self.price_source), *pick_source_needs(self.pick_source))
        needed = [need.field for need in chosen if not need.is_secret]
        return tuple(dict.fromkeys(["price_source", "pick_source", *needed, *self.values]))


@dataclass(frozen=True, slots=True)
class Trial:
    """What the test request brought: the benchmark's newest due close, or neither date nor price."""

    source: str
    symbol: str
    date: date | None
    price: Decimal | None
    took: timedelta
    message: str


async def try_out(
    answers: Answers,
    env_file: Path | None = None,
    clock: Clock | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Trial:
    """Makes the sources, reads the files that they name, and asks for the benchmark's newest due close.

    `options` are settings of the command line by field; here and below, the answers go before them.
    A picks file that is not there yet is none of its concerns: staging picks creates it. Raises SettingsError or
    whatever AlphaMondayError a source raises, no key in it.
    """
    settings = settings_with(answers, env_file, options=options)
    calendar = TradingCalendar()
    with _redacting(settings), _foreseeing(answers):
        # In a thread: a source's package may take seconds to import, and a file to read.
        sources = await asyncio.to_thread(_made, answers, settings, calendar)
        source, symbol = sources[0], settings.benchmark
        now = (clock or SystemClock()).now()
        last = await asyncio.to_thread(rules_of(settings, sources).last_due_session, calendar, now)
        started = time.monotonic()
        answer = await source.closes([symbol], last - SPAN, last)
        took = timedelta(seconds=time.monotonic() - started)
    closes = answer.closes.get(symbol)
    if not closes:
        why = "does not know" if symbol in answer.unknown else "has no close of"
        message = f"{source.name} answers, but {why} {symbol} in the ten days to {last}."
        return Trial(source.name, symbol, None, None, took, message)
    newest = max(closes)
    late = "" if newest == last else f"; the close of {last} is not there yet"
    price = closes[newest].price
    return Trial(
        source.name, symbol, newest, price, took, f"{source.name}: {symbol} closed at {price:f} on {newest}{late}."
    )


def _made(answers: Answers, settings: Settings, calendar: TradingCalendar) -> tuple[PriceSource, ...]:
    """The price sources; the pick source is made and its files are read, so that what is wrong with them is told."""
    sources = price_chain(settings, calendar)
    pick_source_called(answers.pick_source, settings, calendar, sources)
    _read_pick_files(answers.pick_source, settings)
    return sources


def settings_with(
    answers: Answers, env_file: Path | None = None, *, options: Mapping[str, str] | None = None
) -> Settings:
    """The settings as they would be if the answers stood above every layer, paths expanded. Raises SettingsError."""
    given = {
        **(options or {}),
        **answers.values,
        "price_source": answers.price_source,
        "pick_source": answers.pick_source,
    }
    settings = load_settings(given, env_file=env_file, keys=answers.secrets).settings
    if answers.pick_source == FILE_PICKS and settings.picks_file is None:
        return settings.model_copy(update={"picks_file": settings.data_dir / DEFAULT_PICKS_FILE})
    return settings


def _read_pick_files(pick_source: str, settings: Settings) -> None:
    if pick_source == FILE_PICKS and settings.picks_file is not None and settings.picks_file.exists():
        read_picks_file(settings.picks_file)
    if pick_source == "momentum" and settings.universe is not None:
        parse_universe(read_text(settings.universe), str(settings.universe))


@contextmanager
def _redacting(settings: Settings) -> Iterator[None]:
    """Masks the keys, which those who report the error do not know yet, in what it tells."""
    try:
        yield
    except AlphaMondayError as exc:
        secrets = settings.secrets()
        exc.message, exc.remedy = redacted(exc.message, secrets), redacted(exc.remedy, secrets)
        exc.args = (exc.message,)
        raise


@contextmanager
def _foreseeing(answers: Answers) -> Iterator[None]:
    """A third party's source may raise anything; an operator is told of it as of any failure."""
    try:
        yield
    except AlphaMondayError:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is told; its text may repeat a key and is not
        raise UnavailableError(
            f"{answers.price_source} or {answers.pick_source} failed in an unforeseen way: {type(exc).__name__}.",
            "Report it to whoever makes the source, or choose another.",
        ) from None


def save(
    answers: Answers,
    file: Path | None = None,
    env_file: Path | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Sets the answers in the user's settings file, by default its usual place, and gives its path.

    Other lines stay; the file is replaced whole, mode 0600. Raises SettingsError if it cannot be written.
    """
    file = file or user_settings_file()
    settings = settings_with(answers, env_file, options=options)
    values = {environment_name(name): _written(getattr(settings, name)) for name in answers.fields}
    values = {name: text for name, text in values.items() if text}
    values |= {f"{PREFIX}{name.upper()}": text for name, text in answers.secrets.items()}
    write_settings(values, file)
    return file


def overridden(
    answers: Answers, env_file: Path | None = None, *, options: Mapping[str, str] | None = None
) -> list[str]:
    """The settings of `answers` that a layer above the user's file sets too, so that it wins: `NAME (layer)`."""
    names = [*map(environment_name, answers.fields), *(f"{PREFIX}{name.upper()}" for name in answers.secrets)]
    origins = load_settings(options, env_file=env_file).origins
    own = str(user_settings_file())
    return [f"{name} ({origins[name]})" for name in names if origins.get(name, own) != own]


def _written(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
