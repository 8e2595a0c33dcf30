"""Set-up: from an empty database and a key in hand to prices, without a key being shown anywhere."""

import json
import logging
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import tui.app
from core.backfill import backfill
from core.logs import log_to_file
from core.plugins import MissingExtraError
from core.prices.source import UnavailableError
from core.settings import Settings, user_settings_file
from core.settings_layers import Layers, load_settings
from core.setup import Answers, Trial
from tests.fakes import FixedClock, ScriptedPrices
from tests.loopback import Loopback, Request, json_reply, serving
from tests.tui.driving import app_for, home, is_filled, shown, started, until, write_as_another
from tests.tui.history import FIRST_WEEK, NOW, drafts, settings_for
from tests.tui.test_literal import HOSTILE
from tui.app import AlphaMondayApp
from tui.changes import EVERYTHING
from tui.messages import ServicesOpened, SourcesTried
from tui.mode import Mode
from tui.screens.home import HomeScreen
from tui.screens.set_up import SetUpScreen
from tui.session import Pauses
from tui.widgets.choices import Choices
from tui.widgets.need_field import NeedField

KEY = "marker-key-4711"
CLOSED = "✓ tiingo: SPY closed at 512.30 on 2024-11-20 ("
CSV = "date,symbol,close\n2024-11-21,SPY,590.10\n"


def last_close(request: Request) -> bytes:
    if request.headers["authorization"] != f"Token {KEY}":
        return json_reply({"detail": f"Invalid {request.headers['authorization']}"}, 401)
    row = f'[{{"date": "{request.query["endDate"]}", "close": 512.30, "splitFactor": 1.0}}]'
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + row.encode()


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conninfo: str) -> Path:
    """A home without settings, a working directory, and an empty database."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", conninfo)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def tiingo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serving(last_close) as provider:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_URL", provider.url)
        yield provider


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """The log, as the TUI writes it."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    root.handlers.clear()  # kept from being closed
    yield log_to_file(tmp_path / "data")
    for handler in [*root.handlers]:
        root.removeHandler(handler)
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


class Watched(AlphaMondayApp):
    """The app, keeping what it opened."""

    CSS_PATH = str(Path(tui.app.__file__).with_name("app.tcss"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opened: list[ServicesOpened] = []

    def on_services_opened(self, message: ServicesOpened) -> None:
        self.opened.append(message)


def app_of(layers: Layers | None = None, mode: Mode = Mode.SCHEDULER) -> Watched:
    """The app as the command line starts it."""
    layers = layers or Layers()
    return Watched(
        layers.load().settings, mode, clock=FixedClock(NOW), pauses=Pauses(retry_s=0.1, poll_s=0.2), layers=layers
    )


def form(pilot: Pilot[Any]) -> SetUpScreen:
    screen = pilot.app.screen
    assert isinstance(screen, SetUpScreen), screen
    return screen


def field(pilot: Pilot[Any], name: str) -> NeedField:
    return form(pilot)._fields[name]


def value(pilot: Pilot[Any], name: str) -> str:
    return field(pilot, name).input.value


@asynccontextmanager
async def set_up(
    app: AlphaMondayApp, size: tuple[int, int] = (80, 24), *, opens_itself: bool = True
) -> AsyncIterator[Pilot[Any]]:
    """The app with the form open."""
    async with started(app, size) as pilot:
        await until(pilot, lambda: app.services is not None and home(app).weeks.is_begun, "the first page")
        if not opens_itself:
            await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, SetUpScreen), "the form")
        await pilot.pause()
        yield pilot


async def sees(pilot: Pilot[Any], *words: str) -> None:
    """Waits until all of `words` stand on the screen, wherever lines break."""
    for each in words:
        await until(pilot, lambda text=each: text in _flowing(pilot), each)  # type: ignore[misc]  # bound per word


def _flowing(pilot: Pilot[Any]) -> str:
    """The form's text, or the screen's, with every run of blanks and every line break as one blank."""
    return " ".join(shown(pilot.app).replace("│", " ").split())


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def no_key_on(pilot: Pilot[Any]) -> None:
    assert "marker" not in shown(pilot.app) + pilot.app.export_screenshot()


