"""The command that shows the settings in force and where each came from."""

import argparse
from collections.abc import Iterable
from datetime import time, timedelta

from pydantic import SecretStr

from core.logs import MASK, log_file_in, redacted
from core.settings import PREFIX, user_keys_file, user_settings_file
from core.settings_layers import FIELDS, LoadedSettings
from db.address import shown_address
from tui.output import print_json, print_line, print_table

# Each unit is used from a number of seconds on: two days are rather 48 h.
_UNITS = ((86400, "d", 3 * 86400), (3600, "h", 3600), (60, "min", 60), (1, "s", 0))


async def config(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints every setting with its value and origin; secrets are masked."""
    rows = [
        (name, _shown(name, getattr(loaded.settings, field)), loaded.origins.get(name, "default"))
        for name, field in FIELDS.items()
    ]
    secrets = loaded.settings.secrets()
    rows += [
        (f"{PREFIX}{name}", _shown_provider(name, value, secrets), loaded.origins[PREFIX + name])
        for name, value in loaded.settings.provider_settings.items()
    ]
    files = {
        "settings file": user_settings_file(),
        "keys file": user_keys_file(),
        "log file": log_file_in(loaded.settings.data_dir),
    }
    if args.json:
        print_json(
            {
                "settings": [{"name": name, "value": value, "origin": origin} for name, value, origin in rows],
                "files": {name: str(file) for name, file in files.items()},
            }
        )
        return 0
    print_table(("setting", "value", "from"), rows)
    print_line("")
    for name, file in files.items():
        print_line(f"{name}: {file}{'' if file.exists() else ' (not there yet)'}")
    return 0


def _shown(name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return shown_address(value.get_secret_value()) if name == "DATABASE_URL" else MASK
    if isinstance(value, timedelta):
        return duration_words(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return (",".join(value) or None) if isinstance(value, tuple) else str(value)


def _shown_provider(name: str, value: SecretStr, secrets: Iterable[str]) -> str:
    return MASK if name.endswith("_KEY") else redacted(value.get_secret_value(), secrets)


def duration_words(duration: timedelta) -> str:
    """A duration in the form in which it is set: `48 h`, `30 min`, `1.5 s`."""
    seconds = duration.total_seconds()
    size, unit = next(
        ((size, unit) for size, unit, least in _UNITS if seconds >= least and seconds % size == 0), (1, "s")
    )
    return f"{seconds / size:g} {unit}"
