"""Every parser of text from outside, given what Hypothesis can think of: a valid value or a documented error."""

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from core.settings import PREFIX
from tests.faults.parsers import Case, cases

LONGEST_S = 5.0


@dataclass(slots=True)
class MalformedFigures:
    """How many inputs each parser was given, how many of them it refused, and what was not as it must be."""

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    broken: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every input gave a valid value or a documented error, in time."""
        return not self.broken


def malformed(count: int, seed_number: int) -> MalformedFigures:
    """Gives the parsers at least `count` inputs, each its share, and counts what they were given."""
    figures = MalformedFigures()
    with tempfile.TemporaryDirectory(prefix="am-") as folder, _far_from_settings(Path(folder)):
        tried = cases(Path(folder))
        share = -(-count // len(tried))
        for case in tried:
            round_ = 0
            # Hypothesis stops early where it has seen every way through a strategy; another seed finds more.
            before = len(figures.broken)
            while figures.inputs[case.name] < share and len(figures.broken) == before:
                _try(case, share - figures.inputs[case.name], seed_number + round_, figures)
                round_ += 1
    return figures


def _try(case: Case, count: int, seed_number: int, figures: MalformedFigures) -> None:
    @seed(seed_number)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case.inputs)
    def one(value: Any) -> None:
        figures.inputs[case.name] += 1
        began = monotonic()
        try:
            case.check(value)
        except case.documented:
            figures.refused[case.name] += 1
        took = monotonic() - began
        figures.longest_s = max(figures.longest_s, took)
        assert took < LONGEST_S, f"it took {took:.1f} s"

    try:
        one()
    except Exception as exc:  # noqa: BLE001 - whatever a parser raises against its contract is what is looked for
        notes = " ".join(getattr(exc, "__notes__", ()))
        figures.broken.append(f"{case.name}: {type(exc).__name__}: {str(exc)[:300]} {notes[:600]}")


@contextmanager
def _far_from_settings(directory: Path) -> Iterator[None]:
    """No settings of this machine's are read, and defects of sources are not logged by the hundred."""
    before = dict(os.environ)
    logging.disable(logging.CRITICAL)
    for name in [name for name in os.environ if name.startswith(PREFIX) or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(directory / "config")
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        os.environ.clear()
        os.environ.update(before)
