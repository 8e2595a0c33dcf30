"""The exchange's sessions and closing times (New York Stock Exchange).

Which days are holidays and half days comes from `holidays`; the closing times are the exchange's published
16:00 and 13:00, in exchange time.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EXCHANGE_ZONE = ZoneInfo("America/New_York")
REGULAR_CLOSE = time(16, 0)
HALF_DAY_CLOSE = time(13, 0)
FIRST_YEAR = 1900
LAST_YEAR = 2100
BATCH_DAYS = 14
_DAY = timedelta(days=1)
FIRST_RUN_DATE = date(FIRST_YEAR, 1, 8)  # the first Monday with a baseline in the calendar
_LAST_RUN_DATE = date(LAST_YEAR, 12, 31) - (BATCH_DAYS - 1) * _DAY
_SATURDAY = 5


@lru_cache(maxsize=256)
def _closed_days(year: int) -> frozenset[date]:
    from holidays import financial_holidays  # 60 to 90 ms: not before the first paint

    return frozenset(financial_holidays("NYSE", years=year, observed=True))


@lru_cache(maxsize=256)
def _half_days(year: int) -> frozenset[date]:
    from holidays import HALF_DAY, financial_holidays  # 60 to 90 ms: not before the first paint

    return frozenset(financial_holidays("NYSE", years=year, categories=(HALF_DAY,)))


class TradingCalendar:
    """Sessions of one exchange. Dates are exchange dates; instants carry the exchange's zone."""

    zone = EXCHANGE_ZONE

    def exchange_date(self, instant: datetime) -> date:
        """The date at the exchange at `instant`."""
        return instant.astimezone(self.zone).date()

    def at(self, day: date, clock_time: time) -> datetime:
        """The instant at which the exchange's clock shows `clock_time` on `day`."""
        return datetime.combine(day, clock_time, tzinfo=self.zone)

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on `day`. Raises ValueError outside 1900 to 2100."""
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError(f"the trading calendar covers {FIRST_YEAR} to {LAST_YEAR}, not {day.isoformat()}")
        return day.weekday() < _SATURDAY and day not in _closed_days(day.year)

    def is_half_day(self, day: date) -> bool:
        """Whether `day` is a session that ends early."""
        return self.is_session(day) and day in _half_days(day.year)

    def close_of(self, day: date) -> datetime:
        """When `day` ends: its own close for a session, the regular closing time for any other day."""
        return self.at(day, HALF_DAY_CLOSE if self.is_half_day(day) else REGULAR_CLOSE)

    def due_at(self, day: date, settle_delay: timedelta) -> datetime:
        """When the checkpoint of `day` may be written: its close plus `settle_delay` of elapsed time."""
        return (self.close_of(day).astimezone(UTC) + settle_delay).astimezone(self.zone)

    def previous_session(self, day: date) -> date:
        """The last session strictly before `day`."""
        day -= _DAY
        while not self.is_session(day):
            day -= _DAY
        return day

    def next_session(self, day: date) -> date:
        """The first session strictly after `day`."""
        day += _DAY
        while not self.is_session(day):
            day += _DAY
        return day

    def sessions(self, first: date, last: date) -> Iterator[date]:
        """The sessions from `first` to `last`, both included, in order."""
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            if self.is_session(day):
                yield day


def longest_settle_delay(open_until: time) -> timedelta:
    """The delay after a session's close from which on some Monday's baseline is not due before `open_until`.

    Sixty-four and a half hours for 09:30: from Friday 16:00 to Monday, less the hour that clocks go forward in spring.
    """
    since_friday = timedelta(days=3, hours=open_until.hour, minutes=open_until.minute)
    return since_friday - timedelta(hours=REGULAR_CLOSE.hour, minutes=REGULAR_CLOSE.minute) - timedelta(hours=1)


def is_covered(run_date: date) -> bool:
    """Whether the calendar covers the baseline and every day of the batch of `run_date`."""
    return FIRST_RUN_DATE <= run_date <= _LAST_RUN_DATE


def batch_days(run_date: date) -> list[date]:
    """The 14 calendar dates of a batch, from its Monday to the Sunday of the second week."""
    return [run_date + timedelta(days=offset) for offset in range(BATCH_DAYS)]


def monday_of(day: date) -> date:
    """The Monday of the calendar week of `day`."""
    return day - timedelta(days=day.weekday())
