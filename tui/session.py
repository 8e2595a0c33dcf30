"""The core's life inside the terminal: opened once something is painted, listened to, scheduling, closed at the end."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message

from core.clock import Clock
from db.errors import AlphaMondayError, DatabaseError
from tui.changes import EVERYTHING, NOTHING, RECENT, Changes
from tui.messages import (
    DatabaseAnswered,
    DatabaseLost,
    PreparationEnded,
    SchedulerChanged,
    ServicesFailed,
    ServicesOpened,
)
from tui.mode import Mode

if TYPE_CHECKING:
    from core.scheduler import Scheduler
    from core.scheduler_state import SchedulerState
    from core.services import Services
    from core.settings import Settings

Prepare = Callable[["Services"], Awaitable[None]]
Opener = Callable[[Clock], AbstractAsyncContextManager["Services"]]
STOPPING_TAKES_AT_MOST_S = 1.2
ANSWERS_WITHIN_S = 5.0
CLOSING_TAKES_AT_MOST_S = 2.0
STOPPING_SERVER_TAKES_AT_MOST_S = 5.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between attempts: at a database that does not answer, and between looks where nothing can be heard."""

    retry_s: float = 2.0
    poll_s: float = 5.0


@dataclass(slots=True)
class Opening:
    """What a session is opened with; `opener` replaces the way in which the services come from the settings."""

    settings: "Settings"
    mode: Mode
    clock: Clock
    opener: Opener | None = None
    prepare: Prepare | None = None
    pauses: Pauses = field(default_factory=Pauses)


