"""Keys of the operator's own: what the file may say, and what every mistake in it is called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import Settings
from tests.planting import WAYS, write_as_another
from tests.tui.driving import app_for, has_arrived, home, running, shown, until
from tui.command_list import COMMANDS
from tui.keymap import KeysError, read_keymap
from tui.screens.batch import BatchScreen


def keymap(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "keys.toml"
    file.write_text(text, encoding="utf-8")
    return read_keymap(file, COMMANDS)


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    assert read_keymap(tmp_path / "keys.toml", COMMANDS) == {}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, way: str) -> None:
    """Its keys would have the operator do what somebody else wants."""
    file = write_as_another(tmp_path / "keys.toml", '[keys]\nfilter = "f"\n', way)
    with pytest.raises(KeysError, match=f"{file} is refused: ") as caught:
        read_keymap(file, COMMANDS)
    assert ("chown" if way == WAYS[0] else "chmod go-w") in caught.value.remedy


def test_characters_names_and_lists(tmp_path: Path) -> None:
    found = keymap(tmp_path, '[keys]\nopen_batch = ["enter", "o"]\nfilter = "+"\nhelp = "f1"\nlast = "ctrl+e"\n')
    assert found == {"open_batch": "enter,o", "filter": "plus", "help": "f1", "last": "ctrl+e"}


def test_two_commands_may_change_keys_with_each_other(tmp_path: Path) -> None:
    assert keymap(tmp_path, '[keys]\nsort = "S"\nreverse = "s"\n') == {"sort": "S", "reverse": "s"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[keys]\nopen_btach = "o"', "open_btach"),
        ('[keys]\nopen_batch = "oo"', "'oo'"),
        ('[keys]\nopen_batch = ""', "open_batch"),
        ("[keys]\nopen_batch = []", "open_batch"),
        ("[keys]\nopen_batch = 7", "'7'"),
        ('[keys]\nopen_batch = ["o", "hyper+o"]', "hyper+o"),
        ('[keys]\nopen_batch = "n"', "open_batch and new_batch"),
        ('[keys]\nsort = "x"\nreverse = "x"', "sort and "),
        ('[key]\nopen_batch = "o"', "[keys]"),
        ("keys = 3", "[keys]"),
        ("[keys", "cannot be read"),
        ('[keys]\nopen_batch = "\x1b"', "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(KeysError) as raised:
        keymap(tmp_path, text)
    assert named in raised.value.message
    assert str(tmp_path / "keys.toml") in raised.value.message
    assert raised.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_a_keymap_or_an_operators_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        keymap(tmp_path_factory.mktemp("keys"), text)
    except KeysError:
        pass
    except UnicodeEncodeError:
        pass  # half a surrogate pair is in no file


async def test_a_remapped_key_does_it_is_shown_and_the_old_one_does_not(settings: Settings) -> None:
    app = app_for(settings, keymap={"open_batch": "o", "cursor_down": "down,ctrl+n"})
    async with running(app) as pilot:
        assert " o open" in shown(app)
        await pilot.press("enter", "j")
        assert len(app.screen_stack) == 1
        assert home(app).table.cursor == 0
        await pilot.press("ctrl+n", "o")
        await until(pilot, lambda: has_arrived(app), "the batch")
        assert isinstance(app.screen, BatchScreen)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "^n" in shown(app)
