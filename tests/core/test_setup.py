"""Set-up: its needs, its test request, and the file that it writes."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.csv_rows import FileError
from core.plugins import MissingSettingError
from core.prices.source import PriceOptions, RateLimitedError, UnauthorisedError, UnavailableError
from core.settings import SettingsError, user_settings_file
from core.settings_layers import load_settings
from core.setup import (
    Answers,
    overridden,
    save,
    settings_with,
    try_out,
)
from db.errors import AlphaMondayError
from tests.fakes import FixedClock, ScriptedPrices, closes, exchange
from tests.loopback import Loopback, Request, json_reply, reply, serving
from tests.planting import WAYS, write_as_another

KEY = "marker-key-4711"
CLOCK = FixedClock(exchange("2024-01-05", "18:00"))
PICKS = "run_date,ticker,action,reasoning\n" + "".join(f"2024-01-01,{ticker},BUY,x\n" for ticker in ("A", "B", "C"))
TIINGO = Answers("tiingo", "file", {"tiingo_key": KEY})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, and a working directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return home


def last_close(request: Request) -> bytes:
    return json_reply([{"date": request.query["endDate"], "close": 467.28, "splitFactor": 1.0}])


@pytest.fixture
def tiingo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serving(last_close) as provider:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_URL", provider.url)
        yield provider


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> ScriptedPrices:
    """The source of an installed package, `my-feed`."""
    source = ScriptedPrices({"SPY": closes(d2024_01_04="1.50")}, name="my-feed")

    class Entry:
        name, value, dist = "my-feed", "my_feed:make", None

        def load(self) -> object:
            return lambda options: taking(options, source)

    def taking(options: PriceOptions, source: ScriptedPrices) -> ScriptedPrices:
        if options.key == "bad" * 4:
            source.failure = UnauthorisedError(f"the key {options.key} is none", f"See https://x.test/?k={options.key}")
        return source

    monkeypatch.setattr("core.plugins.Registry._offered", lambda self: [Entry()] if "price" in self.kind else [])
    return source


def test_answers_keep_keys_out_of_sight() -> None:
    given = Answers("tiingo", "file", {"tiingo_key": f" {KEY}\n", "picks_file": " ", "price_file": "p.csv"})
    assert given.secrets == {"tiingo_key": KEY}
    assert given.values == {"price_file": "p.csv"}
    assert KEY not in repr(given)
    assert Answers("tiingo", "file", {}, {"tiingo_key": KEY}) == Answers("tiingo", "file", {"tiingo_key": KEY})
    address = Answers(
        "alpaca", "llm", {"alpaca_key": f"PK0815:{KEY}", "llm_url": "https://ann:marker-pw@models.test/v1"}
    )
    assert "marker" not in repr(address)
    assert {f"PK0815:{KEY}", KEY, "marker-pw", "ann:marker-pw"} <= address.to_mask
    assert "https://ann:marker-pw@models.test/v1" not in address.to_mask, "where a server stands is no secret"


@pytest.mark.parametrize("address", ["http://[", "https://ann:pw@[::1", "models.test", "http://models.test:port", "\0"])
def test_an_address_that_is_none_is_refused_and_masks_nothing(address: str) -> None:
    answers = Answers("simulated", "llm", {"llm_url": address, "llm_model": "m"})
    assert answers.to_mask == frozenset()
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_LLM_URL"):
        settings_with(answers)


class TestTrying:
    async def test_asks_once_for_the_newest_due_close(self, tiingo: Loopback) -> None:
        trial = await try_out(TIINGO, now=CLOCK.now())
        assert (trial.source, trial.symbol, trial.date) == ("tiingo", "SPY", date(2024, 1, 5))
        assert trial.price == Decimal("467.28")
        assert timedelta(0) < trial.took < timedelta(seconds=30)
        assert trial.message == "tiingo: SPY closed at 467.28 on 2024-01-05."
        (request,) = tiingo.requests
        assert request.query["endDate"] == "2024-01-05"
        assert request.headers["authorization"] == f"Token {KEY}"
        assert not user_settings_file().exists(), "trying writes nothing"

    async def test_the_newest_due_close_waits_for_the_source(self, tiingo: Loopback) -> None:
        """Before 17:30 Tiingo's close of the day is not ready, whatever the settings' delay."""
        trial = await try_out(TIINGO, now=exchange("2024-01-05", "17:29"))
        assert trial.date == date(2024, 1, 4)

    async def test_a_close_that_is_behind_is_told(self, offered: ScriptedPrices) -> None:
        trial = await try_out(Answers("my-feed", "file"), now=CLOCK.now())
        assert trial.date == date(2024, 1, 4)
        assert trial.message == "my-feed: SPY closed at 1.50 on 2024-01-04; the close of 2024-01-05 is not there yet."

    @pytest.mark.parametrize(("status", "words"), [(200, "has no close of SPY"), (404, "does not know SPY")])
    async def test_no_close_is_no_error(self, tiingo: Loopback, status: int, words: str) -> None:
        tiingo.answer = lambda _: json_reply([] if status == 200 else {"detail": "not found"}, status)
        trial = await try_out(TIINGO, now=CLOCK.now())
        assert (trial.date, trial.price) == (None, None)
        assert words in trial.message

    async def test_the_sources_own_errors_come_through(self, tiingo: Loopback) -> None:
        tiingo.answer = lambda _: reply(429, headers={"Retry-After": "60"})
        with pytest.raises(RateLimitedError) as limited:
            await try_out(TIINGO, now=CLOCK.now())
        assert limited.value.retry_after == timedelta(seconds=60)
        tiingo.answer = lambda _: json_reply({"detail": f"Invalid token {KEY}"})
        with pytest.raises(UnauthorisedError) as refused:
            await try_out(TIINGO, now=CLOCK.now())
        assert KEY not in refused.value.message

    async def test_a_key_that_is_missing_or_malformed(self) -> None:
        with pytest.raises(MissingSettingError):
            await try_out(Answers("tiingo", "file"), now=CLOCK.now())
        with pytest.raises(SettingsError) as caught:
            await try_out(Answers("tiingo", "file", {"tiingo_key": "two words"}), now=CLOCK.now())
        assert "two words" not in str(caught.value)

    async def test_a_key_in_force_is_used_where_none_is_given(
        self, tiingo: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", "from-elsewhere")
        await try_out(Answers("tiingo", "file"), now=CLOCK.now())
        assert tiingo.requests[0].headers["authorization"] == "Token from-elsewhere"

    async def test_a_third_partys_error_repeats_no_key(self, offered: ScriptedPrices) -> None:
        with pytest.raises(UnauthorisedError) as caught:
            await try_out(Answers("my-feed", "file", {"my_feed_key": "bad" * 4}), now=CLOCK.now())
        assert "badbad" not in str(caught.value) + caught.value.message + caught.value.remedy
        assert "***" in caught.value.message

    async def test_what_nobody_foresaw_is_an_operators_error(
        self, offered: ScriptedPrices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_: object) -> None:
            raise RuntimeError(KEY)

        monkeypatch.setattr(ScriptedPrices, "closes", fail)
        with pytest.raises(UnavailableError, match="RuntimeError") as caught:
            await try_out(Answers("my-feed", "file", {"my_feed_key": KEY}), now=CLOCK.now())
        assert KEY not in caught.value.message

    async def test_each_source_of_a_chain_is_asked_and_told(self, tiingo: Loopback, tmp_path: Path) -> None:
        (tmp_path / "prices.csv").write_text("date,symbol,close\n2024-01-04,SPY,1.5\n")
        answers = Answers(" tiingo ,, csv ", "manual", {"tiingo_key": KEY, "price_file": "prices.csv"})
        assert (answers.price_source, answers.price_sources) == ("tiingo,csv", ("tiingo", "csv"))
        trial = await try_out(answers, now=CLOCK.now())
        assert [each.message for each in (trial, *trial.others)] == [
            "tiingo: SPY closed at 467.28 on 2024-01-05.",
            "csv: SPY closed at 1.5 on 2024-01-04; the close of 2024-01-05 is not there yet.",
        ]
        (tmp_path / "prices.csv").unlink()
        with pytest.raises(AlphaMondayError, match=r"prices\.csv"):
            await try_out(answers, now=CLOCK.now())
        with pytest.raises(SettingsError, match="Simulated prices cannot stand in a chain"):
            await try_out(Answers("tiingo,simulated", "manual", {"tiingo_key": KEY}), now=CLOCK.now())

    async def test_what_was_staged_before_is_read(self, tmp_path: Path) -> None:
        answers = Answers("simulated", "manual")
        assert (await try_out(answers, now=CLOCK.now())).date == date(2024, 1, 5), "nothing is staged yet"
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "staged.csv").write_text(PICKS.replace("A,BUY", "A,HOLD"))
        with pytest.raises(FileError, match="HOLD"):
            await try_out(answers, now=CLOCK.now())

    async def test_files_are_read(self, tmp_path: Path) -> None:
        answers = Answers("simulated", "file", {"picks_file": "~/picks.csv"})
        assert (await try_out(answers, now=CLOCK.now())).date == date(2024, 1, 5), "the picks file is not there yet"
        file = tmp_path / "home" / "picks.csv"
        file.write_text(PICKS)
        await try_out(answers, now=CLOCK.now())
        file.write_text(PICKS.replace("A,BUY", "A,HOLD"))
        with pytest.raises(FileError, match="HOLD"):
            await try_out(answers, now=CLOCK.now())
        with pytest.raises(FileError, match="cannot read"):
            await try_out(Answers("simulated", "file", {"picks_file": str(tmp_path)}), now=CLOCK.now())
        for universe, words in (("none.csv", "cannot read"), ("home/picks.csv", "unknown column")):
            with pytest.raises(FileError, match=words):
                await try_out(Answers("simulated", "momentum", {"universe": universe}), now=CLOCK.now())
        with pytest.raises(SettingsError, match="PICKS_FILE"):
            await try_out(Answers("simulated", "file", {"picks_file": "~nobody-of-that-name/x"}), now=CLOCK.now())


class TestSaving:
    def test_what_is_written_is_in_force(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = save(Answers("tiingo", "file", {"tiingo_key": KEY}))
        assert file == user_settings_file()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        monkeypatch.chdir("/")
        in_force = load_settings().settings
        assert (in_force.price_source, in_force.pick_source) == (("tiingo",), "file")
        assert in_force.provider("tiingo", "KEY") == KEY
        assert in_force.picks_file == tmp_path / "data" / "picks.csv"
        assert overridden(TIINGO) == []

    def test_a_chain_and_a_providers_address_are_written_too(self) -> None:
        values = {"tiingo_key": KEY, "price_file": "p.csv", "llm_model": "gpt", "llm_url": "https://models.test/v1"}
        file = save(Answers("tiingo,csv", "llm", values))
        written = dotenv_values(file)
        assert written["ALPHA_MONDAY_PRICE_SOURCE"] == "tiingo,csv"
        assert written["ALPHA_MONDAY_LLM_MODEL"] == "gpt"
        in_force = load_settings().settings
        assert in_force.price_source == ("tiingo", "csv")
        assert in_force.provider("llm", "URL") == "https://models.test/v1"
        save(Answers("tiingo,csv", "llm"))
        assert dict(dotenv_values(file)) == dict(written), "what was not answered anew stays"

    def test_paths_are_expanded(self, home: Path, tmp_path: Path) -> None:
        save(Answers("csv", "momentum", {"price_file": "prices.csv", "universe": "~/universe.csv"}))
        in_force = load_settings().settings
        assert (in_force.price_file, in_force.universe) == (tmp_path / "prices.csv", home / "universe.csv")
        written = dotenv_values(user_settings_file())
        assert written["ALPHA_MONDAY_UNIVERSE"] == str(home / "universe.csv")

    def test_a_key_that_looks_like_a_variable_is_one_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOMETHING", "else")
        key = "a${SOMETHING}$SOMETHING'b"
        save(Answers("tiingo", "file", {"tiingo_key": key}))
        assert load_settings().settings.provider("tiingo", "KEY") == key

    @pytest.mark.parametrize("way", WAYS)
    def test_lines_of_somebody_else_are_not_taken_over(self, way: str) -> None:
        """The file that is written is trusted, with every line that it keeps."""
        file = write_as_another(user_settings_file(), "OTHER=1\n", way)
        with pytest.raises(SettingsError, match="is refused: "):
            save(TIINGO)
        assert file.read_text() == "OTHER=1\n"

    def test_other_lines_stay_and_the_file_is_replaced(self) -> None:
        file = user_settings_file()
        file.parent.mkdir(parents=True)
        file.write_text(
            "# mine\nexport ALPHA_MONDAY_PRICE_SOURCE=csv\nALPHA_MONDAY_BENCHMARK=QQQ # keep\n"
            "alpha_monday_pick_source = 'old'\nALPHA_MONDAY_OPEN_AT=08:00"
        )
        file.chmod(0o644)
        inode = file.stat().st_ino
        save(TIINGO)
        assert file.stat().st_ino != inode
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.read_text()
        assert text.startswith("# mine\nALPHA_MONDAY_BENCHMARK=QQQ # keep\nALPHA_MONDAY_OPEN_AT=08:00\n")
        assert text.upper().count("ALPHA_MONDAY_PRICE_SOURCE") == 1
        assert text.upper().count("ALPHA_MONDAY_PICK_SOURCE") == 1
        save(TIINGO)
        assert file.read_text() == text, "saving twice changes nothing"
        assert list(file.parent.iterdir()) == [file]

    @given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    def test_any_path_comes_back_or_is_refused(self, tmp_path: Path, name: str) -> None:
        file = tmp_path / "settings.env"
        file.write_text("OTHER='1'\n")
        path = f"{tmp_path}/{name.strip() or 'x'}"
        try:
            save(Answers("csv", "file", {"price_file": path, "picks_file": "p.csv"}), file)
        except SettingsError:
            assert file.read_text() == "OTHER='1'\n"
            assert "${" in path or "\r" in path
            return
        read = dotenv_values(file, interpolate=False)
        assert read["ALPHA_MONDAY_PRICE_FILE"] == str(Path(path).absolute())
        assert read["OTHER"] == "1"

    def test_where_it_cannot_be_written_it_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for place in (tmp_path / "file" / "settings.env", tmp_path / "data-dir"):
            if place.name == "data-dir":
                place.mkdir()
            with pytest.raises(SettingsError, match="cannot be written"):
                save(TIINGO, place)
        assert {path.name for path in tmp_path.iterdir()} == {"home", "file", "data-dir"}

    def test_a_failure_on_the_way_leaves_the_file_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "config" / "settings.env"
        save(Answers("simulated", "file"), file)
        before = file.read_text()

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(SettingsError, match="No space left"):
            save(TIINGO, file)
        assert file.read_text() == before
        assert list(file.parent.iterdir()) == [file], "no copy with a key is left"

    def test_what_a_higher_layer_sets_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "csv")
        Path(".env").write_text("ALPHA_MONDAY_TIINGO_KEY=other\nALPHA_MONDAY_BENCHMARK=QQQ\n")
        expected = ["ALPHA_MONDAY_PRICE_SOURCE (environment)", "ALPHA_MONDAY_TIINGO_KEY (.env)"]
        assert overridden(TIINGO) == expected
        save(TIINGO)
        assert overridden(TIINGO) == expected
        other = tmp_path / "other.env"
        other.write_text("ALPHA_MONDAY_PICK_SOURCE=file\n")
        assert overridden(TIINGO, other) == [expected[0], f"ALPHA_MONDAY_PICK_SOURCE ({other})"]

    def test_an_option_goes_before_the_file_but_not_before_the_answers(self, tmp_path: Path) -> None:
        options = {"price_source": "csv", "data_dir": str(tmp_path / "elsewhere"), "benchmark": "QQQ"}
        settings = settings_with(TIINGO, options=options)
        assert (settings.price_source, settings.benchmark) == (("tiingo",), "QQQ")
        assert settings.picks_file == tmp_path / "elsewhere" / "picks.csv"
        assert overridden(TIINGO, options=options) == ["ALPHA_MONDAY_PRICE_SOURCE (command line)"]


def test_no_screen_is_loaded() -> None:
    code = "import sys, core.setup, tui.shell.setup; print('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [b"False"]
