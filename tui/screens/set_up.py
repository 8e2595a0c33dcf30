"""Set-up: where prices and picks come from, tried out before anything is written."""

import asyncio
from dataclasses import replace
from enum import Enum, auto
from functools import partial

from rich.text import Text
from textual import on, work
from textual.widgets import Input, Static

from core.logs import mask_also
from core.settings_layers import Layers
from core.setup import Answers, overridden, save, try_out
from db.errors import AlphaMondayError
from tui.commands import Command
from tui.literal import literal
from tui.messages import SourcesSaved, SourcesTried
from tui.screens.set_up_form import SetUpForm
from tui.set_up_words import tried_words
from tui.widgets.choices import Choices


class Step(Enum):
    """How far the form is."""

    FILLING = auto()
    ASKING = auto()
    TRIED = auto()
    SAVING = auto()


class SetUpScreen(SetUpForm):
    """Answers True once the settings are written and everything is opened anew with them."""

    def __init__(self) -> None:
        super().__init__()
        self._step = Step.FILLING
        self._tried: Answers | None = None

    def applicable(self) -> list[Command]:
        """The commands of a form, in the words of this one."""
        words = {
            "submit": "save" if self._step in (Step.TRIED, Step.SAVING) else "try it out",
            "cancel": "stop asking" if self._step is Step.ASKING else "cancel",
        }
        return [replace(each, label=words[each.id]) for each in super().applicable() if each.id in words]

    def answer_changed(self) -> None:
        """What was tried is not what would be saved any more."""
        if self.answers != self._tried:  # filling the form's fields at first is heard as typing, too
            self._fill_again()

    def _fill_again(self) -> None:
        if self._step is Step.SAVING:
            return
        self.workers.cancel_group(self, "trying")
        self._tried = None
        self._go(Step.FILLING, Text())

    @on(Input.Submitted)
    @on(Choices.Submitted)
    def _enter(self) -> None:
        self.perform_submit()

    def perform_submit(self) -> None:
        """Tries out what is filled in; once that went well, saves it."""
        if self._step is Step.TRIED and self._tried == self.answers:
            self._go(Step.SAVING, Text("… saving", style="quiet"))
            self._save(self._tried)
        elif self._step is Step.FILLING:
            self._try_out_all()

    def _try_out_all(self) -> None:
        if (gap := self.first_gap()) is not None:
            need, field = gap
            self.complain(f"{need.label} is still to be filled in: {need.hint}.")
            field.input.focus()
            return
        self._tried = self.answers
        asked = literal(", ".join(self._tried.price_sources), limit=60)
        asking = Text.assemble("… asking ", asked, " for the newest close of ")
        asking.append_text(literal(self.house.settings.benchmark, limit=20))
        self._go(Step.ASKING, asking)
        self._try(self._tried)

    @work(group="trying", exclusive=True)
    async def _try(self, answers: Answers) -> None:
        layers = self._layers
        mask_also(answers.to_mask)
        try:
            trial = await try_out(answers, layers.env_file, self.house.now(), options=layers.command_line)
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
