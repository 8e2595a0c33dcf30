"""Outages of a real Patroni cluster under two workers: one has every host's address, one goes through HAProxy."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

import core.file_at_rest
from tests.databases import as_superuser, as_worker, make_template
from tests.fakes import HourBetweenLooks
from tests.faults.backlogs import Backlog, unwritten, written
from tests.faults.failovers import undisturbed_run
from tests.faults.patroni import Node, PatroniCluster, ask, missing, wait_for
from tests.faults.rows import broken, difference
from tests.faults.workers import Worker, worker, worker_environment

DATABASE = "alpha_monday"
WEEKS_AN_OUTAGE = 10
RESUMES_WITHIN_S = 5.0
HEALTH_WITHIN_S = 10.0
_PROGRAM = "tests.faults.unhurried"
_COMMAND_WITHIN_S = 60.0
_COMMIT = "select pg_logical_emit_message(true, 'outages', '')"
_TIMELINE = """
select case when not pg_is_in_recovery()
            then ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end
"""
Fault = Callable[[PatroniCluster, Node], Callable[[], None]]


def _switchover(cluster: PatroniCluster, _: Node) -> Callable[[], None]:
    cluster.switchover()
    return lambda: None


def _node_killed(cluster: PatroniCluster, node: Node) -> Callable[[], None]:
    cluster.kill_node(node)
    return lambda: cluster.start_patroni(node)


def _node_frozen(cluster: PatroniCluster, node: Node) -> Callable[[], None]:
    cluster.freeze(node)
    return lambda: cluster.thaw(node)


def _patroni_killed(cluster: PatroniCluster, node: Node) -> Callable[[], None]:
    cluster.kill_patroni(node)
    return lambda: cluster.start_patroni(node)


def _etcd_lost(cluster: PatroniCluster, node: Node) -> Callable[[], None]:
    cluster.kill_etcd()
    wait_for(lambda: not node.takes_writes(), "the primary has given up", 60)
    cluster.start_etcd()
    return lambda: None


FAULTS: dict[str, Fault] = {
    "switchover": _switchover,
    "node killed": _node_killed,
    "node frozen, thawed later": _node_frozen,
    "Patroni alone killed": _patroni_killed,
    "etcd lost": _etcd_lost,
}
EVERY_FAULT = tuple((fault, first) for first in ("direct", "haproxy") for fault in FAULTS)


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage: `first` is the address of the worker that led.

    `outage_s` lasts from the fault to the first commit of the new primary, `pause_s` from then until a worker has
    written a week that was opened there. `leads` counts how often a process began to lead after that commit.
    """

    fault: str
    first: str
    outage_s: float
    pause_s: float
    health_s: float
    leads: int


@dataclass(frozen=True, slots=True)
class OutageFigures:
    """All outages; `skipped` says why there were none. `broken` says what did not hold."""

    outages: tuple[Outage, ...] = ()
    rows_compared: int = 0
    rows_lost: int = 0
    rows_repeated: int = 0
    rows_changed: int = 0
    broken: tuple[str, ...] = ()
    skipped: str = ""


def outages(
    plan: Sequence[tuple[str, str]], directory: Path, *, resumes_within_s: float = RESUMES_WITHIN_S
) -> OutageFigures:
    """Each (fault, address of the first worker: `direct` or `haproxy`) in turn, on one cluster.

    Without the programs that it takes nothing is done, and `skipped` names them. Raises TimeoutError if the cluster or
    a worker does not come back.
    """
    if lacking := missing():
        return OutageFigures(skipped=f"not installed: {lacking}")
    backlog = Backlog.of(WEEKS_AN_OUTAGE * len(plan), directory)
    expected = undisturbed_run(backlog, directory / "undisturbed")
    wrong: list[str] = []
    with PatroniCluster(directory / "cluster") as cluster:
        make_template(_Direct(cluster), DATABASE)
        done = [
            _outage(cluster, fault, first, backlog.part(number, len(plan)), directory, wrong)
            for number, (fault, first) in enumerate(plan)
        ]
        address = as_worker(cluster.direct(DATABASE))
        found = difference(expected, [row for row in written(address) if not row.key.startswith("schedule_")])
        wrong += [
            f"{each.fault}, {each.first} first: written {each.pause_s:.1f} s after the new primary's first commit"
            for each in done
            if each.pause_s > resumes_within_s
        ]
        return OutageFigures(
            outages=tuple(done),
            rows_compared=found.compared,
            rows_lost=found.lost,
            rows_repeated=found.repeated,
            rows_changed=found.changed,
            broken=(*wrong, *broken(as_superuser(address))),
        )


@dataclass(frozen=True, slots=True)
class _Direct:
    """The cluster as `make_template` takes a server."""

    cluster: PatroniCluster

    def conninfo(self, database: str) -> str:
        return self.cluster.direct(database, "postgres")