class Session:
    """What the app's workers do with the core; each tells what it learns through `post`.

    Holding the services and scheduling outlive their workers, which Textual cancels on leaving: the terminal is given
    back at once, and `end` then brings them to a good end.
    """

    def __init__(self, opening: Opening, post: Callable[[Message], bool]) -> None:
        self._opening = opening
        self._post = post
        self._changes = NOTHING
        self._something_changed = asyncio.Event()
        self._reopening = asyncio.Event()
        self._is_prepared = False
        self._scheduler: Scheduler | None = None
        self._holding: asyncio.Future[None] | None = None
        self._scheduling: asyncio.Future[None] | None = None

    async def keep_open(self) -> None:
        """Opens the services, trying again for as long as it takes, and holds them until `end`."""
        self._holding = asyncio.ensure_future(self._keep_open())
        await asyncio.shield(self._holding)

    async def _keep_open(self) -> None:
        pause = self._opening.pauses.retry_s
        # The driver and the calendar take longer to import than the first paint takes to draw.
        await asyncio.to_thread(importlib.import_module, "core.reading")
        while True:
            try:
                await self._hold()
                pause = self._opening.pauses.retry_s
            except AlphaMondayError as exc:
                self._post(ServicesFailed(exc))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._reopening.wait(), pause)
                if self._opening.settings.database_url is None:  # each attempt starts the embedded server again
                    pause = min(2 * pause, LONGEST_PAUSE_S)

    def reopen(self, settings: "Settings") -> None:
        """Opens the services anew with other settings, at once."""
        self._opening.settings = settings
        self._reopening.set()

    async def _hold(self) -> None:
        """Opens the services and holds them until they are to be opened anew."""
        self._reopening.clear()
        async with AsyncExitStack() as stack:
            services, source_problem = await self._open(stack)
            self._post(ServicesOpened(services, source_problem))
            if self._opening.prepare is not None and not self._is_prepared:
                problem = await self._prepare(self._opening.prepare, services)
                self._post(PreparationEnded(problem))
            await self._reopening.wait()
            await self.stop_scheduling()  # it must not be left on what is closed now

    async def _open(self, stack: AsyncExitStack) -> tuple["Services", AlphaMondayError | None]:
        """The services, and why they are without sources where these cannot be made: looking needs none."""
        from core.services import Access, open_services

        if self._opening.opener is not None:
            return await stack.enter_async_context(self._opening.opener(self._opening.clock)), None

        def opened(*, with_sources: bool) -> AbstractAsyncContextManager["Services"]:
            return open_services(
                self._opening.settings,
                Access.WRITE if self._opening.mode.may_write else Access.READ,
                clock=self._opening.clock,
                with_sources=with_sources,
            )

        try:
            return await stack.enter_async_context(opened(with_sources=True)), None
        except DatabaseError:
            raise
        except AlphaMondayError as exc:
            return await stack.enter_async_context(opened(with_sources=False)), exc

    async def _prepare(self, prepare: Prepare, services: "Services") -> AlphaMondayError | None:
        self._is_prepared = True
        try:
            await prepare(services)
        except AlphaMondayError as exc:
            return exc
        return None

    async def schedule(self, services: "Services") -> None:
        """Runs the scheduler until `end`, or until it is started anew."""
        await self.stop_scheduling()
        self._scheduling = asyncio.ensure_future(self._schedule(services))
        await asyncio.shield(self._scheduling)

    async def _schedule(self, services: "Services") -> None:
        from core.scheduler import Scheduler

        self._scheduler = Scheduler(services, self._tell_state)
        await self._scheduler.run()

    def _tell_state(self, state: "SchedulerState") -> None:
        self._post(SchedulerChanged(state))

    def rouse_scheduler(self) -> None:
        """Tells the scheduler that the database answers, instead of letting it wait for its next attempt."""
        if self._scheduler is not None:
            self._scheduler.rouse()

    async def stop_scheduling(self) -> None:
        """Tells the scheduler to end and waits until it has, within bounds."""
        if self._scheduler is not None:
            self._scheduler.stop()
        await _ended(self._scheduling, STOPPING_TAKES_AT_MOST_S)
        self._scheduler = self._scheduling = None

    async def end(self) -> None:
        """Ends the scheduler in good order, then closes the services, both within bounds."""
        await self.stop_scheduling()
        if self._holding is not None:
            self._holding.cancel()
        is_embedded = self._opening.settings.database_url is None
        await _ended(self._holding, STOPPING_SERVER_TAKES_AT_MOST_S if is_embedded else CLOSING_TAKES_AT_MOST_S)

    async def listen(self, services: "Services") -> None:
        """Notes every change that any process writes; looks by itself, at intervals, where it cannot listen."""
        while True:
            try:
                async for run_dates in services.database.notifications():
                    self.note_change(EVERYTHING if run_dates is None else Changes(run_dates))
                    self._post(DatabaseAnswered(self._opening.clock.now()))
            except DatabaseError as exc:
                pause = await self._after_silence(services, exc)
            else:
                pause = self._opening.pauses.retry_s
            await asyncio.sleep(pause)

    async def _after_silence(self, services: "Services", problem: DatabaseError) -> float:
        """Whether the database is lost or merely cannot be listened to; gives the seconds until the next attempt."""
        try:
            async with services.database.dedicated():
                pass
        except DatabaseError:
            self._post(DatabaseLost(problem))
            if self._opening.settings.database_url is None:
                self._reopening.set()  # nobody else starts the embedded server again
            return self._opening.pauses.retry_s
        self._post(DatabaseAnswered(self._opening.clock.now()))
        self.note_change(RECENT)
        return self._opening.pauses.poll_s

    async def answered(self, services: "Services") -> None:
        """Waits until the database answers."""
        while True:
            await asyncio.sleep(self._opening.pauses.retry_s)
            asking = asyncio.ensure_future(services.database.answers())
            await asyncio.wait({asking}, timeout=ANSWERS_WITHIN_S)
            if asking.done() and asking.result():
                return
            asking.cancel()

    def note_change(self, changes: Changes) -> None:
        """Adds to what has changed since it was last taken."""
        self._changes = self._changes | changes
        self._something_changed.set()

    async def changes(self) -> Changes:
        """Waits for changes and takes all there are."""
        await self._something_changed.wait()
        self._something_changed.clear()
        taken, self._changes = self._changes, NOTHING
        return taken


async def _ended(task: "asyncio.Future[None] | None", within_s: float) -> None:
    """Waits until `task` has ended, and cancels it after `within_s`; its failure was told by who awaits it."""
    if task is not None:
        await asyncio.wait({task}, timeout=within_s)
        task.cancel()
