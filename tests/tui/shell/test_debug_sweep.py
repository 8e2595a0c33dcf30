"""Every command of the parser with --debug, with a secret in every place that may hold one: none comes out.

A command that is added is missed by name until it stands here.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import tui.shell.run
from core.settings import user_settings_file
from tests.tui.shell.conftest import PROGRAM, CommandLine, Market
from tests.tui.shell.test_secrets import (
    ENCODED,
    KEY,
    MARK,
    PASSWORD,
    TLS_PASSWORD,
    TOKEN,
    UNQUOTED,
    Keeper,
    LeakyPrices,
    installed,
    keeper,
    leaks,
    leaky,
)
from tui.cli import build_parser

__all__ = ["installed", "keeper", "leaky"]  # fixtures

CHANNEL = f"json://user:{MARK}-of-the-channel@127.0.0.1:1/{MARK}-of-its-path"
# Each command, as often as it has ways to go: {elsewhere} is an address to move to, {file} a picks file.
RUNS: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    (): (("--headless", "--once", "--as-of", "2020-01-06T17:00"), ("--headless", "--once"), ()),
    ("demo",): (("--reset",),),
    ("setup",): ((),),
    ("open",): (("2020-01-06", "--late"), ("2020-01-06", "--late", "--picks", "{file}", "--dry-run"), ("nonsense",)),
    ("backfill",): (("--picks", "{file}"), ("--picks", "absent.csv")),
    ("fail",): (("2020-01-06", "--reason", "x"),),
    ("accept",): (("2020-01-06",), ("2020-01-06", "--symbol", "AAA", "--dry-run")),
    ("latest",): ((),),
    ("batches",): ((), ("--cursor", "nonsense")),
    ("show",): (("2020-01-06",),),
    ("events",): ((), ("--type", "batch_opened")),
    ("pause",): (("--reason", "x"),),
    ("resume",): ((),),
    ("health",): ((),),
    ("notify",): (("--test",), ()),
    ("doctor",): ((),),
    ("config",): ((),),
    ("db",): ((),),
    ("db", "up"): ((),),
    ("db", "status"): ((),),
    ("db", "url"): ((),),
    ("db", "roles"): ((),),
    ("db", "psql"): ((),),
    ("db", "backup"): (("sweep.dump",), ("absent/sweep.dump",)),
    ("db", "restore"): (("sweep.dump",), ("absent.dump",)),
    ("db", "move"): (("{elsewhere}",), ("-",)),
    ("db", "upgrade"): ((), ("--old-programs", "absent")),
}


def paths(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that `parser` knows, as it is typed."""
    yield path
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, chosen in action.choices.items():
                yield from paths(chosen, (*path, name))


def lines(market: Market, elsewhere: str) -> Iterator[tuple[str, ...]]:
    """Every run of every command, with --debug, in words and as JSON."""
    for path, runs in RUNS.items():
        for run in runs:
            filled = [each.format(elsewhere=elsewhere, file=market.picks) for each in run]
            yield (*path, *filled, "--debug")
            yield (*path, *filled, "--debug", "--json")


@pytest.fixture
def secrets_everywhere(leaky: Market, monkeypatch: pytest.MonkeyPatch) -> Market:
    """A marker in every variable and file that is read, beside those of `leaky`."""
    monkeypatch.setenv("ALPHA_MONDAY_NOTIFY_URLS", CHANNEL)
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "leaky")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{MARK}-of-the-proxy@127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", f"http://user:{MARK}-of-the-proxy@127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-{MARK}")
    more = user_settings_file()
    more.write_text(f"{more.read_text()}ALPHA_MONDAY_ALPACA_KEY={MARK}-id:{MARK}-secret\n")
    return leaky


def check_all(alpha_monday: CommandLine, market: Market, elsewhere: str) -> set[int]:
    codes = set()
    for line in lines(market, elsewhere):
        outcome = alpha_monday(*line, stdin=f"{elsewhere}\n".encode())
        assert leaks(outcome.out + outcome.err) == [], line
        codes.add(outcome.code)
    assert leaks("\n".join(path.name for path in market.directory.rglob("*"))) == []
    return codes


def test_the_sweep_knows_every_command() -> None:
    assert set(RUNS) == set(paths(build_parser()))


