"""The settings: their names, types and defaults."""

import os
import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.secrets import secrets_of_address
from core.tickers import parse_ticker
from core.trading_calendar import longest_settle_delay
from db.errors import AlphaMondayError
from db.secret_forms import in_every_form

PREFIX = "ALPHA_MONDAY_"
APPLICATION = "alpha-monday"
PROVIDER_SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)_(KEY|URL|LIMIT)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d)", re.ASCII)
_UNIT_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
LONGEST_DURATION = timedelta(days=366)
# Every alert that there is, by the name under which NOTIFY_ON chooses it.
ALERTS = ("opened", "checkpoint", "completed", "missed", "reminder", "source", "leadership", "digest")
ALERT_NAMES = frozenset(ALERTS)
# The settings that name a file: what stands in it decides what is stored.
FILES = ("price_file", "picks_file", "symbol_changes", "universe", "llm_prompt")
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_SHORTEST_SECRET = 8  # what is shorter is a name or a port, and would mask words of every message
_SAFE_URL = re.compile(r"https://[^\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s]*)?", re.ASCII)


class SettingsError(AlphaMondayError):
    """A setting is unknown or malformed."""

    code = "settings"


def parse_duration(text: str) -> timedelta:
    """A duration from a number and its unit (s, min, h or d). Raises ValueError for other text and beyond 366 d."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError("write a number and s, min, h or d, such as 30 min")
    seconds = float(found[1]) * _UNIT_SECONDS[found[2]]
    if seconds > LONGEST_DURATION.total_seconds():
        raise ValueError(f"must be at most {LONGEST_DURATION.days} d")
    return timedelta(seconds=seconds)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _clock_time(value: object) -> object:
    if isinstance(value, str):
        found = _CLOCK_TIME.fullmatch(value.strip())
        if not found:
            raise ValueError("write hours and minutes, such as 09:00")
        return time(int(found[1]), int(found[2]))
    return value


def _names(value: object) -> object:
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


def default_data_dir() -> Path:
    """Where the embedded database and the logs live: the user's data directory, and /var/lib for root."""
    if os.geteuid() == 0:
        return Path("/var/lib") / APPLICATION
    return platformdirs.user_data_path(APPLICATION)


def user_settings_file() -> Path:
    """The settings file that `setup` writes."""
    return platformdirs.user_config_path(APPLICATION) / "settings.env"


def user_keys_file() -> Path:
    """Where the terminal's keys are changed."""
    return platformdirs.user_config_path(APPLICATION) / "keys.toml"


