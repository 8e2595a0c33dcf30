"""Settings that somebody else wrote: no key goes where they lead, and nothing that they name is stored."""

import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.settings import SettingsError, user_keys_file, user_settings_file
from core.settings_layers import load_settings
from tests.loopback import Loopback, json_reply, serving
from tests.planting import NOBODY, WAYS, write_as_another
from tests.tui.shell.conftest import PROGRAM, WEEKS, CommandLine, Market, everything, instant
from tests.tui.shell.test_headless import Service

KEY = "key-4711-of-tiingo"
OTHER_KEY = "key-0815-of-alpaca"
PASSWORD = "pass-2304-word"  # noqa: S105 - a marker
COMMANDS = ((), ("doctor",), ("config",), ("latest",), ("health",), ("--headless", "--once"), ("db", "url"), ("setup",))


@pytest.fixture
def attacker() -> Iterator[Loopback]:
    """Somebody else's server."""
    with serving(lambda _: json_reply([])) as attacker:
        yield attacker


@pytest.fixture
def keys(anywhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's keys, in the environment; gives the working directory."""
    monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
    monkeypatch.setenv("ALPHA_MONDAY_ALPACA_KEY", OTHER_KEY)
    return anywhere


def leading_to(attacker: Loopback) -> str:
    """Settings that would send a key, and another by expansion."""
    return f"ALPHA_MONDAY_PRICE_SOURCE=tiingo\nALPHA_MONDAY_TIINGO_URL={attacker.url}/${{ALPHA_MONDAY_ALPACA_KEY}}\n"


def received(attacker: Loopback) -> str:
    return repr([(request.target, request.headers, request.body) for request in attacker.requests])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [".env", "the user's file"])
def test_a_settings_file_that_others_can_write_is_refused_by_name(
    keys: Path, attacker: Loopback, alpha_monday: CommandLine, way: str, place: str
) -> None:
    file = write_as_another(keys / ".env" if place == ".env" else user_settings_file(), leading_to(attacker), way)
    for command in COMMANDS:
        outcome = alpha_monday(*command)
        said = outcome.out + outcome.err
        assert outcome.code == 1, said
        assert f"{file}" in said
        assert ("chown" in said) == (way == WAYS[0])
        assert ("chmod go-w" in said) == (way != WAYS[0])
        assert KEY not in said
    assert attacker.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_the_file_of_env_file_is_under_the_same_rule(
    keys: Path, attacker: Loopback, alpha_monday: CommandLine, way: str
) -> None:
    file = write_as_another(keys / "service.env", leading_to(attacker), way)
    outcome = alpha_monday("doctor", "--env-file", str(file))
    assert (outcome.code, attacker.requests) == (1, [])
    assert f"PROBLEM  settings: The settings file {str(file)!r} is refused" in outcome.out


def test_the_doctor_tells_of_it_as_a_finding(keys: Path, attacker: Loopback, alpha_monday: CommandLine) -> None:
    write_as_another(keys / ".env", leading_to(attacker), WAYS[1])
    [check] = alpha_monday("doctor", "--json").json["checks"]
    assert (check["name"], check["ok"]) == ("settings", False)
    assert check["remedy"].endswith(f"chmod go-w {keys}/.env")
    assert alpha_monday("config", "--json").error["code"] == "settings"


def test_a_link_is_judged_by_the_file_that_it_leads_to(
    keys: Path, attacker: Loopback, alpha_monday: CommandLine
) -> None:
    (keys / ".env").symlink_to(write_as_another(keys / "theirs" / "x.env", leading_to(attacker), WAYS[1]))
    assert "chmod go-w" in alpha_monday("doctor").out
    (keys / "theirs" / "x.env").chmod(0o640)
    assert "elsewhere" in alpha_monday("doctor").out, "it is read"
    assert attacker.requests == []


def test_a_file_that_sets_nothing_of_ours_is_nobody_s_business(keys: Path, alpha_monday: CommandLine) -> None:
    write_as_another(keys / ".env", "OTHER=1\n", WAYS[2])
    assert alpha_monday("config").code == 0


