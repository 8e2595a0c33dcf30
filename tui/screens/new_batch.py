"""A new batch: opened now or late after a preview, or staged for a week still to come; filled in from a source."""

import asyncio
from collections.abc import Sequence
from datetime import date

from rich.text import Text
from textual import on, work
from textual.widgets import Input

from core.picks.check import check_picks
from core.picks.query import query_picks
from core.picks.source import PickDraft
from core.services import Services, pick_source_called
from db.errors import AlphaMondayError
from tui.batch_draft import Doing, week_of
from tui.changes import Changes
from tui.literal import literal
from tui.messages import PicksFetched, WeekWritten
from tui.screens.batch_form import BatchForm
from tui.screens.writing_week import OpeningScreen, StagingScreen
from tui.widgets.choice_line import ChoiceLine
from tui.widgets.pick_form import PickForm


class NewBatchScreen(BatchForm):
    """Answers with the week once it is opened or staged. What is typed and not written is kept for the next time."""

    _asked: tuple[str, date] | None = None

    def perform_start_over(self) -> None:
        """Shows what stood here at first."""
        self._stop_asking()
        self.complain("")
        self.show_first()
        self.pick_forms[0].focus_field("ticker")

    def perform_fill_from(self) -> None:
        """Goes to the names of the pick sources."""
        self.query_one(ChoiceLine).focus()

    def perform_cancel(self) -> None:
        """Stops asking a source; where none is asked, closes the form and keeps what is typed."""
        if self._asked is not None:
            self._stop_asking()
            return
        self.keep_draft()
        self.dismiss(None)

    # Filling in from a source

    @on(ChoiceLine.Taken)
    def _fill(self, message: ChoiceLine.Taken) -> None:
        services = self.house.services
        try:
            run_date = week_of(self.week_field.value)
        except ValueError as exc:
            self.complain(str(exc))
            return
        if services is not None:
            self.complain("")
            self._asked = (message.name, run_date)
            self.query_one(ChoiceLine).say(
                Text.assemble("asking ", literal(message.name, limit=20), ("… Esc stops it", "quiet"))
            )
            self._fetch(services, message.name, run_date)

    def _stop_asking(self) -> None:
        self.workers.cancel_group(self, "filling")
        self._asked = None
        self.query_one(ChoiceLine).say(Text())

    @work(group="filling", exclusive=True)
    async def _fetch(self, services: Services, name: str, run_date: date) -> None:
        try:
            picks = await _picks_from(services, name, run_date)
        except AlphaMondayError as exc:
            self.post_message(PicksFetched(name, run_date, (), exc))
        else:
            self.post_message(PicksFetched(name, run_date, picks))

    def on_picks_fetched(self, message: PicksFetched) -> None:
        if (message.source, message.run_date) != self._asked:
            return  # it was stopped while this message was on its way
        self._stop_asking()
        if message.problem is not None:
            self.complain(message.problem)
            return
        for form, pick in zip(self.pick_forms, message.picks, strict=True):
            form.value = pick
        self.check()
        self.pick_forms[0].focus_field("ticker")

    # Writing

    @on(Input.Submitted, "#week")
    def _go_on_from_week(self) -> None:
        self.pick_forms[0].focus_field("ticker")

    @on(PickForm.Completed)
    def _go_on_from_pick(self, message: PickForm.Completed) -> None:
        forms = self.pick_forms
        number = forms.index(message.form)
        if number + 1 < len(forms):
            forms[number + 1].focus_field("ticker")
        else:
            self.perform_submit()

    def perform_submit(self) -> None:
        """Asks for the last word, with a preview where the week can be opened; or says what is still missing."""
        services, found = self.house.services, self.present_outlook()
        if self._asked is not None:
            self.complain(f"{self._asked[0]} is still being asked for picks; Esc stops that.")
            return
        if services is None or found.doing is Doing.NOTHING:
            self.complain(found.words)
            self.week_field.focus()
            return
        for number, problem in enumerate(self.problems()):
            if problem is not None:
                self.complain(f"Pick {number + 1}: {problem.words}.")
                self.pick_forms[number].focus_field(problem.field)
                return
        self.complain("")
        kind = StagingScreen if found.doing is Doing.STAGE else OpeningScreen
        screen = kind(services, week_of(self.week_field.value), self.draft.picks, found)
        self.app.push_screen(screen, self._after_writing)

    def _after_writing(self, written: WeekWritten | None) -> None:
        if written is None:
            self.look_up_again()
            return
        self.forget_draft()
        self.house.note_change(Changes(run_dates=frozenset({written.run_date})))
        self.house.say(written.words)
        self.dismiss(written.run_date)


async def _picks_from(services: Services, name: str, run_date: date) -> Sequence[PickDraft]:
    """Three picks of a source, as a batch could have them. Raises AlphaMondayError for whatever goes wrong there."""
    source = services.pick_source
    if source is None or source.name != name:
        # A third party's package may take seconds to import.
        source = await asyncio.to_thread(
            pick_source_called, name, services.settings, services.calendar, services.sources
        )
    return check_picks(await query_picks(source, run_date), services.rules.benchmark)
