"""`config`, `doctor` and `db`: what is in force, what is wrong, and the database's own affairs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.settings_layers import FIELDS
from core.trading_calendar import TradingCalendar
from db import migrate
from tests.tui.shell.conftest import CommandLine, Market, everything, write_csv

VERSIONS = [migration.version for migration in migrate.shipped()]


class TestConfig:
    def test_every_setting_stands_there_in_the_form_in_which_it_is_set(
        self, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_TICK_EVERY", "90s")
        monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "one,two")
        told = alpha_monday("config", "--settle-delay", "1 h", "--json").json
        shown = {setting["name"]: (setting["value"], setting["origin"]) for setting in told["settings"]}
        assert list(shown) == list(FIELDS)
        assert shown["ALPHA_MONDAY_GIVE_UP_AFTER"] == ("48 h", "default")
        assert shown["ALPHA_MONDAY_SETTLE_DELAY"] == ("1 h", "command line")
        assert shown["ALPHA_MONDAY_TICK_EVERY"] == ("90 s", "environment")
        assert shown["ALPHA_MONDAY_OPEN_AT"] == ("09:00", "default")
        assert shown["ALPHA_MONDAY_PRICE_SOURCE"] == ("one,two", "environment")
        assert shown["DATABASE_URL"] == (None, "default")
        assert told["files"].keys() == {"settings file", "keys file", "log file"}
        plain = alpha_monday("config").out
        assert "48 h" in plain
        assert all(line == line.rstrip() for line in plain.splitlines())

    def test_what_it_shows_can_be_set(self, alpha_monday: CommandLine, tmp_path: Path) -> None:
        settings = alpha_monday("config", "--json").json["settings"]
        file = tmp_path / "shown.env"
        file.write_text("".join(f"{s['name']}='{s['value']}'\n" for s in settings if s["value"]))
        again = alpha_monday("config", "--json", "--env-file", str(file)).json["settings"]
        assert [s["value"] for s in again] == [s["value"] for s in settings]

    def test_an_unknown_setting_is_named_with_its_layer(
        self, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_BENCHMRK", "SPY")
        outcome = alpha_monday("latest", "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "settings")
        assert "ALPHA_MONDAY_BENCHMRK (environment)" in outcome.error["message"]
        assert "ALPHA_MONDAY_BENCHMARK" in outcome.error["remedy"]


class TestDoctor:
    def test_nothing_is_wrong(self, market: Market, alpha_monday: CommandLine) -> None:
        calendar = TradingCalendar()
        today = calendar.exchange_date(datetime.now(UTC))
        days = [day.isoformat() for day in calendar.sessions(today - timedelta(days=12), today)]
        write_csv(market.prices, ("date", "symbol", "close"), [(day, "SPY", "1") for day in days])
        told = alpha_monday("doctor", "--json")
        assert told.code == 0
        assert {check["name"]: check["ok"] for check in told.json["checks"]} == dict.fromkeys(
            (
                *("database", "transport", "pooler", "failover", "clock", "migrations", "pause", "scheduler"),
                *("locks", "looks for work", "days", "opening", "writes"),
                *("calendar", "price source csv", "symbol changes", "pick source", "files"),
                *("alerts", "heartbeat"),
            ),
            True,
        )
        plain = alpha_monday("doctor")
        assert (plain.code, plain.err) == (0, "")
        assert "basis unspecified" in plain.out

    def test_problems_are_named_with_what_to_do(self, market: Market, alpha_monday: CommandLine) -> None:
        market.prices.unlink()
        told = alpha_monday("doctor", "--json", "--pick-source", "oracle")
        assert told.code == 1
        wrong = {check["name"]: check for check in told.json["checks"] if not check["ok"]}
        assert wrong.keys() == {"price source csv", "pick source"}
        assert all(check["message"] and check["remedy"] for check in wrong.values())
        plain = alpha_monday("doctor").out
        assert "PROBLEM  price source csv: " in plain
        assert wrong["price source csv"]["remedy"] in plain

    @pytest.fixture
    def up_to_date(self, market: Market) -> Market:
        """The market with a price file that reaches to today."""
        calendar = TradingCalendar()
        today = calendar.exchange_date(datetime.now(UTC))
        days = [day.isoformat() for day in calendar.sessions(today - timedelta(days=12), today)]
        write_csv(market.prices, ("date", "symbol", "close"), [(day, "SPY", "1") for day in days])
        return market

    def test_each_source_of_the_chain_has_a_line_of_its_own(
        self, up_to_date: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "tiingo,csv")
        told = alpha_monday("doctor", "--json")
        assert told.code == 1
        checks = {check["name"]: check for check in told.json["checks"]}
        assert not checks["price source tiingo"]["ok"]
        assert "ALPHA_MONDAY_TIINGO_KEY" in checks["price source tiingo"]["message"]
        assert checks["price source csv"]["ok"]

    def test_sources_that_are_well_and_do_not_go_together(self, up_to_date: Market, alpha_monday: CommandLine) -> None:
        told = alpha_monday("doctor", "--json", "--price-source", "simulated,csv").json["checks"]
        checks = {check["name"]: check for check in told if check["name"].startswith("price source")}
        assert [name for name, check in checks.items() if check["ok"]] == ["price source simulated", "price source csv"]
        assert "Simulated prices" in checks["price sources"]["message"]

    def test_how_a_source_fared_for_the_schedulers_is_told(
        self, up_to_date: Market, alpha_monday: CommandLine, conninfo: str
    ) -> None:
        noted = {
            "is_failing": True, "succeeded_at": "2020-01-06T14:05:00+00:00", "quota_left": 7,
            "failure": "\x1b]0;gotcha\x07",
        }  # fmt: skip
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "insert into scheduler_state (name, value) values ('source:prices:csv', %s)", (Jsonb(noted),)
            )
        [check] = [each for each in alpha_monday("doctor", "--json").json["checks"] if each["name"].endswith(" csv")]
        assert check["ok"]
        assert "questions left after the schedulers' last: 7" in check["message"]
        assert "it fails the schedulers, since 2020-01-06 09:05 exchange time: " in check["message"]
        assert "gotcha" in alpha_monday("doctor").out

    def test_no_price_source(self, market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ALPHA_MONDAY_PRICE_SOURCE")
        checks = {check["name"]: check for check in alpha_monday("doctor", "--json").json["checks"]}
        assert not checks["price sources"]["ok"]
        assert "alpha-monday setup" in checks["price sources"]["remedy"]

    @pytest.mark.parametrize(
        ("text", "is_ok", "words"),
        [
            ("ticker,successor,date\nFB,META,2022-06-09\n", True, "well formed"),
            ("ticker,successor,date\n", True, "holds no change"),
            ("ticker,successor,date\nFB,FB,2022-06-09\n", False, "its own successor"),
            ("ticker,date\n", False, "successor"),
        ],
    )
    def test_the_file_of_renamed_tickers(
        self, market: Market, alpha_monday: CommandLine, text: str, is_ok: bool, words: str
    ) -> None:
        file = market.directory / "changes.csv"
        file.write_text(text, encoding="utf-8")
        told = alpha_monday("doctor", "--json", "--symbol-changes", str(file)).json["checks"]
        [check] = [check for check in told if check["name"] == "symbol changes"]
        assert check["ok"] is is_ok
        assert words in check["message"]
        assert str(file) in check["message"]

    @pytest.mark.parametrize("address", ["postgresql://127.0.0.1:1/x", "no address"])
    def test_no_database(
        self, market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", address)
        told = alpha_monday("doctor", "--json")
        assert told.code == 1
        assert told.json["checks"][0]["name"] == "database"
        assert not told.json["checks"][0]["ok"]

    def test_tables_that_do_not_fit(
        self, market: Market, bare_conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        checks = {check["name"]: check for check in alpha_monday("doctor", "--json").json["checks"]}
        assert checks["database"]["ok"]
        assert "db up" in checks["migrations"]["remedy"]


class TestDatabase:
    def test_readers_name_the_owners_command_and_change_nothing(
        self, market: Market, bare_conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        for command in (("latest",), ("batches",), ("show", "2020-01-06"), ("events",)):
            outcome = alpha_monday(*command, "--json")
            assert (outcome.code, outcome.error["code"]) == (1, "schema")
            assert "alpha-monday db up" in outcome.error["remedy"]
        status = alpha_monday("db", "status", "--json")
        assert (status.code, status.err) == (1, "")
        assert status.json["error"]["code"] == "schema"
        assert {row["state"] for row in status.json["migrations"]} == {"pending"}
        with psycopg.connect(bare_conninfo) as connection:
            assert connection.execute("select to_regclass('schema_migrations')").fetchone() == (None,)

        assert alpha_monday("db", "up", "--json").json == {"applied": VERSIONS}
        assert alpha_monday("db", "up", "--json").json == {"applied": []}
        assert alpha_monday("db", "up").out == "The tables are up to date.\n"
        status = alpha_monday("db", "status", "--json")
        assert status.code == 0
        assert status.json == {
            "migrations": [
                {"version": migration.version, "name": migration.name, "state": "applied"}
                for migration in migrate.shipped()
            ]
        }

    @pytest.mark.parametrize(
        ("statement", "state", "said"),
        [
            ("insert into schema_migrations values ('20990101000000')", "unknown here", "newer version"),
            ("update migration_checksums set sha256 = 'x' where version like '%0006'", "edited", "Edited after"),
        ],
    )
    def test_tables_of_another_version_are_refused_by_readers_and_writers(
        self,
        market: Market,
        conninfo: str,
        owner_conninfo: str,
        alpha_monday: CommandLine,
        statement: str,
        state: str,
        said: str,
    ) -> None:
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())
        before = everything(conninfo)
        for command in (
            ("latest",),
            ("backfill", "--picks", str(market.picks)),
            ("--headless", "--once"),
            ("db", "up"),
        ):
            outcome = alpha_monday(*command, "--json")
            assert (outcome.code, outcome.error["code"]) == (1, "schema")
            assert said in outcome.error["message"]
        assert everything(conninfo) == before
        status = alpha_monday("db", "status")
        assert status.code == 1
        assert state in status.out
        assert said in status.err
        assert state in {row["state"] for row in alpha_monday("db", "status", "--json").json["migrations"]}

    def test_backup_and_restore(
        self,
        replayed: Market,
        conninfo: str,
        bare_conninfo: str,
        alpha_monday: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file = replayed.directory / "backup"
        assert alpha_monday("db", "backup", str(file), "--json").json["file"] == str(file)
        again = alpha_monday("db", "backup", str(file), "--json")
        assert (again.code, again.error["code"]) == (1, "backup")
        full = alpha_monday("db", "restore", str(file), "--json")
        assert (full.code, full.error["code"]) == (1, "backup")
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        assert alpha_monday("db", "restore", str(file)).out.startswith(f"Restored from {file} and verified")
        assert everything(bare_conninfo) == everything(conninfo)
        assert len(alpha_monday("batches", "--json").json["batches"]) == 3

    def test_url(self, market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://me@db.test/base")
        assert alpha_monday("db", "url", "--json").json == {"url": "user=me dbname=base host=db.test"}
        assert alpha_monday("db", "url").out == "user=me dbname=base host=db.test\n"

    def test_an_embedded_server_that_was_never_made_is_not_made_by_reading(
        self, alpha_monday: CommandLine, tmp_path: Path
    ) -> None:
        for command in (("latest",), ("db", "status"), ("db", "url"), ("db", "backup", "b"), ("doctor",)):
            outcome = alpha_monday(*command)
            assert outcome.code == 1
            assert "There is no database in" in outcome.out + outcome.err
        assert not (tmp_path / "data").exists()