def test_a_pipe_in_the_place_of_a_settings_file_holds_nobody_up(keys: Path, alpha_monday: CommandLine) -> None:
    os.mkfifo(keys / ".env")
    assert alpha_monday("config").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_found_address_gets_no_key_from_elsewhere(
    keys: Path, attacker: Loopback, alpha_monday: CommandLine, command: tuple[str, ...]
) -> None:
    """As in a directory that was downloaded: its files are the operator's own, and their content is not."""
    (keys / ".env").write_text(leading_to(attacker))
    outcome = alpha_monday(*command)
    said = outcome.out + outcome.err
    assert outcome.code == 1
    assert f"ALPHA_MONDAY_TIINGO_URL is set in the working directory's .env ({keys}/.env)" in said
    assert "ALPHA_MONDAY_TIINGO_KEY is set in the environment" in said
    assert not {KEY, OTHER_KEY} & set(said.split())
    assert attacker.requests == []


def test_no_more_from_the_users_file(keys: Path, attacker: Loopback, alpha_monday: CommandLine) -> None:
    os.environ.pop("ALPHA_MONDAY_TIINGO_KEY")
    user_settings_file().parent.mkdir(parents=True)
    user_settings_file().write_text(f"ALPHA_MONDAY_TIINGO_KEY={KEY}\n")
    (keys / ".env").write_text(leading_to(attacker))
    assert f"in your settings file ({user_settings_file()})" in alpha_monday("doctor").out
    assert attacker.requests == []


