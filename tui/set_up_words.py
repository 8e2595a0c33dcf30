"""The words of set-up. Pure."""

from collections.abc import Sequence

from rich.text import Text

from core.given_path import Finding
from core.settings import user_settings_file
from core.setup import Trial
from core.source_needs import Need
from tui.literal import literal

_VERDICTS = {
    Finding.FILE: Text("✓ found", style="gain"),
    Finding.ABSENT: Text("! no such file", style="caution"),
    Finding.DIRECTORY: Text("! this is a directory", style="caution"),
    Finding.UNREADABLE: Text("! you may not read this file", style="caution"),
}
# Staging picks makes the file.
_TO_COME = Text("not there yet", style="quiet")


def guide() -> Text:
    """The keys of the form."""
    keys = (("↑ ↓", "choose"), ("Tab", "next"), ("Enter", "try it out, then save"))
    return Text("   ").join(Text.assemble((key, "key"), " ", (what, "quiet")) for key, what in keys)


def verdict(finding: Finding, need: Need) -> Text:
    """How what is typed for a path looks."""
    return _TO_COME if finding is Finding.ABSENT and need.may_be_empty else _VERDICTS[finding]


def unknown_names(names: Sequence[str], known: Sequence[str]) -> Text:
    """Says which of `names` is no source's; nothing where all are."""
    unknown = next((name for name in names if name not in known), None)
    if unknown is None:
        return Text()
    return Text.assemble("! no source is called ", literal(unknown, limit=20), style="caution")


def tried_words(trial: Trial, winning: Sequence[str]) -> Text:
    """What the trial brought, where it would be written, and what would not come into force by that."""
    words = Text("\n").join(_trial_words(each) for each in (trial, *trial.others))
    words.append("\n").append_text(
        Text.assemble(("Enter", "key"), (" saves this in ", "quiet"), literal(user_settings_file(), limit=200))
    )
    if winning:
        words.append_text(Text.assemble(("\n! ", "caution"), "Set elsewhere too, where it wins over the file: "))
        words.append_text(literal(", ".join(winning), limit=300))
    return words


def _trial_words(trial: Trial) -> Text:
    return Text.assemble(
        ("✓ ", "gain") if trial.price is not None else ("! ", "caution"),
        literal(trial.message.removesuffix("."), limit=300),
        (f" ({trial.took.total_seconds():.1f} s)", "quiet"),
    )
