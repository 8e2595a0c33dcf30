"""One question to Yahoo's chart service through yfinance, in whatever thread asks: it blocks, at most to its deadline.

Yahoo keeps prices as binary32 and sends them widened to binary64 (171.2100067138672 for 171.21). A price that is
exactly a binary32 is therefore the shortest decimal that reads back as that binary32, any other the shortest that reads
back as that binary64.
"""

import logging
import os
import warnings
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isnan
from typing import Any

import numpy as np
import yfinance  # type: ignore[import-untyped]
from curl_cffi import CurlECode
from curl_cffi.requests.exceptions import RequestException

from core.prices.http import LARGEST_BODY
from core.prices.source import Close, PriceSourceError, is_price
from core.prices.yahoo_transport import NoClosesError, Transport, YahooErrors
from core.tickers import canonical_ticker
from core.trading_calendar import EXCHANGE_ZONE


class YahooChart:
    """Yahoo's chart service. One thread at a time may ask."""

    def __init__(self, address: str | None, errors: YahooErrors) -> None:
        """`address` takes the place of Yahoo's hosts. Changes yfinance's settings for the whole process."""
        self._errors = errors
        self._transport = Transport(address, errors)
        yfinance.config.debug.hide_exceptions = False
        # What cannot be a directory turns off its files of time zones and pickled cookies: a service's user may have no
        # home for them, and whoever can write there could have code run.
        yfinance.set_tz_cache_location(os.devnull)
        # What went wrong is told by errors of our own; the rest is not the operator's, and would land on his screen.
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="yfinance")

    def closes(self, symbol: str, first: date, last: date, within: timedelta) -> dict[date, Close] | None:
        """The closes of `symbol` from `first` to `last` in order of time; None if Yahoo does not know it.

        Raises a `PriceSourceError`, at the latest after `within`.
        """
        ticker = canonical_ticker(symbol).replace(".", "-")
        self._transport.begin(ticker, within)
        # It would go on answering from memory, with failures too and with closes from before a split.
        yfinance.data.YfData.cache_get.cache_clear()
        try:
            frame = _NewYorkTicker(ticker, session=self._transport).history(
                start=first, end=last + timedelta(days=1), interval="1d", auto_adjust=False, actions=True, keepna=True
            )
        except NoClosesError as nothing:
            return {} if nothing.is_known else None
        except PriceSourceError:
            raise
        except Exception as exc:  # a library that takes nonsense apart raises anything
            raise self._explained(symbol, exc) from exc
        if not self._transport.is_checked:
            raise self._errors.malformed(f"{symbol}: what was read did not come from the chart service")
        return self._read(symbol, frame, first, last)

    def _explained(self, symbol: str, exc: Exception) -> PriceSourceError:
        if self._transport.refused is not None:
            return self._errors.unauthorised(f"HTTP {self._transport.refused}")
        if isinstance(exc, RequestException) and exc.code == CurlECode.FILESIZE_EXCEEDED:
            return self._errors.malformed(f"it sent more than {LARGEST_BODY // 1024**2} MB")
        what = f"{symbol}: {type(exc).__name__} {self._errors.said(exc)}"
        return self._errors.unavailable(what) if isinstance(exc, OSError) else self._errors.malformed(what)

    def _read(self, symbol: str, frame: Any, first: date, last: date) -> dict[date, Close]:
        """The closes in yfinance's frame. A row without one is of a session that has none yet."""
        closes: dict[date, Close] = {}
        for stamp, value in zip(frame.index, frame["Close"], strict=True):
            moment: datetime = stamp.to_pydatetime()
            local = moment.astimezone(EXCHANGE_ZONE)
            if moment.tzinfo is None or local.time() != time(0):
                raise self._errors.malformed(f"{symbol}: not midnight at the exchange: {moment}")
            # Yahoo adds the running session to whatever was asked for.
            if not first <= local.date() <= last or isnan(value):
                continue
            if not is_price(price := exact(float(value))):
                why = f"no positive number of at most 12 and 12 digits: {float(value)}"
                raise self._errors.malformed(f"{symbol} on {local.date()}: {why}")
            closes[local.date()] = Close(price)
        return dict(sorted(closes.items()))


class _NewYorkTicker(yfinance.Ticker):  # type: ignore[misc]
    """A ticker whose time zone need not be asked for, since any but New York's is refused."""

    def _get_ticker_tz(self, timeout: float) -> str:
        del timeout
        return EXCHANGE_ZONE.key


def exact(value: float) -> Decimal:
    """The decimal that Yahoo means by `value`, as said above."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if float(single) == value:
        return Decimal(np.format_float_positional(single, unique=True, trim="-"))
    return Decimal(repr(value))
