"""The schedulers of every process: their jobs, what waits, who leads, how the sources fare; a job run, a pause made."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from core.job_history import Job
from core.leading import process_name
from core.pausing import pause, resume
from core.schedule_view import JobView, ScheduleView, run_job, schedule_view
from core.services import Services
from db.errors import AlphaMondayError, DatabaseUnavailableError
from tui.changes import RECENT
from tui.command_list import COMMANDS
from tui.commands import Command, Scope, Situation
from tui.messages import DatabaseLost, JobEnded, PauseSet, ScheduleRead
from tui.outgoing import Export
from tui.schedule_export import schedule_as_table
from tui.schedule_words import Telling, below, idle_words, job_words, report_words
from tui.screens.house import HouseScreen
from tui.screens.moving import Movable
from tui.screens.pausing import ask_to_pause
from tui.widgets.batch_parts import rule
from tui.widgets.job_columns import job_columns
from tui.widgets.nothing import Nothing
from tui.widgets.prose import Prose
from tui.widgets.table import Table
from tui.widgets.watched import Watched

# A leader's death and its signs of life are told to nobody.
READ_EVERY_S = 5.0
COUNT_EVERY_S = 1.0

log = logging.getLogger(__name__)


class SchedulerScreen(HouseScreen):
    """Reads the whole schedule at every change and every few seconds, and counts down in between."""

    CSS_PATH = "scheduler.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.SCHEDULER, Scope.ASIDE, Scope.LIST)]
    scopes = (Scope.SCHEDULER, Scope.ASIDE)
    mode = "scheduler"

    class _Below(Prose):
        """What stands below the jobs."""

        def __init__(self, screen: "SchedulerScreen") -> None:
            super().__init__(id="below")
            self._screen = screen

        def compose(self) -> Iterable[Widget]:
            yield Watched(self._screen.below_words, id="below-words")

    def __init__(self) -> None:
        super().__init__()
        self.view: ScheduleView | None = None
        self.running: Job | None = None
        self._reading = asyncio.Lock()
        self._texts: list[list[str]] = []

    def compose_body(self) -> Iterable[Widget]:
        yield Nothing(lambda: Text("Reading the schedule …", style="quiet"))
        with Vertical(id="schedule"):
            yield Watched(self._jobs_heading, id="jobs-rule")
            yield Table[JobView](
                job_columns(self._now, lambda job: job is self.running, lambda: self._is_paused),
                lambda row: row.job,
                id="jobs",
            )
            yield Watched(self._job_words, id="job")
            yield self._Below(self)

    def on_mount(self) -> None:
        self._show()
        self.watch(self.app, "status", self._show, init=False)
        self.set_interval(READ_EVERY_S, self._read_now_and_then)
        self.set_interval(COUNT_EVERY_S, self._count)

    @property
    def table(self) -> Table[JobView]:
        """The jobs."""
        return self.query_one("#jobs", Table)

    @property
    def movable(self) -> Movable:
        text = self.query_one("#below", Prose)
        return text if text.has_focus else self.table

    @property
    def place(self) -> str:
        return f"running: {self.running}" if self.running else ""

    def situation(self) -> Situation:
        has_row = self.table.row is not None
        return replace(super().situation(), has_row=has_row, has_export=has_row, runs_job=self.running is not None)

    def applicable(self) -> list[Command]:
        """The commands that apply; pausing is called what it would do now."""
        label = "resume" if self._is_paused else "pause"
        return [replace(each, label=label) if each.id == "pause" else each for each in super().applicable()]

    @property
    def _is_paused(self) -> bool:
        return self.view is not None and self.view.paused is not None

    def _now(self) -> datetime:
        return self.house.now()

    # Reading

    async def look_again(self) -> None:
        async with self._reading:
            if (view := await self.ask(schedule_view)) is not None:
                self.post_message(ScheduleRead(view))

    def _read_now_and_then(self) -> None:
        if self in self.app.screen_stack and not self._reading.locked():
            self.read_anew()

    def on_schedule_read(self, message: ScheduleRead) -> None:
        self._show_view(message.view)

    # Showing

    def _show_view(self, view: ScheduleView) -> None:
        self.view = view
        self.table.show(view.jobs)
        self._show()
        self.refresh_frame()

    def _show(self) -> None:
        is_read = self.view is not None
        self.query_one("#schedule").display = is_read
        self.query_one(Nothing).display = not is_read
        if is_read and self.focused is None:
            self.table.focus()
        self._count()

    def _count(self) -> None:
        """Draws again what depends on the time."""
        texts = [self.table.text_of(row) for row in self.table.rows]
        if texts != self._texts:
            self._texts = texts
            self.table.show(self.table.rows)  # it keeps what it has drawn until it is given rows
        for each in self.query(Watched):
            each.look()

    def _telling(self, view: ScheduleView) -> Telling:
        status = self.house.status
        here = process_name() if status.mode.runs_scheduler else None
        return Telling(view, status, self.house.now(), self.house.local_zone, here)

    def _jobs_heading(self, width: int) -> Text:
        words = Text("Jobs", style="name")
        return rule(Text.assemble(words, (" · ‖ paused", "caution")) if self._is_paused else words, width)

    def _job_words(self, width: int) -> Text:
        row = self.table.row
        if self.view is None or row is None:
            return Text()
        telling, console = self._telling(self.view), self.app.console
        return Text("\n").join([idle_words(telling), job_words(telling, row, width, console)])

    def below_words(self, width: int) -> Text:
        """What stands below the jobs."""
        return Text() if self.view is None else below(self._telling(self.view), width, self.app.console)

    @on(Table.Highlighted, "#jobs")
    def _show_job(self) -> None:
        self.query_one("#job", Watched).look()
        self.refresh_frame()

    def perform_other_pane(self) -> None:
        """Goes between the jobs and the text below."""
        text = self.query_one("#below", Prose)
        (self.table if text.has_focus else text).focus()

    def perform_page_down(self) -> None:
        """Moves in the text below: there are three jobs, and always in view."""
        self.query_one("#below", Prose).move_page(1)

    def perform_page_up(self) -> None:
        """Moves back in the text below."""
        self.query_one("#below", Prose).move_page(-1)

    # Running a job

    def perform_run_job(self) -> None:
        """Does now what the job under the cursor has to do."""
        row, services = self.table.row, self.house.services
        if row is not None and services is not None:
            self._note_running(row.job)
            self._run(services, row.job)

    def _note_running(self, job: Job | None) -> None:
        self.running = job
        self._count()
        self.refresh_frame()

    @work(group="job", exclusive=True)
    async def _run(self, services: Services, job: Job) -> None:
        try:
            self.post_message(JobEnded(job, await run_job(services, job)))
        except AlphaMondayError as exc:
            self.post_message(JobEnded(job, exc))
        except Exception as exc:
            # Whatever it is, it must not take the screen away; its text may hold a key and is not told.
            log.warning("job failed", exc_info=True, extra={"event": "job_failed", "job": str(job)})
            problem = f"Something unforeseen happened: {type(exc).__name__}."
            self.post_message(JobEnded(job, AlphaMondayError(problem, "The log has the details; please report it.")))

    def on_job_ended(self, message: JobEnded) -> None:
        self._note_running(None)
        job = str(message.job).capitalize()
        if isinstance(message.outcome, AlphaMondayError):
            self._tell(message.outcome, f"{job}: ")
        else:
            self.house.say(f"{job}: {report_words(message.outcome)}.".replace("..", "."))
        self.house.note_change(RECENT)

    def _tell(self, problem: AlphaMondayError, before: str = "") -> None:
        self.house.say(f"{before}{problem.message} {problem.remedy}")
        if isinstance(problem, DatabaseUnavailableError):
            self.house.post_message(DatabaseLost(problem))

    # Pausing

    def perform_pause(self) -> None:
        """Pauses the schedulers, once that is confirmed, or lets them go on."""
        if self.view is None:
            self.house.say("Whether the schedulers are paused is not known yet.")
        elif self._is_paused:
            self._set_pause(is_to_pause=False)
        else:
            ask_to_pause(self, self._after_asking)

    def _after_asking(self, is_to_pause: bool | None) -> None:
        if is_to_pause:
            self._set_pause(is_to_pause=True)

    @work(group="pausing", exclusive=True)
    async def _set_pause(self, *, is_to_pause: bool) -> None:
        services = self.house.services
        try:
            if services is None:
                raise DatabaseUnavailableError("The database is not open.", "Wait until it answers again.")
            if is_to_pause:
                self.post_message(PauseSet(await pause(services, process_name())))
            else:
                await resume(services, process_name())
                self.post_message(PauseSet(None))
        except AlphaMondayError as exc:
            self.post_message(PauseSet(exc))

    def on_pause_set(self, message: PauseSet) -> None:
        if isinstance(message.outcome, AlphaMondayError):
            self._tell(message.outcome)
            return
        key = self.house.commands["pause"].keys[0]
        is_over = message.outcome is None
        self.house.say("Resumed." if is_over else f"Paused: nothing is done by itself until {key} resumes.")
        if self.view is not None:
            self._show_view(replace(self.view, paused=message.outcome))
        self.house.note_change(RECENT)  # every screen's status line says so too

    # Giving out

    def copied_text(self) -> str:
        row = self.table.row
        return "" if row is None else "\n".join(map("\t".join, self.table.with_headings(row)))

    async def exported(self) -> Export | None:
        return None if self.view is None else schedule_as_table(self.view)
