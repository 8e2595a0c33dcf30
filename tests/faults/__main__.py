"""All the proofs by one command: it writes docs/reliability.md, or with `--short` prints a small share of it."""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.faults.attacks import ATTACKERS, attacks
from tests.faults.clocks import clocks
from tests.faults.failovers import failovers
from tests.faults.figures import Proof, page
from tests.faults.interleavings import interleavings
from tests.faults.kills import kills
from tests.faults.malformed import malformed
from tests.faults.outages import EVERY_FAULT, outages
from tests.faults.races import races

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_SEED = 1

Figures = TypeVar("Figures")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of each is done, and about how many minutes it takes on two cores."""

    kills: int
    failovers: int
    outages: int
    races: int
    histories: int
    inputs: int
    attackers: int
    minutes: int


LONG = Extent(
    kills=200,
    failovers=20,
    outages=len(EVERY_FAULT),
    races=200,
    histories=60,
    inputs=10_000,
    attackers=len(ATTACKERS),
    minutes=30,
)
SHORT = Extent(kills=10, failovers=2, outages=1, races=10, histories=5, inputs=1_000, attackers=1, minutes=4)


def prove(extent: Extent, seed: int, directory: Path) -> Proof:
    """Does all of it, each on servers of its own below `directory`."""
    return Proof(
        seed=seed,
        kills=_timed("kills", lambda: kills(extent.kills, seed, _below(directory, "kills"))),
        failovers=_timed("failovers", lambda: failovers(extent.failovers, seed, _below(directory, "failovers"))),
        outages=_timed("outages", lambda: outages(EVERY_FAULT[: extent.outages], _below(directory, "outages"))),
        races=_timed("races", lambda: races(extent.races, seed, _below(directory, "races"))),
        interleavings=_timed(
            "histories", lambda: interleavings(extent.histories, seed, _below(directory, "interleavings"))
        ),
        clocks=_timed("clocks", lambda: clocks(_below(directory, "clocks"))),
        malformed=_timed("malformed inputs", lambda: malformed(extent.inputs, seed)),
        attacks=_timed("attacks", lambda: attacks(extent.attackers, _below(directory, "attacks"))),
    )


def _below(directory: Path, name: str) -> Path:
    below = directory / name
    below.mkdir()
    below.chmod(0o755)  # the servers' own user has to reach it
    return below


def _timed(name: str, work: Callable[[], Figures]) -> Figures:
    began = time.monotonic()
    figures = work()
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def main() -> int:
    """Runs the proofs; 1 if anything was lost, repeated or otherwise wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small share, printed and not written")
    parser.add_argument("--seed", type=int, default=_SEED, help="which moments and inputs are drawn")
    args = parser.parse_args()
    extent = SHORT if args.short else LONG
    logging.getLogger().addHandler(logging.NullHandler())  # what is broken on purpose is not to be reported as well
    print(f"This takes about {extent.minutes} minutes.", file=sys.stderr)
    directory = Path(tempfile.mkdtemp(prefix="am-faults-"))
    directory.chmod(0o755)
    try:
        proof = prove(extent, args.seed, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    text = page(proof)
    if args.short:
        print(text)
    elif proof.is_clean:
        PAGE.write_text(text, encoding="utf-8")
    for fault in proof.broken:
        print(fault, file=sys.stderr)
    if not args.short and not (proof.races.first_won and proof.races.second_won):
        print("One of the racers never came first: the races prove nothing.", file=sys.stderr)
        return 1
    print(f"rows lost: {proof.lost}, repeated: {proof.repeated}, changed: {proof.changed}", file=sys.stderr)
    return 0 if proof.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
