"""Takes the pictures of the tour from the app itself, on the demo's data: python docs/screenshots.py."""

import asyncio
import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from textual.pilot import Pilot

from core.demo import fill, open_demo
from core.services import Services
from core.settings import Settings
from core.trading_calendar import EXCHANGE_ZONE
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.outgoing import as_picture
from tui.status import Link

PICTURES = Path(__file__).parent / "screens"
NOW = datetime(2026, 11, 19, 17, 10, tzinfo=EXCHANGE_ZONE)
SIZE = (110, 34)
# The pictures in turn, each with the keys that lead there from the one before.
LOOKS = {
    "batches": (),
    "picks": ("j", "enter"),
    "heat-map": ("tab", "tab"),
    "chart": ("tab",),
    "new-batch": ("escape", "n", "ctrl+o", "enter"),
    "performance": ("escape", "2"),
    "scheduler": ("3",),
    "events": ("4",),
}
_READING = {"reading", "preview", "problems", "schedulers", "fetching"}


class StandingClock:
    """A clock that shows one moment, so that the pictures change only with the screens."""

    def now(self) -> datetime:
        """The moment."""
        return NOW

    def ahead_of(self, _: datetime) -> timedelta:
        """Nothing: it is no real clock."""
        return timedelta(0)


async def prepare(services: Services) -> None:
    """Fills the demo; the rests before the next tries, which are drawn, become all alike."""
    await fill(services)
    async with services.database.transaction() as connection:
        await connection.execute("update waiting_days set next_try_at = last_tried_at + interval '5 minutes'")


async def settled(pilot: Pilot[None]) -> None:
    """Waits until what was asked for is read and painted."""
    await pilot.pause(0.5)
    while any(worker.is_running and worker.group in _READING for worker in pilot.app.workers):
        await pilot.pause(0.1)
    await pilot.pause(0.5)


async def take(settings: Settings) -> None:
    """Opens the app, goes from place to place and writes the picture of each."""
    app = AlphaMondayApp(
        settings,
        Mode.DEMO,
        opener=lambda clock: open_demo(settings, clock=clock),
        prepare=prepare,
        clock=StandingClock(),
        local_zone=EXCHANGE_ZONE,
    )
    async with app.run_test(size=SIZE) as pilot:
        while app.status.link is not Link.OPEN or app.status.scheduler is None or not app.status.scheduler.last_tick:
            await pilot.pause(0.1)
        for name, keys in LOOKS.items():
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            await settled(pilot)
            picture = as_picture(app.export_screenshot(title="Alpha Monday"))
            await asyncio.to_thread((PICTURES / f"{name}.svg").write_text, picture, encoding="utf-8")


async def main() -> None:
    """Takes every picture on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="am-") as directory:
        await asyncio.to_thread(Path(directory).chmod, 0o755)  # the server's own user has to reach it, under root
        os.environ["XDG_STATE_HOME"] = directory
        await take(Settings(data_dir=Path(directory) / "data"))


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    asyncio.run(main())
