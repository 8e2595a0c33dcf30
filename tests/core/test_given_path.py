"""What stands at a path as it is typed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.given_path import Finding, look_for


def test_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prices.csv"
    file.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert {look_for(text) for text in (str(file), "~/prices.csv", "prices.csv", "./prices.csv")} == {Finding.FILE}
    assert {look_for(text) for text in (str(tmp_path), "~", ".", "")} == {Finding.DIRECTORY}
    assert {look_for(text) for text in ("other.csv", "prices.csv/x", "~nobody-of-that-name/x", "x" * 5000, "\0")} == {
        Finding.ABSENT
    }
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    assert look_for("prices.csv") is Finding.UNREADABLE


@given(st.text())
def test_nothing_that_can_be_typed_is_an_error(text: str) -> None:
    assert isinstance(look_for(text), Finding)
