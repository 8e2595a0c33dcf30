"""Takes the pictures of the tour from the app itself, on the demo's data: python docs/screenshots.py."""

import asyncio
import os
import tempfile
from datetime import datetime
from pathlib import Path

from textual.pilot import Pilot

from core.demo import fill, open_demo
from core.settings import Settings
from core.trading_calendar import EXCHANGE_ZONE
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.status import Link

PICTURES = Path(__file__).parent / "screens"
NOW = datetime(2026, 11, 19, 17, 10, tzinfo=EXCHANGE_ZONE)
SIZE = (110, 34)
# Each picture: the keys that lead from the list to it.
LOOKS = {
    "batches": (),
    "picks": ("j", "enter"),
    "heat-map": ("j", "enter", "tab", "tab"),
    "chart": ("j", "enter", "tab", "tab", "tab"),
    "new-batch": ("n",),
    "performance": ("2",),
    "scheduler": ("3",),
    "events": ("4",),
}

_READING = {"reading", "preview", "problems", "schedulers"}


class StandingClock:
    """A clock that shows one moment, so that the pictures change only with the screens."""

    def now(self) -> datetime:
        """The moment."""
        return NOW


async def settled(pilot: Pilot[None]) -> None:
    """Waits until what was asked for is read and painted."""
    if reading := [each for each in pilot.app.workers if each.group in _READING]:
        await pilot.app.workers.wait_for_complete(reading)
    await pilot.pause(0.5)


async def take(settings: Settings, name: str, keys: tuple[str, ...]) -> None:
    """Opens the app, goes to the place and writes its picture."""

    app = AlphaMondayApp(
        settings,
        Mode.DEMO,
        opener=lambda clock: open_demo(settings, clock=clock),
        prepare=fill,
        clock=StandingClock(),
        local_zone=EXCHANGE_ZONE,
    )
    async with app.run_test(size=SIZE) as pilot:
        while app.status.link is not Link.OPEN or app.status.scheduler is None or not app.status.scheduler.last_tick:
            await pilot.pause(0.1)
        for key in keys:
            await settled(pilot)
            await pilot.press(key)
        await settled(pilot)
        (PICTURES / f"{name}.svg").write_text(app.export_screenshot(title="Alpha Monday"), encoding="utf-8")


async def main() -> None:
    """Takes every picture on one database."""
    with tempfile.TemporaryDirectory(prefix="am-") as directory:
        await asyncio.to_thread(Path(directory).chmod, 0o755)  # the server's own user has to reach it, under root
        os.environ["XDG_STATE_HOME"] = directory
        settings = Settings(data_dir=Path(directory) / "data")
        for name, keys in LOOKS.items():
            await take(settings, name, keys)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    asyncio.run(main())
