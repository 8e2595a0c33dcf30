"""Keys of the operator's own: a file that gives commands other keys."""

import string
import tomllib
from pathlib import Path
from typing import Any

from textual.keys import _character_to_key as name_of  # Textual has no public way from a character to its key's name

from core.trusted_file import read_with_trust
from db.errors import AlphaMondayError
from tui.commands import CommandSet

_MOST_BYTES = 100_000
_MODIFIERS = ("ctrl+", "shift+", "alt+", "super+")
_NAMED = {
    "enter", "escape", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown", "up",
    "down", "left", "right", *(f"f{number}" for number in range(1, 25)),
}  # fmt: skip
_CHARACTERS = frozenset(name_of(character) for character in string.punctuation)


class KeysError(AlphaMondayError):
    """The file of keys names a command or a key that does not exist, or a key that would mean two things."""

    code = "keys"


def read_keymap(file: Path, commands: CommandSet) -> dict[str, str]:
    """The keys of the commands that `file` changes, by id, in Textual's names; none where there is no file.

    Raises KeysError, naming the file and what is wrong in it.
    """
    try:
        if not file.exists():
            return {}
        content, distrust = read_with_trust(file, _MOST_BYTES)
        if distrust is not None:
            raise KeysError(f"The file of keys {file} is refused: {distrust.problem}.", distrust.remedy)
        document = tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as exc:
        raise KeysError(f"The file of keys {file} cannot be read: {exc}", "Mend or remove the file.") from exc
    entries = document.pop("keys", {})
    if document or not isinstance(entries, dict):
        raise KeysError(f"{file} holds more than [keys].", 'Write lines such as filter = "f" under [keys] alone.')
    keymap = {}
    for command_id, value in entries.items():
        if command_id not in commands:
            raise KeysError(
                f"{file}: there is no command {command_id[:40]!r}.", "docs/keys.md lists the ids of all commands."
            )
        keymap[command_id] = ",".join(_keys(file, command_id, value))
    for key, one, other in commands.with_keys(keymap).clashes():
        raise KeysError(
            f"{file}: the key {key} would mean both {one.id} and {other.id}.", "Give one of them another key."
        )
    return keymap


def _keys(file: Path, command_id: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    keys = [_key(each) for each in values if isinstance(each, str)]
    found = [key for key in keys if key is not None]
    if not found or len(found) < len(values):
        raise KeysError(
            f"{file}: {command_id} is given a key that nobody can press: {str(value)[:40]!r}.",
            "Write a character, a name such as enter, pageup or f5, or ctrl+ and a letter; or a list of these.",
        )
    return list(dict.fromkeys(found))


def _key(text: str) -> str | None:
    """A key in Textual's name for it; None for what no keyboard sends."""
    if len(text) == 1:
        return name_of(text) if text.isprintable() and not text.isspace() else None
    if text in _NAMED or text in _CHARACTERS:
        return text
    for modifier in _MODIFIERS:
        rest = text.removeprefix(modifier)
        if rest != text and (rest in _NAMED or (len(rest) == 1 and rest.isascii() and rest.isalnum())):
            return text
    return None