def test_nothing_in_a_value_stands_for_something_else(
    keys: Path, attacker: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALPHA_MONDAY_TIINGO_KEY")
    (keys / ".env").write_text(leading_to(attacker) + "ALPHA_MONDAY_TIINGO_KEY=own-key\n")
    assert alpha_monday("doctor").code == 1
    assert attacker.requests, "its own key goes to its own address"
    assert "own-key" in received(attacker)
    assert OTHER_KEY not in received(attacker)
    assert "%7BALPHA_MONDAY_ALPACA_KEY%7D" in received(attacker)


def test_a_path_with_a_variable_is_refused_rather_than_made(keys: Path, alpha_monday: CommandLine) -> None:
    (keys / ".env").write_text("ALPHA_MONDAY_PICKS_FILE=${HOME}/picks.csv\n")
    assert "write the path out" in alpha_monday("config").err


class TestLegitimateUses:
    @pytest.fixture(autouse=True)
    def _places(self, anywhere: Path) -> None:
        user_settings_file().parent.mkdir(parents=True)

    def sent(self, attacker: Loopback, alpha_monday: CommandLine, *options: str) -> bool:
        """Whether the doctor has asked the provider with the key."""
        alpha_monday("doctor", *options)
        return KEY in received(attacker)

    def test_both_in_dot_env(self, anywhere: Path, attacker: Loopback, alpha_monday: CommandLine) -> None:
        text = f"ALPHA_MONDAY_PRICE_SOURCE=tiingo\nALPHA_MONDAY_TIINGO_URL={attacker.url}\n"
        (anywhere / ".env").write_text(f"{text}ALPHA_MONDAY_TIINGO_KEY={KEY}\n")
        assert self.sent(attacker, alpha_monday)

    def test_both_in_the_environment(
        self, attacker: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_URL", attacker.url)
        assert self.sent(attacker, alpha_monday, "--price-source", "tiingo")

    def test_the_address_in_the_users_file_and_the_key_in_the_environment(
        self, attacker: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As set-up leaves it: a key of the environment is not for the disk."""
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
        user_settings_file().write_text(f"ALPHA_MONDAY_TIINGO_URL={attacker.url}\n")
        assert self.sent(attacker, alpha_monday, "--price-source", "tiingo")

    def test_a_file_that_is_named(
        self, anywhere: Path, attacker: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a systemd unit does, with the key in a credential: readable by the group, written by root alone."""
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
        file = anywhere / "service.env"
        file.write_text(f"ALPHA_MONDAY_TIINGO_URL={attacker.url}\n")
        file.chmod(0o440)
        assert self.sent(attacker, alpha_monday, "--price-source", "tiingo", "--env-file", str(file))

    def test_the_key_in_dot_env(
        self, anywhere: Path, attacker: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_URL", attacker.url)
        (anywhere / ".env").write_text(f"ALPHA_MONDAY_TIINGO_KEY={KEY}\n")
        assert self.sent(attacker, alpha_monday, "--price-source", "tiingo")

    def test_the_key_in_the_users_file_and_the_usual_address(self, anywhere: Path) -> None:
        user_settings_file().write_text(f"ALPHA_MONDAY_TIINGO_KEY={KEY}\n")
        (anywhere / ".env").write_text("ALPHA_MONDAY_PRICE_SOURCE=tiingo\n")
        assert load_settings().settings.provider("tiingo", "KEY") == KEY


@contextmanager
def impostor() -> Iterator[tuple[int, list[bytes]]]:
    """A server that asks for passwords as PostgreSQL does, in clear: its port, and what it was sent."""
    sent: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            while data := self.request.recv(4096):
                sent.append(data)
                self.request.sendall(b"R\0\0\0\x08\0\0\0\x03")  # AuthenticationCleartextPassword

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        accepting = threading.Thread(target=server.serve_forever, args=(0.01,))
        accepting.start()
        try:
            yield server.server_address[1], sent
        finally:
            server.shutdown()
            accepting.join()


OUTSIDE = ("PGPASSWORD", "PGPASSFILE", "~/.pgpass", "passfile", "PGSERVICE", "service", "the database postgres")


@pytest.mark.parametrize("outside", OUTSIDE)
def test_a_found_database_gets_no_password_from_elsewhere(
    anywhere: Path, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, outside: str
) -> None:
    home = anywhere / "home"
    passwords = home / ".pgpass" if outside == "~/.pgpass" else home / "passwords"
    database = "postgres" if outside == "the database postgres" else "*"
    passwords.write_text(f"*:*:{database}:u:{PASSWORD}\n")
    passwords.chmod(0o600)
    (home / ".pg_service.conf").write_text(f"[ours]\npassword={PASSWORD}\n")
    more = {"passfile": f"&passfile={passwords}", "service": "&service=ours"}.get(outside, "")
    if outside == "PGPASSWORD":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
    elif outside in ("PGPASSFILE", "the database postgres"):
        monkeypatch.setenv("PGPASSFILE", str(passwords))
    elif outside == "PGSERVICE":
        monkeypatch.setenv("PGSERVICE", "ours")
    with impostor() as (port, sent):
        url = f"postgresql://u@db.example:{port}/d?hostaddr=127.0.0.1&sslmode=disable&gssencmode=disable{more}"
        (anywhere / ".env").write_text(f"DATABASE_URL={url}\n")
        for command in (("latest",), ("db", "up"), ("doctor",), ("config",)):
            outcome = alpha_monday(*command)
            said = outcome.out + outcome.err
            assert outcome.code == 1
            assert f"DATABASE_URL is set in the working directory's .env ({anywhere}/.env)" in said
            assert "its password comes from" in said
            assert PASSWORD not in said
        assert sent == []


def test_a_found_database_is_reached_with_its_own_password(
    anywhere: Path, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with impostor() as (port, sent):
        (anywhere / ".env").write_text(f"DATABASE_URL=postgresql://u:own-word@127.0.0.1:{port}/d?sslmode=disable\n")
        assert alpha_monday("latest").code == 1
        assert any(b"own-word" in data for data in sent)
        assert not any(PASSWORD.encode() in data for data in sent)


@pytest.mark.parametrize("setting", ["PRICE_FILE", "PICKS_FILE", "SYMBOL_CHANGES"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_stored_of_a_file_that_others_can_write(
    market: Market, alpha_monday: CommandLine, conninfo: str, monkeypatch: pytest.MonkeyPatch, setting: str, way: str
) -> None:
    changes = market.directory / "changes.csv"
    changes.write_text("ticker,successor,date\nAAA,BBB,2020-01-08\n")
    monkeypatch.setenv("ALPHA_MONDAY_SYMBOL_CHANGES", str(changes))
    file = {"PRICE_FILE": market.prices, "PICKS_FILE": market.picks, "SYMBOL_CHANGES": changes}[setting]
    write_as_another(file, file.read_text(), way)
    outcome = alpha_monday("open", "2020-01-06", "--late", "--source", "file", "--json")
    written = everything(conninfo)
    assert (outcome.code, written["batches"]) == (1, []) or setting == "SYMBOL_CHANGES"
    alpha_monday("--headless", "--once", "--as-of", instant(WEEKS[0], 1))
    written = everything(conninfo)
    assert written["checkpoints"] == []
    found = {check["name"]: check for check in alpha_monday("doctor", "--json").json["checks"]}
    assert not found["files"]["ok"]
    assert str(file) in found["files"]["message"]
    assert ("chown" if way == WAYS[0] else "chmod go-w") in found["files"]["remedy"]


@pytest.mark.parametrize("source", ["momentum", "manual"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_picked_from_a_file_that_others_can_write(
    market: Market, alpha_monday: CommandLine, conninfo: str, monkeypatch: pytest.MonkeyPatch, source: str, way: str
) -> None:
    monkeypatch.delenv("ALPHA_MONDAY_PICKS_FILE")
    if source == "momentum":
        file = write_as_another(market.directory / "universe.csv", "ticker\nAAA\nBBB\nCCC\n", way)
        monkeypatch.setenv("ALPHA_MONDAY_UNIVERSE", str(file))
    else:
        file = write_as_another(market.directory / "data" / "staged.csv", market.picks.read_text(), way)
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", source)
    outcome = alpha_monday("open", "2020-01-06", "--late")
    assert outcome.code == 1
    assert f"{file} is refused: " in outcome.err
    assert everything(conninfo)["batches"] == []


def test_picks_that_are_given_by_hand_may_be_anybody_s(market: Market, alpha_monday: CommandLine) -> None:
    write_as_another(market.picks, market.picks.read_text(), WAYS[2])
    assert alpha_monday("open", "2020-01-06", "--late", "--picks", str(market.picks)).code == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_file_of_keys_that_others_can_write_is_told_of(anywhere: Path, alpha_monday: CommandLine, way: str) -> None:
    write_as_another(user_keys_file(), '[keys]\nquit = "x"\n', way)
    found = {check["name"]: check for check in alpha_monday("doctor", "--json").json["checks"]}
    assert str(user_keys_file()) in found["files"]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_s_files_are_a_user_s_too(reachable_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What root wrote is used by whoever may read it; what a third user wrote is not."""
    file = reachable_directory / "settings.env"
    file.write_text("ALPHA_MONDAY_BENCHMARK=QQQ\n")
    monkeypatch.chdir(reachable_directory)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(reachable_directory / "config"))
    load_settings(env_file=file)  # that other user may not be able to import anything
    for owner, is_used in ((0, True), (NOBODY, True), (NOBODY - 1, False)):
        os.chown(file, owner, owner)
        os.seteuid(NOBODY)
        try:
            if is_used:
                assert load_settings(env_file=file).settings.benchmark == "QQQ"
            else:
                with pytest.raises(SettingsError, match=f"is refused: it belongs to {owner}"):
                    load_settings(env_file=file)
        finally:
            os.seteuid(0)


def test_programs_that_are_started_dump_no_core_either(anywhere: Path) -> None:
    start = (
        "import resource, subprocess\n"
        "from tui.cli import main\n"
        "_, highest = resource.getrlimit(resource.RLIMIT_CORE)\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (highest, highest))\n"
        "assert main(['config']) == 0\n"
        "subprocess.run(['sh', '-c', 'echo limits; ulimit -Sc; ulimit -Hc'], check=True)\n"
    )
    finished = subprocess.run([PROGRAM[0], "-c", start], check=True, capture_output=True, text=True)
    assert finished.stdout.split()[-3:] == ["limits", "0", "0"]


def test_no_core_is_dumped_of_a_process_that_holds_keys(market: Market) -> None:
    """The limits of the running program, and of the programs that it starts."""
    service = Service("--headless")
    try:
        service.until("leading")
        limits = Path(f"/proc/{service.process.pid}/limits")
        if not limits.exists():
            pytest.skip("no /proc to ask")
        [line] = [line for line in limits.read_text().splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"]
    finally:
        service.close()
