"""Pairs of processes on the same week, in short."""

from pathlib import Path

from tests.faults.races import RACES, races


def test_one_wins_and_nothing_is_written_twice(place: Path) -> None:
    figures = races(len(RACES), 1, place)
    assert figures.races == dict.fromkeys((race.name for race in RACES), 1)
    assert figures.first_won + figures.second_won > 0
    assert figures.is_clean, figures