def _outage(
    cluster: PatroniCluster, fault: str, first: str, weeks: Backlog, directory: Path, wrong: list[str]
) -> Outage:
    cluster.wait_healthy(120)
    direct = as_worker(cluster.direct(DATABASE))
    haproxy = as_worker(cluster.through(cluster.primary_port, DATABASE))
    pgbouncer = as_worker(cluster.through(cluster.pgbouncer_port, DATABASE))
    said = f"{fault}, {first} first"

    def run(address: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        return _command(address, weeks, directory, *arguments)

    with _leading((direct, haproxy) if first == "direct" else (haproxy, direct), weeks, directory) as workers:
        node = cluster.leader()
        before = _timeline(node.conninfo("postgres"))
        began = time.monotonic()
        with _probing(lambda: run(pgbouncer, "health", "--json")) as probes:
            undo = FAULTS[fault](cluster, node)
            new = _first_commit(cluster, before, skip=node if "frozen" in fault else None)
            committed_at = time.monotonic()
            led_before = sum(len(each.logged("leading")) for each in workers)
            there = as_worker(new.conninfo(DATABASE))
            with _files_at_rest():
                asyncio.run(weeks.open(there))
            try:
                wait_for(lambda: unwritten(there) == 0, f"work resumes after: {said}", 60)
            except TimeoutError as exc:
                raise TimeoutError(f"{exc}: {[each.lines[-30:] for each in workers]}") from None
            pause_s = time.monotonic() - committed_at
        if fault == "Patroni alone killed":
            code, told = run(as_worker(node.conninfo(DATABASE)), "health", "--json")
            if code != 1 or told["healthy"]:
                wrong.append(f"{said}: health is content with the primary that is cut off: {told}")
        wait_for(lambda: run(pgbouncer, "pause", "--json")[0] == 0, "a pause is written through PgBouncer", 30)
        if ask(as_superuser(there), "select 1 from scheduler_state where name = 'pause'") != [(1,)]:
            wrong.append(f"{said}: a pause was reported as written and is not there")
        if run(pgbouncer, "resume", "--json")[0] != 0:
            wrong.append(f"{said}: the pause was not ended")
        undo()
        cluster.wait_healthy(120)
        leads = sum(len(each.logged("leading")) for each in workers) - led_before
        wrong += [f"{said}: a worker did not end in good order" for each in workers if each.stop() != 0]
    if leads > 1:
        wrong.append(f"{said}: processes began to lead {leads} times")
    if probes.longest_s > HEALTH_WITHIN_S:
        wrong.append(f"{said}: health took {probes.longest_s:.1f} s")
    wrong += [f"{said}: {problem}" for problem in probes.problems]
    return Outage(fault, first, committed_at - began, pause_s, probes.longest_s, leads)


@contextmanager
def _leading(addresses: Sequence[str], weeks: Backlog, directory: Path) -> Iterator[tuple[Worker, Worker]]:
    """Two workers, of which the first leads and the second stands by."""
    with worker(addresses[0], weeks, directory, program=_PROGRAM) as first:
        first.until("leading")
        with worker(addresses[1], weeks, directory, program=_PROGRAM) as second:
            second.until("standing_by")
            yield first, second


@contextmanager
def _files_at_rest() -> Iterator[None]:
    """Within this, files of this process are at rest as soon as they are written."""
    clock, core.file_at_rest.CLOCK = core.file_at_rest.CLOCK, HourBetweenLooks()
    try:
        yield
    finally:
        core.file_at_rest.CLOCK = clock


def _command(address: str, weeks: Backlog, directory: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status of a command that prints JSON, and what it printed. Raises TimeoutExpired after a minute."""
    environment = worker_environment(address, weeks, directory)
    done = subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        capture_output=True, text=True, env=environment, cwd=directory, timeout=_COMMAND_WITHIN_S, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


class _Probes:
    """What was found by a probe that is repeated for as long as an outage lasts."""

    def __init__(self, probe: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        self._probe = probe
        self._ended = threading.Event()
        self.longest_s = 0.0
        self.problems: list[str] = []
        self.thread = threading.Thread(target=self._repeat)

    def _repeat(self) -> None:
        while not self._ended.wait(1):
            began = time.monotonic()
            try:
                code, told = self._probe()
            except (subprocess.TimeoutExpired, ValueError) as exc:
                self.problems.append(f"health: {exc}")
                return
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            if (code == 0) is not told["healthy"]:
                self.problems.append(f"health exits with {code}: {told}")

    def end(self) -> None:
        """Returns when the last probe has ended."""
        self._ended.set()
        self.thread.join()


@contextmanager
def _probing(probe: Callable[[], tuple[int, dict[str, Any]]]) -> Iterator[_Probes]:
    probes = _Probes(probe)
    probes.thread.start()
    try:
        yield probes
    finally:
        probes.end()


def _timeline(conninfo: str) -> int:
    """The timeline of a server that takes writes; 0 for one that takes none or does not answer."""
    try:
        [(timeline,)] = ask(conninfo, _TIMELINE)
    except psycopg.Error:
        return 0
    return int(timeline or 0)


def _first_commit(cluster: PatroniCluster, before: int, skip: Node | None) -> Node:
    """The node that commits on a higher timeline than `before`, as soon as it does."""
    found: list[Node] = []

    def commits() -> bool:
        for node in cluster.nodes:
            if node is not skip and _timeline(node.conninfo("postgres")) > before:
                with suppress(psycopg.Error):
                    node.query(_COMMIT)
                    found.append(node)
                    return True
        return False

    wait_for(commits, "a new primary commits", 120)
    return found[0]
