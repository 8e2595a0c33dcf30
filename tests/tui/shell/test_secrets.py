"""A secret is never shown: not on stdout or stderr, in a log, a traceback, an argument, a file's name or the database.

A marker of its own stands in every place that holds a secret. All of them contain MARK, which percent-encoding, JSON
and Python's quotes leave as it is, so that one word finds whatever got out in whatever form.
"""

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.backfill import backfill
from core.due_work import run_due_work
from core.logs import log_to_file
from core.picks.source import PickDraft, PickOptions, PicksUnavailableError
from core.prices.source import Answer, Basis, PriceOptions, UnauthorisedError
from core.services import Access, open_services
from core.settings import user_settings_file
from core.settings_layers import load_settings
from core.trading_calendar import TradingCalendar
from db.embedded import EmbeddedServer
from db.records import Action
from tests.fakes import FixedClock, exchange
from tests.tui.shell.conftest import PROGRAM, SYMBOLS, WEEKS, CommandLine, Market, everything

MARK = "marker"
PASSWORD = f"Pa55/{MARK}-of-the-database"
UNQUOTED = f"Pa55-{MARK}-without-a-slash"
ENCODED = quote(PASSWORD, safe="")
KEY = f"key/{MARK}+47'1\"1"
USER_INFO = f"user:pass%20word-{MARK}-of-the-provider"
TOKEN = f"token-{MARK}+of%2Fthe-query"
HEARTBEAT = f"https://beat:{MARK}-of-the-beat@127.0.0.1:1/ping/{MARK}-of-the-path?who={MARK}-of-the-beats-query"
TLS_PASSWORD = f"{MARK} of the 'key' file"
KEY_IN_DOT_ENV = f"{MARK}-in-dot-env"
KEY_IN_USERS_FILE = f"{MARK}-in-users-file"
_SMALL = re.compile("%[0-9A-F]{2}")
DRAFTS = tuple((ticker, Action.BUY, "Because.") for ticker in SYMBOLS[1:])


class LeakyPrices:
    """A price source that repeats whatever it was told, in whatever form, as providers do."""

    name = "leaky"
    basis = Basis.PRICE
    settle_delay = timedelta(0)
    failure: type[Exception] = UnauthorisedError

    def __init__(self, options: PriceOptions) -> None:
        assert options.url is not None
        assert options.key is not None
        parts = urlsplit(options.url)
        self._told = " ".join(
            str(text)
            for text in (
                options.key, repr(options.key), quote(options.key), options.url, unquote(options.url), parts.username,
                parts.password, unquote(parts.password or ""), parts.query, parse_qs(parts.query), parts,
                _SMALL.sub(lambda found: found[0].lower(), quote(options.key, safe="") + quote(options.url, safe="")),
                *(encode(text.encode()).decode() for text in (
                    options.key, f"x:{options.key}", f"xy{options.key}:z", unquote(parts.netloc.partition("@")[0]),
                ) for encode in (b64encode, urlsafe_b64encode)),
            )
        )  # fmt: skip

    async def closes(self, *_: object) -> Answer:
        if self.failure is UnauthorisedError:
            raise UnauthorisedError(f"refused: {self._told}", f"Try another than {self._told}")
        raise self.failure(f"500: {self._told}")


class LeakyPicks:
    """A pick source that does the same."""

    name = "leaky"

    def __init__(self, options: PickOptions) -> None:
        self._key = options.key

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        raise PicksUnavailableError(f"{run_date}: no picks for {self._key}", f"Look at {self._key}.")


def offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes both leaky sources those of an installed package."""

    class Entry:
        name, value, dist = "leaky", "leaky:Leaky", None

        def __init__(self, made: type) -> None:
            self._made = made

        def load(self) -> type:
            return self._made

    monkeypatch.setattr(
        "core.plugins.Registry._offered",
        lambda self: [Entry(LeakyPrices if "price" in self.kind else LeakyPicks)],
    )


@pytest.fixture
def leaky(market: Market, monkeypatch: pytest.MonkeyPatch) -> Market:
    """The market with sources from an installed package, and a secret in every layer of the settings."""
    offer(monkeypatch)
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_KEY", KEY)
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_URL", f"https://{USER_INFO}@prices.test/v1?token={TOKEN}&format=json")
    monkeypatch.setenv("ALPHA_MONDAY_HEARTBEAT_URL", HEARTBEAT)
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "leaky")
    (market.directory / ".env").write_text(f"ALPHA_MONDAY_TIINGO_KEY={KEY_IN_DOT_ENV}\n")
    user_settings_file().parent.mkdir(parents=True, exist_ok=True)
    user_settings_file().write_text(f"ALPHA_MONDAY_MOMENTUM_KEY={KEY_IN_USERS_FILE}\n")
    return market


def leaks(text: str) -> list[str]:
    """The places of `text` where a marker stands."""
    # A provider may be sent a key in base64, and repeat that.
    encoded = [b64encode(bytes(before) + MARK.encode()).decode().rstrip("=")[3:-1] for before in range(3)]
    return [
        text[max(0, found.start() - 60) : found.end() + 30]
        for found in re.finditer("|".join(map(re.escape, [MARK, *encoded])), text, re.IGNORECASE)
    ]


COMMANDS = (
    ("latest",),
    ("batches",),
    ("show", "2020-01-06"),
    ("events",),
    ("open", "2020-01-06", "--late"),
    ("fail", "2020-01-06", "--reason", "x"),
    ("--headless", "--once", "--as-of", "2020-01-06T17:00"),
    ("pause", "--reason", "x"),
    ("resume",),
    ("health",),
    ("doctor",),
    ("config",),
    ("db", "up"),
    ("db", "roles"),
    ("db", "psql"),
    ("db", "status"),
    ("db", "url"),
    ("db", "backup", "backup"),
    ("db", "restore", "backup"),
)


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every argument with which a child is started."""
    seen: list[str] = []
    start = subprocess.Popen.__init__

    def noting(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        seen.extend(map(str, [args] if isinstance(args, str | bytes) else args))
        start(self, args, *rest, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", noting)
    return seen


def run_all(alpha_monday: CommandLine, picks: Path) -> list[int]:
    """Runs every command, with all that it can say, in words and as JSON; no marker comes out. Gives the exit codes."""
    codes = []
    for command in (*COMMANDS, ("backfill", "--picks", str(picks))):
        for more in (("--debug",), ("--json",)):
            outcome = alpha_monday(*command, *more)
            codes.append(outcome.code)
            assert leaks(outcome.out + outcome.err) == [], command
    return codes


@dataclass(frozen=True, slots=True)
class Keeper:
    """A role that the server asks for a password, and a database of its own."""

    sockets: str
    port: str

    def address(self, password: str = ENCODED, role: str = "keeper") -> str:
        return f"postgresql://{role}:{password}@/kept?host={quote(self.sockets, safe='')}&port={self.port}"

    def key_and_value_address(self) -> str:
        """The same in libpq's other form, with the password of a client's key besides."""
        return make_conninfo(
            host=self.sockets, port=self.port, user="keeper", dbname="kept", password=PASSWORD,
            sslpassword=TLS_PASSWORD, sslkey="/nowhere/client.key",
        )  # fmt: skip


@pytest.fixture
def keeper(server: EmbeddedServer) -> Iterator[Keeper]:
    address = conninfo_to_dict(server.conninfo("postgres"))
    keeper = Keeper(str(address["host"]), str(address["port"]))
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create role keeper login password {}").format(PASSWORD))
        connection.execute("create database kept owner keeper")
        (name,) = connection.execute("show hba_file").fetchone() or ("",)
        rules = Path(name)
        usual = rules.read_text()
        rules.write_text(f"local kept all scram-sha-256\n{usual}")
        connection.execute("select pg_reload_conf()")
        _wait_until_refused(keeper.address("wrong"))
        yield keeper
        rules.write_text(usual)
        connection.execute("select pg_reload_conf()")
        connection.execute("drop database kept with (force)")
        connection.execute("drop role keeper")


def _wait_until_refused(address: str) -> None:
    """A server reads its rules anew a moment after it was told to."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return
    pytest.fail("the server does not ask for passwords")


def test_no_command_shows_a_secret(
    leaky: Market,
    keeper: Keeper,
    alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    codes = run_all(alpha_monday, leaky.picks)
    assert {0, 1, 3} <= set(codes)
    assert "***" in alpha_monday("config").out
    assert "***" in alpha_monday("db", "url").out
    assert any("pg_dump" in argument for argument in arguments)
    assert any("dbmate" in argument for argument in arguments)
    assert any("psql" in argument for argument in arguments)
    assert leaks("\n".join(arguments)) == []
    made = [path.name for path in leaky.directory.rglob("*")]
    assert "backup" in made
    assert leaks("\n".join(made)) == []


def test_no_command_shows_a_secret_of_an_address_in_the_other_form(
    leaky: Market,
    keeper: Keeper,
    alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", keeper.key_and_value_address())
    for command in (("db", "up"), ("db", "status"), ("db", "url"), ("config",), ("latest",), ("db", "backup", "b")):
        for more in (("--debug",), ("--json",)):
            outcome = alpha_monday(*command, *more)
            assert leaks(outcome.out + outcome.err) == [], command
    shown = conninfo_to_dict(alpha_monday("db", "url").out)
    assert (shown["password"], shown["sslpassword"]) == ("***", "***")
    assert leaks("\n".join(arguments)) == []


def test_no_command_shows_a_password_that_stands_outside_the_address(
    leaky: Market,
    keeper: Keeper,
    alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """As libpq takes it from the environment, and from a file."""
    without = make_conninfo(host=keeper.sockets, port=keeper.port, user="keeper", dbname="kept")
    monkeypatch.setenv("DATABASE_URL", without)
    passwords = leaky.directory / "passwords"
    passwords.write_text(f"*:*:*:keeper:{PASSWORD}\n")
    passwords.chmod(0o600)
    for name, value in (("PGPASSWORD", PASSWORD), ("PGPASSFILE", str(passwords))):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            for command in (("db", "up"), ("db", "url"), ("latest",), ("config",), ("doctor",), ("db", "backup", name)):
                outcome = alpha_monday(*command, "--debug")
                assert outcome.code == (1 if command == ("doctor",) else 0)
                assert leaks(outcome.out + outcome.err) == [], command
    assert leaks("\n".join(arguments)) == []


async def test_no_row_of_the_database_holds_a_secret(
    leaky: Market, alpha_monday: CommandLine, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a source says is kept with the day that waits, with the week that is not open, and with the source."""
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "leaky")
    async with open_services(
        load_settings({"price_source": "csv"}).settings, Access.WRITE, clock=FixedClock(exchange("2020-01-07"))
    ) as services:
        await backfill(services, {WEEKS[0]: [PickDraft(*pick) for pick in DRAFTS]})
    for moment in (exchange("2020-01-09"), exchange("2020-01-13", "09:10"), exchange("2020-01-14")):
        async with open_services(load_settings().settings, Access.WRITE, clock=FixedClock(moment)) as services:
            await run_due_work(services)
    rows = everything(conninfo)
    kept = json.dumps(rows, default=str)
    assert "leaky" in json.dumps(rows["scheduler_state"], default=str)
    assert "refused" in json.dumps(rows["waiting_days"], default=str)
    assert "no picks for ***" in json.dumps(rows["events"], default=str), "the missed week says why"
    assert leaks(kept) == []


def test_the_log_file_holds_no_secret_and_is_its_owners_alone(leaky: Market) -> None:
    secrets = load_settings().settings.secrets()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        file = log_to_file(leaky.directory / "data", secrets)
        url = os.environ["ALPHA_MONDAY_LEAKY_URL"]
        source = LeakyPrices(PriceOptions(calendar=TradingCalendar(), benchmark="SPY", key=KEY, url=url))
        try:
            asyncio.run(source.closes())
        except UnauthorisedError as exc:
            logging.getLogger("leaky").exception(
                exc.message, extra={"event": "x", "deep": [{url: exc.remedy}], "beat": HEARTBEAT}
            )
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line = file.read_text()
    assert {"event", "message", "deep", "beat", "traceback"} <= json.loads(line).keys()
    assert leaks(line) == []
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_key_that_is_typed_into_setup_is_kept_in_the_file_and_shown_nowhere(
    leaky: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALPHA_MONDAY_LEAKY_KEY")
    typed = f"typed-{MARK}-0815"
    outcome = alpha_monday("setup", "--debug", stdin=f"leaky\n{typed}\nfile\n\n".encode())
    assert "refused" in outcome.err
    assert leaks(outcome.out + outcome.err) == []
    assert typed not in user_settings_file().read_text(), "what was not accepted is not kept"


@pytest.fixture
def installed(leaky: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Market:
    """The market with the leaky sources where processes of their own find them."""
    distribution = tmp_path / "site" / "leaky-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(
        f"[alpha_monday.price_sources]\nleaky = {__name__}:LeakyPrices\n"
        f"[alpha_monday.pick_sources]\nleaky = {__name__}:LeakyPicks\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    return leaky


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("open", "2020-01-06", "--late", "--debug"), 1),
        (("backfill", "--picks", "picks.csv", "--json"), 3),
        (("--headless", "--once", "--json"), 0),
        (("doctor", "--debug"), 1),
        (("config",), 0),
    ],
)
def test_a_process_of_its_own_shows_no_secret(
    installed: Market, keeper: Keeper, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], code: int,
) -> None:  # fmt: skip
    """With whatever the interpreter itself prints at its end."""
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    finished = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == code, finished.stderr
    assert leaks(finished.stdout + finished.stderr) == []


