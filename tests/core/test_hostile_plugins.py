"""A third party's source that misbehaves is named, stops nothing, and is given up; what it raises ends no process."""

import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

import core.plugins
from core.due_work import run_due_work
from core.picks.registry import make_pick_source
from core.picks.source import PickOptions
from core.plugins import BrokenSourceError
from core.prices.query import query
from core.prices.registry import make_price_source
from core.prices.source import Basis, PriceOptions, PriceSourceError
from core.trading_calendar import TradingCalendar
from tests.core.world import World

KEY = "marker-4711-of-the-plugin"
OPTIONS = PriceOptions(calendar=TradingCalendar(), benchmark="SPY", key=KEY, url=f"https://u:{KEY}@feed.test/x")
PICK_OPTIONS = PickOptions(calendar=TradingCalendar(), prices=None, benchmark="SPY", key=KEY)
SPAN = (date(2020, 1, 3), date(2020, 1, 6))
WELL = """
from datetime import timedelta
from core.prices.source import Answer, Basis
class Feed:
    name, basis, settle_delay = "feed", Basis.PRICE, timedelta(0)
    def __init__(self, options):
        self.options = options
    async def closes(self, symbols, first, last):
        return Answer("feed", Basis.PRICE, {})
    async def picks(self, run_date):
        return ()
"""


