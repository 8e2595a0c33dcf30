"""Which price sources there are, by name."""

from core.discreet import DiscreetPrices, discreet
from core.plugins import Registry
from core.prices.source import PriceOptions, PriceSource

_PRICE_SOURCES: Registry[PriceOptions, PriceSource] = Registry(
    kind="price source",
    setting="ALPHA_MONDAY_PRICE_SOURCE",
    group="alpha_monday.price_sources",
    built_in={
        "alpaca": "core.prices.alpaca:AlpacaPrices.from_options",
        "alpha_vantage": "core.prices.alpha_vantage:AlphaVantagePrices.from_options",
        "csv": "core.prices.csv_file:CsvPrices.from_options",
        "simulated": "core.prices.simulated:SimulatedPrices.from_options",
        "tiingo": "core.prices.tiingo:TiingoPrices.from_options",
        "yahoo": "core.prices.yahoo:YahooPrices.from_options",
    },
)


def price_source_names() -> list[str]:
    """Every name that `make_price_source` accepts."""
    return _PRICE_SOURCES.names()


def make_price_source(name: str, options: PriceOptions) -> PriceSource:
    """The price source called `name`, its module imported only now.

    Raises `UnknownSourceError`, `BrokenSourceError` or `MissingSettingError`.
    """
    if name in _PRICE_SOURCES.built_in:
        return _PRICE_SOURCES.make(name, options)

    def around(source: PriceSource) -> PriceSource:
        made = DiscreetPrices(source, options)
        _PRICE_SOURCES.refuse_namesake(name, made.name)
        return made

    with discreet(options):
        return _PRICE_SOURCES.make(name, options, around)
