"""A password or key is never shown: not on stdout or stderr, not in a log or traceback, not in an argument list."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from core.prices.source import Answer, Basis, PriceOptions, UnauthorisedError
from db.embedded import EmbeddedServer
from tests.tui.shell.conftest import CommandLine, Market

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret
ENCODED = "Pa55%2Dmarker"
KEY = "key-marker-4711"
MARKERS = (PASSWORD, ENCODED, KEY, "marker")


class LeakyPrices:
    """A price source that repeats its key in whatever it says, as providers do."""

    name = "leaky"
    basis = Basis.PRICE
    settle_delay = timedelta(0)
    failure: type[Exception] = UnauthorisedError

    def __init__(self, options: PriceOptions) -> None:
        self._key = options.key

    async def closes(self, *_: object) -> Answer:
        if self.failure is UnauthorisedError:
            raise UnauthorisedError(f"the key {self._key} is not accepted", f"Try https://prices.test/?key={self._key}")
        raise self.failure(f"GET https://prices.test/?key={self._key}: 500")


@pytest.fixture
def leaky(market: Market, monkeypatch: pytest.MonkeyPatch) -> Market:
    """The market with a source from an installed package, and its key."""

    class Entry:
        name, value, dist = "leaky", "leaky:LeakyPrices", None

        def load(self) -> type[LeakyPrices]:
            return LeakyPrices

    monkeypatch.setattr("core.plugins.Registry._offered", lambda self: [Entry()] if "price" in self.kind else [])
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_KEY", KEY)
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_URL", f"https://user:{PASSWORD}@prices.test/v1?token={KEY}")
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "leaky")
    return market


COMMANDS = (
    ("latest",),
    ("batches",),
    ("show", "2020-01-06"),
    ("events",),
    ("open", "2020-01-06", "--late"),
    ("fail", "2020-01-06", "--reason", "x"),
    ("--headless", "--once", "--as-of", "2020-01-06T17:00"),
    ("doctor",),
    ("config",),
    ("db", "up"),
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
    """Runs every command in every manner; no marker comes out of any. Gives the exit codes."""
    codes = []
    for command in (*COMMANDS, ("backfill", "--picks", str(picks))):
        for more in ((), ("--json",), ("--debug",), ("--json", "--debug")):
            outcome = alpha_monday(*command, *more)
            codes.append(outcome.code)
            for marker in MARKERS:
                assert marker not in outcome.out, command
                assert marker not in outcome.err, command
    return codes


@dataclass(frozen=True, slots=True)
class Keeper:
    """A role that the server asks for a password, and a database of its own."""

    sockets: str
    port: str

    def address(self, password: str = ENCODED, role: str = "keeper") -> str:
        return f"postgresql://{role}:{password}@/kept?host={quote(self.sockets, safe='')}&port={self.port}"


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
    assert not [argument for argument in arguments if any(marker in argument for marker in MARKERS)]


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
    check_failing(alpha_monday, monkeypatch, address.format(password=PASSWORD), code)


@pytest.mark.parametrize("role", ["keeper", "nobody"])
def test_no_refusal_shows_a_secret(
    leaky: Market, keeper: Keeper, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    check_failing(alpha_monday, monkeypatch, keeper.address(f"wrong-{PASSWORD}", role), "database_refused")


def check_failing(alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str, code: str) -> None:
    """Every command fails with `code` and shows no marker."""
    monkeypatch.setenv("DATABASE_URL", address)
    for command in (("latest",), ("db", "status"), ("db", "up"), ("db", "backup", "backup"), ("config",)):
        for more in ((), ("--json",), ("--debug",)):
            outcome = alpha_monday(*command, *more)
            assert not [marker for marker in MARKERS if marker in outcome.out + outcome.err], command
            if more == ("--json",) and command in {("latest",), ("db", "up"), ("db", "status")}:
                assert (outcome.code, outcome.error["code"]) == (1, code)


def test_a_source_that_fails_in_an_unforeseen_way(
    leaky: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeakyPrices, "failure", RuntimeError)
    for more in ((), ("--json",), ("--debug",)):
        for command, code in (
            (("--headless", "--once", "--as-of", "2020-01-06T09:10"), 3),
            (("open", "2020-01-06", "--late"), 1),
            (("doctor",), 1),
        ):
            outcome = alpha_monday(*command, *more)
            assert outcome.code == code
            assert not [marker for marker in MARKERS if marker in outcome.out + outcome.err], command
    told = alpha_monday("open", "2020-01-06", "--late", "--json")
    assert told.error["code"] == "not_possible"
    assert "RuntimeError" in told.error["message"]