@pytest.mark.slow
def test_all_is_well(
    secrets_everywhere: Market, keeper: Keeper, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    assert {0, 1, 2, 3} <= check_all(alpha_monday, secrets_everywhere, keeper.address(f"wrong-{ENCODED}"))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://keeper:{password}@127.0.0.1:1/kept",
        "postgresql://keeper:x@{password}@127.0.0.1/kept",
        "host=127.0.0.1 port=1 password={password} sslpassword={password}",
        "{password}",
    ],
)
@pytest.mark.slow
def test_the_database_is_away(
    secrets_everywhere: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address.format(password=UNQUOTED))
    assert {1, 2} <= check_all(alpha_monday, secrets_everywhere, address.format(password=f"{UNQUOTED}-elsewhere"))


FAILURES: dict[str, Callable[[str], BaseException]] = {
    "plain": RuntimeError,
    "system": lambda text: OSError(5, text, text),
    "group": lambda text: ExceptionGroup(text, [ValueError(text), ExceptionGroup(text, [KeyError(text)])]),
    "many arguments": lambda text: RuntimeError({text: [text.encode()]}, text),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("path", [path for path in RUNS if path not in {(), ("demo",), ("db",)}], ids=" ".join)
def test_the_command_itself_fails_with_all_that_is_secret_in_its_words(
    secrets_everywhere: Market,
    alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    path: tuple[str, ...],
    failure: str,
) -> None:
    """With causes, contexts and notes, which a traceback shows too."""
    address = f"postgresql://keeper:{ENCODED}@127.0.0.1:1/kept?sslpassword={quote(TLS_PASSWORD)}"
    monkeypatch.setenv("DATABASE_URL", address)
    told = " ".join(
        [PASSWORD, ENCODED, KEY, TOKEN, TLS_PASSWORD, CHANNEL, address, *map(os.environ.__getitem__, (
            "ALPHA_MONDAY_LEAKY_URL", "ALPHA_MONDAY_HEARTBEAT_URL"
        ))]
    )  # fmt: skip

    async def fails(*_: object) -> int:
        error = FAILURES[failure](told)
        error.add_note(told)
        raise error from LookupError(told)

    monkeypatch.setattr(tui.shell.run, "_command", lambda _: fails)
    run = [each.format(elsewhere="postgresql://x@127.0.0.1:1/y", file="picks.csv") for each in RUNS[path][0]]
    outcome = alpha_monday(*path, *run, "--debug")
    assert "LookupError" in outcome.err
    assert "***" in outcome.err
    assert leaks(outcome.out + outcome.err) == []


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["words", "json"])
def test_processes_of_their_own(
    secrets_everywhere: Market, installed: Market, keeper: Keeper, alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...],
) -> None:  # fmt: skip
    """With whatever the interpreter, its warnings and its threads print; -X dev shows all of them."""
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    program = (PROGRAM[0], "-X", "dev", *PROGRAM[1:])
    for line in (
        ("open", "2020-01-06", "--late"), ("--headless", "--once"), ("notify", "--test"), ("doctor",), ("config",),
        ("db", "backup", "own.dump"),
    ):  # fmt: skip
        finished = subprocess.run(
            [*program, *line, "--debug", *more], capture_output=True, text=True, check=False, timeout=120
        )
        assert leaks(finished.stdout + finished.stderr) == [], line
        if more and finished.stdout and line[0] != "--headless":
            json.loads(finished.stdout)


def test_a_source_that_warns_of_its_key(
    secrets_everywhere: Market, installed: Market, keeper: Keeper, alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """Python prints warnings of third parties to stderr by itself."""
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    module = tmp_path / "site" / "warning_prices.py"
    module.write_text(
        "import logging, threading, warnings\n"
        f"from {LeakyPrices.__module__} import LeakyPrices\n"
        "class Warning(LeakyPrices):\n"
        "    def __init__(self, options):\n"
        "        super().__init__(options)\n"
        "        warnings.warn(f'{options.key} at {options.url}')\n"
        "        logging.getLogger('warning').error('%s', options.key)\n"
        "        def fails(): raise RuntimeError(options.key)\n"
        "        thread = threading.Thread(target=fails); thread.start(); thread.join()\n"
    )
    entries = tmp_path / "site" / "leaky-1.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace(f"{LeakyPrices.__module__}:LeakyPrices", "warning_prices:Warning"))
    for line in (("open", "2020-01-06", "--late"), ("doctor",), ("--headless", "--once")):
        finished = subprocess.run([*PROGRAM, *line, "--debug"], capture_output=True, text=True, check=False, timeout=60)
        assert leaks(finished.stdout + finished.stderr) == [], line
