"""Settings: their layers, their names, their forms, and the file that lists them."""

import re
import traceback
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from core.settings import Settings, SettingsError, user_settings_file
from core.settings_layers import FIELDS, load_settings
from tui.cli import SETTING_OPTIONS

HOUSE = Path(__file__).parents[2]
EXAMPLE = HOUSE / ".env.example"
_ENTRY = re.compile(r"#(ALPHA_MONDAY_[A-Z_]+|DATABASE_URL)=(.*)")

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from any settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dot_env(tmp_path: Path) -> Write:
    """Writes the working directory's .env."""

    def write(text: str) -> Path:
        file = tmp_path / ".env"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def user_file() -> Write:
    """Writes the user's settings file."""

    def write(text: str) -> Path:
        file = user_settings_file()
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def example_entries() -> dict[str, str]:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return {entry[1]: entry[2] for line in lines if (entry := _ENTRY.fullmatch(line))}


class TestTheExample:
    def test_lists_exactly_the_settings(self) -> None:
        assert list(example_entries()) == list(FIELDS)
        assert set(FIELDS.values()) == Settings.model_fields.keys() - {"provider_settings"}

    def test_every_setting_but_the_secret_ones_has_an_option(self) -> None:
        assert {option.replace("-", "_") for option in SETTING_OPTIONS} == set(FIELDS.values()) - {
            "database_url",
            "heartbeat_url",
            "notify_urls",
        }

    def test_shows_the_defaults(self, dot_env: Write) -> None:
        defaults = load_settings().settings
        dot_env("\n".join(f"{name}={value}" for name, value in example_entries().items()))
        assert load_settings().settings == defaults
        unset = {FIELDS[name] for name, value in example_entries().items() if not value}
        assert unset == {
            field for field in FIELDS.values() if getattr(defaults, field) in (None, ()) or field == "data_dir"
        }

    def test_says_why_before_each(self) -> None:
        before = ""
        for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
            if _ENTRY.fullmatch(line):
                assert before.startswith("# "), line
                assert before.endswith("."), line
            before = line

    def test_sets_nothing_when_it_is_copied(self, dot_env: Write) -> None:
        dot_env(EXAMPLE.read_text(encoding="utf-8"))
        assert load_settings().origins == {}


