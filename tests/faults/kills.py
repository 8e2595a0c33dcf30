"""Replays that are killed at any moment and started again, until nothing is left to do."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from db.embedded import EmbeddedServer
from tests.faults.market import Files, database, files, real_server
from tests.faults.rows import Difference, Row, broken, content, difference
from tests.faults.victim import Outcome, Stage, Task, Victims

BACKFILLED_WEEKS = 100
TICKED_WEEKS = 8
COMMANDED_WEEKS = 60
_COMMANDS_IN = 20  # one kill in so many is of the whole command with its embedded server


@dataclass(slots=True)
class KillFigures:
    """What was killed, where, and what was found afterwards. `broken` is looked for after each kill."""

    kills: int = 0
    commands: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    replays: int = 0
    rows: Difference = field(default_factory=Difference)
    acknowledged_lost: int = 0
    broken: list[str] = field(default_factory=list)
    real_prices: bool = False
    replay_s: dict[str, float] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, repeated, changed or written by halves."""
        return self.rows.is_none and not self.acknowledged_lost and not self.broken


def kills(count: int, seed: int, directory: Path) -> KillFigures:
    """Kills replays `count` times at moments spread over their whole length, on servers in `directory`.

    Each is started again after the kill. A finished one is compared with one that was never disturbed, and the next
    begins in a new database.
    """
    draw, figures = random.Random(seed), KillFigures()
    commands = max(count // _COMMANDS_IN, 1)
    forked = count - commands
    with real_server(directory) as server, Victims() as victims:
        for ticking, share in ((False, forked // 2), (True, forked - forked // 2)):
            given = files(directory, TICKED_WEEKS if ticking else BACKFILLED_WEEKS)
            _kill_forks(server, victims, given, ticking, share, draw, figures)
    _kill_commands(directory, commands, draw, figures)
    return figures


def _kill_forks(
    server: EmbeddedServer,
    victims: Victims,
    given: Files,
    ticking: bool,
    count: int,
    draw: random.Random,
    figures: KillFigures,
) -> None:
    """Kills forked replays of one kind `count` times."""

    def task(conninfo: str, kill_after: float | None) -> Task:
        return Task(conninfo, str(given.prices), str(given.picks), ticking, kill_after)

    with database(server) as conninfo:
        length = victims.run(task(conninfo, None)).took
        expected = content(conninfo)
    figures.real_prices = given.are_real
    figures.replay_s["tick by tick" if ticking else "as a backfill"] = length
    injected = 0
    while injected < count:
        with database(server) as conninfo:
            while True:
                after = draw.uniform(0, length) if injected < count else None
                outcome = victims.run(task(conninfo, after))
                if not outcome.killed:
                    break
                injected += 1
                _look_after(conninfo, outcome, figures)
            _compare(expected, content(conninfo), broken(conninfo), figures)


def _look_after(conninfo: str, outcome: Outcome, figures: KillFigures) -> None:
    figures.kills += 1
    figures.stages[Stage(outcome.stage).name.lower()] += 1
    figures.broken += broken(conninfo)
    written = sum(row.table == "checkpoints" for row in content(conninfo))
    figures.acknowledged_lost += max(outcome.acknowledged - written, 0)


def _compare(expected: Sequence[Row], found: Sequence[Row], faults: Sequence[str], figures: KillFigures) -> None:
    figures.replays += 1
    figures.rows += difference(expected, found)
    figures.broken += faults


def _kill_commands(directory: Path, count: int, draw: random.Random, figures: KillFigures) -> None:
    """Kills `alpha-monday backfill` with an embedded server of its own: while that is made, and its tables too."""
    given = files(directory, COMMANDED_WEEKS)
    home = directory / "commands"
    home.mkdir(mode=0o755)
    began = time.monotonic()
    reference = home / "undisturbed"
    _command(reference, given, None)
    length = time.monotonic() - began
    expected, _ = _looked_at(reference)
    figures.replay_s["as a command"] = length
    injected = number = 0
    while injected < count:
        number += 1
        data_dir = home / f"killed-{number}"
        while injected < count and _command(data_dir, given, draw.uniform(0, length)):
            injected += 1
            figures.kills += 1
            figures.commands += 1
        _command(data_dir, given, None)
        _compare(expected, *_looked_at(data_dir), figures)


def _command(data_dir: Path, given: Files, kill_after: float | None) -> bool:
    """Runs the command on the embedded server of `data_dir`; whether it was killed. Raises if it failed by itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.hurried", "backfill", "--picks", str(given.picks)],
        env=_environment(data_dir, given),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=data_dir.parent,
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
        return process.returncode < 0
    if process.returncode != 0:
        raise RuntimeError(f"the command failed by itself: {said.decode(errors='replace')[-500:]}")
    return False


def _environment(data_dir: Path, given: Files) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALPHA_MONDAY_", "DATABASE_URL"))}
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "XDG_CONFIG_HOME": str(data_dir.parent / "config"),
        "XDG_STATE_HOME": str(data_dir.parent / "state"),
        "ALPHA_MONDAY_DATA_DIR": str(data_dir),
        "ALPHA_MONDAY_PRICE_SOURCE": "csv",
        "ALPHA_MONDAY_PRICE_FILE": str(given.prices),
    }


def _looked_at(data_dir: Path) -> tuple[list[Row], list[str]]:
    """What the embedded server of a data directory holds, and what of it is not whole."""
    with EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo("alpha_monday")
        return content(conninfo), broken(conninfo)