async def test_from_nothing_to_a_live_price_by_keyboard_alone(tiingo: Loopback, log_file: Path) -> None:
    app = app_of()
    async with set_up(app) as pilot:
        await sees(pilot, "Prices come from", "▸ tiingo", "Tiingo key", "▸ manual")
        await pilot.press("enter")
        await sees(pilot, "! Tiingo key is still to be filled in: the API token of your account at tiingo.com.")
        await pilot.press(*"marker-wrong", "enter")
        await sees(pilot, "tiingo does not accept the key")
        no_key_on(pilot)
        assert value(pilot, "tiingo_key") == "marker-wrong", "everything is kept"
        await pilot.press("ctrl+u", *KEY, "enter")
        await sees(pilot, CLOSED, "↵ save", "Enter saves this in", "settings.env")
        assert not user_settings_file().exists(), "nothing is written before it is asked for"
        no_key_on(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen), "the end of the form")
        await sees(pilot, "● leading", "ET (3 d) tiingo", "Saved in")
        assert "No price source" not in shown(app)
        assert len(app.opened) == 2, "opened once, and once anew"
        no_key_on(pilot)
    file = user_settings_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load_settings().settings
    assert settings.provider("tiingo", "KEY") == KEY
    assert (settings.price_source, settings.pick_source) == (("tiingo",), "manual")
    assert settings.picks_file is None, "it keeps a file of its own in the data directory"
    assert "marker" not in text_of(log_file)


async def test_by_mouse(tiingo: Loopback) -> None:
    app = app_of()
    async with set_up(app, (120, 40)) as pilot:
        await click_on(pilot, "Esc cancel")
        await sees(pilot, "There are no batches yet.", "Press u to set one up")
        await click_on(pilot, "choose where prices and picks come from")
        await until(pilot, lambda: isinstance(app.screen, SetUpScreen), "the form")
        await click_on(pilot, "simulated      invented")
        await sees(pilot, "▸ simulated")
        assert not field(pilot, "tiingo_key").display
        await click_on(pilot, "tiingo         closes")
        await click_on(pilot, "momentum    ranked")
        await sees(pilot, "▸ momentum", "Universe")
        await click_on(pilot, "file        picks")
        await pilot.click(field(pilot, "tiingo_key").input)
        await pilot.press(*KEY)
        await click_on(pilot, "try it out", last=True)
        await sees(pilot, CLOSED)
        await click_on(pilot, "↵ save")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen), "the end of the form")
        await sees(pilot, "● leading")


async def click_on(pilot: Pilot[Any], words: str, *, last: bool = False) -> None:
    """Clicks where `words` stand."""
    await until(pilot, lambda: words in shown(pilot.app), words)
    await pilot.pause()
    lines = shown(pilot.app).splitlines()
    found = [(line.index(words), y) for y, line in enumerate(lines) if words in line]
    x, y = found[-1 if last else 0]
    await pilot.click(offset=(x + 3, y))


async def test_a_provider_that_keeps_silent_can_be_left(tiingo: Loopback) -> None:
    tiingo.answer = lambda _: None
    async with set_up(app_of()) as pilot:
        await pilot.press(*KEY, "enter")
        await sees(pilot, "… asking tiingo for the newest close of SPY", "Esc stop asking")
        await until(pilot, lambda: len(tiingo.requests) == 1, "the request")
        await pilot.press("enter", "ctrl+s", "escape")
        await sees(pilot, "Stopped; nothing is written.", "↵ try it out")
        assert len(tiingo.requests) == 1, "asked once at a time"
        await until(pilot, lambda: not any(each.is_running for each in pilot.app.workers if each.group == "trying"))
        assert value(pilot, "tiingo_key") == KEY
        tiingo.answer = last_close
        await pilot.press("ctrl+s")
        await sees(pilot, CLOSED)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen), "the end of the form")
    assert not user_settings_file().exists()


async def test_typing_ends_the_request_and_what_was_tried_is_tried_again(tiingo: Loopback) -> None:
    async with set_up(app_of()) as pilot:
        await pilot.press(*KEY, "enter")
        await sees(pilot, CLOSED)
        await pilot.press("x")
        await sees(pilot, "↵ try it out")
        assert CLOSED not in _flowing(pilot)
        tiingo.answer = lambda _: None
        await pilot.press("enter")
        await until(pilot, lambda: len(tiingo.requests) == 2, "the second request")
        await pilot.press("backspace")
        await sees(pilot, "↵ try it out")
        tiingo.answer = last_close
        await pilot.press("enter")
        await sees(pilot, CLOSED)
        await pilot.press("shift+tab", "k")
        await sees(pilot, "▸ simulated", "↵ try it out")
        await pilot.press("j")
        assert value(pilot, "tiingo_key") == KEY, "what is hidden is kept"
    assert not user_settings_file().exists()