class Settings(BaseSettings):
    """Every setting. Times are exchange time (America/New_York)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """PostgreSQL to use; unset means the embedded server."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Directory of the embedded database and the logs."""
    price_source: Names = ()
    """Where closes come from; several names separated by commas are asked in turn."""
    price_file: Path | None = None
    """Prices for the source csv: date,symbol,close[,split_factor]."""
    pick_source: str | None = None
    """Where picks come from."""
    picks_file: Path | None = None
    """Picks for the source file: run_date,ticker,action,reasoning."""
    symbol_changes: Path | None = None
    """Renamed tickers: ticker,successor,date."""
    universe: Path | None = None
    """Tickers that the source momentum ranks: ticker[,from,to]."""
    llm_model: str | None = None
    """Model that the pick source llm asks."""
    llm_prompt: Path | None = None
    """What the pick source llm asks for, in words of the operator's own; unset, the built-in prompt."""
    benchmark: str = "SPY"
    """Symbol that every pick is measured against."""
    open_at: ClockTime = time(9, 0)
    """Monday's time from which a batch is opened."""
    open_until: ClockTime = time(9, 30)
    """Monday's time at which an unopened batch counts as missed."""
    settle_delay: Duration = timedelta(minutes=30)
    """Time after a close before it is asked for."""
    give_up_after: Duration = timedelta(hours=48)
    """Time after which a missing close may be given up."""
    tick_every: Duration = timedelta(seconds=30)
    """How often the scheduler looks for work."""
    overdue_after: Duration = timedelta(hours=6)
    """Time after which a due day that is still unwritten counts as overdue."""
    heartbeat_url: SecretStr | None = None
    """Address that is called after each tick that leaves nothing overdue; its path is secret."""
    notify_urls: SecretStr | None = None
    """Where alerts are sent: addresses in Apprise's form, separated by blanks or lines; secret."""
    notify_on: Names = ALERTS
    """Which alerts are sent."""
    source_failing_after: Duration = timedelta(hours=6)
    """Time for which a source must have failed before that is an alert."""
    provider_settings: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """ALPHA_MONDAY_<PROVIDER>_KEY, _URL and _LIMIT, by the name after the prefix."""

    @field_validator("price_source")
    @classmethod
    def _no_empty_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name for name in names):
            raise ValueError("a name is empty")
        if len(set(names)) != len(names):
            raise ValueError("a name stands twice")
        return names

    @field_validator("notify_on")
    @classmethod
    def _known_alerts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not ALERT_NAMES.issuperset(names):
            raise ValueError(f"write some of {', '.join(ALERTS)}, separated by commas")
        return names

    @field_validator("benchmark")
    @classmethod
    def _a_ticker(cls, symbol: str) -> str:
        try:
            return parse_ticker(symbol)
        except ValueError:
            raise ValueError("write 1 to 10 of A-Z 0-9 . -, starting with a letter") from None

    @field_validator("tick_every")
    @classmethod
    def _at_least_a_second(cls, every: timedelta) -> timedelta:
        if every < timedelta(seconds=1):
            raise ValueError("must be at least 1 s")
        return every

    @field_validator("heartbeat_url")
    @classmethod
    def _safe_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_safe(url.get_secret_value()):
            raise ValueError("must be an https address, or http on loopback, for its path is a secret")
        return url

    @field_validator("data_dir", *FILES)
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        if "\0" in str(path):
            raise ValueError("it holds a NUL character")
        if "${" in str(path):
            raise ValueError("it holds ${: names of variables are not replaced, so write the path out")
        try:
            return path.expanduser().absolute()
        except RuntimeError:
            raise ValueError("the user whose home directory it begins with is unknown") from None

    @model_validator(mode="after")
    def _opening_ends_after_it_begins(self) -> "Settings":
        if self.open_until <= self.open_at:
            raise ValueError(f"{PREFIX}OPEN_UNTIL must be later than {PREFIX}OPEN_AT")
        return self

    @model_validator(mode="after")
    def _baseline_is_due_before_the_opening_ends(self) -> "Settings":
        longest = longest_settle_delay(self.open_until)
        if self.settle_delay >= longest:
            raise ValueError(
                f"{PREFIX}SETTLE_DELAY must be shorter than {longest.total_seconds() / 3600:g} h: "
                f"Friday's closes are needed on Monday before {PREFIX}OPEN_UNTIL"
            )
        return self

    def provider(self, name: str, what: str) -> str | None:
        """The KEY, URL or LIMIT set for a provider, in clear."""
        value = self.provider_settings.get(f"{name.upper().replace('-', '_')}_{what}")
        return value.get_secret_value() if value else None

    def secrets(self) -> frozenset[str]:
        """Every text that must not be shown or logged: keys, and what is secret in addresses."""
        from db.address import secrets_of  # the driver takes time to import, which not every command needs

        found = secrets_of(self.database_url.get_secret_value()) if self.database_url else set()
        for name, value in self.provider_settings.items():
            text = value.get_secret_value()
            if name.endswith("_KEY"):
                found.update({text, *text.split(":")} - {""})  # a provider may take two keys, with a colon between
            elif name.endswith("_URL"):
                found.update(secrets_of_address(text))
        if self.heartbeat_url is not None:
            url = self.heartbeat_url.get_secret_value()
            path = urlsplit(url).path
            found.update({url, path, path.lstrip("/"), unquote(path)} - {""}, secrets_of_address(url))
        if self.notify_urls is not None:
            found |= _secrets_of_channels(self.notify_urls.get_secret_value())
        return in_every_form(found)


def _secrets_of_channels(urls: str) -> set[str]:
    """Whatever may be secret in addresses of alerts, as it is written and as it is meant.

    That is all after the scheme, the user with its password, and each part of eight characters or more.
    """
    found: set[str] = set()
    for url in urls.split():
        rest = url.partition("://")[2] or url
        user_info = rest.rpartition("@")[0]
        found |= {rest, user_info, user_info.partition(":")[2]}
        found |= {part for part in re.split(r"[/@:?&=,]", rest) if len(part) >= _SHORTEST_SECRET}
    return {form for text in found for form in (text, unquote(text)) if form}


def is_safe(url: str) -> bool:
    """Whether `url` is an address that can be taken apart and over which a key may be sent."""
    try:
        parts = urlsplit(url)
        whole = parts.hostname is not None and parts.port != 0
    except ValueError:  # not told: its text repeats what may be a password
        return False
    return whole and _SAFE_URL.fullmatch(url) is not None
