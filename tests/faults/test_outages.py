"""A real cluster under Patroni: nothing is lost or repeated, and work goes on within seconds of its new primary."""

from pathlib import Path

import pytest

from tests.faults.outages import outages
from tests.faults.patroni import missing

_RESUMES_WITHIN_S = 10.0  # beside other tests; `python -m tests.faults` holds it to five


def test_a_switchover_and_a_primary_that_its_cluster_has_lost(place: Path) -> None:
    if lacking := missing():
        pytest.skip(f"not installed: {lacking}; .ci/cluster installs them on Debian")
    plan = (("switchover", "haproxy"), ("Patroni alone killed", "direct"))
    figures = outages(plan, place, resumes_within_s=_RESUMES_WITHIN_S)
    assert [outage.fault for outage in figures.outages] == [fault for fault, _ in plan]
    assert figures.rows_compared > 0
    assert (figures.rows_lost, figures.rows_repeated, figures.rows_changed) == (0, 0, 0), figures
    assert figures.broken == ()