async def test_an_answer_that_comes_too_late_is_not_taken(tiingo: Loopback) -> None:
    tiingo.answer = lambda _: None
    async with set_up(app_of()) as pilot:
        await pilot.press(*KEY, "enter")
        await until(pilot, lambda: len(tiingo.requests) == 1, "the request")
        late = Answers("tiingo", "file", {"tiingo_key": f"{KEY}x"})
        trial = Trial("tiingo", "SPY", NOW.date(), Decimal("512.30"), timedelta(0), "of what stood there before.")
        form(pilot).post_message(SourcesTried(late, trial))
        await pilot.pause()
        await sees(pilot, "… asking tiingo")
        await pilot.press("escape")
        form(pilot).post_message(SourcesTried(late, trial))
        await pilot.pause()
        await sees(pilot, "Stopped; nothing is written.", "↵ try it out")


async def test_files_are_looked_for_while_typing(tmp_path: Path) -> None:
    prices, picks = tmp_path / "prices.csv", tmp_path / "picks.csv"
    picks.write_text("run_date,ticker,action,reasoning\n2024-11-18,KO,BUY\n", encoding="utf-8")
    async with set_up(app_of()) as pilot:
        await pilot.press("tab", "tab", "k", "k")
        await pilot.press("tab")
        await sees(pilot, "▸ file", str(tmp_path / "data")[:20], "not there yet")
        await pilot.press("shift+tab", "shift+tab", "shift+tab", "shift+tab", "k", "k", "tab", *"prices")
        await sees(pilot, "▸ csv", "! no such file · CSV of date,symbol,close")
        await pilot.press("ctrl+u", ".")
        await sees(pilot, "! this is a directory")
        await pilot.press("ctrl+u", *"prices.csv", "enter")
        await sees(pilot, "cannot read", "prices.cs")
        prices.write_text(CSV, encoding="utf-8")
        await pilot.press("tab", "tab", "tab", "ctrl+u", *"picks.csv")
        await sees(pilot, "✓ found · CSV of run_date")
        await pilot.press("ctrl+s")
        await sees(pilot, "line 2: 3 fields, the header has 4")
        picks.unlink()
        await pilot.press("ctrl+s")
        await sees(pilot, "✓ csv: SPY closed at 590.10 on 2024-11-21 (0.0 s)")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen), "the end of the form")
        await sees(pilot, "csv", "● leading")
    settings = load_settings().settings
    assert (settings.price_file, settings.picks_file) == (prices, picks)
    assert stat.S_IMODE(user_settings_file().stat().st_mode) == 0o600


async def test_what_is_set_already_stands_in_the_form_but_for_keys(
    tiingo: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "tiingo,csv")
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_FILE", str(tmp_path / "old.csv"))
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "momentum")
    monkeypatch.setenv("ALPHA_MONDAY_UNIVERSE", str(tmp_path / "universe.csv"))
    monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
    (tmp_path / "universe.csv").write_text("ticker\nKO\nPEP\nXOM\n", encoding="utf-8")
    (tmp_path / "old.csv").write_text(CSV, encoding="utf-8")
    async with set_up(app_of(), (120, 40), opens_itself=False) as pilot:
        await sees(pilot, "If it fails ▌ csv", "set; leave empty to keep it", "▸ momentum")
        assert value(pilot, "tiingo_key") == ""
        assert value(pilot, "universe") == str(tmp_path / "universe.csv")
        await pilot.press("enter")
        await sees(
            pilot,
            CLOSED,
            "! csv answers, but has no close of SPY",
            "Set elsewhere too, where it wins over the file: ALPHA_MONDAY_PRICE_SOURCE (environment), "
            "ALPHA_MONDAY_PICK_SOURCE (environment), ALPHA_MONDAY_PRICE_FILE (environment), "
            "ALPHA_MONDAY_UNIVERSE (environment)",
        )
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen), "the end of the form")
        no_key_on(pilot)
    assert "KEY" not in user_settings_file().read_text(encoding="utf-8"), "a key of the environment stays there"


async def test_options_of_the_command_line_outlive_it(tiingo: Loopback) -> None:
    app = app_of(Layers({"benchmark": "QQQ"}))
    async with set_up(app) as pilot:
        await pilot.press(*KEY, "enter")
        await sees(pilot, "tiingo: QQQ closed at 512.30")
        await pilot.press("enter")
        await sees(pilot, "● leading")
        assert app.settings.benchmark == "QQQ"
        assert app.services is not None
        assert app.services.settings.benchmark == "QQQ"
        assert app.services.settings.provider("tiingo", "KEY") == KEY
    assert "BENCHMARK" not in user_settings_file().read_text(encoding="utf-8")


