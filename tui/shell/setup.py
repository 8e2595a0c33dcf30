"""The command that asks for the sources, tests them, and writes the user's settings file."""

import argparse
import getpass
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.services import pick_source_called, price_chain, rules_of
from core.settings import PREFIX, LoadedSettings, SettingsError, load_settings, user_settings_file
from core.trading_calendar import TradingCalendar
from tui.output import print_line

# What the house's own sources need besides their name; others are asked for a key, which may be left empty.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "csv": ("price_file",),
    "simulated": (),
    "file": ("picks_file",),
    "momentum": ("universe",),
}


async def setup(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Asks, makes one test request, and writes the settings file (0600)."""
    given: dict[str, str] = {}
    keys: dict[str, str] = {}
    price_source = _choose("Price source", price_source_names())
    given["price_source"] = price_source
    _ask_needs(price_source, given, keys)
    pick_source = _choose("Pick source", pick_source_names())
    given["pick_source"] = pick_source
    _ask_needs(pick_source, given, keys)

    tested = load_settings(given, env_file=getattr(args, "env_file", None), keys=keys)
    calendar = TradingCalendar()
    sources = price_chain(tested.settings, calendar)
    pick_source_called(pick_source, tested.settings, calendar, sources)
    last = rules_of(tested.settings, sources).last_due_session(calendar, datetime.now(UTC))
    benchmark = tested.settings.benchmark
    answer = await sources[0].closes([benchmark], last - timedelta(days=10), last)
    closes = answer.closes.get(benchmark)
    if closes:
        newest = max(closes)
        print_line(f"{sources[0].name}: {benchmark} closed at {closes[newest].price} on {newest}.")
    else:
        print_line(f"{sources[0].name} answers, but has no close of {benchmark} in the ten days to {last}.")
    file = user_settings_file()
    write_settings({f"{PREFIX}{name.upper()}": value for name, value in (given | keys).items()}, file)
    print_line(f"Written to {file}. Next: alpha-monday")
    return 0


def _choose(what: str, names: list[str]) -> str:
    while True:
        chosen = _ask(f"{what} ({', '.join(names)}): ")
        if chosen in names:
            return chosen
        print_line("Please type one of the names.", error=True)


def _ask_needs(source: str, given: dict[str, str], keys: dict[str, str]) -> None:
    if source not in NEEDS:
        if key := getpass.getpass(f"Key for {source} (hidden, empty for none): ").strip():
            keys[f"{source.replace('-', '_')}_key"] = key
        return
    for field in NEEDS[source]:
        given[field] = str(Path(_ask(f"{field.replace('_', ' ').capitalize()}: ")).expanduser().absolute())


def _ask(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        raise SettingsError("Setup needs answers and there is no more input.", "Run it in a terminal.") from None


def write_settings(values: Mapping[str, str], file: Path) -> None:
    """Sets `values` in the settings file and keeps its other lines; the file is replaced whole, mode 0600."""
    kept = []
    if file.exists():
        lines = file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "\n".join([*kept, *(f"{name}={_quoted(value)}" for name, value in values.items())]) + "\n"
    descriptor, aside = tempfile.mkstemp(dir=file.parent)  # made with mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(aside).rename(file)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
