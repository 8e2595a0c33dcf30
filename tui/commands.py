"""What a command is: its id, its keys, its words, where it applies and why it may be unavailable.

Bindings, the line of keys, the palette, the help screen and `docs/keys.md` are all made from one set of commands;
`tui/command_list.py` holds them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from textual.binding import Binding

PERFORM = "perform"


class Scope(StrEnum):
    """Where a command applies."""

    EVERYWHERE = "Everywhere"
    LIST = "In every list and text"
    FILTERED = "In lists that can be filtered"
    TYPED = "While a filter is typed"
    CHOSEN = "Where a batch is chosen"
    HOME = "Batches"
    BATCH = "One batch"
    ASIDE = "Performance, Scheduler and Events"
    SCHEDULER = "Scheduler"
    EVENTS = "Events"
    OVERLAY = "On top of a screen"
    PROBLEMS = "In the list of problems"
    FORM = "In a form"
    NEW_BATCH = "In the form of a new batch"


# The scopes that are heard together: within one of these, a key means one thing.
TOGETHER: tuple[tuple[Scope, ...], ...] = (
    (Scope.HOME, Scope.CHOSEN, Scope.FILTERED, Scope.LIST, Scope.EVERYWHERE),
    (Scope.BATCH, Scope.CHOSEN, Scope.LIST, Scope.EVERYWHERE),
    (Scope.SCHEDULER, Scope.ASIDE, Scope.LIST, Scope.EVERYWHERE),
    (Scope.EVENTS, Scope.ASIDE, Scope.FILTERED, Scope.LIST, Scope.EVERYWHERE),
    (Scope.OVERLAY, Scope.PROBLEMS, Scope.LIST),
    (Scope.TYPED,),
    (Scope.FORM,),
    (Scope.NEW_BATCH, Scope.FORM),
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a command's availability depends on.

    `has_row`: something is under the cursor; `has_batch`, `is_active`, `is_missed`, `is_staged` say what kind of week;
    `awaits_word`: a move of it, or of any batch where the problems are listed, waits for an operator's word.
    """

    is_open: bool = False
    may_write: bool = True
    has_row: bool = False
    has_batch: bool = False
    is_active: bool = False
    is_missed: bool = False
    is_staged: bool = False
    awaits_word: bool = False
    has_days: bool = False
    has_details: bool = False
    has_older: bool = False
    has_newer: bool = False
    has_columns_left: bool = False
    has_columns_right: bool = False
    has_export: bool = False
    is_filtered: bool = False
    is_demo: bool = False
    runs_job: bool = False


Reason = Callable[[Situation], str | None]


def always(_: Situation) -> str | None:
    """Nothing stands in the way."""
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that an operator can do.

    `key` holds the keys in Textual's names, separated by commas, the one that is shown first; empty where the command
    is found by name alone. `unavailable` gives the reason why not, or None. The lower `rank`, the longer the command
    stays in a narrow line of keys; 0 is never shown there, and one that `comes_up` only while it is available. A
    command that `comes_first` is heard whatever lies on top of the screen. One that `writes` is not offered where
    nothing may be written.
    """

    id: str
    key: str
    label: str
    sentence: str
    scope: Scope
    rank: int = 0
    unavailable: Reason = always
    comes_up: bool = False
    comes_first: bool = False
    writes: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys as they are written for people."""
        return tuple(key_name(key) for key in self.key.split(",") if key)


_KEY_NAMES = {
    "enter": "↵",
    "escape": "Esc",
    "space": "Space",
    "question_mark": "?",
    "exclamation_mark": "!",
    "colon": ":",
    "comma": ",",
    "full_stop": ".",
    "slash": "/",
    "less_than_sign": "<",
    "greater_than_sign": ">",
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
    "delete": "Del",
}
_ASCII_KEY_NAMES = {"enter": "Enter", "left": "Left", "right": "Right", "up": "Up", "down": "Down"}


def name_keys_in_ascii() -> None:
    """Spells out the keys that have a sign outside ASCII, for as long as this process runs."""
    _KEY_NAMES.update(_ASCII_KEY_NAMES)


def key_name(key: str) -> str:
    """A Textual key as people write it: `↵`, `^p`, `J`."""
    return _KEY_NAMES.get(key) or key.replace("ctrl+", "^")


class CommandSet:
    """Every command with the keys in force, in the order in which they are offered."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._by_id = {command.id: command for command in commands}

    def __iter__(self) -> Iterator[Command]:
        return iter(self._by_id.values())

    def __contains__(self, command_id: object) -> bool:
        return command_id in self._by_id

    def __getitem__(self, command_id: str) -> Command:
        return self._by_id[command_id]

    def of_scopes(self, *scopes: Scope) -> Iterator[Command]:
        """The commands of `scopes`, scope by scope, each in the order of the list."""
        return (command for scope in scopes for command in self if command.scope is scope)

    def bindings(self, *scopes: Scope) -> list[Binding]:
        """The key bindings of `scopes`; each runs the action `perform` with the command's id."""
        return [
            Binding(
                command.key,
                f"{PERFORM}('{command.id}')",
                command.label,
                show=command.rank > 0,
                priority=command.comes_first,
                key_display=command.keys[0],
                tooltip=command.sentence,
                id=command.id,
            )
            for command in self.of_scopes(*scopes)
            if command.key
        ]

    def with_keys(self, keys: Mapping[str, str]) -> "CommandSet":
        """The same commands, those of `keys` (by id) with other keys."""
        return CommandSet(replace(command, key=keys.get(command.id, command.key)) for command in self)

    def clashes(self) -> list[tuple[str, Command, Command]]:
        """Every key that means two things in one place, with both commands."""
        found = {}
        for scopes in TOGETHER:
            taken: dict[str, Command] = {}
            for command in self.of_scopes(*scopes):
                for key in filter(None, command.key.split(",")):
                    other = taken.setdefault(key, command)
                    if other is not command:
                        found[key, other.id, command.id] = (key, other, command)
        return list(found.values())


def keys_document(commands: CommandSet) -> str:
    """`docs/keys.md`: every command with its keys, by where it applies."""
    lines = [
        "# Keys",
        "",
        "Every command can also be found by name: `:` or `^p`. Keys are changed in `keys.toml` in the config directory",
        "(`alpha-monday config` says where): under `[keys]`, a command's id and its key or list of keys, such as",
        '`open_batch = ["enter", "o"]`. An unknown id, an unknown key or a key that would mean two things in one place',
        "is an error that names it.",
    ]
    for scope in Scope:
        lines += ["", f"## {scope}", "", "| Keys | Command | Id | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {' '.join(f'`{key}`' for key in each.keys) or 'by name'} | {each.label} | `{each.id}` "
            f"| {each.sentence} |"
            for each in commands.of_scopes(scope)
        ]
    return "\n".join(lines) + "\n"
