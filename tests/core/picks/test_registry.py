import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.picks.file import FilePicks
from core.picks.momentum import MomentumPicks
from core.picks.registry import make_pick_source, pick_source_names
from core.picks.source import PickOptions
from core.plugins import MissingSettingError, UnknownSourceError
from core.prices.csv_file import CsvPrices
from core.trading_calendar import TradingCalendar

OPTIONS = PickOptions(
    calendar=TradingCalendar(),
    prices=CsvPrices(Path("prices.csv")),
    benchmark="SPY",
    picks_file=Path("picks.csv"),
    universe=Path("universe.csv"),
)
CHOOSE = """
import sys
from pathlib import Path
from core.picks.registry import make_pick_source
from core.picks.source import PickOptions
file = Path("a.csv")
make_pick_source({name!r}, PickOptions(calendar=None, prices=0, benchmark="SPY", picks_file=file, universe=file))
print(*sorted(sys.modules))
"""


def test_the_built_in_sources_are_listed_and_made() -> None:
    assert pick_source_names()[:4] == ["file", "llm", "manual", "momentum"]
    assert isinstance(make_pick_source("file", OPTIONS), FilePicks)
    assert isinstance(make_pick_source("momentum", OPTIONS), MomentumPicks)


def test_an_unknown_source_is_refused_with_the_setting_to_change() -> None:
    with pytest.raises(UnknownSourceError, match="no pick source is called 'csv'") as caught:
        make_pick_source("csv", OPTIONS)
    assert "ALPHA_MONDAY_PICK_SOURCE" in caught.value.remedy
    assert "file, llm, manual, momentum" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "options", "setting"),
    [
        ("file", replace(OPTIONS, picks_file=None), "ALPHA_MONDAY_PICKS_FILE"),
        ("momentum", replace(OPTIONS, universe=None), "ALPHA_MONDAY_UNIVERSE"),
        ("momentum", replace(OPTIONS, prices=None), "ALPHA_MONDAY_PRICE_SOURCE"),
    ],
)
def test_a_missing_setting_is_named(name: str, options: PickOptions, setting: str) -> None:
    with pytest.raises(MissingSettingError) as caught:
        make_pick_source(name, options)
    assert setting in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "loaded", "unloaded"),
    [
        ("file", "core.picks.file", "core.picks.momentum"),
        ("momentum", "core.picks.momentum", "core.picks.file"),
    ],
)
def test_only_the_chosen_source_is_imported(name: str, loaded: str, unloaded: str) -> None:
    command = [sys.executable, "-c", CHOOSE.format(name=name)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert loaded in modules
    assert unloaded not in modules
    assert "importlib.metadata" not in modules
    assert "holidays" not in modules
