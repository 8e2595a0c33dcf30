"""The figures of all proofs on one page for users."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.faults.attacks import AttackFigures
from tests.faults.clocks import ClockFigures
from tests.faults.failovers import FailoverFigures
from tests.faults.interleavings import STEPS, InterleavingFigures
from tests.faults.kills import KillFigures
from tests.faults.malformed import MalformedFigures
from tests.faults.outages import Outage, OutageFigures
from tests.faults.races import RaceFigures

_HEAD = """\
# Reliability

What the scheduler must never do is lose a row, write one twice, or write one that is wrong. This page says what was
done to it on purpose, and what was found afterwards. It is written by `python -m tests.faults`.

The databases are real PostgreSQL servers. They put on the disk what is committed, as the product's own does; only the
clusters that fail over do not wait for the disk, for there processes are killed and not machines. Clocks are made up,
and so are the answers of price sources where nothing else is said. Writers come as a user who has the rights of
`db/roles.sql` and no others, except for whole commands, which use a server of their own.
"""
_TAIL = """\
## Faults that must not store a false value

The other tests cover these kinds of faults (`tests/core`, `tests/providers`):

- Unfinished files: a file that grows byte by byte, in any row order, under one process or one for each tick; times in
  the future or copied from an original; content that changes while its times do not.
- Renames: with a split on the same day, a frozen old name, a new name that belonged to another company, and back to
  the first name, in any order with splits, revised closes and closures.
- Closures that the calendar does not know: as a baseline, within a batch, and within the year that momentum ranks by.
- Values that cannot be stored: split factors and prices out of bounds. Only the batches with that symbol wait.
- Malformed or failing responses for some symbols: the other weeks are written.
- Texts, delays and error classes of plug-ins that no program should send; batches with malformed rows from another
  program; a row that the database refuses.
- Sources, plug-ins, files and language models that hang, block their event loop or ignore cancellation: the query ends,
  the next source is queried, `health` and alerts report it.
- Closes that a provider corrects minutes later: queried again, never cached.
- Clocks that step ahead or back by two minutes to a year: nothing is written while they disagree with the database's,
  and state dated in the future is discarded.
- Ticks up to a year apart, a machine that slept, a tick that fails at 09:00: the week is opened in time.
- `pause` and the end of the opening while a tick is under way; a tick between the transactions of a backfill.

## How to see it again

    python -m tests.faults                what this page was written by; it takes some minutes
    python -m tests.faults --short        a small share of it, printed only
    python -m tests.faults --seed 7       other moments and other inputs

The seed decides which moments are drawn and which inputs are made. What a process is doing at such a moment depends on
the machine, so the numbers in the lists vary a little from run to run. Those that must be zero do not: the command ends
with status 1 if one of them is anything else. A small share of everything runs with the other tests, each time.

## What this does not show

- Damage to the disk, and disks that say that something is written when it is not.
- A standby that is not synchronous: what the primary had committed and not sent on is lost with the primary, whoever
  wrote it. Operating a cluster so that this cannot happen is the cluster's part.
- A failover that no process saw, behind a single address: a process that starts afterwards, and is led to the old
  primary, has nothing to tell it from the new one. With every host in the address it compares them.
- A price source that answers with wrong numbers of the right form.
- Clocks that are ahead on both the worker's and the database's machine may have a Monday noted as missed before it
  comes. The week is opened all the same when it does; the note stays, since the log is never changed.
