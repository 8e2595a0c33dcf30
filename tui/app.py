"""The terminal application: it paints at once, then wires the core and keeps what is shown current."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from rich.text import Text
from textual import events, work
from textual.binding import BindingType
from textual.screen import Screen

from core.clock import Clock, SystemClock
from db.errors import AlphaMondayError
from tui import command_list
from tui import theme as themes
from tui.changes import EVERYTHING, RECENT, Changes
from tui.commands import CommandSet, Scope
from tui.literal import literal
from tui.messages import (
    DatabaseAnswered,
    DatabaseLost,
    PreparationEnded,
    SchedulerChanged,
    ServicesFailed,
    ServicesOpened,
)
from tui.mode import Mode
from tui.palette import CommandProvider
from tui.screens.home import HomeScreen
from tui.screens.house import HouseScreen
from tui.session import Opener, Opening, Pauses, Prepare, Session
from tui.status import Link, Source, Status
from tui.surroundings import Changing
from tui.type_ahead import TypeAhead
from tui.watching import WatchingApp

if TYPE_CHECKING:
    from core.services import Services
    from core.settings import Settings
    from core.settings_layers import Layers
    from tui.batch_draft import BatchDraft

REPAINTS_AT_MOST_EVERY_S = 0.05
SCHEDULERS_READ_EVERY_S = 5.0

log = logging.getLogger(__name__)


def _performance() -> Screen[Any]:
    from tui.screens.performance import PerformanceScreen  # each place is imported when somebody goes there

    return PerformanceScreen()


def _scheduler() -> Screen[Any]:
    from tui.screens.scheduler import SchedulerScreen

    return SchedulerScreen()


def _events() -> Screen[Any]:
    from tui.screens.events import EventsScreen

    return EventsScreen()


class AlphaMondayApp(WatchingApp):
    """The screens, what they share, and the workers behind them."""

    TITLE = "Alpha Monday"
    CSS_PATH = "app.tcss"
    COMMANDS = {CommandProvider}  # noqa: RUF012 - declared by Textual
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "batches": HomeScreen,
        "performance": _performance,
        "scheduler": _scheduler,
        "events": _events,
    }
    DEFAULT_MODE = "batches"
    _last_top_screen: HouseScreen
    BINDINGS: ClassVar[list[BindingType]] = [*command_list.COMMANDS.bindings(Scope.EVERYWHERE)]

    def __init__(
        self,
        settings: "Settings",
        mode: Mode,
        *,
        opener: Opener | None = None,
        prepare: Prepare | None = None,
        clock: Clock | None = None,
        local_zone: tzinfo | None = None,
        pauses: Pauses | None = None,
        keymap: dict[str, str] | None = None,
        log_file: Path | None = None,
        layers: "Layers | None" = None,
        theme: str | None = None,
    ) -> None:
        """`opener` gives other services than the settings' own; `local_zone` None is the machine's.

        `layers` are what the settings were loaded from, to load them anew after set-up. `keymap` holds keys of the
        operator's own by command id; `log_file` is named when the screen fails. `theme` is the name of the one to
        begin with; one that this terminal does not have is left out of account.
        """
        self._themes = themes.themes_for(os.environ)
        # Without colour the terminal's own two are kept, not a scale of grey that may come out dark on dark; and of few
        # colours its own are named, not the nearest of them to a shade.
        super().__init__(ansi_color=True if self._themes[0].ansi else None)
        self.settings = settings
        self.layers = layers
        self.clock = clock or SystemClock()
        self.local_zone = local_zone
        self.services: Services | None = None
        self.is_lost = asyncio.Event()
        # What was typed for a batch and not written yet, by the week that the form was opened for.
        self.drafts: dict[date | None, BatchDraft] = {}
        self.given_back = threading.Event()
        # Called once everything is brought to its end: what is left to do may be held up by a terminal or a thread.
        self.on_ended: Callable[[], None] = lambda: None
        self.commands: CommandSet = command_list.COMMANDS.with_keys(keymap or {})
        self.set_keymap(keymap or {})
        self._type_ahead = TypeAhead(self, lambda: self.commands)
        self._log_file = log_file
        self._writing_theme = threading.Lock()
        self._prepares = prepare is not None
        self._house_screens: WeakSet[Changing] = WeakSet()
        self.session = Session(
            Opening(settings, mode, self.clock, opener, prepare, pauses or Pauses()), self.post_message
        )
        for each in self._themes:
            self.register_theme(each)
        self._text_styles_pushed = False
        self.theme = theme if theme in {each.name for each in self._themes} else self._themes[0].name
        self._colour_text()
        self.set_reactive(AlphaMondayApp.status, Status(mode))

    def now(self) -> datetime:
        """The present, as everything on the screens tells it."""
        return self.clock.now()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What a foreign theme lacks."""
        return themes.DARK.variables

    def on_mount(self) -> None:
        self._let_keys_through()
        self.call_after_refresh(self._begin)

    async def on_event(self, event: events.Event) -> None:
        """Every event passes here, and what comes from the operator in its turn."""
        if self._type_ahead.is_in_turn(event):
            await super().on_event(event)

    @work(group="typing")
    async def _let_keys_through(self) -> None:
        await self._type_ahead.let_through()

    def watch_theme(self) -> None:
        """Colours text anew before Textual renews its style sheets: no frame after that has a colour of before."""
        self._colour_text()
        if self.is_running:
            self._redraw()
            self.call_next(self._redraw)  # what the style sheets alone have changed, and something drew meanwhile

    def _redraw(self) -> None:
        for screen in {*self.screen_stack, *(each for each in self._house_screens if isinstance(each, Screen))}:
            for widget in screen.query("*"):  # a widget whose style sheet says the same keeps what it has drawn
                widget.refresh()

    def _begin(self) -> None:
        self._keep_open()
        self._follow_changes()
        # That the process which leads has ended is told to nobody, nor that a database is frozen.
        self.set_interval(SCHEDULERS_READ_EVERY_S, self.read_schedulers)

    def _colour_text(self) -> None:
        if self._text_styles_pushed:
            self.console.pop_theme()
        self.console.push_theme(themes.text_styles(self.get_css_variables()))
        self._text_styles_pushed = True

    @work(group="services")
    async def _keep_open(self) -> None:
        await self.session.keep_open()

    @work(group="listening", exclusive=True)
    async def _listen(self, services: "Services") -> None:
        await self.session.listen(services)

    @work(group="scheduler", exclusive=True)
    async def _schedule(self, services: "Services") -> None:
        await self.session.schedule(services)

    @work(group="changes")
    async def _follow_changes(self) -> None:
        """Makes every screen look again at what has changed, at most twenty times a second."""
        while True:
            changes = await self.session.changes()
            for screen in list(self._house_screens):
                screen.note_change(changes)
            self.read_problems()
            self.read_schedulers()
            if self.top_screen in self._house_screens:  # its widgets are there
                with self.top_screen.while_it_stands():
                    await self.top_screen.look_again()
            await asyncio.sleep(REPAINTS_AT_MOST_EVERY_S)

    def enrol(self, screen: Changing) -> None:
        """Has a screen told of every change from now on, whether it is on top or not."""
        self._house_screens.add(screen)

    @property
    def top_screen(self) -> HouseScreen:
        """The uppermost screen that shows data; the palette and messages may lie over it.

        While the app is left its screens go before its workers do; these keep the last one.
        """
        shown = [screen for screen in self.screen_stack if isinstance(screen, HouseScreen)]
        if shown:
            self._last_top_screen = shown[-1]
        return self._last_top_screen

    def on_services_opened(self, message: ServicesOpened) -> None:
        services = self.services = message.services
        self.is_lost.clear()
        self.status = replace(
            self.status,
            database="demo" if self.status.mode is Mode.DEMO else _database_name(services),
            link=Link.PREPARING if self._prepares else Link.OPEN,
            problem=None,
            scheduler=None,
            sources=tuple(Source(source.name, str(source.basis)) for source in services.sources),
            source_problem=self._with_places(message.source_problem),
            transport_problem=services.transport_problem,
        )
        self._listen(services)  # every screen reads once that has begun, so that nothing falls between
        if not self._prepares:
            self._start_scheduler()

    def on_preparation_ended(self, message: PreparationEnded) -> None:
        self._prepares = False
        self.status = replace(self.status, link=Link.OPEN, source_problem=message.problem)
        self.session.note_change(EVERYTHING)
        self._start_scheduler()

    def _start_scheduler(self) -> None:
        # Without a source there is nothing to lead with, and another process may have one.
        if self.services is not None and self.services.sources and self.status.mode.runs_scheduler:
            self._schedule(self.services)

    def on_services_failed(self, message: ServicesFailed) -> None:
        self.services = None
        self.status = replace(self.status, link=Link.FAILED, problem=self._with_places(message.problem))

    def _with_places(self, problem: AlphaMondayError | None) -> AlphaMondayError | None:
        """`problem`, its remedy saying where the settings are set that it names."""
        if problem is not None and self.layers is not None:
            try:
                places = self.layers.load().places(problem.message, problem.remedy)
            except AlphaMondayError:  # a file that was changed since: what is shown is still true, and set-up tells
                return problem
            if places not in problem.remedy:
                problem.remedy = f"{problem.remedy} {places}".strip()
        return problem

    def on_database_lost(self, message: DatabaseLost) -> None:
        if self.services is not None:
            self.is_lost.set()
            self.status = replace(self.status, link=Link.LOST, problem=message.problem)
            self._await_answer(self.services)

    @work(group="probing", exclusive=True)
    async def _await_answer(self, services: "Services") -> None:
        """Tells when the database answers again, which a connection that listens does not where nobody writes."""
        await self.session.answered(services)
        if services is self.services:
            self.post_message(DatabaseAnswered(self.now()))

    def on_database_answered(self, message: DatabaseAnswered) -> None:
        was_lost = self.status.link is Link.LOST
        self.is_lost.clear()
        self.status = replace(self.status, link=Link.OPEN if was_lost else self.status.link, answered_at=message.at)
        if was_lost:
            self.session.rouse_scheduler()
            self.session.note_change(EVERYTHING)

    def on_scheduler_changed(self, message: SchedulerChanged) -> None:
        before, self.status = self.status, replace(self.status, scheduler=message.state)
        ticked = before.scheduler is None or before.scheduler.last_tick != message.state.last_tick
        if ticked and message.state.last_tick is not None:
            # Days that wait are told to nobody; they show after the tick that tried them.
            self.session.note_change(RECENT)

    def note_change(self, changes: Changes) -> None:
        """Makes every screen look again at what this process itself has changed."""
        self.session.note_change(changes)

    def note_simulated(self, found: bool) -> None:
        """Says on every screen from now on whether there are batches whose prices are invented."""
        if found != self.status.simulated_batches:
            self.status = replace(self.status, simulated_batches=found)

    def reopen(self, settings: "Settings") -> None:
        """Opens everything anew with other settings."""
        # What is closed now must neither be asked nor, by its silence, be taken for a database that was lost.
        self.workers.cancel_group(self, "listening")
        self.services, self.settings = None, settings
        self.forget_looks()
        self.status = replace(
            self.status, link=Link.OPENING, problem=None, sources=(), source_problem=None, scheduler=None,
            who_schedules=None,
        )  # fmt: skip
        self.session.reopen(settings)

    def say(self, words: str | Text) -> None:
        """Tells the operator something in passing; what was said before goes away."""
        self.clear_notifications()
        self.notify(literal(words, limit=300).plain, markup=False)

    async def action_perform(self, command_id: str) -> None:
        """Runs a command where the operator is."""
        await self.top_screen.action_perform(command_id)

    def go_to(self, mode: str) -> None:
        """Goes to one of the places, and there to the screen that it begins with."""
        if mode != self.current_mode:
            self.switch_mode(mode)
        while isinstance(self.screen, HouseScreen) and len(self.screen_stack) > 1:
            self.pop_screen()

    def show_next_theme(self) -> None:
        """Changes to the next of the house's themes."""
        names = [each.name for each in self._themes]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        if len(names) > 1:
            self._keep_theme()

    @work(group="theme")
    async def _keep_theme(self) -> None:
        try:
            await asyncio.to_thread(self._write_theme)
        except AlphaMondayError as exc:
            self.say(exc.in_one_line)

    def _write_theme(self) -> None:
        from tui import chosen_theme  # it brings the settings, which the first paint need not wait for

        with self._writing_theme:  # whichever thread comes last writes the theme in force then
            chosen_theme.write(self.theme)

    async def action_quit(self) -> None:
        """Gives the terminal back at once; the scheduler and the services are brought to a good end after that."""
        self.exit()

    async def on_unmount(self) -> None:
        # Textual has restored the terminal by now; what follows needs no screen.
        self.given_back.set()
        await self.session.end()
        self.on_ended()

    def _fatal_error(self) -> None:
        # Textual would print every local variable of the traceback, and with them what is secret.
        error = self._exception
        log.critical("the screen failed", exc_info=error, extra={"event": "screen_failed"})
        self.panic(
            Text.assemble(
                "Alpha Monday failed: ",
                type(error).__name__,  # its text may hold a secret, which the log masks
                "\nThe log has the details; please report it",
                literal(f": {self._log_file}" if self._log_file else ".", limit=300),
            )
        )


def _database_name(services: "Services") -> str:
    if services.settings.database_url is None:
        return "embedded"
    return services.database.host or "local"
