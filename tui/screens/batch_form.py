"""The fields of a batch to be: shown, checked while they are typed, and kept where nothing is written."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from core.batches import NotFoundError, find
from core.csv_rows import parse_date
from core.picks.check import PICKS_PER_BATCH
from core.picks.registry import pick_source_names
from core.services import Services
from core.staging import StagingError, staged
from core.week_list import MissedWeeks, StagedWeek
from tui.batch_draft import (
    BatchDraft,
    Doing,
    Outlook,
    Problem,
    WeekStanding,
    outlook,
    problems_of,
    suggested_week,
    week_beside,
    week_of,
)
from tui.command_list import COMMANDS
from tui.commands import Command, Scope, always
from tui.format import day_and_month
from tui.literal import clean, literal
from tui.messages import WeekLookedUp
from tui.screens.dialog import Dialog
from tui.widgets.choice_line import ChoiceLine
from tui.widgets.key_line import KeyLine
from tui.widgets.pick_form import PickForm
from tui.widgets.printable_input import printable_input

# Typing a date asks the database for what it stops at, not for every digit on the way.
_LOOKS_UP_AFTER_S = 0.12
# What can be done changes with the clock alone: at 09:00 and at 09:30.
_LOOKS_AT_CLOCK_EVERY_S = 1.0
_OWN_COMMANDS = frozenset(command.id for command in COMMANDS.of_scopes(Scope.NEW_BATCH))


class BatchForm(Dialog[date]):
    """Subclasses do something with what is filled in."""

    CSS_PATH = ["dialog.tcss", "new_batch.tcss"]  # type: ignore[assignment]  # noqa: RUF012 - Textual takes several
    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.NEW_BATCH)]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-roomy"), (170, "-wide")]  # noqa: RUF012 - declared by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-tall")]  # noqa: RUF012 - declared by Textual

    heading = "New batch"

    def __init__(self, week: StagedWeek | MissedWeeks | None = None) -> None:
        super().__init__()
        self._given = week
        self._draft_key = None if week is None else week.run_date
        self._first = BatchDraft("")
        self._suggests_week = week is None
        self._standing: WeekStanding | None = None

    # The fields

    def compose_fields(self) -> Iterable[Widget]:
        week = printable_input(placeholder="YYYY-MM-DD", id="week")
        week.max_length = 20
        yield Horizontal(
            Static("Week", classes="label", markup=False),
            week,
            Static(id="weekday", markup=False),
            Static(id="benchmark", markup=False),
            classes="line",
        )
        yield Static(id="outlook", markup=False)
        yield Horizontal(
            Static("Fill from", classes="label", markup=False),
            ChoiceLine(self._source_names(), self.house.settings.pick_source, hint="Enter fills in the three picks"),
            id="sources",
            classes="line",
        )
        yield Container(*[PickForm(number) for number in range(1, PICKS_PER_BATCH + 1)], id="picks")

    def on_mount(self) -> None:
        services = self.house.services
        if isinstance(self._given, StagedWeek):
            self._first = BatchDraft(self._given.run_date.isoformat(), self._given.drafts)
            self.query_one("#dialog").border_title = Text(f"Staged picks of {self._given.run_date}")
        elif self._given is not None:
            self._first = BatchDraft(self._given.run_date.isoformat())
        elif services is not None:
            self._first = BatchDraft(suggested_week(services, self.house.now()).isoformat())
        if services is not None:
            self.query_one("#benchmark", Static).update(
                Text.assemble(("benchmark ", "quiet"), literal(services.rules.benchmark, limit=10))
            )
        kept = self._kept_draft()
        self._show(self._first if kept is None else kept)
        if kept is not None:
            key = self.house.commands["start_over"].keys[0]
            self.house.say(f"This is what you had typed before; {key} starts over.")
        self.pick_forms[0].focus_field("ticker")
        self.set_interval(_LOOKS_AT_CLOCK_EVERY_S, self._show_outlook)

    def show_first(self) -> None:
        """Shows what stood here at first, and forgets what was typed."""
        self.forget_draft()
        self._show(self._first)

    def _show(self, draft: BatchDraft) -> None:
        self._suggests_week = self._given is None and draft.week == self._first.week
        self.week_field.value = clean(draft.week, limit=20)
        for form, pick in zip(self.pick_forms, draft.picks, strict=True):
            form.value = pick
        self.check()

    @property
    def week_field(self) -> Input:
        """Where the Monday is typed."""
        return self.query_one("#week", Input)

    @property
    def pick_forms(self) -> list[PickForm]:
        """The three picks."""
        return list(self.query(PickForm))

    @property
    def draft(self) -> BatchDraft:
        """The fields as they stand."""
        return BatchDraft(self.week_field.value.strip(), tuple(form.value for form in self.pick_forms))

    # What was typed and not written

    def _kept_draft(self) -> BatchDraft | None:
        """What was typed for this week before; without a week, what was typed last for any."""
        drafts = self.house.drafts
        if self._given is None and drafts:
            self._draft_key = next(reversed(drafts))
        return drafts.get(self._draft_key)

    def _source_names(self) -> list[str]:
        """The pick sources to fill in from: the one that Monday's job asks first."""
        services = self.house.services
        running = [services.pick_source.name] if services and services.pick_source else []
        return list(dict.fromkeys([*running, *pick_source_names()]))

    def forget_draft(self) -> None:
        """What is filled in is not brought back."""
        self.house.drafts.pop(self._draft_key, None)

    def keep_draft(self) -> None:
        """Remembers what is filled in, or forgets what is as it was at first."""
        self.forget_draft()
        if self.draft.picks != self._first.picks:  # another week alone is nothing that was typed
            self.house.drafts[self._draft_key] = self.draft
            key = self.house.commands["new_batch"].keys[0]
            self.house.say(f"What you typed is kept until Alpha Monday ends; {key} brings it back.")

    # Checking

    @on(Input.Changed, "#week")
    def look_up_again(self) -> None:
        """Checks, and asks the database what stands for the week."""
        self.check()
        try:
            run_date = week_of(self.week_field.value)
        except ValueError:
            return
        self._look_up(run_date)

    @on(PickForm.Changed)
    def check(self) -> None:
        """Says beside the fields what is wrong, and what going on does."""
        self._show_outlook()
        for form, problem in zip(self.pick_forms, self.problems(), strict=True):
            form.show_problem(problem)

    def problems(self) -> Sequence[Problem | None]:
        """What is wrong with each pick."""
        services = self.house.services
        return problems_of(self.draft.picks, services.rules.benchmark if services is not None else "")

    def present_outlook(self) -> Outlook:
        """What going on does at this moment."""
        services = self.house.services
        if services is None:
            return Outlook(Doing.NOTHING, "The database is not open.")
        try:
            run_date = week_of(self.week_field.value)
        except ValueError as exc:
            return Outlook(Doing.NOTHING, str(exc))
        standing = self._standing if self._standing is not None and self._standing.run_date == run_date else None
        now, zone, is_paused = self.house.now(), self.house.local_zone, self.house.status.is_paused
        return outlook(services, run_date, standing, now, zone, is_paused=is_paused)

    def _show_outlook(self) -> None:
        found = self.present_outlook()
        is_trouble = found.doing is Doing.NOTHING
        mark = ("! ", "caution") if is_trouble else ("→ ", "key")
        self.query_one("#outlook", Static).update(Text.assemble(mark, literal(found.words, limit=300)))
        self.query_one("#weekday", Static).update(self._weekday())
        self.query_one(KeyLine).refresh()

    def _weekday(self) -> Text:
        try:
            day = parse_date(self.week_field.value.strip())
        except ValueError:
            return Text("no date", style="caution")
        return Text(f"{day_and_month(day)} {day.year}", style="" if day.weekday() == 0 else "caution")

    @work(group="week", exclusive=True)
    async def _look_up(self, run_date: date) -> None:
        await asyncio.sleep(_LOOKS_UP_AFTER_S)
        standing = await self.house.top_screen.ask(lambda services: _standing_of(services, run_date))
        if standing is not None:
            self.post_message(WeekLookedUp(standing))

    def on_week_looked_up(self, message: WeekLookedUp) -> None:
        standing = self._standing = message.standing
        if self._suggests_week and standing.has_batch and self.week_field.value == standing.run_date.isoformat():
            # This week has its batch already: the next one is what is meant.
            self._suggests_week = False
            self._first = replace(self._first, week=(standing.run_date + timedelta(days=7)).isoformat())
            self.week_field.value = self._first.week
        self._show_outlook()

    # Commands

    def applicable(self) -> list[Command]:
        found = self.present_outlook()
        submit = self.house.commands["submit"]
        # Enter goes from field to field here, so the other key is the one to show.
        keys = sorted(submit.key.split(","), key=lambda key: key == "enter")
        submit = replace(
            submit,
            key=",".join(keys),
            label=found.doing.value,
            unavailable=always if found.doing is not Doing.NOTHING else lambda _: found.words,
        )
        own = self.house.commands.of_scopes(Scope.NEW_BATCH)
        return [submit, self.house.commands["cancel"], *own]

    async def action_perform(self, command_id: str) -> None:
        if command_id in _OWN_COMMANDS:
            getattr(self, f"perform_{command_id}")()
        else:
            await super().action_perform(command_id)

    def perform_week_later(self) -> None:
        """Takes the Monday after."""
        self._move_week(1)

    def perform_week_earlier(self) -> None:
        """Takes the Monday before."""
        self._move_week(-1)

    def _move_week(self, weeks: int) -> None:
        services = self.house.services
        if services is not None:
            self._suggests_week = False
            otherwise = suggested_week(services, self.house.now())
            self.week_field.value = week_beside(self.week_field.value, weeks, otherwise).isoformat()


async def _standing_of(services: Services, run_date: date) -> WeekStanding:
    """What there is for a week."""
    try:
        await find(services, run_date)
    except NotFoundError:
        pass
    else:
        return WeekStanding(run_date, has_batch=True)
    try:
        weeks = await staged(services)
    except StagingError as exc:
        return WeekStanding(run_date, has_batch=False, staging_problem=exc.message)
    return WeekStanding(run_date, has_batch=False, is_staged=any(week.run_date == run_date for week in weeks))
