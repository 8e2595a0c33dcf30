"""Set-up: where prices and picks come from, tried out before anything is written."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum, auto
from functools import partial

from rich.text import Text
from textual import on, work
from textual.widget import Widget
from textual.widgets import Input, Static

from core.given_path import Finding, look_for
from core.logs import mask_also
from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.secrets import in_every_form
from core.settings import Layers, Settings
from core.setup import (
    DEFAULT_PICKS_FILE,
    FILE_PICKS,
    Answers,
    Need,
    about_source,
    overridden,
    pick_source_needs,
    price_source_needs,
    save,
    try_out,
)
from db.errors import AlphaMondayError
from tui.commands import Command
from tui.literal import literal
from tui.messages import PathsLooked, SourcesSaved, SourcesTried
from tui.screens.dialog import Dialog
from tui.set_up_words import guide, prices_heading, tried_words, verdict
from tui.widgets.choices import Choices
from tui.widgets.need_field import NeedField


class Step(Enum):
    """How far the form is."""

    FILLING = auto()
    ASKING = auto()
    TRIED = auto()
    SAVING = auto()


class SetUpScreen(Dialog[bool]):
    """Answers True once the settings are written and everything is opened anew with them."""

    CSS_PATH = ["dialog.tcss", "set_up.tcss"]  # type: ignore[assignment]  # noqa: RUF012 - Textual takes several
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-tall")]  # noqa: RUF012 - declared by Textual
    heading = "Set up"

    def __init__(self) -> None:
        super().__init__()
        self._step = Step.FILLING
        self._tried: Answers | None = None
        self._fields: dict[str, NeedField] = {}
        self._needs: dict[str, Need] = {}

    def compose_fields(self) -> Iterable[Widget]:
        settings = self.house.settings
        price_names, pick_names = price_source_names(), pick_source_names()
        yield Static(guide(), id="guide", markup=False)
        yield Static(prices_heading(settings), classes="question", markup=False)
        yield _choices(price_names, _first_price_source(price_names, settings), "prices")
        yield from self._compose_needs(need for name in price_names for need in price_source_needs(name))
        yield Static(Text.assemble(("Picks come from", "strong")), classes="question", markup=False)
        present = settings.pick_source if settings.pick_source in pick_names else FILE_PICKS
        yield _choices(pick_names, present, "picks")
        yield from self._compose_needs(need for name in pick_names for need in pick_source_needs(name))

    def _compose_needs(self, needs: Iterable[Need]) -> Iterable[Widget]:
        """A field for each of `needs`: those of sources that are not chosen are hidden, and keep what is typed."""
        for need in needs:
            if need.field not in self._fields:
                is_set = need.is_secret and need.field.upper() in self.house.settings.provider_settings
                value = "" if need.is_secret else _in_force(need, self.house.settings)
                field = NeedField(need.label, need.hint, value=value, is_secret=need.is_secret, is_set=is_set)
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

    def applicable(self) -> list[Command]:
        """The commands of a form, in the words of this one."""
        words = {
            "submit": "save" if self._step in (Step.TRIED, Step.SAVING) else "try it out",
            "cancel": "stop asking" if self._step is Step.ASKING else "cancel",
        }
        return [replace(each, label=words[each.id]) for each in super().applicable() if each.id in words]

    # Filling in

    def _chosen(self) -> tuple[str, str]:
        return self.query_one("#prices", Choices).name_chosen, self.query_one("#picks", Choices).name_chosen

    def _asked(self) -> list[Need]:
        """What the chosen sources need, in the order of the form."""
        price_source, pick_source = self._chosen()
        wanted = {need.field for need in (*price_source_needs(price_source), *pick_source_needs(pick_source))}
        return [need for name, need in self._needs.items() if name in wanted]

    def _answers(self) -> Answers:
        price_source, pick_source = self._chosen()
        given = {}
        for need in self._asked():
            # Left empty, an answer would leave what is in force, and that may be another file than the one shown.
            empty = self._default(need) if need.may_be_empty else ""
            given[need.field] = self._fields[need.field].text or empty
        return Answers(price_source, pick_source, given)

    def _default(self, need: Need) -> str:
        return _default(need, self.house.settings)

    @on(Choices.Changed)
    def _choose(self) -> None:
        self._show_needs()
        self._fill_again()

    def _show_needs(self) -> None:
        asked = {need.field for need in self._asked()}
        for name, field in self._fields.items():
            field.display = name in asked
        self._look_for_paths()

    @on(Input.Changed)
    def _type(self) -> None:
        if self._answers() != self._tried:  # filling the form's fields at first is heard as typing, too
            self._fill_again()
        self._look_for_paths()

    def _fill_again(self) -> None:
        """What was tried is not what would be saved any more."""
        if self._step is Step.SAVING:
            return
        self.workers.cancel_group(self, "trying")
        self._tried = None
        self._go(Step.FILLING, Text())

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

    # Trying and saving

    @on(Input.Submitted)
    @on(Choices.Submitted)
    def _enter(self) -> None:
        self.perform_submit()

    def perform_submit(self) -> None:
        """Tries out what is filled in; once that went well, saves it."""
        if self._step is Step.TRIED and self._tried == self._answers():
            self._go(Step.SAVING, Text("… saving", style="quiet"))
            self._save(self._tried)
        elif self._step is Step.FILLING:
            self._try_out_all()

    def _try_out_all(self) -> None:
        for need in self._asked():
            is_set = need.is_secret and need.field.upper() in self.house.settings.provider_settings
            if not (self._fields[need.field].text or need.may_be_empty or is_set):
                self.complain(f"{need.label} is still to be filled in: {need.hint}.")
                self._fields[need.field].input.focus()
                return
        self._tried = self._answers()
        asking = Text.assemble("… asking ", literal(self._tried.price_source, limit=40), " for the newest close of ")
        asking.append_text(literal(self.house.settings.benchmark, limit=20))
        self._go(Step.ASKING, asking)
        self._try(self._tried)

    @work(group="trying", exclusive=True)
    async def _try(self, answers: Answers) -> None:
        layers = self._layers
        mask_also(in_every_form(answers.secrets.values()))
        try:
            trial = await try_out(answers, layers.env_file, self.house, options=layers.command_line)
            winning = await asyncio.to_thread(overridden, answers, layers.env_file, options=layers.command_line)
        except AlphaMondayError as exc:
            self.post_message(SourcesTried(answers, exc))
        else:
            self.post_message(SourcesTried(answers, trial, tuple(winning)))

    def on_sources_tried(self, message: SourcesTried) -> None:
        if self._step is not Step.ASKING or message.answers != self._tried:
            return  # stopped, or filled in anew meanwhile
        if isinstance(message.outcome, AlphaMondayError):
            self._go(Step.FILLING, Text())
            self.complain(message.outcome)
        else:
            self._go(Step.TRIED, tried_words(message.outcome, message.winning))

    @work(group="saving", exclusive=True)
    async def _save(self, answers: Answers) -> None:
        layers = self._layers
        write = partial(save, answers, env_file=layers.env_file, options=layers.command_line)
        try:
            file = await asyncio.to_thread(write)
            loaded = await asyncio.to_thread(layers.load)
        except AlphaMondayError as exc:
            self.post_message(SourcesSaved(exc))
        else:
            self.post_message(SourcesSaved((file, loaded.settings)))

    def on_sources_saved(self, message: SourcesSaved) -> None:
        if isinstance(message.outcome, AlphaMondayError):
            self._go(Step.TRIED, Text())
            self.complain(message.outcome)
            return
        file, settings = message.outcome
        self.house.reopen(settings)
        self.house.say(f"Saved in {file}.")
        self.dismiss(True)

    def perform_cancel(self) -> None:
        """Stops asking, what is filled in kept; otherwise closes the form."""
        if self._step is Step.ASKING:
            self._fill_again()
            self.complain("Stopped; nothing is written.")
        elif self._step is not Step.SAVING:
            self.dismiss(False)

    @property
    def _layers(self) -> Layers:
        return self.house.layers or Layers()

    def _go(self, step: Step, words: Text) -> None:
        """Goes to a step of the form and says below the fields how things stand."""
        self._step = step
        told = self.query_one("#complaint", Static)
        told.update(words)
        told.display = bool(words)
        self.query_one("KeyLine").refresh()


def _choices(names: Sequence[str], present: str, place: str) -> Choices:
    return Choices([(name, about_source(name)) for name in names], present, id=place)


def _first_price_source(names: Sequence[str], settings: Settings) -> str:
    """The one in force, or else the first that takes a key: who sets up has one in hand, or soon will."""
    if settings.price_source and settings.price_source[0] in names:
        return settings.price_source[0]
    return next((name for name in names if any(need.is_secret for need in price_source_needs(name))), names[0])


def _default(need: Need, settings: Settings) -> str:
    return str(settings.data_dir / DEFAULT_PICKS_FILE) if need.field == "picks_file" else ""


def _in_force(need: Need, settings: Settings) -> str:
    """What the setting is now, or the default that it would get."""
    present = getattr(settings, need.field)
    return str(present) if present is not None else _default(need, settings)
