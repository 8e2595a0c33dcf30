"""The program with its patience cut short, so that what takes half a minute takes a test some seconds.

With FREEZES=between or FREEZES=inside in the environment it suspends itself once, before its second writing
transaction or in the middle of it, as a laptop does whose lid is closed.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import core.file_at_rest
import core.outage
import core.scheduler
import db.database
import db.leadership
import db.sessions
from core.checkpoints import Recorder
from tests.fakes import HourBetweenLooks
from tui.cli import main

LEAD_LAPSES_AFTER_S = 3
ANSWERS_WITHIN_S = 1.0


def hurry(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Shortens every time-out that decides who leads and which server is alive, each by one call of `replace`.

    Files are at rest as soon as they are written.
    """
    replace(core.file_at_rest, "CLOCK", HourBetweenLooks())
    session = {**db.sessions.SETTINGS, "idle_in_transaction_session_timeout": f"{LEAD_LAPSES_AFTER_S}s"}
    replace(db.leadership, "LEAD_LAPSES_AFTER_S", LEAD_LAPSES_AFTER_S)
    replace(db.sessions, "SETTINGS", session)
    replace(db.database, "ANSWERS_WITHIN_S", ANSWERS_WITHIN_S)
    replace(db.sessions, "CONNECT_TIMEOUT_S", 2)
    replace(core.scheduler, "_LOOK", timedelta(milliseconds=300))
    replace(core.scheduler, "_STAND_BY", timedelta(milliseconds=300))
    replace(core.scheduler, "HEARTBEAT_EVERY", timedelta(seconds=1))
    replace(core.outage, "_FIRST", timedelta(milliseconds=200))
    replace(core.outage, "_LONGEST", timedelta(seconds=1))


def freeze_once(where: str) -> None:
    """Suspends this process at its second writing transaction: before it begins, or in its middle."""
    name = {"between": "__call__", "inside": "_write"}[where]
    method = getattr(Recorder, name)
    calls = 0

    async def freezing(self: Recorder, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        await method(self, *arguments)

    setattr(Recorder, name, freezing)


if __name__ == "__main__":
    hurry()
    if where := os.environ.get("FREEZES"):
        freeze_once(where)
    sys.exit(main())