async def test_the_embedded_server_is_opened_anew_once(
    reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(reachable_directory / "set-up"))
    app = app_of()
    async with set_up(app) as pilot:
        listening = [worker for worker in app.workers if worker.group == "listening"]
        await pilot.press("shift+tab", "k")
        await sees(pilot, "▸ simulated")
        await pilot.press("enter")
        await sees(pilot, "✓ simulated: SPY closed at")
        await pilot.press("enter")
        await sees(pilot, "SIMULATED PRICES", "● leading")
        assert all(worker.is_cancelled for worker in listening), "silence of what is closed is no loss"
        assert len(app.opened) == 2


async def test_a_file_that_cannot_be_written_is_told_and_tried_again(tiingo: Loopback) -> None:
    user_settings_file().parent.parent.mkdir()
    user_settings_file().parent.write_text("in the way", encoding="utf-8")
    async with set_up(app_of()) as pilot:
        await pilot.press(*KEY, "enter")
        await sees(pilot, CLOSED)
        await pilot.press("enter")
        await sees(pilot, "cannot be written", "Make it a file that this user may write.", "↵ save")
        no_key_on(pilot)
        user_settings_file().parent.unlink()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen), "the end of the form")
    assert load_settings().settings.provider("tiingo", "KEY") == KEY


async def test_a_price_that_is_not_there_is_said(tiingo: Loopback) -> None:
    tiingo.answer = lambda _: json_reply([])
    async with set_up(app_of()) as pilot:
        await pilot.press(*KEY, "enter")
        await sees(pilot, "! tiingo answers, but has no close of SPY in the ten days to 2024-11-20", "↵ save")


async def test_it_opens_by_itself_once(conninfo: str) -> None:
    app = app_of()
    async with set_up(app) as pilot:
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen), "the end of the form")
        app.note_change(EVERYTHING)
        await home(app).look_again()
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        await sees(pilot, "There are no batches yet.", "▸ u set up", "✗ not scheduling")


@pytest.mark.parametrize("case", ["read-only", "a source", "batches"])
async def test_it_does_not_open_by_itself(
    case: str, conninfo: str, price_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "batches":
        filler = settings_for(conninfo, price_source="csv", price_file=str(price_file))
        await write_as_another(filler, lambda services: backfill(services, {FIRST_WEEK: drafts(FIRST_WEEK)}))
    if case == "a source":
        monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "simulated")
    app = app_of(mode=Mode.READ_ONLY if case == "read-only" else Mode.NO_SCHEDULER)
    async with started(app, (80, 24)) as pilot:
        await until(pilot, lambda: is_filled(app) if case == "batches" else home(app).weeks.is_begun, "the first page")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        if case == "read-only":
            await pilot.press("u")
            await sees(pilot, "This terminal is read-only;")
            assert isinstance(app.screen, HomeScreen)


async def test_the_demo_says_why_not(settings: Settings) -> None:
    app = app_for(settings, Mode.DEMO)
    async with started(app, (80, 24)) as pilot:
        await until(pilot, lambda: is_filled(app), "the first page")
        await pilot.press("u")
        await sees(pilot, "The demo has simulated")
        assert isinstance(app.screen, HomeScreen)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, ScriptedPrices], None]:
    """Has an installed package offer a price source under a name."""

    def offer(called: str, source: ScriptedPrices) -> None:
        class Entry:
            name, value, dist = called, "feed:Feed", None

            def load(self) -> object:
                return lambda _: source

        monkeypatch.setattr("core.plugins.Registry._offered", lambda self: [Entry()] if "price" in self.kind else [])

    return offer


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_names_and_answers_are_shown_and_do_nothing(
    text: str, offered: Callable[[str, ScriptedPrices], None]
) -> None:
    offered(f"feed {text}", ScriptedPrices({}, failure=UnavailableError(f"No: {text}", f"Try {text}")))
    async with set_up(app_of(), (120, 40)) as pilot:
        await pilot.press("shift+tab", "j", "j")
        assert form(pilot).query_one("#prices", Choices).name_chosen == f"feed {text}"
        await pilot.press("enter")
        await sees(pilot, "! ")
        await pilot.pause()
        assert all(character.isprintable() for character in shown(pilot.app).replace("\n", ""))
        assert pilot.app.is_running


