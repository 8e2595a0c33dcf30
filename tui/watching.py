"""What the app keeps an eye on for every screen: problems since the operator last looked, and who schedules."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.app import App
from textual.reactive import var

from db.errors import AlphaMondayError
from tui.messages import ProblemsRead, SchedulersSeen
from tui.mode import Mode
from tui.status import Status

if TYPE_CHECKING:
    from core.problems import Problem
    from core.services import Services
    from tui.screens.house import HouseScreen

NOTICED_WITHIN_S = 4.0
# An event bears the time at which its transaction began, so it may come to light after a look that is later.
WRITTEN_WHILE_LOOKING = timedelta(minutes=1)


class WatchingApp(App[None]):
    """The app as far as it watches; it asks through the screen on top, which tells a loss when it meets one."""

    # Widgets watch it and repaint themselves; a reactive would repaint the whole screen each time it is set.
    status: var[Status] = var(Status(Mode.SCHEDULER), init=False)
    services: "Services | None" = None
    _looked_at: datetime | None = None
    _seen: "frozenset[Problem]" = frozenset()

    @property
    def top_screen(self) -> "HouseScreen":
        """The uppermost screen that shows data."""
        raise NotImplementedError

    def say(self, words: str | Text) -> None:
        """Tells the operator something in passing."""
        raise NotImplementedError

    def forget_looks(self) -> None:
        """Another database is opened, at which this operator looked at another time."""
        self._looked_at, self._seen = None, frozenset()

    @work(group="problems", exclusive=True)
    async def read_problems(self) -> None:
        """Reads what went wrong since this operator last looked."""
        from core import last_look, problems
        from core.clock import is_from_future

        services = self.services
        if services is None:
            return
        if self._looked_at is None:
            looked_at = await asyncio.to_thread(last_look.read, services.settings, services.database)
            # A look from the future, of a clock that was wrong, would hide every problem until then.
            self._looked_at = None if looked_at and is_from_future(looked_at, services.clock.now()) else looked_at
        since = self._looked_at
        asked_since = since - WRITTEN_WHILE_LOOKING if since else None
        found = await self.top_screen.ask(lambda asked: problems.problems(asked, asked_since))
        if found is not None:
            unseen = tuple(each for each in found if each.next_try_at is not None or each not in self._seen)
            self.post_message(ProblemsRead(unseen, since))

    def on_problems_read(self, message: ProblemsRead) -> None:
        self.status = replace(self.status, problems=message.problems, looked_at=message.since)

    @work(group="schedulers", exclusive=True)
    async def read_schedulers(self) -> None:
        """Reads who leads, and whether the schedulers are paused."""
        if self.services is None:
            return
        from core.schedule_view import who_schedules

        found = await self.top_screen.ask(who_schedules, patience_s=NOTICED_WITHIN_S)
        if found is not None:
            self.post_message(SchedulersSeen(found))

    def on_schedulers_seen(self, message: SchedulersSeen) -> None:
        self.status = replace(self.status, who_schedules=message.found)

    def note_looked(self, problems: "tuple[Problem, ...]", at: datetime) -> None:
        """Remembers that this operator has seen `problems`, all that there were at `at`."""
        self._looked_at = at
        self._seen |= frozenset(problems)
        self._write_look(at)
        self.read_problems()

    @work(group="looking")
    async def _write_look(self, at: datetime) -> None:
        from core import last_look

        if (services := self.services) is not None:
            try:
                await asyncio.to_thread(last_look.write, services.settings, services.database, at)
            except AlphaMondayError as exc:
                self.say(exc.in_one_line)
