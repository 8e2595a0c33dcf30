"""Where a timer schedules instead of a process that stays, what goes on beside the work is done all the same."""

import tempfile
from pathlib import Path

import pytest

from tests.tui.shell.conftest import CommandLine, Market


def test_a_single_run_makes_the_weekly_backup(
    market: Market, alpha_monday: CommandLine, reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Path(tempfile.mkdtemp(dir=reachable_directory))
    parent.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(parent / "data"))
    monkeypatch.delenv("DATABASE_URL")
    assert alpha_monday("backfill", "--picks", str(market.picks)).code == 0
    assert list(parent.glob("data/backups/*.dump")) == []
    once = alpha_monday("--headless", "--once")
    [file] = parent.glob("data/backups/*.dump")
    assert '"backup_written"' in once.err
    alpha_monday("--headless", "--once")
    assert list(parent.glob("data/backups/*.dump")) == [file], "one a week"
    told = alpha_monday("doctor").out
    assert f"backup: {file.name}, made" in told
