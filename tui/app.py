"""The terminal application: it paints at once, then wires the core and keeps what is shown current."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import BindingType
from textual.reactive import reactive
from textual.screen import Screen

from core.clock import Clock, SystemClock
from core.mixing import SIMULATED
from db.records import MissedWeek
from tui import theme as themes
from tui.changes import EVERYTHING, RECENT
from tui.commands import Scope, bindings
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
from tui.terminal import leave_on_signals

if TYPE_CHECKING:
    from core.reading import BatchRow
    from core.services import Services
    from core.settings import Settings

REPAINTS_AT_MOST_EVERY_S = 0.1

log = logging.getLogger(__name__)


class AlphaMondayApp(App[None]):
    """The screens, what they share, and the workers behind them."""

    TITLE = "Alpha Monday"
    CSS_PATH = "app.tcss"
    COMMANDS = {CommandProvider}  # noqa: RUF012 - declared by Textual
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {"batches": HomeScreen}
    DEFAULT_MODE = "batches"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Scope.EVERYWHERE)]

    status: reactive[Status] = reactive(Status(Mode.SCHEDULER), init=False)

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
    ) -> None:
        """`opener` gives other services than the settings' own; `local_zone` None is the machine's."""
        super().__init__()
        self.clock = clock or SystemClock()
        self.local_zone = local_zone
        self.services: Services | None = None
        self.is_lost = asyncio.Event()
        self._prepares = prepare is not None
        self.session = Session(
            Opening(settings, mode, self.clock, opener, prepare, pauses or Pauses()), self.post_message
        )
        for each in themes.THEMES:
            self.register_theme(each)
        self.theme = themes.DARK.name
        self.console.push_theme(themes.text_styles(self.get_css_variables()))
        self.set_reactive(AlphaMondayApp.status, Status(mode))

    def now(self) -> datetime:
        """The present, as everything on the screens tells it."""
        return self.clock.now()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What a foreign theme lacks."""
        return themes.DARK.variables

    def on_mount(self) -> None:
        self._colour_text()
        self.theme_changed_signal.subscribe(self, lambda _: self._colour_text())
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._keep_open()
        self._follow_changes()

    def _colour_text(self) -> None:
        self.console.pop_theme()
        self.console.push_theme(themes.text_styles(self.get_css_variables()))

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
        """Makes every screen look again at what has changed, at most ten times a second."""
        while True:
            changes = await self.session.changes()
            for screen in self.screen_stack:
                if isinstance(screen, HouseScreen):
                    screen.note_change(changes)
            await self._top_screen.look_again()
            await asyncio.sleep(REPAINTS_AT_MOST_EVERY_S)

    @property
    def _top_screen(self) -> HouseScreen:
        """The uppermost screen that shows data; the palette and messages may lie over it."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, HouseScreen))

    def on_services_opened(self, message: ServicesOpened) -> None:
        services = self.services = message.services
        self.is_lost.clear()
        self.status = replace(
            self.status,
            database="demo" if self.status.mode is Mode.DEMO else _database_name(services),
            link=Link.PREPARING if self._prepares else Link.OPEN,
            problem=None,
            sources=tuple(Source(source.name, str(source.basis)) for source in services.sources),
            source_problem=message.source_problem,
        )
        self._listen(services)
        self.session.note_change(EVERYTHING)
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
        self.status = replace(self.status, link=Link.FAILED, problem=message.problem)

    def on_database_lost(self, message: DatabaseLost) -> None:
        if self.services is not None:
            self.is_lost.set()
            self.status = replace(self.status, link=Link.LOST, problem=message.problem)

    def on_database_answered(self, message: DatabaseAnswered) -> None:
        was_lost = self.status.link is Link.LOST
        self.is_lost.clear()
        self.status = replace(self.status, link=Link.OPEN if was_lost else self.status.link, answered_at=message.at)
        if was_lost:
            self.session.note_change(EVERYTHING)

    def on_scheduler_changed(self, message: SchedulerChanged) -> None:
        before, self.status = self.status, replace(self.status, scheduler=message.state)
        ticked = before.scheduler is None or before.scheduler.last_tick != message.state.last_tick
        if ticked and message.state.last_tick is not None:
            # Days that wait are told to nobody; they show after the tick that tried them.
            self.session.note_change(RECENT)

    def note_simulated(self, rows: "Iterable[BatchRow | MissedWeek]") -> None:
        """Says on every screen from now on that prices are invented, if any of `rows` was priced so."""
        found = any(not isinstance(row, MissedWeek) and row.overview.source == SIMULATED for row in rows)
        if found != self.status.simulated_batches:
            self.status = replace(self.status, simulated_batches=found)

    def say(self, words: str | Text) -> None:
        """Tells the operator something in passing."""
        self.notify(literal(words, limit=300).plain, markup=False)

    async def action_perform(self, command_id: str) -> None:
        """Runs a command where the operator is."""
        await self._top_screen.action_perform(command_id)

    def show_next_theme(self) -> None:
        """Changes to the next of the house's themes."""
        names = [each.name for each in themes.THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    async def action_quit(self) -> None:
        """Ends the scheduler in good order, then the app."""
        await self.session.stop_scheduling()
        self.exit()

    async def on_unmount(self) -> None:
        # The terminal is the operator's again by now; what follows needs no screen.
        await self.session.closed()

    def _fatal_error(self) -> None:
        # Textual would print every local variable of the traceback, and with them what is secret.
        error = self._exception
        log.critical("the screen failed", exc_info=error, extra={"event": "screen_failed"})
        self.panic(
            Text.assemble(
                "Alpha Monday failed: ",
                literal(f"{type(error).__name__}: {error}", limit=300),
                "\nThe log has the details; please report it.",
            )
        )


def _database_name(services: "Services") -> str:
    if services.settings.database_url is None:
        return "embedded"
    return services.database.host or "local"


def run(settings: "Settings", mode: Mode, *, opener: Opener | None = None, prepare: Prepare | None = None) -> int:
    """Opens the terminal application and returns the exit code once it has ended.

    `opener` gives other services than the settings' own. `prepare` is awaited with the services, after they are
    opened and before the scheduler starts.
    """
    app = AlphaMondayApp(settings, mode, opener=opener, prepare=prepare)

    async def run_until_told() -> None:
        leave_on_signals(app.action_quit)
        await cast("Awaitable[None]", app.run_async())

    asyncio.run(run_until_told())
    return app.return_code or 0
