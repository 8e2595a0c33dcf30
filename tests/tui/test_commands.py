"""One set of commands feeds the bindings, the keys below, the palette, the help and the manual."""

import importlib
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from tui.app import AlphaMondayApp
from tui.command_list import COMMANDS
from tui.commands import TOGETHER, Command, CommandSet, Scope, Situation, keys_document
from tui.screens.batch import BatchScreen
from tui.screens.dialog import Dialog
from tui.screens.events import EventsScreen
from tui.screens.help import help_words
from tui.screens.home import HomeScreen
from tui.screens.house import HouseScreen
from tui.screens.overlay import OverlayScreen
from tui.screens.performance import PerformanceScreen
from tui.screens.problems import ProblemsScreen
from tui.screens.scheduler import SchedulerScreen
from tui.widgets.key_line import key_words

KEYS_DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"
SCREENS: tuple[type[HouseScreen], ...] = (HomeScreen, BatchScreen, PerformanceScreen, SchedulerScreen, EventsScreen)


def test_the_manual_is_up_to_date() -> None:
    assert KEYS_DOCUMENT.read_text(encoding="utf-8") == keys_document(COMMANDS)


def test_no_key_means_two_things_in_one_place() -> None:
    assert COMMANDS.clashes() == []


def test_a_clash_is_found() -> None:
    found = COMMANDS.with_keys({"sort": "n"}).clashes()
    assert [(key, {one.id, other.id}) for key, one, other in found] == [("n", {"sort", "new_batch"})]


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.id)
def test_every_command_says_what_it_does(each: Command) -> None:
    assert each.label
    assert each.sentence.endswith(".")
    assert each.sentence[0].isupper()
    assert each.rank == 0 or each.key, "the line of keys shows keys"


@pytest.mark.parametrize("screen", SCREENS)
def test_every_command_that_applies_is_done_there(screen: type[HouseScreen]) -> None:
    for each in COMMANDS.of_scopes(*screen.scopes, Scope.LIST, Scope.EVERYWHERE):
        assert callable(getattr(screen, f"perform_{each.id}")), each.id


@pytest.mark.parametrize("screen", SCREENS)
def test_every_scope_of_a_screen_is_bound(screen: type[HouseScreen]) -> None:
    holders = (screen, AlphaMondayApp)
    found = {binding.id for holder in holders for binding in holder.BINDINGS if not isinstance(binding, tuple)}
    expected = {each.id for each in COMMANDS.of_scopes(*screen.scopes, Scope.LIST, Scope.EVERYWHERE) if each.key}
    assert found == expected
    assert (*screen.scopes, Scope.LIST, Scope.EVERYWHERE) in TOGETHER or set(screen.scopes) < set(TOGETHER[2])


@pytest.mark.parametrize(
    ("holder", "scopes"),
    [
        (OverlayScreen, (Scope.OVERLAY, Scope.LIST)),
        (ProblemsScreen, (Scope.PROBLEMS,)),  # and what every overlay has
        (Dialog, (Scope.FORM,)),
    ],
)
def test_what_lies_on_top_is_bound(holder: type[OverlayScreen], scopes: tuple[Scope, ...]) -> None:
    found = {binding.id for binding in holder.BINDINGS if not isinstance(binding, tuple)}
    assert found == {each.id for each in COMMANDS.of_scopes(*scopes)}


def test_bindings_carry_id_label_and_sentence() -> None:
    bound = {binding.id: binding for binding in COMMANDS.bindings(*Scope)}
    for each in COMMANDS:
        if each.key:
            assert bound[each.id].tooltip == each.sentence
            assert bound[each.id].description == each.label
            assert bound[each.id].action == f"perform('{each.id}')"


def test_an_unavailable_command_says_why() -> None:
    fail = COMMANDS["fail_batch"]
    assert fail.unavailable(Situation()) == "There is no batch under the cursor."
    assert fail.unavailable(Situation(has_batch=True)) == "This batch has ended; completed and failed are both final."
    assert fail.unavailable(Situation(has_batch=True, is_active=True)) is None
    words = help_words([fail], Situation(), 200, Console()).plain
    assert "Not now: There is no batch under the cursor." in words


def test_what_comes_up_is_among_the_keys_only_while_it_is_available() -> None:
    offered = list(COMMANDS.of_scopes(Scope.HOME, Scope.CHOSEN))
    assert "accept" not in key_words(offered, Situation(has_batch=True), 200).plain
    assert "a accept" in key_words(offered, Situation(has_batch=True, awaits_word=True), 60).plain
    accept = COMMANDS["accept_move"]
    assert accept.unavailable(Situation()) == "There is no batch under the cursor."
    assert accept.unavailable(Situation(has_batch=True)) == "No move of this batch waits for an operator's word."
    assert COMMANDS["accept_told"].unavailable(Situation()) == "No move waits for an operator's word."


def test_a_narrow_line_keeps_what_matters_most() -> None:
    offered = list(COMMANDS.of_scopes(Scope.HOME, Scope.EVERYWHERE))
    situation = Situation(has_batch=True)
    wide, narrow = (key_words(offered, situation, width).plain for width in (200, 30))
    assert "theme" in wide
    assert "quit" in narrow
    assert "open" in narrow
    assert "theme" not in narrow
    assert len(narrow.rstrip()) <= 30


def test_ids_are_unique() -> None:
    source = importlib.import_module("tui.command_list").__file__
    assert source is not None
    text = Path(source).read_text(encoding="utf-8")
    ids = Counter(line.split('"')[1] for line in text.splitlines() if line.strip().startswith(('Command("', '"')))
    assert all(ids[each.id] == 1 for each in COMMANDS)
    assert len(list(CommandSet(COMMANDS))) == text.count("        Command(")
