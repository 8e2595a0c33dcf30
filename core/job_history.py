"""The three jobs that catch-up is to an operator: what each has to do in a plan, and what became of it last.

There is one mechanism; nothing here schedules anything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from core.catch_up import DayDone, DueKind, Plan, Report
from core.facts import instant_in, seconds_in, text_in
from db.records import CheckpointStatus, SchedulerFact

_JOB_PREFIX = "job:"


class Job(StrEnum):
    """A face of catch-up. A day that was tried before and had to wait is a retry."""

    OPENING = "open the week"
    CHECKPOINTS = "write checkpoints"
    RETRIES = "retry waiting days"


KIND: Mapping[Job, DueKind] = {
    Job.OPENING: DueKind.OPEN,
    Job.CHECKPOINTS: DueKind.CHECKPOINT,
    Job.RETRIES: DueKind.RETRY,
}


@dataclass(frozen=True, slots=True)
class JobRun:
    """When a job last had something to do, how long the whole run took, what became of it, and in which process."""

    at: datetime
    took: timedelta
    outcome: str
    who: str


def narrowed(planned: Plan, job: Job | None) -> Plan:
    """What of `planned` belongs to `job`: all of it for None; writing checkpoints includes the days tried before."""
    if job is None:
        return planned
    if job is Job.OPENING:
        return replace(planned, due=(), resting=0)
    due = planned.due
    if job is Job.RETRIES:
        due = tuple(
            replace(batch, days=tried) for batch in due if (tried := tuple(d for d in batch.days if d in batch.tried))
        )
    return replace(planned, opening=None, missed=(), due=due)


def due_of(planned: Plan) -> dict[Job, int]:
    """How many weeks or days each job has to do in `planned`."""
    days = sum(len(batch.days) for batch in planned.due)
    tried = sum(len(batch.tried.intersection(batch.days)) for batch in planned.due)
    opening = len(planned.missed) + (planned.opening is not None)
    return {Job.OPENING: opening, Job.CHECKPOINTS: days - tried, Job.RETRIES: tried}


def outcomes(planned: Plan, report: Report, lost: Iterable[date], days: Sequence[DayDone]) -> dict[Job, str]:
    """What a run did, in a short sentence for each job that it did something for."""
    tried = {(due.active.batch.id, day) for due in planned.due for day in due.tried}
    told = {
        Job.OPENING: _opening(planned, report, set(lost)),
        Job.CHECKPOINTS: _counts([day for day in days if (day.batch_id, day.checkpoint_date) not in tried]),
        Job.RETRIES: _counts([day for day in days if (day.batch_id, day.checkpoint_date) in tried]),
    }
    return {job: words for job, words in told.items() if words}


def failures(planned: Plan, problem: str) -> dict[Job, str]:
    """The outcome of a run that ended with `problem`, for each job that had something to do."""
    return {job: f"failed: {problem}" for job, due in due_of(planned).items() if due}


def _opening(planned: Plan, report: Report, lost: set[date]) -> str:
    parts = []
    if planned.opening is not None:
        delay = report.unopened.get(planned.opening)
        if report.opened:
            parts.append(f"opened {planned.opening}")
        elif planned.opening in lost:
            parts.append(f"{planned.opening} was opened by another process")
        elif delay is not None:
            parts.append(f"{'no picks yet' if delay.cause == 'picks_not_yet' else 'not opened'}: {delay.detail}")
    if report.missed:
        parts.append(f"{report.missed} missed")
    return ", ".join(parts)


def _counts(days: Sequence[DayDone]) -> str:
    counts = Counter(day.outcome for day in days)
    parts = [
        f"{counts[outcome]} {outcome}"
        for outcome in (CheckpointStatus.COMPUTED.value, CheckpointStatus.SKIPPED.value, "waiting")
        if counts[outcome]
    ]
    detail = next((day.detail for day in days if day.detail), "")
    return ", ".join(parts) + (f": {detail}" if detail else "")


def facts_of(runs: Mapping[Job, JobRun]) -> dict[str, Mapping[str, Any]]:
    """How `runs` are noted for every screen."""
    return {
        _fact_name(job): {
            "at": run.at.isoformat(),
            "took_s": run.took.total_seconds(),
            "outcome": run.outcome,
            "who": run.who,
        }
        for job, run in runs.items()
    }


def last_run(facts: Mapping[str, SchedulerFact], job: Job) -> JobRun | None:
    """The last run in which `job` had something to do; None if there was none."""
    fact = facts.get(_fact_name(job))
    if fact is None or (at := instant_in(fact.value, "at")) is None:
        return None
    return JobRun(
        at=at,
        took=seconds_in(fact.value, "took_s"),
        outcome=text_in(fact.value, "outcome") or "",
        who=text_in(fact.value, "who") or "unknown",
    )


def _fact_name(job: Job) -> str:
    return f"{_JOB_PREFIX}{job.name.lower()}"