- Windows, and file systems shared between machines.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was found, and the seed that it was found with."""

    seed: int
    kills: KillFigures
    failovers: FailoverFigures
    outages: OutageFigures
    races: RaceFigures
    interleavings: InterleavingFigures
    clocks: ClockFigures
    malformed: MalformedFigures
    attacks: AttackFigures

    @property
    def lost(self) -> int:
        """Rows of an undisturbed run that are not there, and rows that were told as committed and are gone."""
        clocks = sum(found.lost for found in self.clocks.differences.values())
        kills = self.kills.rows.lost + self.kills.acknowledged_lost
        return kills + self.failovers.rows_lost + self.outages.rows_lost + self.races.lost + clocks

    @property
    def repeated(self) -> int:
        """Rows that are there more often than they should be, or should not be there."""
        clocks = sum(found.repeated for found in self.clocks.differences.values())
        clusters = self.failovers.rows_repeated + self.outages.rows_repeated
        return self.kills.rows.repeated + clusters + self.races.repeated + clocks

    @property
    def changed(self) -> int:
        """Rows that say something else than those of an undisturbed run."""
        clocks = sum(found.changed for found in self.clocks.differences.values())
        return self.kills.rows.changed + self.failovers.rows_changed + self.outages.rows_changed + clocks

    @property
    def broken(self) -> list[str]:
        """Everything else that did not hold, in words."""
        return [
            *self.kills.broken,
            *self.failovers.broken,
            *self.outages.broken,
            *self.races.broken,
            *self.interleavings.broken,
            *self.clocks.broken,
            *self.malformed.broken,
            *self.attacks.broken,
        ]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, repeated, changed or otherwise wrong."""
        return not (self.lost or self.repeated or self.changed or self.broken)


def page(proof: Proof) -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *_sections(proof), _TAIL])


def _sections(proof: Proof) -> Iterator[str]:
    yield _table(proof)
    yield from _kills(proof.kills)
    yield from _failovers(proof.failovers)
    yield from _outages(proof.outages)
    yield from _races(proof.races)
    yield from _interleavings(proof.interleavings)
    yield from _clocks(proof.clocks)
    yield from _malformed(proof.malformed)
    yield from _attacks(proof.attacks)


def _table(proof: Proof) -> str:
    counts = proof.interleavings.counts
    rows = [
        ("kills of a replay with SIGKILL", proof.kills.kills),
        ("failovers of a cluster during a catch-up", proof.failovers.failovers),
        ("outages of a cluster under Patroni", len(proof.outages.outages)),
        ("races of two processes for the same week", proof.races.races.total()),
        ("looks at a whole database after steps of random histories", counts["looks"]),
        ("clocks, calendars and zones", len(proof.clocks.differences)),
        ("malformed inputs", proof.malformed.inputs.total()),
        ("attacks", sum(proof.attacks.made.values())),
        ("**rows lost**", proof.lost),
        ("**rows repeated**", proof.repeated),
        ("**rows changed**", proof.changed),
        ("**other things that did not hold**", len(proof.broken)),
    ]
    lines = [f"| {what} | {number:,} |" for what, number in rows]
    return "\n".join(["| | |", "|---|---:|", *lines, "", f"Seed: {proof.seed}.", ""])


def _kills(figures: KillFigures) -> Iterator[str]:
    origin = "real prices of 2010 and later" if figures.real_prices else "made-up prices"
    yield "## Killed\n"
    yield _paragraph(f"""
        A replay of many weeks is killed with SIGKILL at a moment drawn from its whole length, started again, killed
        again, until it is done; then its rows are compared one by one with those of a replay that nothing disturbed.
        Half of the replays are one backfill, half go tick by tick as a scheduler does. Some are the whole command,
        killed while it makes its own server, its tables, its rows. After each kill of the others the database is
        searched for anything written by halves, and for anything that had been told as committed and is not there. The
        replays used {origin}.
    """)
    yield _paragraph(f"""
        {figures.kills} kills in {figures.replays} replays, {figures.commands} of them of the whole command;
        {figures.rows.compared:,} rows compared. What the others were doing when they were killed:
    """)
    yield from _list(figures.stages.most_common())


def _failovers(figures: FailoverFigures) -> Iterator[str]:
    yield "## Failed over\n"
    yield _paragraph("""
        A primary and a synchronous standby run on one machine; a worker with an address of both catches up. The primary
        is killed with SIGKILL, the standby promoted, and a new standby made, again and again. Every transaction that
        the worker was told is committed must be there after the promotion, and in the end every row.
    """)
    yield _paragraph(f"""
        {figures.failovers} failovers over {figures.weeks:,} weeks, {figures.interrupted_catch_ups} of them with work
        under way; {figures.acknowledged_transactions} acknowledged transactions, {figures.rows_compared:,} rows
        compared. The worker went on {figures.median_pause_ms / 1000:.1f} s after the kill in the median,
        {figures.longest_pause_ms / 1000:.1f} s at the longest.
    """)


