"""The command that asks for the sources, tests them, and writes the user's settings file."""

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.settings import Settings, SettingsError, is_safe
from core.settings_layers import LoadedSettings
from core.setup import Answers, overridden, save, settings_with, try_out
from core.source_needs import Need, all_needs, names_in, pick_source_needs, price_source_needs
from db.errors import AlphaMondayError
from tui.literal import clean
from tui.output import print_error, print_line
from tui.shell.signals import interruptible
from tui.streams import flush_output, spelled_for


async def setup(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Asks until one test request succeeds, then writes the settings file (0600). Ctrl-C leaves, nothing written."""
    env_file: Path | None = getattr(args, "env_file", None)
    settings = loaded.settings
    with interruptible():
        print_line("Enter alone takes what stands in brackets; Ctrl-C leaves and changes nothing.")
        print_line("Of several price sources, separated by commas, the next is asked when one fails.")
        typed: dict[str, str] = {}
        while True:
            answers = _ask_all(settings, typed)
            try:
                settings = settings_with(answers, env_file)
                print_line(f"Asking {', '.join(answers.price_sources)} ...")
                flush_output()
                trial = await try_out(answers, env_file)
                for each in (trial, *trial.others):
                    print_line(each.message)
                file = save(answers, env_file=env_file)
                break
            except AlphaMondayError as exc:
                print_error(exc.message, exc.remedy)
                print_line("Nothing was written. Please answer again.", error=True)
    if winning := overridden(answers, env_file):
        print_line(f"Set elsewhere too, where it wins over the file: {', '.join(winning)}.", error=True)
    print_line(f"Written to {file}. Next: alpha-monday")
    return 0


def _ask_all(settings: Settings, typed: dict[str, str]) -> Answers:
    """The sources and what each needs; what `settings` hold already is offered.

    Keeps in `typed` what was answered for providers, which is not offered again in clear.
    """
    values: dict[str, str] = {}
    price_sources = _ask_names("Price source", price_source_names(), settings.price_source)
    for name in price_sources:
        _ask_needs(price_source_needs(name), settings, values, typed)
    [pick_source] = _ask_names(
        "Pick source", pick_source_names(), (settings.pick_source,) if settings.pick_source else (), most=1
    )
    _ask_needs(pick_source_needs(pick_source), settings, values, typed)
    asked = {need.field for need in all_needs(price_sources, pick_source)}
    of_providers = {name: text for name, text in typed.items() if name in asked}
    return Answers(",".join(price_sources), pick_source, values, of_providers)


def _ask_names(what: str, names: Sequence[str], present: Sequence[str], *, most: int | None = None) -> tuple[str, ...]:
    """At least one of `names`, each once, and `most` of them."""
    offered = ",".join(present) if all(name in names for name in present) else None
    while True:
        chosen = tuple(dict.fromkeys(names_in(_ask(f"{what} ({', '.join(names)})", offered))))
        if chosen and all(name in names for name in chosen) and (most is None or len(chosen) <= most):
            return chosen
        print_line("Please type one of the names.", error=True)


def _ask_needs(needs: Sequence[Need], settings: Settings, values: dict[str, str], typed: dict[str, str]) -> None:
    for need in needs:
        if need.is_of_provider:
            _ask_of_provider(need, settings, typed)
        else:
            present = getattr(settings, need.field)
            values[need.field] = _ask_needed(need, _ask, None if present is None else str(present))


def _ask_of_provider(need: Need, settings: Settings, typed: dict[str, str]) -> None:
    """What is in force already stays where it stands: a key perhaps in the environment, and not for the disk."""
    is_present = need.field in typed or need.is_set(settings)
    ask = _ask_hidden if need.is_secret else _ask_anew
    if answer := _ask_needed(need, ask, "the present one" if is_present else None):
        typed[need.field] = answer


def _ask_needed(need: Need, ask: Callable[[str, str | None], str], present: str | None) -> str:
    while True:
        hint = f"{need.hint}; empty: {need.if_empty}" if need.if_empty else need.hint
        answer = ask(f"{need.label} ({hint})", present)
        if answer and need.is_address and not is_safe(answer):
            print_line("Please give an https address, or http on loopback.", error=True)
        elif answer or present or need.may_be_empty:
            return answer
        else:
            print_line("Please give an answer.", error=True)


def _ask(question: str, present: str | None) -> str:
    return _ask_anew(question, present) or present or ""


def _ask_anew(question: str, present: str | None) -> str:
    return _answered(input, question, present)


def _ask_hidden(question: str, present: str | None) -> str:
    # Nothing is echoed where no terminal is; `getpass` would then warn, or read from a terminal that nobody watches.
    return _answered(getpass.getpass if sys.stdin.isatty() else input, f"{question}, hidden", present)


def _answered(read: Callable[[str], str], question: str, present: str | None) -> str:
    offered = f" [{present}]" if present else ""
    flush_output()  # nobody can answer a question that is not shown
    try:
        return read(spelled_for(sys.stdout, f"{clean(question)}{clean(offered)}: ")).strip()
    except EOFError:
        raise SettingsError("Setup needs answers and there is no more input.", "Run it in a terminal.") from None
