import subprocess
import sys
from pathlib import Path

import pytest

from core.plugins import MissingSettingError, UnknownSourceError
from core.prices.csv_file import CsvPrices
from core.prices.registry import make_price_source, price_source_names
from core.prices.simulated import SimulatedPrices
from core.prices.source import PriceOptions
from core.trading_calendar import TradingCalendar

OPTIONS = PriceOptions(calendar=TradingCalendar(), benchmark="SPY", price_file=Path("prices.csv"))
CHOOSE = """
import sys
from pathlib import Path
from core.prices.registry import make_price_source
from core.prices.source import PriceOptions
make_price_source({name!r}, PriceOptions(calendar=None, benchmark="SPY", price_file=Path("prices.csv")))
print(*sorted(sys.modules))
"""


def test_the_built_in_sources_are_listed_and_made() -> None:
    assert price_source_names()[:6] == ["alpaca", "alpha_vantage", "csv", "simulated", "tiingo", "yahoo"]
    assert isinstance(make_price_source("csv", OPTIONS), CsvPrices)
    assert isinstance(make_price_source("simulated", OPTIONS), SimulatedPrices)


def test_an_unknown_source_is_refused_with_the_setting_to_change() -> None:
    with pytest.raises(UnknownSourceError, match="no price source is called 'CSV'") as caught:
        make_price_source("CSV", OPTIONS)
    assert "ALPHA_MONDAY_PRICE_SOURCE" in caught.value.remedy
    assert "csv, simulated" in caught.value.remedy


def test_csv_without_a_file_names_the_setting() -> None:
    with pytest.raises(MissingSettingError) as caught:
        make_price_source("csv", PriceOptions(calendar=OPTIONS.calendar, benchmark="SPY"))
    assert "ALPHA_MONDAY_PRICE_FILE" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "loaded", "unloaded"),
    [
        ("csv", "core.prices.csv_file", "core.prices.simulated"),
        ("simulated", "core.prices.simulated", "core.prices.csv_file"),
    ],
)
def test_only_the_chosen_source_is_imported(name: str, loaded: str, unloaded: str) -> None:
    command = [sys.executable, "-c", CHOOSE.format(name=name)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert loaded in modules
    assert unloaded not in modules
    assert "importlib.metadata" not in modules
    assert "holidays" not in modules
