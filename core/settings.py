"""The settings: their names, types and defaults, and the layer that each value in force came from.

Order, first wins: command line, environment, `.env` of the working directory (or `--env-file`), the user's
settings file in the config directory.
"""

import difflib
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import platformdirs
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.secrets import in_every_form, secrets_of_address
from core.tickers import parse_ticker
from db.errors import AlphaMondayError

PREFIX = "ALPHA_MONDAY_"
COMMAND_LINE = "command line"
APPLICATION = "alpha-monday"
_PROVIDER_SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)_(KEY|URL)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d)", re.ASCII)
_UNIT_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
LONGEST_DURATION = timedelta(days=366)
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
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
    universe: Path | None = None
    """Tickers that the source momentum ranks: ticker[,from,to]."""
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
    provider_settings: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """ALPHA_MONDAY_<PROVIDER>_KEY and _URL, by the name after the prefix."""

    @field_validator("price_source")
    @classmethod
    def _no_empty_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name for name in names):
            raise ValueError("a name is empty")
        if len(set(names)) != len(names):
            raise ValueError("a name stands twice")
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
        if url is not None and not _is_safe(url.get_secret_value()):
            raise ValueError("must be an https address, or http on loopback, for its path is a secret")
        return url

    @field_validator("data_dir", "price_file", "picks_file", "universe")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        if "\0" in str(path):
            raise ValueError("it holds a NUL character")
        try:
            return path.expanduser().absolute()
        except RuntimeError:
            raise ValueError("the user whose home directory it begins with is unknown") from None

    @model_validator(mode="after")
    def _opening_ends_after_it_begins(self) -> "Settings":
        if self.open_until <= self.open_at:
            raise ValueError(f"{PREFIX}OPEN_UNTIL must be later than {PREFIX}OPEN_AT")
        return self

    def provider(self, name: str, what: str) -> str | None:
        """The KEY or URL set for a provider, in clear."""
        value = self.provider_settings.get(f"{name.upper().replace('-', '_')}_{what}")
        return value.get_secret_value() if value else None

    def secrets(self) -> frozenset[str]:
        """Every text that must not be shown or logged: keys, and what is secret in addresses."""
        from db.address import secrets_of  # the driver takes time to import, which not every command needs

        found = secrets_of(self.database_url.get_secret_value()) if self.database_url else set()
        for name, value in self.provider_settings.items():
            text = value.get_secret_value()
            found.update([text] if name.endswith("_KEY") else secrets_of_address(text))
        if self.heartbeat_url is not None:
            url = self.heartbeat_url.get_secret_value()
            path = urlsplit(url).path
            found.update({url, path, path.lstrip("/"), unquote(path)} - {""}, secrets_of_address(url))
        return in_every_form(found)


@dataclass(frozen=True, slots=True)
class Layers:
    """What a process was started with, besides the environment: options by field, and the file instead of `.env`."""

    command_line: Mapping[str, str] = field(default_factory=dict)
    env_file: Path | None = None

    def load(self) -> "LoadedSettings":
        """Reads every layer anew. Raises SettingsError."""
        return load_settings(self.command_line, env_file=self.env_file)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings in force, and the layer that each value came from, by the setting's name in the environment."""

    settings: Settings
    origins: Mapping[str, str]
    layers: Layers = field(default_factory=Layers)


def environment_name(field: str) -> str:
    """The name under which a field of `Settings` is set."""
    return "DATABASE_URL" if field == "database_url" else f"{PREFIX}{field.upper()}"


FIELDS = {environment_name(field): field for field in Settings.model_fields if field != "provider_settings"}


