"""The list of jobs: what is due is never said to be nothing, and paused jobs have no time."""

from dataclasses import replace
from datetime import timedelta

from core.job_history import Job
from core.schedule_view import JobView
from tests.tui.history import NOW
from tui.widgets.job_columns import job_columns

JOB = JobView(Job.CHECKPOINTS, NOW + timedelta(hours=2), 0, None)


def cells(row: JobView, *, paused: bool = False) -> dict[str, str]:
    columns = job_columns(lambda: NOW, lambda _: False, lambda: paused)
    return {column.key: column.cell(row, max(column.width, column.most)).plain for column in columns}


def test_a_job_that_never_ran_does_not_say_that_nothing_is_due() -> None:
    waiting = cells(replace(JOB, due=449))
    assert (waiting["due"], waiting["next"]) == ("449", "now")
    assert waiting["outcome"] == cells(JOB)["outcome"] == "no run recorded"


def test_a_paused_job_has_no_time_and_keeps_what_is_due() -> None:
    assert cells(JOB)["next"] == "Thu 19:00 ET"
    assert cells(JOB)["in"] == "2 h"
    for due in (0, 449):
        paused = cells(replace(JOB, due=due), paused=True)
        assert (paused["next"], paused["in"], paused["due"]) == ("‖ paused", "", str(due))