class Plugin:
    """An installed package whose module is the text that a test gives it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        metadata = directory / "feed-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: feed\nVersion: 1.0\n")
        self._module = f"feed_{abs(hash(str(directory)))}"
        self._entries = metadata / "entry_points.txt"
        self.offers("feed")

    def offers(self, *names: str) -> None:
        lines = [f"{name} = {self._module}:Feed" for name in names]
        groups = ("alpha_monday.price_sources", "alpha_monday.pick_sources")
        self._entries.write_text("".join("\n".join([f"[{group}]", *lines, ""]) for group in groups))

    def is_written(self, text: str) -> None:
        (self._directory / f"{self._module}.py").write_text(text)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(core.plugins, "LOADED_WITHIN", timedelta(seconds=0.5), raising=False)
    return Plugin(tmp_path)


def check_broken(match: str) -> None:
    """Both kinds of source are refused, in time and without the key."""
    for make in (lambda: make_price_source("feed", OPTIONS), lambda: make_pick_source("feed", PICK_OPTIONS)):
        began = time.monotonic()
        with pytest.raises(BrokenSourceError, match=match) as caught:
            make()
        assert time.monotonic() - began < 5
        assert KEY not in caught.value.message + caught.value.remedy
        assert caught.value.remedy


ENDINGS = {
    "exit": "import sys; sys.exit(0)",
    "interrupt": "raise KeyboardInterrupt",
    "generator": "raise GeneratorExit",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "own": "raise type('Own', (BaseException,), {})",
    "memory": "raise MemoryError",
    "recursion": "f = lambda: f(); f()",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_ends_a_process_ends_a_plugin_alone(plugin: Plugin, ending: str) -> None:
    plugin.is_written(f"{ending}\n{WELL}")
    check_broken("'feed' cannot be loaded")


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_so_it_does_while_it_is_made(plugin: Plugin, ending: str) -> None:
    plugin.is_written(WELL.replace("self.options = options", ending))
    check_broken("'feed' cannot be made")


def test_one_that_hangs_at_its_import_is_given_up(plugin: Plugin) -> None:
    plugin.is_written(f"import time; time.sleep(30)\n{WELL}")
    check_broken("'feed' cannot be loaded: .*did not come back within 0.5 s")


def test_so_is_one_that_hangs_while_it_is_made(plugin: Plugin) -> None:
    plugin.is_written(WELL.replace("self.options = options", "__import__('time').sleep(30)"))
    check_broken("'feed' cannot be made: .*did not come back within 0.5 s")


def test_so_is_one_that_hangs_when_it_is_asked_for_its_name(plugin: Plugin) -> None:
    named = "    @property\n    def name(self):\n        __import__('time').sleep(30)\n"
    plugin.is_written(WELL.replace('    name, basis, settle_delay = "feed", Basis.PRICE, timedelta(0)\n', named))
    check_broken("'feed' cannot be made")


@pytest.mark.parametrize(
    "text",
    ["Feed = 5", "Feed = None", "Feed = lambda options: None", "Feed = lambda options: 'feed'", "class Feed: pass"],
)
def test_what_is_no_source_is_refused(plugin: Plugin, text: str) -> None:
    plugin.is_written(text)
    check_broken("'feed' cannot be")


@pytest.mark.parametrize(
    "attributes",
    [
        "5, Basis.PRICE, timedelta(0)",
        "None, Basis.PRICE, timedelta(0)",
        "'', Basis.PRICE, timedelta(0)",
        "'feed', 'guess', timedelta(0)",
        "'feed', Basis.PRICE, '1h'",
        "'feed', Basis.PRICE, None",
        "'feed', Basis.PRICE, timedelta(hours=-1)",
        "'feed', Basis.PRICE, property(lambda self: 1 / 0)",
        "property(lambda self: self.options.missing), Basis.PRICE, timedelta(0)",
    ],
)
def test_a_source_without_what_every_source_has_is_refused(plugin: Plugin, attributes: str) -> None:
    plugin.is_written(WELL.replace('"feed", Basis.PRICE, timedelta(0)', attributes))
    with pytest.raises(BrokenSourceError):
        make_price_source("feed", OPTIONS)


@pytest.mark.parametrize("name", ["tiingo", "csv", "simulated"])
def test_none_passes_for_a_source_of_the_product(plugin: Plugin, name: str) -> None:
    """Its closes would be stored under that name, and those of `csv` believed, of `simulated` taken for invented."""
    plugin.is_written(WELL.replace('"feed", Basis', f'"{name}", Basis'))
    with pytest.raises(BrokenSourceError, match=f"'feed' calls itself '{name}'"):
        make_price_source("feed", OPTIONS)


@pytest.mark.parametrize("name", ["file", "llm", "manual"])
def test_nor_for_a_pick_source(plugin: Plugin, name: str) -> None:
    plugin.is_written(WELL.replace('"feed", Basis', f'"{name}", Basis'))
    with pytest.raises(BrokenSourceError, match=f"'feed' calls itself '{name}'"):
        make_pick_source("feed", PICK_OPTIONS)


def test_an_entry_of_a_built_in_name_is_never_imported(plugin: Plugin) -> None:
    plugin.offers("simulated", "manual")
    plugin.is_written("raise RuntimeError")
    assert make_price_source("simulated", OPTIONS).name == "simulated"


async def test_what_it_says_of_itself_later_changes_nothing(plugin: Plugin) -> None:
    changing = "type(self).name = type(self).settle_delay = type(self).basis = property(lambda self: 1 / 0)"
    plugin.is_written(
        WELL.replace("        return Answer", f"        {changing}\n        return Answer").replace(
            "{})", "{}, unknown=frozenset(symbols))"
        )
    )
    source = make_price_source("feed", OPTIONS)
    for _ in range(2):
        assert (await query(source, ["SPY"], *SPAN)).unknown == {"SPY"}
    assert (source.name, source.basis, source.settle_delay) == ("feed", Basis.PRICE, timedelta(0))


def test_whatever_else_it_has_may_raise(plugin: Plugin) -> None:
    extras = "    least_rest = is_taken_at_its_word = property(lambda self: 1 / 0)\n"
    plugin.is_written(WELL.replace("    async def closes", f"{extras}    async def closes"))
    with pytest.raises(BrokenSourceError, match="ZeroDivisionError"):
        make_price_source("feed", OPTIONS)


ANSWERS = (
    "None", "5", "'closes'", "{}", "[]", "object()", "Answer(5, 5, 5)", "Answer('feed', Basis.PRICE, {}, unknown=5)",
    "Answer('feed', Basis.PRICE, {}, failed={'SPY': ValueError(self.options.key)})", "Answer('feed', 'guess', {})",
    "__import__('sys').exit(0)", "(_ for _ in ()).throw(KeyboardInterrupt)",
    "__import__('asyncio').current_task().cancel()",
    "(_ for _ in ()).throw(type('Own', (BaseException,), {})(self.options.key))",
)  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nonsense_is_an_error_of_the_source(plugin: Plugin, answer: str) -> None:
    plugin.is_written(WELL.replace('return Answer("feed", Basis.PRICE, {})', f"return {answer}"))
    source = make_price_source("feed", OPTIONS)
    with pytest.raises(PriceSourceError) as caught:
        await query(source, ["SPY"], *SPAN)
    assert KEY not in caught.value.message + caught.value.remedy


async def test_its_answers_bear_its_own_name(plugin: Plugin) -> None:
    plugin.is_written(WELL.replace('Answer("feed",', 'Answer("tiingo",'))
    assert (await query(make_price_source("feed", OPTIONS), ["SPY"], *SPAN)).source == "feed"


ODD_CLOSES = (
    "None", "5", "{1: 2}", "{first: None}", "{first: 1.5}", "{first: Close(1.5)}", "{first: Close(Decimal('NaN'))}",
    "{first: Close(Decimal(1), split_factor=0)}", "{first: Close(None)}", "{'2020-01-03': Close(Decimal(1))}",
    "{first: type('Odd', (), {'price': property(lambda self: 1 / 0)})()}",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD_CLOSES)
async def test_odd_closes_are_left_to_the_source_beside_it(plugin: Plugin, world: World, odd: str) -> None:
    plugin.is_written(
        "from decimal import Decimal\nfrom core.prices.source import Close\n"
        + WELL.replace("Basis.PRICE, {})", f"Basis.PRICE, {{symbol: {odd} for symbol in symbols}})")
    )
    async with world.services() as services:
        beside = replace(services, sources=(make_price_source("feed", OPTIONS), world.prices))
        report, _ = await run_due_work(beside)
        assert report.opened == 1


async def test_one_that_behaves_is_used(plugin: Plugin) -> None:
    plugin.is_written(WELL.replace("Basis.PRICE, {})", "Basis.PRICE, {}, unknown=frozenset(symbols))"))
    source = make_price_source("feed", OPTIONS)
    assert (source.name, source.basis, source.settle_delay) == ("feed", Basis.PRICE, timedelta(0))
    assert (await query(source, ["SPY"], *SPAN)).unknown == {"SPY"}
    assert await make_pick_source("feed", PICK_OPTIONS).picks(date(2020, 1, 6)) == ()
