"""The core's life inside the terminal: an outage ends for it as soon as it ends for the database."""

import asyncio
from contextlib import AbstractAsyncContextManager

from pydantic import SecretStr

from core.clock import Clock
from core.services import Services
from core.settings import Settings
from db.errors import DatabaseUnavailableError
from tests.fakes import FixedClock
from tests.tui.history import NOW
from tui.mode import Mode
from tui.session import Opening, Pauses, Session


async def test_a_server_that_is_away_for_long_is_tried_as_often_as_at_first() -> None:
    tries, enough = 0, asyncio.Event()

    def fail(_: Clock) -> AbstractAsyncContextManager[Services]:
        nonlocal tries
        tries += 1
        if tries == 10:
            enough.set()
        raise DatabaseUnavailableError("gone", "Wait.")

    settings = Settings.model_construct(database_url=SecretStr("host=db.test"), provider_settings={})
    opening = Opening(settings, Mode.READ_ONLY, FixedClock(NOW), opener=fail, pauses=Pauses(retry_s=0.02))
    opened = asyncio.create_task(Session(opening, lambda _: True)._keep_open())
    try:
        await asyncio.wait_for(enough.wait(), 4)  # waits that double would take 10 s
    finally:
        opened.cancel()
        await asyncio.gather(opened, return_exceptions=True)
