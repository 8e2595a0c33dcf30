"""Schedulers that hurry: pauses told in seconds are hundredths, and each has a name of its own."""

from datetime import timedelta

import psycopg
import pytest

import core.outage
import core.scheduler
from core.ticker import Ticker
from tests.core.test_scheduler import WITHIN_S, Running, kill_leader, running

__all__ = ["WITHIN_S", "Running", "age_facts", "hurry", "kill_leader", "running"]


class EveryTurn(Ticker):
    """A ticker that is due at every turn, and needs no whole seconds."""

    def __init__(self, every: timedelta) -> None:
        super().__init__(max(every, timedelta(seconds=1)))
        self._between = every

    def is_due(self) -> bool:
        return True

    def until_next(self) -> timedelta:
        return self._between


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets schedulers look, note and tick without waiting; the first is called one:1, then two:2 and so on."""
    short = timedelta(milliseconds=20)
    for name in ("_STAND_BY", "_NOTE_STANDBY_EVERY", "_LOOK", "HEARTBEAT_EVERY", "_AFTER_LOSS", "_LONGEST_AFTER_LOSS"):
        monkeypatch.setattr(core.scheduler, name, short)
    for name in ("_FIRST", "_LONGEST", "_LONGEST_OWN"):
        monkeypatch.setattr(core.outage, name, short)
    names = (f"{word}:{number}" for number, word in enumerate(("one", "two", "three"), start=1))
    monkeypatch.setattr(core.scheduler, "process_name", lambda: next(names))
    monkeypatch.setattr(core.scheduler, "Ticker", EveryTurn)


def age_facts(conninfo: str, pattern: str, age: timedelta) -> None:
    """Makes the facts whose name is like `pattern` as old as `age`."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "update scheduler_state set updated_at = now() - %s::interval where name like %s", (age, pattern)
        )
