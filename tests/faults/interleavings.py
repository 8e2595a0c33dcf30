"""Long runs of the machine of `exactly_once`, counted."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from core.backfill import backfill
from db.embedded import EmbeddedServer
from tests.core.scheduling import hurry
from tests.core.world import PICKS, World
from tests.databases import cloned
from tests.faults.exactly_once import LAST_INSTANT, WEEKS, ExactlyOnce
from tests.faults.market import TEMPLATE, real_server
from tests.faults.rows import Row, content

STEPS = 25


@dataclass(slots=True)
class InterleavingFigures:
    """What happened in the histories that were run, and what did not hold after a step."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything held after every step."""
        return not self.broken


async def undisturbed(server: EmbeddedServer, template: str) -> list[Row]:
    """The rows of one process that works once, when all is there."""
    with cloned(server, template) as conninfo:
        world = World(conninfo)
        world.clock.instant = LAST_INSTANT
        async with world.services() as services:
            report = await backfill(services, dict.fromkeys(WEEKS, PICKS))
            assert (report.opened, report.computed + report.skipped) == (3, 42)
        return content(conninfo)


def explore(server: EmbeddedServer, template: str, histories: int, steps: int, seed_number: int) -> Counter[str]:
    """Runs histories of at most so many steps, and counts what happened in them.

    Raises AssertionError for what does not hold, with the history that leads to it.
    """
    counts: Counter[str] = Counter()
    machine = type("Machine", (ExactlyOnce,), {"server": server, "template": template, "counts": counts})
    machine.undisturbed = frozenset(asyncio.run(undisturbed(server, template)))  # type: ignore[attr-defined]
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # to look for a shorter history would take minutes, and these are short enough to read
        suppress_health_check=list(HealthCheck),
    )
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        run_state_machine_as_test(seed(seed_number)(machine), settings=chosen)
    return counts


def interleavings(histories: int, seed_number: int, directory: Path) -> InterleavingFigures:
    """Runs so many histories on a server in `directory`."""
    figures = InterleavingFigures()
    with real_server(directory) as server:
        try:
            figures.counts = explore(server, TEMPLATE, histories, STEPS, seed_number)
        except Exception as exc:  # noqa: BLE001 - whatever a step raised against what must hold is what is looked for
            notes = " ".join(getattr(exc, "__notes__", ()))
            figures.broken.append(f"{type(exc).__name__}: {str(exc)[:500]} {notes[:3000]}")
    return figures
