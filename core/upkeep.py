"""What is done besides the work that is due: the call that says all is well, alerts, and the weekly backup."""

import asyncio
import logging
from datetime import timedelta

from core.alerts.alerts import Alerts
from core.alerts.channel import Channels
from core.alerts.ticks import TickAlert
from core.catch_up import Report
from core.heartbeat import Heartbeat
from core.services import Services
from core.weekly_backup import WeeklyBackup
from db.errors import AlphaMondayError

log = logging.getLogger(__name__)


class Upkeep:
    """The work beside the ticks of one leader, which it never holds up, or after a single run. It fails nobody."""

    def __init__(self, services: Services, channels: Channels | None = None) -> None:
        """`channels` are those for alerts of a process that keeps them for longer than one lead."""
        self._heartbeat = Heartbeat(services)
        channels = channels or Channels(services.settings)
        self._alerts = Alerts(services, channels)
        self._ticks = TickAlert(channels, services.settings, services.clock)
        self._backup = WeeklyBackup(services)
        self._backing_up: asyncio.Task[None] | None = None

    def after_tick(self, report: Report) -> None:
        """Starts what is due after a tick that did not fail, unless it is under way."""
        self._heartbeat.after_tick(report)
        self._ticks.succeeded()
        self._alerts.look()
        if self._backing_up is None or self._backing_up.done():
            self._backing_up = asyncio.create_task(self._back_up())

    def during_tick(self, running: timedelta) -> None:
        """Says that a tick has been under way for `running`, where that is too long."""
        self._ticks.runs(running)

    def after_failed_tick(self, problem: AlphaMondayError) -> None:
        """Starts what a tick that failed is no reason to leave: telling of it, and of what was written before."""
        self._ticks.failed(problem)
        self._alerts.look()

    def during_pause(self) -> None:
        """Starts what a pause does not end: what operators do meanwhile is told, the pause itself too."""
        self._alerts.look()

    async def after_run(self, report: Report) -> None:
        """Does what is due after a single run, and ends."""
        await self._heartbeat.beat(report)
        await self._alerts.run_once()
        await self._back_up()

    async def _back_up(self) -> None:
        try:
            file = await self._backup.run_if_due()
        except AlphaMondayError as exc:
            log.warning("backup failed", extra={"event": "backup_failed", "problem": exc.message})
        except Exception as exc:  # a defect here must not end what runs beside it; the log has where it came from
            log.warning("backup failed", exc_info=True, extra={"event": "backup_failed", "problem": type(exc).__name__})
        else:
            if file is not None:
                log.info("backup written", extra={"event": "backup_written", "file": file.name})

    async def close(self) -> None:
        """Ends it; a backup that was being written leaves no file."""
        if self._backing_up is not None:
            self._backing_up.cancel()
            await asyncio.gather(self._backing_up, return_exceptions=True)
        await asyncio.gather(self._alerts.close(), self._ticks.close())
        await self._heartbeat.close()
