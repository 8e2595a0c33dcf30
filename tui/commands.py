"""Every command: its key, its words, where it applies and why it may be unavailable.

Bindings, the line of keys, the palette, the help screen and `docs/keys.md` are all made from this one list.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding

PERFORM = "perform"


class Scope(StrEnum):
    """Where a command applies."""

    EVERYWHERE = "Everywhere"
    LIST = "In every list and text"
    HOME = "Batches"
    BATCH = "One batch"
    CHECKPOINTS = "One batch, checkpoints"
    OVERLAY = "On top of a screen"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a command's availability depends on."""

    is_open: bool = False
    has_row: bool = False
    has_batch: bool = False
    has_days: bool = False
    has_older: bool = False
    has_newer: bool = False


Reason = Callable[[Situation], str | None]


def _always(_: Situation) -> str | None:
    return None


def _needs_row(situation: Situation) -> str | None:
    return None if situation.has_row else "There is nothing to move in yet."


def _needs_batch(situation: Situation) -> str | None:
    return None if situation.has_batch else "There is no batch under the cursor."


def _needs_days(situation: Situation) -> str | None:
    return None if situation.has_days else "This batch has no computed day yet."


def _needs_older(situation: Situation) -> str | None:
    return None if situation.has_older else "This is the oldest batch."


def _needs_newer(situation: Situation) -> str | None:
    return None if situation.has_newer else "This is the newest batch."


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that an operator can do.

    `key` holds the keys in Textual's names, separated by commas, the one that is shown first. `unavailable` gives
    the reason why not, or None. The lower `rank`, the longer the command stays in a narrow line of keys; 0 is never
    shown there. A command that `comes_first` is heard whatever lies on top of the screen.
    """

    id: str
    key: str
    label: str
    sentence: str
    scope: Scope
    rank: int = 0
    unavailable: Reason = _always
    comes_first: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys as they are written for people."""
        return tuple(key_name(key) for key in self.key.split(","))


_KEY_NAMES = {
    "enter": "↵",
    "escape": "Esc",
    "question_mark": "?",
    "colon": ":",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
}


def key_name(key: str) -> str:
    """A Textual key as people write it: `↵`, `^p`, `J`."""
    if key.startswith("ctrl+"):
        return f"^{key.removeprefix('ctrl+')}"
    return _KEY_NAMES.get(key, key)


COMMANDS: tuple[Command, ...] = (
    Command(
        "open_batch", "enter", "open", "Open the batch under the cursor.", Scope.HOME, rank=1, unavailable=_needs_batch
    ),
    Command(
        "earlier_day",
        "left,h",
        "day before",
        "Show the computed day before in the preview.",
        Scope.HOME,
        rank=4,
        unavailable=_needs_days,
    ),
    Command(
        "later_day",
        "right,l",
        "day after",
        "Show the computed day after in the preview.",
        Scope.HOME,
        rank=5,
        unavailable=_needs_days,
    ),
    Command(
        "open_checkpoint",
        "enter",
        "metrics",
        "Show the metrics of the day under the cursor, and where each price came from.",
        Scope.CHECKPOINTS,
        rank=1,
        unavailable=_needs_row,
    ),
    Command(
        "next_tab", "right_square_bracket,tab", "next tab", "Go to the next tab of this batch.", Scope.BATCH, rank=2
    ),
    Command(
        "previous_tab",
        "left_square_bracket,shift+tab",
        "tab before",
        "Go to the previous tab of this batch.",
        Scope.BATCH,
        rank=6,
    ),
    Command(
        "older_batch",
        "J",
        "older",
        "Go to the batch before this one, without leaving the tab.",
        Scope.BATCH,
        rank=3,
        unavailable=_needs_older,
    ),
    Command(
        "newer_batch",
        "K",
        "newer",
        "Go to the batch after this one, without leaving the tab.",
        Scope.BATCH,
        rank=4,
        unavailable=_needs_newer,
    ),
    Command("cursor_down", "down,j", "down", "Move one line down.", Scope.LIST),
    Command("cursor_up", "up,k", "up", "Move one line up.", Scope.LIST),
    Command("page_down", "pagedown,ctrl+f", "page down", "Move one page down.", Scope.LIST),
    Command("page_up", "pageup,ctrl+b", "page up", "Move one page up.", Scope.LIST),
    Command("first", "g,home", "first", "Go to the first line.", Scope.LIST),
    Command("last", "G,end", "last", "Go to the last line, loading everything up to it.", Scope.LIST),
    Command("help", "question_mark", "help", "Show the keys of where you are.", Scope.EVERYWHERE, rank=3),
    Command(
        "palette",
        "colon,ctrl+p",
        "commands",
        "Find any command that applies here by name.",
        Scope.EVERYWHERE,
        rank=6,
    ),
    Command(
        "next_theme",
        "t",
        "theme",
        "Change the colours: dark, light, or colour-safe.",
        Scope.EVERYWHERE,
        rank=8,
    ),
    Command("back", "escape,q", "back", "Go back to where you came from.", Scope.BATCH, rank=2),
    Command("close", "escape,q,enter", "close", "Close what lies on top of the screen.", Scope.OVERLAY, rank=1),
    Command("quit", "q", "quit", "Leave Alpha Monday; the scheduler inside ends with it.", Scope.HOME, rank=2),
    Command("quit_anywhere", "ctrl+q", "quit", "Leave Alpha Monday at once.", Scope.EVERYWHERE, comes_first=True),
)
_BY_ID = {command.id: command for command in COMMANDS}


def command(command_id: str) -> Command:
    """The command called `command_id`."""
    return _BY_ID[command_id]


def of_scopes(*scopes: Scope) -> Iterator[Command]:
    """The commands of `scopes`, in the order of the list."""
    return (each for each in COMMANDS if each.scope in scopes)


def bindings(*scopes: Scope) -> list[Binding]:
    """The key bindings of `scopes`; each runs the action `perform` with the command's id."""
    return [
        Binding(
            each.key,
            f"{PERFORM}('{each.id}')",
            each.label,
            show=each.rank > 0,
            priority=each.comes_first,
            key_display=each.keys[0],
            tooltip=each.sentence,
            id=each.id,
        )
        for each in of_scopes(*scopes)
    ]


def keys_document() -> str:
    """`docs/keys.md`: every command with its keys, by where it applies."""
    lines = ["# Keys", "", "Every command can also be found by name: `:` or `^p`."]
    for scope in Scope:
        lines += ["", f"## {scope}", "", "| Keys | Command | |", "| --- | --- | --- |"]
        lines += [
            f"| {' '.join(f'`{key}`' for key in each.keys)} | {each.label} | {each.sentence} |"
            for each in of_scopes(scope)
        ]
    return "\n".join(lines) + "\n"
