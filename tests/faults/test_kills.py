"""Replays that are killed at random moments, in short."""

from pathlib import Path

from tests.faults.kills import kills


def test_a_killed_replay_loses_nothing_and_repeats_nothing(place: Path) -> None:
    figures = kills(8, 1, place)
    assert (figures.kills, figures.commands) == (8, 1)
    assert figures.stages.total() == 7
    assert figures.replays >= 2
    assert figures.is_clean, figures
