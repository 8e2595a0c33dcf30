"""Set-up: what was answered, a test request of each price source, and the user's settings file that it writes."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from core.clock import SystemClock
from core.file_at_rest import FileAtRest
from core.logs import redacted
from core.picks.file import parse_picks
from core.picks.staged_file import FILE_PICKS, staging_file
from core.picks.universe import parse_universe
from core.prices.query import query
from core.prices.source import PriceSource, UnavailableError
from core.services import pick_source_called, price_chain, rules_of
from core.settings import PREFIX, Settings, is_safe, user_settings_file
from core.settings_file import write_settings
from core.settings_layers import environment_name, load_settings
from core.source_needs import DEFAULT_PICKS_FILE, all_needs, names_in
from core.trading_calendar import TradingCalendar
from db.errors import AlphaMondayError

SPAN = timedelta(days=10)
_KEY_SUFFIX = "_key"


@dataclass(frozen=True, slots=True)
class Answers:
    """The sources chosen, and what was answered to their needs by field; an empty answer leaves what is in force.

    `price_source` is one name, or several with commas: each is asked when the one before it fails. Providers' own
    settings may be given among `values`: they are moved to `secrets`, which `repr` does not show, for an address may
    hold a password as well.
    """

    price_source: str
    pick_source: str
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        given = {name: text.strip() for name, text in {**self.values, **self.secrets}.items() if text.strip()}
        secrets = {name: text for name, text in given.items() if name not in Settings.model_fields}
        object.__setattr__(self, "price_source", ",".join(names_in(self.price_source)))
        object.__setattr__(self, "values", {name: text for name, text in given.items() if name not in secrets})
        object.__setattr__(self, "secrets", secrets)

    @property
    def price_sources(self) -> tuple[str, ...]:
        """The price sources in the order asked."""
        return names_in(self.price_source)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the settings that are written besides the providers' own."""
        needed = [need.field for need in all_needs(self.price_sources, self.pick_source) if not need.is_of_provider]
        return tuple(dict.fromkeys(["price_source", "pick_source", *needed, *self.values]))

    @property
    def to_mask(self) -> frozenset[str]:
        """Every text among the answers that must not be shown or logged."""
        telling = {
            name.upper(): text
            for name, text in self.secrets.items()
            if name.endswith(_KEY_SUFFIX) or is_safe(text)  # another address is refused, and could not be taken apart
        }
        return Settings.model_validate({"provider_settings": telling}).secrets()


@dataclass(frozen=True, slots=True)
class Trial:
    """What the test request brought: the benchmark's newest due close, or neither date nor price.

    `others` are those of the sources that are asked when this one fails.
    """

    source: str
    symbol: str
    date: date | None
    price: Decimal | None
    took: timedelta
    message: str
    others: tuple["Trial", ...] = ()


async def try_out(
    answers: Answers,
    env_file: Path | None = None,
    now: datetime | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Trial:
    """Makes the sources, reads the files that they name, and asks each price source for the benchmark's newest close.

    `options` are settings of the command line by field; here and below, the answers go before them.
    A picks file that is not there yet is none of its concerns: staging picks creates it. Raises SettingsError or
    whatever AlphaMondayError a source raises, no key in it.
    """
    settings = settings_with(answers, env_file, options=options)
    calendar = TradingCalendar()
    with _redacting(settings), _foreseeing(answers):
        # In a thread: a source's package may take seconds to import, and a file to read.
        sources = await asyncio.to_thread(_made, answers, settings, calendar)
        rules = rules_of(settings, sources)
        last = await asyncio.to_thread(rules.last_due_session, calendar, now or SystemClock().now())
        first, *others = [await _ask(source, settings.benchmark, last) for source in sources]
    return replace(first, others=tuple(others))


async def _ask(source: PriceSource, symbol: str, last: date) -> Trial:
    """The test request: the closes of `symbol` in the ten days to `last`, the newest due session."""
    started = time.monotonic()
    answer = await query(source, [symbol], last - SPAN, last)
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
    _read_pick_files(settings)
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


def _read_pick_files(settings: Settings) -> None:
    picks_file = staging_file(settings)
    if picks_file is not None and picks_file.exists():
        FileAtRest(picks_file, parse_picks).glance()
    if settings.pick_source == "momentum" and settings.universe is not None:
        FileAtRest(settings.universe, parse_universe).glance()


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