class TestPlaces:
    @pytest.mark.parametrize(
        ("arguments", "place"),
        [
            (lambda: {"command_line": {"open_at": "x"}}, "on the command line"),
            (lambda: {"env_file": Path("other.env")}, "in the file of --env-file ({here}/other.env)"),
            (dict, "in the working directory's .env ({here}/.env)"),
        ],
    )
    def test_a_bad_setting_is_placed_with_its_path(
        self, dot_env: Write, arguments: Callable[[], dict[str, Any]], place: str
    ) -> None:
        dot_env("ALPHA_MONDAY_OPEN_AT=noon\n")
        Path("other.env").write_text("ALPHA_MONDAY_OPEN_AT=noon\n", encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            load_settings(**arguments())
        assert place.format(here=Path.cwd()) in caught.value.remedy

    def test_the_users_file_and_the_environment_are_placed(
        self, user_file: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = user_file("ALPHA_MONDAY_PRICE_SORCE=csv\n")
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert f"in your settings file ({file})" in caught.value.remedy
        file.unlink()
        monkeypatch.setenv("ALPHA_MONDAY_OPEN_UNTIL", "08:00")
        with pytest.raises(SettingsError, match="OPEN_UNTIL must be later") as caught:
            load_settings()
        assert "in the environment" in caught.value.remedy

    def test_a_line_that_is_no_setting_is_placed(self, dot_env: Write) -> None:
        dot_env("ALPHA_MONDAY_BENCHMARK=SPY\n'\n")
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert f"{Path.cwd()}/.env, line 2: not a setting" in caught.value.message

    def test_a_text_names_a_setting_by_its_name_or_by_its_path(
        self, dot_env: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dot_env("ALPHA_MONDAY_PRICE_FILE=prices.csv\nALPHA_MONDAY_DATA_DIR=/somewhere\n")
        monkeypatch.setenv("DATABASE_URL", "postgresql://host/base")
        loaded = load_settings()
        here = Path.cwd()
        assert loaded.places(f"cannot read '{here}/prices.csv': no such file", "") == (
            f"ALPHA_MONDAY_PRICE_FILE is set in the working directory's .env ({here}/.env)."
        )
        assert loaded.places("", "Correct DATABASE_URL.") == "DATABASE_URL is set in the environment."
        assert loaded.places("Set ALPHA_MONDAY_PRICE_SOURCE; see ALPHA_MONDAY_DATA_DIRECTORY, /somewhere.") == ""


class TestLayers:
    def test_the_first_wins(self, dot_env: Write, user_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        file = user_file("ALPHA_MONDAY_BENCHMARK=USER\nALPHA_MONDAY_PICK_SOURCE=user\n")
        assert load_settings().settings.benchmark == "USER"
        assert load_settings().origins["ALPHA_MONDAY_BENCHMARK"] == str(file)
        dot_env("ALPHA_MONDAY_BENCHMARK=FILE\n")
        assert load_settings().settings.benchmark == "FILE"
        assert load_settings().origins["ALPHA_MONDAY_BENCHMARK"] == ".env"
        monkeypatch.setenv("ALPHA_MONDAY_BENCHMARK", "ENV")
        assert load_settings().settings.benchmark == "ENV"
        assert load_settings().origins["ALPHA_MONDAY_BENCHMARK"] == "environment"
        loaded = load_settings({"benchmark": "line"})
        assert loaded.settings.benchmark == "LINE"
        assert loaded.origins == {"ALPHA_MONDAY_BENCHMARK": "command line", "ALPHA_MONDAY_PICK_SOURCE": str(file)}
        assert loaded.settings.pick_source == "user"

    def test_another_file_stands_for_dot_env(self, dot_env: Write, tmp_path: Path) -> None:
        dot_env("ALPHA_MONDAY_BENCHMARK=FILE\nALPHA_MONDAY_UNIVERSE=u.csv\n")
        other = tmp_path / "other.env"
        other.write_text("\ufeffexport ALPHA_MONDAY_BENCHMARK='OTHER' # with a comment\n", encoding="utf-8")
        loaded = load_settings(env_file=other)
        assert (loaded.settings.benchmark, loaded.settings.universe) == ("OTHER", None)
        with pytest.raises(SettingsError, match=r"no settings file .*missing\.env"):
            load_settings(env_file=tmp_path / "missing.env")

    def test_an_empty_value_leaves_the_setting_to_the_next_layer(
        self, dot_env: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dot_env("ALPHA_MONDAY_BENCHMARK=FILE\n")
        monkeypatch.setenv("ALPHA_MONDAY_BENCHMARK", "")
        assert load_settings().settings.benchmark == "FILE"
        with pytest.raises(SettingsError, match=r"ALPHA_MONDAY_BENCHMARK \(command line\)"):
            load_settings({"benchmark": ""})

    def test_names_are_read_in_any_case(self, dot_env: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        dot_env("alpha_monday_pick_source=momentum\n")
        monkeypatch.setenv("Alpha_Monday_Benchmark", "qqq")
        monkeypatch.setenv("database_url", "postgresql://host/base")
        settings = load_settings().settings
        assert (settings.pick_source, settings.benchmark) == ("momentum", "QQQ")
        assert settings.database_url is not None
        assert settings.database_url.get_secret_value() == "postgresql://host/base"

    def test_other_programs_settings_are_none_of_ours(self, dot_env: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        dot_env("OTHER=1\nALPHA_MONDAYS=2\n")
        monkeypatch.setenv("PRICE_SOURCE", "csv")
        assert load_settings().origins == {}


def in_environment(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(name, value)
    return "environment"


def in_dot_env(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
    Path(".env").write_text(f"{name}='{value}'\n", encoding="utf-8")
    return ".env"


def in_user_file(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
    user_settings_file().parent.mkdir(parents=True)
    user_settings_file().write_text(f"{name}='{value}'\n", encoding="utf-8")
    return str(user_settings_file())


@pytest.mark.parametrize("place", [in_environment, in_dot_env, in_user_file])
class TestMistakes:
    @pytest.mark.parametrize("value", ["x", ""])
    def test_an_unknown_name(self, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        layer = place("ALPHA_MONDAY_PRICE_SORCE", value, monkeypatch)
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert "ALPHA_MONDAY_PRICE_SORCE" in caught.value.message
        assert layer in caught.value.message
        assert "ALPHA_MONDAY_PRICE_SOURCE" in caught.value.remedy

    def test_the_address_of_the_database_has_no_prefix(
        self, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer = place("ALPHA_MONDAY_DATABASE_URL", "https://user:geheimnis@host/base", monkeypatch)
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert f"ALPHA_MONDAY_DATABASE_URL ({layer})" in caught.value.message
        assert "DATABASE_URL has no prefix" in caught.value.remedy
        assert "geheimnis" not in str(caught.value) + caught.value.remedy

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("OPEN_AT", "8:00"),
            ("OPEN_AT", "25:00"),
            ("OPEN_AT", "09:00:00"),
            ("OPEN_AT", "nine"),
            ("OPEN_UNTIL", "09:60"),
            ("SETTLE_DELAY", "45"),
            ("SETTLE_DELAY", "-5 min"),
            ("SETTLE_DELAY", "a while"),
            ("SETTLE_DELAY", "٣ h"),
            ("GIVE_UP_AFTER", "2 days"),
            ("GIVE_UP_AFTER", "9" * 400 + " d"),
            ("GIVE_UP_AFTER", "367 d"),
            ("TICK_EVERY", "0.5 s"),
            ("TICK_EVERY", "0 s"),
            ("BENCHMARK", "S&P 500"),
            ("BENCHMARK", "ABCDEFGHIJK"),
            ("PRICE_SOURCE", "csv,"),
            ("PRICE_SOURCE", "csv, csv"),
            ("PRICE_FILE", "~nobody-of-that-name/prices.csv"),
            ("NAME_URL", "http://prices.test/key"),
            ("NAME_URL", "prices.test"),
            ("NAME_URL", "http://localhost.prices.test/"),
            ("NAME_URL", "https://user:geheimnis℀@host/"),
            ("NAME_URL", "https://user:geheimnis"),
            ("NAME_URL", "https://[geheimnis"),
            ("HEARTBEAT_URL", "http://ping.test/geheimnis"),
            ("HEARTBEAT_URL", "ping.test/geheimnis"),
            ("HEARTBEAT_URL", "https:///geheimnis"),
            ("HEARTBEAT_URL", "ftp://localhost/geheimnis"),
            ("OVERDUE_AFTER", "six hours"),
        ],
    )
    def test_a_malformed_value(
        self, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        layer = place(f"ALPHA_MONDAY_{name}", value, monkeypatch)
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert f"ALPHA_MONDAY_{name} ({layer})" in caught.value.message
        assert value not in caught.value.message, "it may be a secret in the wrong place"
        assert "geheimnis" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.remedy

    def test_times_that_do_not_fit_each_other(self, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        layer = place("ALPHA_MONDAY_OPEN_AT", "09:30", monkeypatch)
        with pytest.raises(SettingsError, match=r"OPEN_UNTIL must be later than ALPHA_MONDAY_OPEN_AT") as caught:
            load_settings()
        assert f"ALPHA_MONDAY_OPEN_AT: {layer}" in caught.value.message

    @pytest.mark.parametrize("value", ["64.5 h", "3 d", "366 d"])
    def test_a_settle_delay_that_ends_after_the_opening(
        self, place: Callable[..., str], monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        layer = place("ALPHA_MONDAY_SETTLE_DELAY", value, monkeypatch)
        with pytest.raises(SettingsError, match=r"ALPHA_MONDAY_OPEN_UNTIL") as caught:
            load_settings()
        assert f"ALPHA_MONDAY_SETTLE_DELAY: {layer}" in caught.value.message


def test_the_longest_settle_delay_depends_on_the_end_of_the_opening() -> None:
    assert load_settings({"settle_delay": "64.4 h"}).settings.settle_delay == timedelta(hours=64.4)
    assert load_settings({"settle_delay": "70 h", "open_until": "16:00"}).settings.open_until == time(16)
    with pytest.raises(SettingsError, match=r"SETTLE_DELAY"):
        load_settings({"settle_delay": "64.4 h", "open_until": "09:20"})


@pytest.mark.parametrize("line", ["ALPHA_MONDAY_BENCHMARK SPY", "ALPHA_MONDAY_BENCHMARK='SPY", "=SPY"])
def test_a_line_that_is_no_setting(dot_env: Write, line: str) -> None:
    """Passed over in silence, the default would be in force without a word."""
    dot_env(f"ALPHA_MONDAY_PICK_SOURCE=file\n{line}\n")
    with pytest.raises(SettingsError, match=r"\.env, line 2"):
        load_settings()


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ALPHA_MONDAY_BENCHMARK=\xff\n")
    with pytest.raises(SettingsError, match=r"'\.env' cannot be read"):
        load_settings()


def test_a_nul_in_a_path(dot_env: Write) -> None:
    dot_env("ALPHA_MONDAY_DATA_DIR='/tmp/a\0b'\n")
    with pytest.raises(SettingsError, match=r"ALPHA_MONDAY_DATA_DIR \(\.env\) is malformed: it holds a NUL"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 s", 90), ("1.5min", 90), ("2 h", 7200), ("366 d", 366 * 86400), ("0 s", 0)]
)
def test_durations(text: str, seconds: int) -> None:
    assert load_settings({"give_up_after": text}).settings.give_up_after == timedelta(seconds=seconds)


def test_paths_and_times_and_names_are_understood(tmp_path: Path) -> None:
    settings = load_settings(
        {"price_file": "prices.csv", "data_dir": "~/data", "open_at": "08:05", "price_source": "one, two"}
    ).settings
    assert settings.price_file == tmp_path / "prices.csv"
    assert settings.data_dir == tmp_path / "home" / "data"
    assert settings.open_at == time(8, 5)
    assert settings.price_source == ("one", "two")


def test_layers_are_read_anew(dot_env: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_settings({"benchmark": "QQQ"}, env_file=dot_env("ALPHA_MONDAY_OPEN_AT=08:00\n"))
    dot_env("ALPHA_MONDAY_OPEN_AT=08:30\nALPHA_MONDAY_BENCHMARK=DIA\n")
    again = loaded.layers.load()
    assert (again.settings.benchmark, again.settings.open_at) == ("QQQ", time(8, 30))
    assert again.layers == loaded.layers


def test_secrets_are_known_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:p%40ssword@host/base")
    monkeypatch.setenv("ALPHA_MONDAY_MY_SOURCE_KEY", "the-key")
    monkeypatch.setenv("ALPHA_MONDAY_MY_SOURCE_URL", "https://me:word@prices.test/v1?token=abc")
    settings = load_settings().settings
    assert settings.provider("my-source", "KEY") == "the-key"
    assert settings.provider("other", "KEY") is None
    secrets = settings.secrets()
    assert {"p%40ssword", "p@ssword", "the-key", "word", "token=abc"} <= secrets
    assert not [secret for secret in secrets if secret in repr(settings)]
    assert load_settings({"benchmark": "SPY"}).settings.secrets() == secrets


@pytest.mark.parametrize(
    "url",
    [
        "https://ping.test/0f8fad5b-d9cb-469f/a%2Fb?token=abcd",
        "http://127.0.0.1:8000/0f8fad5b",
        "http://[::1]/0f8fad5b",
        "https://me:word@ping.test/",
    ],
)
def test_the_heartbeats_address_is_secret_whole_and_by_its_path(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_HEARTBEAT_URL", url)
    settings = load_settings().settings
    secrets = settings.secrets()
    assert url in secrets
    assert "" not in secrets
    path, _, query = url.split("/", 3)[3].partition("?")
    assert not path or {path, f"/{path}", unquote(f"/{path}")} <= secrets
    assert not query or query in secrets
    assert ("word" in secrets) == ("word" in url)
    assert url not in repr(settings)
    assert settings.provider_settings == {}, "it is no provider's address"
