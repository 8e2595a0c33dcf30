"""Where settings come from: every layer read and checked, and the layer that each value in force came from.

Order, first wins: command line, environment, `.env` of the working directory (or `--env-file`), the user's
settings file in the config directory.

Trust is another order. What the operator typed, named or keeps in his own directory is his word. A `.env` is found: it
came with the directory in which the command happens to run, so an address in it gets no key from elsewhere.
"""

import difflib
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from core.settings import PREFIX, PROVIDER_SETTING, Settings, SettingsError, is_safe, user_settings_file
from core.settings_file import distrusted, read_settings, values_in

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DOT_ENV = ".env"
_NAME = re.compile(rf"\bDATABASE_URL\b|\b{PREFIX}[A-Z0-9_]*[A-Z0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layers:
    """What a process was started with, besides the environment: options by field, and the file instead of `.env`."""

    command_line: Mapping[str, str] = field(default_factory=dict)
    env_file: Path | None = None

    def load(self) -> "LoadedSettings":
        """Reads every layer anew. Raises what `load_settings` raises."""
        return load_settings(self.command_line, env_file=self.env_file)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings in force, and the layer that each value came from, by the setting's name in the environment."""

    settings: Settings
    origins: Mapping[str, str]
    layers: Layers = field(default_factory=Layers)

    def places(self, *texts: str) -> str:
        """Sentences that say where the settings are set that `texts` name, each by its name or by the path in it."""
        named = {name for text in texts for name in _NAME.findall(text)}
        for name, setting in FIELDS.items():
            value = getattr(self.settings, setting)
            if isinstance(value, Path) and setting != "data_dir" and any(str(value) in text for text in texts):
                named.add(name)
        return " ".join(
            f"{name} is set {place(layer, self.layers.env_file)}."
            for name, layer in self.origins.items()
            if name in named
        )


def environment_name(field: str) -> str:
    """The name under which a field of `Settings` is set."""
    return "DATABASE_URL" if field == "database_url" else f"{PREFIX}{field.upper()}"


FIELDS = {environment_name(field): field for field in Settings.model_fields if field != "provider_settings"}


def place(layer: str, env_file: Path | None = None) -> str:
    """Where a layer is, for people: `in the working directory's .env (/srv/alpha/.env)`."""
    if layer == COMMAND_LINE:
        return "on the command line"
    if layer == ENVIRONMENT:
        return "in the environment"
    path = Path(layer).absolute()
    if env_file is not None and layer == str(env_file):
        return f"in the file of --env-file ({path})"
    if layer == DOT_ENV:
        return f"in the working directory's .env ({path})"
    return f"in your settings file ({path})"


def load_settings(
    command_line: Mapping[str, str] | None = None,
    *,
    env_file: Path | None = None,
    keys: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Reads every layer; `command_line` is by field, `keys` by PROVIDER_KEY, both before the environment.

    Raises SettingsError naming the setting and its layer; DatabaseRefusedError for a malformed DATABASE_URL.

    The value of a setting is never repeated in an error: it may be a secret in the wrong place.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"There is no settings file {str(env_file)!r}.", "Give --env-file a file that exists.")
    files = (env_file or Path(DOT_ENV), user_settings_file())
    given = {environment_name(field): value for field, value in (command_line or {}).items()}
    typed = {f"{PREFIX}{name.upper()}": value for name, value in (keys or {}).items()}
    origins: dict[str, str] = {}
    values: dict[str, str] = {}
    providers: dict[str, SecretStr] = {}
    for layer, names in (
        (COMMAND_LINE, given | typed),
        (ENVIRONMENT, _ours(os.environ)),
        *((str(file), _ours(_read_env_file(file))) for file in files),
    ):
        for name, value in names.items():
            _check_known(name, layer, place(layer, env_file))
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
        raise _malformed(exc, origins, env_file) from None  # the cause repeats values
    _check_provider_urls(settings, origins, env_file)
    _check_database_url(settings, origins, env_file)
    _keep_keys_from_found_addresses(settings, origins, env_file)
    return LoadedSettings(settings, origins, Layers(dict(command_line or {}), env_file))


def _ours(names: Mapping[str, str | None]) -> dict[str, str]:
    found = {name.upper(): value or "" for name, value in names.items()}
    return {name: value for name, value in found.items() if name.startswith(PREFIX) or name == "DATABASE_URL"}


def _read_env_file(file: Path) -> dict[str, str | None]:
    try:
        text, distrust = read_settings(file)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            f"The settings file {str(file)!r} cannot be read: {exc}.", f"Correct or remove {file.absolute()}."
        ) from exc
    bindings = list(parse_stream(io.StringIO(text)))
    if distrust is not None and any(binding.error or _ours({binding.key or "": ""}) for binding in bindings):
        raise distrusted(file, distrust)
    for binding in bindings:
        if binding.error:
            raise SettingsError(
                f"{file.absolute()}, line {binding.original.line}: not a setting.",
                "Write NAME=value; a value with blanks or # stands in quotes.",
            )
    return values_in(text)


