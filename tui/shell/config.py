"""The command that shows the settings in force and where each came from."""

import argparse

from pydantic import SecretStr

from core.logs import log_file_in
from core.settings import FIELDS, PREFIX, LoadedSettings, user_settings_file
from db.database import shown_address
from tui.output import print_json, print_line, print_table

MASK = "***"


async def config(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints every setting with its value and origin; secrets are masked."""
    rows = [
        (name, _shown(getattr(loaded.settings, field)), loaded.origins.get(name, "default"))
        for name, field in FIELDS.items()
    ]
    rows += [
        (f"{PREFIX}{name}", MASK if name.endswith("_KEY") else value.get_secret_value(), loaded.origins[PREFIX + name])
        for name, value in loaded.settings.provider_settings.items()
    ]
    files = {"settings file": user_settings_file(), "log file": log_file_in(loaded.settings.data_dir)}
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


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return shown_address(value.get_secret_value())
    return ",".join(value) if isinstance(value, tuple) else str(value)
