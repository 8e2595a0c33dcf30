"""The fields of set-up: the sources to choose from, what the chosen ones need, and how what is typed looks."""

import asyncio
from collections.abc import Iterable, Sequence

from rich.text import Text
from textual import events, on, work
from textual.widget import Widget
from textual.widgets import Input, Static

from core.given_path import Finding, look_for
from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.settings import Settings
from core.setup import Answers
from core.source_needs import (
    DEFAULT_PICKS_FILE,
    FIRST_PICK_SOURCE,
    FIRST_PRICE_SOURCE,
    Need,
    about_source,
    all_needs,
    names_in,
    pick_source_needs,
    price_source_needs,
)
from tui.messages import PathsLooked
from tui.screens.dialog import Dialog
from tui.set_up_words import guide, unknown_names, verdict
from tui.widgets.choices import Choices
from tui.widgets.need_field import NeedField


class SetUpForm(Dialog[bool]):
    """Subclasses do something with the answers; `answer_changed` is told of every change of them."""

    CSS_PATH = ["dialog.tcss", "set_up.tcss"]  # type: ignore[assignment]  # noqa: RUF012 - Textual takes several
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-tall")]  # noqa: RUF012 - declared by Textual
    heading = "Set up"

    def __init__(self) -> None:
        super().__init__()
        self._fields: dict[str, NeedField] = {}
        self._needs: dict[str, Need] = {}
        self._fallbacks = NeedField("If it fails", "others are asked, in this order, with commas")

    def compose_fields(self) -> Iterable[Widget]:
        settings = self.house.settings
        price_names, pick_names = price_source_names(), pick_source_names()
        yield Static(guide(), id="guide", markup=False)
        yield Static(Text("Prices come from", style="strong"), classes="question", markup=False)
        first = settings.price_source[0] if settings.price_source else FIRST_PRICE_SOURCE
        yield _choices(price_names, first if first in price_names else FIRST_PRICE_SOURCE, "prices")
        yield from self._compose_needs(need for name in price_names for need in price_source_needs(name))
        self._fallbacks.input.value = ",".join(settings.price_source[1:])
        yield self._fallbacks
        yield Static(Text("Picks come from", style="strong"), classes="question", markup=False)
        present = settings.pick_source if settings.pick_source in pick_names else FIRST_PICK_SOURCE
        yield _choices(pick_names, present, "picks")
        yield from self._compose_needs(need for name in pick_names for need in pick_source_needs(name))

    def _compose_needs(self, needs: Iterable[Need]) -> Iterable[Widget]:
        """A field for each of `needs`: those of sources that are not chosen are hidden, and keep what is typed."""
        settings = self.house.settings
        for need in needs:
            if need.field not in self._fields:
                field = NeedField(
                    need.label,
                    f"{need.hint}; empty: {need.if_empty}" if need.is_of_provider and need.may_be_empty else need.hint,
                    value="" if need.is_of_provider else _in_force(need, settings),
                    is_secret=need.is_secret,
                    is_set=need.is_of_provider and need.is_set(settings),
                )
                self._fields[need.field], self._needs[need.field] = field, need
                yield field

    def on_mount(self) -> None:
        self._show_needs()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Takes the keyboard to the first thing that is missing: a key that is pasted or typed lands in its field."""
        field = next((each for each in self.query(NeedField) if each.display and each.is_missing), None)
        if field is not None:
            field.query_one(Input).focus()
        else:
            self.query_one("#prices", Choices).focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Brings the whole field into sight, and not its line alone: what is told of it stands below."""
        for each in event.widget.ancestors:
            if isinstance(each, NeedField):
                self.call_after_refresh(each.scroll_visible, animate=False)

    def answer_changed(self) -> None:
        """Something else is filled in or chosen."""

    @property
    def answers(self) -> Answers:
        """What is filled in, for the sources that are chosen."""
        price_sources, pick_source = self._chosen()
        given = {}
        for need in self._asked():
            # Left empty, an answer would leave what is in force, and that may be another file than the one shown.
            empty = _default(need, self.house.settings) if need.may_be_empty else ""
            given[need.field] = self._fields[need.field].text or empty
        return Answers(",".join(price_sources), pick_source, given)

    def first_gap(self) -> tuple[Need, NeedField] | None:
        """The first thing that is still to be filled in, and where."""
        for need in self._asked():
            is_kept = need.is_of_provider and need.is_set(self.house.settings)
            if not (self._fields[need.field].text or need.may_be_empty or is_kept):
                return need, self._fields[need.field]
        return None

    def _chosen(self) -> tuple[Sequence[str], str]:
        """The price sources in the order asked, and the pick source."""
        first, pick_source = (self.query_one(place, Choices).name_chosen for place in ("#prices", "#picks"))
        return tuple(dict.fromkeys([first, *names_in(self._fallbacks.text)])), pick_source

    def _asked(self) -> list[Need]:
        """What the chosen sources need, in the order of the form."""
        wanted = {need.field for need in all_needs(*self._chosen())}
        return [need for name, need in self._needs.items() if name in wanted]

    @on(Choices.Changed)
    def _choose(self) -> None:
        self._show_needs()
        self.answer_changed()

    @on(Input.Changed)
    def _type(self, message: Input.Changed) -> None:
        if message.input is self._fallbacks.input:
            self._show_needs()
        else:
            self._look_for_paths()
        self.answer_changed()

    def _show_needs(self) -> None:
        asked = {need.field for need in self._asked()}
        for name, field in self._fields.items():
            field.display = name in asked
        self._fallbacks.judge(unknown_names(names_in(self._fallbacks.text), price_source_names()))
        self._look_for_paths()

    @work(group="paths", exclusive=True)
    async def _look_for_paths(self) -> None:
        """Looks for what the fields name, beside the typing: a network's file system may take its time."""
        found = {}
        for need in self._asked():
            text = self._fields[need.field].text
            if need.is_path and text:
                found[need.field] = (text, await asyncio.to_thread(look_for, text))
        self.post_message(PathsLooked(found))

    def on_paths_looked(self, message: PathsLooked) -> None:
        for name, need in self._needs.items():
            text, finding = message.found.get(name, ("", Finding.ABSENT))
            is_looked_at = text and text == self._fields[name].text
            self._fields[name].judge(verdict(finding, need) if is_looked_at else Text())


def _choices(names: Sequence[str], present: str, place: str) -> Choices:
    return Choices([(name, about_source(name)) for name in names], present, id=place)


def _default(need: Need, settings: Settings) -> str:
    return str(settings.data_dir / DEFAULT_PICKS_FILE) if need.field == "picks_file" else ""


def _in_force(need: Need, settings: Settings) -> str:
    """What the setting is now, or the default that it would get."""
    present = getattr(settings, need.field)
    return str(present) if present is not None else _default(need, settings)
