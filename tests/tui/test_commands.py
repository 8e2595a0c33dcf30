"""One list of commands feeds the bindings, the keys below, the palette, the help and the manual."""

from collections import Counter
from pathlib import Path

import pytest

from tui.app import AlphaMondayApp
from tui.commands import COMMANDS, Scope, Situation, bindings, command, keys_document, of_scopes
from tui.screens.batch import BatchScreen
from tui.screens.help import help_words
from tui.screens.home import HomeScreen
from tui.screens.overlay import OverlayScreen
from tui.widgets.key_line import key_words

KEYS_DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"
TOGETHER = [
    (Scope.HOME, Scope.LIST, Scope.EVERYWHERE),
    (Scope.BATCH, Scope.CHECKPOINTS, Scope.LIST, Scope.EVERYWHERE),
    (Scope.OVERLAY, Scope.LIST),
]


def test_the_manual_is_up_to_date() -> None:
    assert KEYS_DOCUMENT.read_text(encoding="utf-8") == keys_document()


def test_ids_are_unique() -> None:
    assert max(Counter(each.id for each in COMMANDS).values()) == 1


@pytest.mark.parametrize("scopes", TOGETHER)
def test_no_key_means_two_things_in_one_place(scopes: tuple[Scope, ...]) -> None:
    keys = Counter(key for each in of_scopes(*scopes) for key in each.key.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.id)
def test_every_command_says_what_it_does_and_is_done_somewhere(each: object) -> None:
    from tui.commands import Command

    assert isinstance(each, Command)
    assert each.label == each.label.lower()
    assert each.sentence.endswith(".")
    assert each.sentence[0].isupper()
    screen = {Scope.BATCH: BatchScreen, Scope.CHECKPOINTS: BatchScreen}.get(each.scope, HomeScreen)
    assert each.scope is Scope.OVERLAY or callable(getattr(screen, f"perform_{each.id}"))


def test_bindings_carry_id_label_and_sentence() -> None:
    bound = {binding.id: binding for binding in bindings(*Scope)}
    for each in COMMANDS:
        assert bound[each.id].tooltip == each.sentence
        assert bound[each.id].description == each.label
        assert bound[each.id].action == f"perform('{each.id}')"


def test_every_scope_is_bound() -> None:
    found = {
        binding.id
        for holder in (AlphaMondayApp, HomeScreen, BatchScreen, OverlayScreen)
        for binding in holder.BINDINGS
        if not isinstance(binding, tuple)
    }
    assert found >= {each.id for each in COMMANDS}


def test_an_unavailable_command_says_why() -> None:
    assert command("open_batch").unavailable(Situation()) == "There is no batch under the cursor."
    assert command("open_batch").unavailable(Situation(has_batch=True)) is None
    words = help_words([command("open_batch")], Situation()).plain
    assert "not now: There is no batch under the cursor." in words


def test_a_narrow_line_keeps_what_matters_most() -> None:
    offered = list(of_scopes(Scope.HOME, Scope.EVERYWHERE))
    situation = Situation(has_batch=True)
    wide, narrow = (key_words(offered, situation, width).plain for width in (200, 30))
    assert "theme" in wide
    assert "quit" in narrow
    assert "open" in narrow
    assert "theme" not in narrow
    assert len(narrow.rstrip()) <= 30