async def test_a_source_that_repeats_its_key_does_not_show_it(
    offered: Callable[[str, ScriptedPrices], None], log_file: Path
) -> None:
    offered("leaky", ScriptedPrices({}, failure=UnavailableError(f"GET ?key={KEY}: 503", f"Look at {KEY}.")))
    async with set_up(app_of()) as pilot:
        await pilot.press("shift+tab", "j", "j", "tab", *KEY, "enter")
        await sees(pilot, "GET ?key=***: 503", "Look at ***.")
        no_key_on(pilot)
        logging.getLogger("somewhere").error("GET %s", KEY)
    [line] = text_of(log_file).splitlines()
    assert json.loads(line)["message"] == "GET ***"
    assert KEY not in repr(Answers("leaky", "file", {"leaky_key": KEY}))


async def test_everything_fits_a_small_terminal(tiingo: Loopback) -> None:
    async with set_up(app_of()) as pilot:
        await sees(pilot, "↑ ↓ choose")
        before = shown(pilot.app).splitlines()
        assert any("momentum    ranked by momentum among the tickers of a file" in line for line in before)
        await pilot.press(*KEY, "enter")
        await sees(pilot, CLOSED)
        lines = shown(pilot.app).splitlines()
        assert any("╭─ Set up" in line for line in lines)
        assert any("↵ save  Esc cancel" in line for line in lines)
        for line in [*before, *lines]:
            assert "…" not in line.strip("│ "), "nothing is cut off"


async def test_pasting_a_key_takes_nothing_that_commands(tiingo: Loopback) -> None:
    async with set_up(app_of()) as pilot:
        await pilot.press("shift+tab", "tab")
        box = pilot.app.focused
        assert isinstance(box, Input)
        box.insert_text_at_cursor(f"  {KEY} ")
        await pilot.press("enter")
        await sees(pilot, CLOSED)
        assert tiingo.requests[0].headers["authorization"] == f"Token {KEY}"


async def test_a_chain_is_typed_tried_and_saved_and_stands_there_the_next_time(
    tiingo: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prices.csv").write_text("date,symbol,close\n2024-11-20,SPY,590.10\n", encoding="utf-8")
    app = app_of()
    async with set_up(app, (120, 40)) as pilot:
        await pilot.press(*KEY, "tab", *"csv, oops")
        await sees(pilot, "! no source is called oops", "Price file")
        await pilot.press("enter")
        await sees(pilot, "! Price file is still to be filled in")
        await pilot.press(*"prices.csv", "enter")
        await sees(pilot, "no price source is called 'oops'")
        await pilot.press("tab", "tab", "ctrl+u", *"csv, tiingo", "enter")
        await sees(pilot, CLOSED, "✓ csv: SPY closed at 590.10 on 2024-11-20")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen), "the end of the form")
        await sees(pilot, "tiingo → csv")
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, SetUpScreen), "the form")
        await sees(pilot, "If it fails ▌ csv", "✓ found")
    settings = load_settings().settings
    assert (settings.price_source, settings.price_file) == (("tiingo", "csv"), tmp_path / "prices.csv")


async def test_a_model_is_named_with_its_address_and_what_is_secret_in_it_is_not_shown(
    tiingo: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_LLM_URL", "https://ann:marker-password@models.test/v1")
    async with set_up(app_of(), (120, 40)) as pilot:
        await pilot.press(*KEY, "tab", "tab", "k")
        await sees(pilot, "▸ llm", "Model's key", "empty: none, as of a server on this machine", "Address")
        assert value(pilot, "llm_url") == ""
        await sees(pilot, "set; leave empty to keep it")
        no_key_on(pilot)
        await pilot.press("enter")
        await sees(pilot, "! Model is still to be filled in: its name, as the server calls it.")
        await pilot.press(*"llama", "tab", "tab", *"http://models.test", "enter")
        await sees(pilot, "ALPHA_MONDAY_LLM_URL", "must be an https address, or http on loopback")
        no_key_on(pilot)
    assert not user_settings_file().exists()


async def test_a_missing_extra_is_told_with_what_installs_it(tiingo: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MissingExtraError("price source yahoo needs the package yfinance", "Run: pip install -r yahoo.lock")

    monkeypatch.setattr("core.plugins.Registry.make", missing)
    async with set_up(app_of()) as pilot:
        await pilot.press("shift+tab", "j")
        await sees(pilot, "▸ yahoo", "but an extra")
        assert not field(pilot, "tiingo_key").display
        await pilot.press("enter")
        await sees(pilot, "needs the package yfinance", "Run: pip install -r yahoo.lock")
