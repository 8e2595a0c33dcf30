"""The program in a process of its own, and what it was heard to have committed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

import tui
from db.database import CHANNEL, _weeks_in
from tests.faults.backlogs import Backlog
from tests.faults.servers import WITHIN_S, state_of, wait_until

HURRIED = "tests.faults.hurried"
_HEADLESS = ("--headless", "--tick-every", "1 s")
_HOUSE = Path(tui.__file__).parents[1]


def worker_environment(conninfo: str, backlog: Backlog, directory: Path) -> dict[str, str]:
    """The environment of a program that works on a backlog in a database."""
    return {
        **os.environ,
        "PYTHONPATH": str(_HOUSE),
        "HOME": str(directory),
        "DATABASE_URL": conninfo,
        "ALPHA_MONDAY_DATA_DIR": str(directory / "data"),
        "ALPHA_MONDAY_PRICE_SOURCE": "csv",
        "ALPHA_MONDAY_PRICE_FILE": str(backlog.prices),
        "ALPHA_MONDAY_PICK_SOURCE": "file",
        "ALPHA_MONDAY_PICKS_FILE": str(backlog.picks),
    }


class Worker:
    """`alpha-monday` with some arguments, and the JSON lines that it has logged."""

    def __init__(
        self, conninfo: str, backlog: Backlog, directory: Path, *arguments: str, program: str = "tui", freezes: str = ""
    ) -> None:
        environment = {**worker_environment(conninfo, backlog, directory), "FREEZES": freezes}
        self.process = subprocess.Popen(
            [sys.executable, "-m", program, *(arguments or _HEADLESS)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=directory,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Every line of that event so far."""
        return [line for line in map(_parsed, list(self.lines)) if line.get("event") == event]

    def until(self, event: str, *, after: int = 0) -> dict[str, Any]:
        """The line of that event that comes after so many others of it."""
        try:
            wait_until(lambda: self._has_ended() or len(self.logged(event)) > after, f"the worker says {event!r}")
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}: {''.join(self.lines)}") from None
        if len(found := self.logged(event)) > after:
            return found[after]
        raise AssertionError(f"the worker has ended: {''.join(self.lines)}")

    def _has_ended(self) -> bool:
        return self.process.poll() is not None and not self._reader.is_alive()

    def is_frozen(self) -> bool:
        """Whether it was suspended, by whomever."""
        return state_of(self.process.pid) == "T"

    def thaw(self) -> None:
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Tells it to end, and gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WITHIN_S)

    def close(self) -> None:
        """Kills it if it still runs, even where it was frozen."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def worker(conninfo: str, backlog: Backlog, directory: Path, *arguments: str, **options: str) -> Iterator[Worker]:
    """A worker that was told nothing but to work, unless it is given arguments; it has ended when the block ends."""
    started = Worker(conninfo, backlog, directory, *arguments, **options)
    try:
        yield started
    finally:
        started.close()


class Listener:
    """What a server said was committed while it lived: for each transaction those of some weeks that it wrote."""

    def __init__(self, conninfo: str, weeks: Iterable[date]) -> None:
        self._weeks = frozenset(weeks)
        self.heard: list[frozenset[date]] = []
        self._connection = psycopg.connect(conninfo, autocommit=True)
        self._connection.execute(f"listen {CHANNEL}")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        with suppress(psycopg.OperationalError):  # the server has ended, which is what it is listened to for
            for notification in self._connection.notifies():
                if weeks := self._weeks.intersection(_weeks_in(notification.payload) or ()):
                    self.heard.append(weeks)

    def until(self, holds: Callable[[list[frozenset[date]]], bool], what: str) -> None:
        """Waits until what was heard is such."""
        wait_until(lambda: holds(self.heard), what)

    def after(self) -> list[frozenset[date]]:
        """Everything that was heard, once the server has ended."""
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive(), "the server still talks"
        self._connection.close()
        return self.heard


def now_ms() -> float:
    """A reading of the clock that outages are measured with, in milliseconds."""
    return time.monotonic() * 1000


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"event": "no JSON", "message": line}
    return found if isinstance(found, dict) else {}