def test_a_scheduler_shows_no_secret_while_it_works(
    installed: Market, keeper: Keeper, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", keeper.address())
    assert alpha_monday("db", "up").code == 0
    assert alpha_monday("backfill", "--picks", str(installed.picks), "--price-source", "csv",
                        "--as-of", "2020-01-08T17:00").code in {0, 3}  # fmt: skip
    process = subprocess.Popen([*PROGRAM, "--headless"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if json.loads(line)["event"] == "tick":
                break
        arguments = b"\n".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert leaks("".join(lines) + out + err) == []
    assert not [secret for secret in (PASSWORD, ENCODED, KEY, TOKEN) if secret.encode() in arguments]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("postgresql://keeper:{password}@127.0.0.1:1/kept", "database_unavailable"),
        ("postgresql://keeper:{password}@no-such-host.invalid/kept", "database_unavailable"),
        ("host=127.0.0.1 port=1 user=keeper password={password}", "database_unavailable"),
        ("postgresql://keeper:x?{password}@127.0.0.1:1/kept", "database_unavailable"),
        # Malformed: whatever piece of it may be the password is not repeated.
        ("postgresql//keeper:{password}@127.0.0.1/kept", "database_refused"),
        ("postgresql://keeper:{password}%zz@127.0.0.1/kept", "database_refused"),
        ("postgresql://keeper:{password}/x@127.0.0.1/kept", "database_refused"),
        ("postgresql://keeper:x@{password}@127.0.0.1/kept", "database_refused"),
        ("postgresql://keeper:1/{password}@127.0.0.1/kept", "database_refused"),
        ("postgresql://keeper@127.0.0.1:{password}/kept", "database_refused"),
        ("mysql://keeper:{password}@127.0.0.1/kept", "database_refused"),
        ("host=127.0.0.1 password=x {password}", "database_refused"),
        ("{password}", "database_refused"),
    ],
)
def test_no_failing_connection_shows_a_secret(
    leaky: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str, code: str
) -> None:
    check_failing(alpha_monday, monkeypatch, address.format(password=UNQUOTED), code)


@pytest.mark.parametrize("role", ["keeper", "nobody"])
def test_no_refusal_shows_a_secret(
    leaky: Market, keeper: Keeper, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    check_failing(alpha_monday, monkeypatch, keeper.address(f"wrong-{ENCODED}", role), "database_refused")


def check_failing(alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str, code: str) -> None:
    """Every command fails with `code` and shows no marker."""
    monkeypatch.setenv("DATABASE_URL", address)
    for command in (("latest",), ("db", "status"), ("db", "up"), ("db", "backup", "backup"), ("config",)):
        for more in (("--debug",), ("--json",)):
            outcome = alpha_monday(*command, *more)
            assert leaks(outcome.out + outcome.err) == [], command
            if more == ("--json",) and command in {("latest",), ("db", "up"), ("db", "status")}:
                assert (outcome.code, outcome.error["code"]) == (1, code)


def test_a_source_that_fails_in_an_unforeseen_way(
    leaky: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeakyPrices, "failure", RuntimeError)
    for more in (("--debug",), ("--json",)):
        for command, code in (
            (("--headless", "--once", "--as-of", "2020-01-06T09:10"), 3),
            (("open", "2020-01-06", "--late"), 1),
            (("doctor",), 1),
        ):
            outcome = alpha_monday(*command, *more)
            assert outcome.code == code
            assert leaks(outcome.out + outcome.err) == [], command
    told = alpha_monday("open", "2020-01-06", "--late", "--json")
    assert told.error["code"] == "not_possible"
    assert "RuntimeError" in told.error["message"]


def test_a_traceback_of_a_source_that_cannot_be_made_is_masked(
    leaky: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: LeakyPrices, options: PriceOptions) -> None:
        raise ValueError(f"{options.key} at {options.url} is wrong")

    monkeypatch.setattr(LeakyPrices, "__init__", refuse)
    outcome = alpha_monday("open", "2020-01-06", "--late", "--debug")
    assert outcome.code == 1
    assert "ValueError: *** at https://***@prices.test/v1?*** is wrong" in outcome.err
    assert leaks(outcome.out + outcome.err) == []
