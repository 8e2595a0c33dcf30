"""Which pick sources there are, by name."""

from dataclasses import replace

from core.discreet import DiscreetPicks, PricesForAnotherLoop, discreet
from core.picks.source import PickOptions, PickSource
from core.plugins import Registry

_PICK_SOURCES: Registry[PickOptions, PickSource] = Registry(
    kind="pick source",
    setting="ALPHA_MONDAY_PICK_SOURCE",
    group="alpha_monday.pick_sources",
    built_in={
        "file": "core.picks.file:FilePicks.from_options",
        "llm": "core.picks.llm:LlmPicks.from_options",
        "manual": "core.picks.manual:ManualPicks.from_options",
        "momentum": "core.picks.momentum:MomentumPicks.from_options",
    },
)


def pick_source_names() -> list[str]:
    """Every name that `make_pick_source` accepts."""
    return _PICK_SOURCES.names()


def make_pick_source(name: str, options: PickOptions) -> PickSource:
    """The pick source called `name`, its module imported only now.

    Raises `UnknownSourceError`, `BrokenSourceError` or `MissingSettingError`.
    """
    if name in _PICK_SOURCES.built_in:
        return _PICK_SOURCES.make(name, options)
    prices = None if options.prices is None else PricesForAnotherLoop(options.prices)
    options = replace(options, prices=prices)

    def around(source: PickSource) -> PickSource:
        made = DiscreetPicks(source, options, prices)
        _PICK_SOURCES.refuse_namesake(name, made.name)
        return made

    with discreet(options):
        return _PICK_SOURCES.make(name, options, around)
