"""The command that asks for the sources, tests them, and writes the user's settings file."""

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.settings import LoadedSettings, Settings, SettingsError
from core.setup import (
    Answers,
    Need,
    overridden,
    pick_source_needs,
    price_source_needs,
    save,
    settings_with,
    try_out,
)
from db.errors import AlphaMondayError
from tui.literal import clean
from tui.output import flush_output, print_error, print_line
from tui.shell.signals import interruptible


async def setup(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Asks until one test request succeeds, then writes the settings file (0600). Ctrl-C leaves, nothing written."""
    env_file: Path | None = getattr(args, "env_file", None)
    settings = loaded.settings
    with interruptible():
        print_line("Enter alone takes what stands in brackets; Ctrl-C leaves and changes nothing.")
        typed: dict[str, str] = {}
        while True:
            answers = _ask_all(settings, typed)
            try:
                settings = settings_with(answers, env_file)
                print_line(f"Asking {answers.price_source} ...")
                flush_output()
                trial = await try_out(answers, env_file)
                print_line(trial.message)
                file = save(answers, env_file=env_file)
                break
            except AlphaMondayError as exc:
                print_error(exc.message, exc.remedy)
                print_line("Nothing was written. Please answer again.", error=True)
    if winning := overridden(answers, env_file):
        print_line(f"Set elsewhere too, where it wins over the file: {', '.join(winning)}.", error=True)
    print_line(f"Written to {file}. Next: alpha-monday")
    return 0


def _ask_all(settings: Settings, keys: dict[str, str]) -> Answers:
    """Both sources and what each needs; what `settings` hold already is offered. Keeps the `keys` that were typed."""
    values: dict[str, str] = {}
    present = settings.price_source[0] if settings.price_source else None
    price_source = _ask_choice("Price source", price_source_names(), present)
    _ask_needs(price_source_needs(price_source), settings, values, keys)
    pick_source = _ask_choice("Pick source", pick_source_names(), settings.pick_source)
    _ask_needs(pick_source_needs(pick_source), settings, values, keys)
    asked = {need.field for need in (*price_source_needs(price_source), *pick_source_needs(pick_source))}
    return Answers(price_source, pick_source, values, {name: key for name, key in keys.items() if name in asked})


def _ask_choice(what: str, names: Sequence[str], present: str | None) -> str:
    offered = present if present in names else None
    while True:
        chosen = _ask(f"{what} ({', '.join(names)})", offered)
        if chosen in names:
            return chosen
        print_line("Please type one of the names.", error=True)


def _ask_needs(needs: Sequence[Need], settings: Settings, values: dict[str, str], keys: dict[str, str]) -> None:
    for need in needs:
        if need.is_secret:
            _ask_key(need, settings, keys)
        else:
            present = getattr(settings, need.field)
            values[need.field] = _ask_needed(need, _ask, None if present is None else str(present))


def _ask_key(need: Need, settings: Settings, keys: dict[str, str]) -> None:
    """A key that is in force already stays where it stands: perhaps in the environment, and not for the disk."""
    is_present = need.field in keys or need.field.upper() in settings.provider_settings
    if typed := _ask_needed(need, _ask_hidden, "the present one" if is_present else None):
        keys[need.field] = typed


def _ask_needed(need: Need, ask: Callable[[str, str | None], str], present: str | None) -> str:
    while True:
        hint = f"{need.hint}; empty: {need.if_empty}" if need.if_empty else need.hint
        answer = ask(f"{need.label} ({hint})", present)
        if answer or present or need.may_be_empty:
            return answer
        print_line("Please give an answer.", error=True)


def _ask(question: str, present: str | None) -> str:
    return _answered(input, question, present) or present or ""


def _ask_hidden(question: str, present: str | None) -> str:
    # Nothing is echoed where no terminal is; `getpass` would then warn, or read from a terminal that nobody watches.
    return _answered(getpass.getpass if sys.stdin.isatty() else input, f"{question}, hidden", present)


def _answered(read: Callable[[str], str], question: str, present: str | None) -> str:
    offered = f" [{present}]" if present else ""
    try:
        return read(f"{clean(question)}{clean(offered)}: ").strip()
    except EOFError:
        raise SettingsError("Setup needs answers and there is no more input.", "Run it in a terminal.") from None
