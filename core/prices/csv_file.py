"""Closes from a file that the operator keeps: `date,symbol,close[,split_factor]`."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from core.csv_rows import FieldError, FileError, FileUnreadableError, line_error, parse_date, read_rows
from core.file_at_rest import FileAtRest
from core.plugins import needed
from core.prices.source import (
    DECIMAL_DIGITS,
    ONE,
    Answer,
    Basis,
    Close,
    MalformedError,
    PriceOptions,
    UnavailableError,
    parse_price,
)
from core.tickers import canonical_ticker, parse_ticker

_FACTOR_COLUMN = "split_factor"
_DIGITS = re.compile(r"[0-9]{1,400}", re.ASCII)
_WITH_COMMA = re.compile(r"[0-9.' ]{1,40},[0-9.,' ]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Series:
    """One symbol's closes, and their dates in order."""

    dates: list[date]
    closes: dict[date, Close]

    def between(self, first: date, last: date) -> dict[date, Close]:
        wanted = self.dates[bisect_left(self.dates, first) : bisect_right(self.dates, last)]
        return {day: self.closes[day] for day in wanted}


class CsvPrices:
    """A price source that reads one CSV file, again whenever it changes."""

    name = "csv"
    basis = Basis.UNSPECIFIED
    settle_delay = timedelta(0)
    is_taken_at_its_word = True

    def __init__(self, path: Path) -> None:
        self._file = FileAtRest(path, _parse_file)

    @classmethod
    def from_options(cls, options: PriceOptions) -> "CsvPrices":
        """Raises `MissingSettingError` without a price file."""
        return cls(needed(options.price_file, "price source 'csv'", "ALPHA_MONDAY_PRICE_FILE"))

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close from `first` to `last`; a symbol that stands nowhere in the file is unknown.

        Raises `UnavailableError` if the file cannot be read or may be unfinished, and `MalformedError` if its content
        is wrong.
        """
        try:
            reading = await self._file.read()
            if reading.content.has_factors and not reading.is_complete:
                # Closes on both sides of a row that is not there yet may stand for different shares.
                reading = await self._file.read(complete=True)
        except FileUnreadableError as exc:
            raise UnavailableError(exc.message, exc.remedy) from exc
        except FileError as exc:
            raise MalformedError(exc.message, exc.remedy) from exc
        held = reading.content.series
        wanted = {symbol: canonical_ticker(symbol) for symbol in sorted(set(symbols))}
        return Answer(
            source=self.name,
            basis=self.basis,
            closes={symbol: held[one].between(first, last) for symbol, one in wanted.items() if one in held},
            unknown=frozenset(symbol for symbol, one in wanted.items() if one not in held),
            is_complete=reading.is_complete,
        )


@dataclass(frozen=True, slots=True)
class _PriceFile:
    """A file's closes per symbol, and whether it has a column for split factors."""

    series: Mapping[str, Series]
    has_factors: bool


def _parse_file(text: str, label: str) -> _PriceFile:
    series = parse_prices(text, label)
    return _PriceFile(series, _FACTOR_COLUMN in text)  # it can stand in the header only, for it is no value of a row


def parse_prices(text: str, label: str) -> Mapping[str, Series]:
    """The closes per symbol in the text of a price file called `label`. Raises `FileError`."""
    days: dict[str, date] = {}
    tickers: dict[str, str] = {}
    factors: dict[str, Decimal] = {"": ONE}
    closes: dict[str, dict[date, Close]] = {}
    for line, row in read_rows(text, label, ("date", "symbol", "close"), (_FACTOR_COLUMN,)):
        day_text, symbol, price, factor_text = row
        try:
            if (day := days.get(day_text)) is None:
                day = days[day_text] = parse_date(day_text)
            if (ticker := tickers.get(symbol)) is None:
                ticker = tickers[symbol] = parse_ticker(symbol)
            if (factor := factors.get(factor_text)) is None:
                factor = factors[factor_text] = _parse_factor(factor_text)
            close = Close(_parse_number(price), factor)
        except ValueError as exc:
            raise line_error(label, line, exc) from exc
        series = closes.setdefault(ticker, {})
        if day in series:
            raise line_error(label, line, f"a second close of {ticker!r} on {day.isoformat()}: {price!r}")
        series[day] = close
    return {ticker: Series(sorted(series), series) for ticker, series in closes.items()}


def _parse_factor(text: str) -> Decimal:
    try:
        return _parse_number(text)
    except FieldError as exc:
        raise FieldError(f"split factor: {exc}", exc.remedy) from exc
    except ValueError as exc:
        raise ValueError(f"split factor: {exc}") from exc


def _parse_number(text: str) -> Decimal:
    """What `parse_price` reads, and zeros beyond the last decimal that is stored, which spreadsheets fill up with.

    Raises ValueError, a FieldError where it is known what was meant.
    """
    whole, point, fraction = text.partition(".")
    excess = fraction[DECIMAL_DIGITS:]
    if excess and not excess.strip("0"):
        return parse_price(f"{whole}{point}{fraction[:DECIMAL_DIGITS]}")
    try:
        return parse_price(text)
    except ValueError as exc:
        found = str(exc)
    if excess and _DIGITS.fullmatch(whole + fraction):
        raise FieldError(
            f"more than {DECIMAL_DIGITS} decimals: {text[:40]!r}", f"Round it to {DECIMAL_DIGITS} decimals"
        )
    if _WITH_COMMA.fullmatch(text):
        raise FieldError(
            f"{found}: a decimal comma, or a mark between thousands",
            "Write a decimal point, and nothing between thousands",
        )
    raise ValueError(found)