def _outages(figures: OutageFigures) -> Iterator[str]:
    yield "## A cluster under Patroni\n"
    yield _paragraph("""
        etcd, three PostgreSQL servers under Patroni (ttl 20 s, synchronous), HAProxy and PgBouncer run on one machine.
        One worker has the address of every server, another one HAProxy's; either is the leader when the fault comes.
        New weeks are opened on the new primary with its first commit, and a worker has to write them within 5 s.
        Meanwhile `health` runs through PgBouncer, again and again, and has to end within 10 s; at the end a pause is
        written through it, which has to be there. Every row is compared at the end.
    """)
    if figures.skipped:
        yield _paragraph(f"None of it was done: {figures.skipped}.")
        return
    yield "| fault | leader by | new primary after | work went on after | longest `health` |"
    yield "|---|---|---:|---:|---:|"
    yield from (_outage_row(outage) for outage in figures.outages)
    yield ""
    yield _paragraph(f"{figures.rows_compared:,} rows compared.")


def _outage_row(outage: Outage) -> str:
    address = {"direct": "every host", "haproxy": "HAProxy"}[outage.first]
    times = (outage.outage_s, outage.pause_s, outage.health_s)
    return f"| {outage.fault} | {address} | " + " | ".join(f"{seconds:.1f} s" for seconds in times) + " |"


def _races(figures: RaceFigures) -> Iterator[str]:
    yield "## Raced\n"
    yield _paragraph(f"""
        Two processes are released onto the same week at the same instant, or up to some milliseconds apart. One does
        it, and the other finds it done, or is told why it cannot be. The first did something in {figures.first_won}
        races, the second in {figures.second_won}.
    """)
    yield from _list(figures.races.items())


def _interleavings(figures: InterleavingFigures) -> Iterator[str]:
    counts = figures.counts
    yield "## Everything at once\n"
    yield _paragraph(f"""
        Random histories of up to {STEPS} steps: weeks are opened by schedulers and by operators, on time and late; the
        clock goes on, jumps a week ahead, steps back two days; sessions die at a chosen statement, at the commit, or
        after it; schedulers stand by, take over, and lose the lead without knowing; prices are missing for a time,
        providers go away; batches are failed; schedules are paused and resumed. After each step everything must be
        whole, nothing written before its time, nothing changed that was written; and at the end every row must be that
        of a run that nothing disturbed. Here the schedulers' pauses are hundredths of their length.
    """)
    yield _paragraph(f"""
        {counts["histories"]} histories; {counts["deaths"]} sessions died inside a transaction;
        {counts["refused leaders"]} times a process that had lost the lead was refused.
    """)


def _clocks(figures: ClockFigures) -> Iterator[str]:
    yield "## Wrong clocks, strange dates\n"
    yield "The rows of each are those of one backfill after the fact:\n"
    yield from _list((name, f"{found.compared} rows") for name, found in figures.differences.items())


def _malformed(figures: MalformedFigures) -> Iterator[str]:
    yield "## Malformed\n"
    yield _paragraph("""
        Each parser of text from outside is given what Hypothesis thinks of: damaged files and answers, numbers that are
        none, dates beyond the calendar, control characters, halves of characters, nesting without end. Each input gives
        a valid value, or an error that says what happened and what to do. No stored price is anything but a positive
        number that stood in the text.
    """)
    refused = figures.refused
    yield from _list((name, f"{number:,} inputs, {refused[name]:,} refused") for name, number in figures.inputs.items())


def _attacks(figures: AttackFigures) -> Iterator[str]:
    yield "## Attacked\n"
    yield _paragraph("""
        Each attacker acts with the rights that such a user, role, file or server has: he plants links, pipes, files and
        settings, takes every lock that he can get, sends what he may not do behind an aborted transaction, puts
        functions, triggers and commands into a backup, asks for passwords, answers a byte at a time, hangs while he is
        loaded. Nothing of it may be run, sent, stored or waited for.
    """)
    yield from _list(figures.made.items())
    if figures.skipped:
        yield _paragraph(f"{figures.skipped} more cannot be made on the machine that this page was written on.")


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 118, break_on_hyphens=False) + "\n"


def _list(items: Iterable[tuple[str, object]]) -> Iterator[str]:
    yield "\n".join(f"- {name}: {value}" for name, value in items) + "\n"