def load_settings(
    command_line: Mapping[str, str] | None = None,
    *,
    env_file: Path | None = None,
    keys: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Reads every layer; `command_line` is by field, `keys` by PROVIDER_KEY, both before the environment.

    Raises SettingsError naming the setting and its layer.

    The value of a setting is never repeated in an error: it may be a secret in the wrong place.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"There is no settings file {str(env_file)!r}.", "Give --env-file a file that exists.")
    files = (env_file or Path(".env"), user_settings_file())
    given = {environment_name(field): value for field, value in (command_line or {}).items()}
    typed = {f"{PREFIX}{name.upper()}": value for name, value in (keys or {}).items()}
    origins: dict[str, str] = {}
    values: dict[str, str] = {}
    providers: dict[str, SecretStr] = {}
    for layer, names in (
        (COMMAND_LINE, given | typed),
        ("environment", _ours(os.environ)),
        *((str(file), _ours(_read_env_file(file))) for file in files),
    ):
        for name, value in names.items():
            _check_known(name, layer)
            if not value:
                if layer == COMMAND_LINE:
                    raise SettingsError(f"The setting {name} ({layer}) is malformed: it is empty.", "Give it a value.")
                continue
            if name in FIELDS:
                values.setdefault("DATABASE_URL" if name == "DATABASE_URL" else FIELDS[name], value)
            else:
                providers.setdefault(name.removeprefix(PREFIX), SecretStr(value))
            origins.setdefault(name, layer)
    try:
        settings = Settings.model_validate({**values, "provider_settings": providers})
    except ValidationError as exc:
        raise _malformed(exc, origins) from None  # the cause repeats values
    _check_provider_urls(settings, origins)
    return LoadedSettings(settings, origins, Layers(dict(command_line or {}), env_file))


def _ours(names: Mapping[str, str | None]) -> dict[str, str]:
    found = {name.upper(): value or "" for name, value in names.items()}
    return {name: value for name, value in found.items() if name.startswith(PREFIX) or name == "DATABASE_URL"}


def _read_env_file(file: Path) -> dict[str, str | None]:
    try:
        if not file.is_file():
            return {}
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f"The settings file {str(file)!r} cannot be read: {exc}.", "Mend or remove the file."
        ) from exc
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise SettingsError(
                f"{file}, line {binding.original.line}: not a setting.",
                "Write NAME=value; a value with blanks or # stands in quotes.",
            )
    return dotenv_values(stream=io.StringIO(text))


def _check_known(name: str, layer: str) -> None:
    if name == f"{PREFIX}DATABASE_URL":
        raise SettingsError(f"There is no setting {name} ({layer}).", "DATABASE_URL has no prefix; rename it.")
    if name in FIELDS or _PROVIDER_SETTING.fullmatch(name):
        return
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise SettingsError(
        f"There is no setting {name[:80]} ({layer}).",
        f"{hint}.env.example lists every setting; remove or rename it.",
    )


def _malformed(exc: ValidationError, origins: Mapping[str, str]) -> SettingsError:
    problem = exc.errors(include_input=False, include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    why = problem["msg"].removeprefix("Value error, ")
    if not field:
        layers = ", ".join(f"{name}: {layer}" for name, layer in origins.items() if name in why)
        return SettingsError(f"{why} ({layers}).", "Correct one of the two.")
    name = environment_name(field) if field in Settings.model_fields else field
    return SettingsError(
        f"The setting {name} ({origins.get(name, 'default')}) is malformed: {why}.",
        "Correct it; .env.example shows the form of each setting.",
    )


def _is_safe(url: str) -> bool:
    """Whether `url` is an address that can be taken apart and over which a key may be sent."""
    try:
        parts = urlsplit(url)
        whole = parts.hostname is not None and parts.port != 0
    except ValueError:  # not told: its text repeats what may be a password
        return False
    return whole and _SAFE_URL.fullmatch(url) is not None


def _check_provider_urls(settings: Settings, origins: Mapping[str, str]) -> None:
    for name, value in settings.provider_settings.items():
        if name.endswith("_URL") and not _is_safe(value.get_secret_value()):
            raise SettingsError(
                f"The setting {PREFIX}{name} ({origins[PREFIX + name]}) must be an https address, or http on loopback.",
                "A key sent over plain http can be read on the way.",
            )