def _check_known(name: str, layer: str, where: str) -> None:
    if name == f"{PREFIX}DATABASE_URL":
        raise SettingsError(f"There is no setting {name} ({layer}).", f"DATABASE_URL has no prefix; rename it {where}.")
    if name in FIELDS or PROVIDER_SETTING.fullmatch(name):
        return
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise SettingsError(
        f"There is no setting {name[:80]} ({layer}).",
        f"{hint}.env.example lists every setting; remove or rename it {where}.",
    )


def _malformed(exc: ValidationError, origins: Mapping[str, str], env_file: Path | None) -> SettingsError:
    problem = exc.errors(include_input=False, include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    why = problem["msg"].removeprefix("Value error, ")
    if not field:
        layers = ", ".join(f"{name}: {layer}" for name, layer in origins.items() if name in why)
        where = ", or ".join(dict.fromkeys(place(layer, env_file) for name, layer in origins.items() if name in why))
        return SettingsError(f"{why} ({layers}).", f"Correct one of the two{where and f', {where}'}.")
    name = environment_name(field) if field in Settings.model_fields else field
    where = place(origins[name], env_file) if name in origins else ""
    return SettingsError(
        f"The setting {name} ({origins.get(name, 'default')}) is malformed: {why}.",
        f"Correct it{where and f' {where}'}; .env.example shows the form of each setting.",
    )


def _check_provider_urls(settings: Settings, origins: Mapping[str, str], env_file: Path | None) -> None:
    for name, value in settings.provider_settings.items():
        if name.endswith("_URL") and not is_safe(value.get_secret_value()):
            raise SettingsError(
                f"The setting {PREFIX}{name} ({origins[PREFIX + name]}) must be an https address, or http on loopback.",
                f"Correct it {place(origins[PREFIX + name], env_file)}: "
                "a key sent over plain http can be read on the way.",
            )


def _check_database_url(settings: Settings, origins: Mapping[str, str], env_file: Path | None) -> None:
    if settings.database_url is None:
        return
    from db.address import parse_conninfo  # the driver takes time to import, which not every command needs
    from db.errors import DatabaseRefusedError

    try:
        parse_conninfo(settings.database_url.get_secret_value())
    except DatabaseRefusedError as exc:
        layer = origins["DATABASE_URL"]
        raise DatabaseRefusedError(
            f"The setting DATABASE_URL ({layer}) is malformed: it is not a PostgreSQL address.",
            f"Correct it {place(layer, env_file)}. {exc.remedy}",
        ) from None


def _keep_keys_from_found_addresses(settings: Settings, origins: Mapping[str, str], env_file: Path | None) -> None:
    """Raises SettingsError where an address of the `.env` that was found would be sent a key from another place."""
    if env_file is not None:  # named by the operator
        return
    for address, layer in origins.items():
        if layer != DOT_ENV or not address.endswith("_URL"):
            continue
        for key, where in _keys_sent_to(address, settings, origins):
            raise SettingsError(
                f"{address} is set {place(layer)}, and {key} {where}. No key from elsewhere is sent to an address that "
                "was found in a directory.",
                f"If you did not write it, remove {address} from .env. Otherwise set it in the environment or in your "
                "settings file, or set both in .env alone, or name that file: --env-file .env",
            )


def _keys_sent_to(address: str, settings: Settings, origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is secret, from outside `.env`, and would go to the address of that setting: its name, and where it is."""
    key = f"{address.removesuffix('_URL')}_KEY"
    if origins.get(key, DOT_ENV) != DOT_ENV:
        yield key, f"is set {place(origins[key])}"
    if address == "DATABASE_URL" and settings.database_url is not None:
        from db.libpq_environment import secrets_from_outside  # as above

        for keyword, source in secrets_from_outside(settings.database_url.get_secret_value()):
            yield f"its {keyword}", f"comes from {source}"
