"""`alpha-monday setup`: from a fresh home to a settings file that works."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import user_settings_file
from core.settings_layers import load_settings
from tests.loopback import Loopback, Request, json_reply, reply, serving
from tests.tui.shell.conftest import PROGRAM, CommandLine

KEY = "marker-key-4711"
PATIENCE_S = 20
PRICE_SOURCES = "Price source (alpaca, alpha_vantage, csv, simulated, tiingo, yahoo)"


def last_close(request: Request) -> bytes:
    if request.headers["authorization"] != f"Token {KEY}":
        return json_reply({"detail": f"Invalid {request.headers['authorization']}"}, 401)
    return json_reply([{"date": request.query["endDate"], "close": 467.28, "splitFactor": 1.0}])


@pytest.fixture
def tiingo(anywhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serving(last_close) as provider:
        monkeypatch.setenv("ALPHA_MONDAY_TIINGO_URL", provider.url)
        yield provider


def typed(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_key_and_enter_are_enough(tiingo: Loopback, alpha_monday: CommandLine, anywhere: Path) -> None:
    outcome = alpha_monday("setup", stdin=typed("tiingo", KEY, "file", ""))
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert "tiingo: SPY closed at 467.28 on " in lines[-2]
    assert lines[-1] == f"Written to {user_settings_file()}. Next: alpha-monday"
    assert KEY not in outcome.out
    assert len(tiingo.requests) == 1
    settings = load_settings().settings
    assert settings.provider("tiingo", "KEY") == KEY
    assert settings.picks_file == anywhere / "data" / "picks.csv"


def test_a_failed_test_is_told_and_asked_again(tiingo: Loopback, alpha_monday: CommandLine) -> None:
    outcome = alpha_monday("setup", stdin=typed("tiingo", "wrong-marker", "file", "", "", KEY, "", ""))
    assert outcome.code == 0
    assert "tiingo does not accept the key: HTTP 401." in outcome.err
    assert "Nothing was written. Please answer again." in outcome.err
    assert f"{PRICE_SOURCES} [tiingo]: " in outcome.out, "what was answered is offered"
    assert "marker" not in outcome.out + outcome.err
    assert load_settings().settings.provider("tiingo", "KEY") == KEY


def test_a_wrong_file_is_told_and_asked_again(
    anywhere: Path, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_BENCHMARK", "QQQ")
    (anywhere / "prices.csv").write_text("date,symbol,close\n2024-01-02,QQQ,1\n")
    outcome = alpha_monday("setup", stdin=typed("csv", "missing.csv", "file", "", "", "prices.csv", "", ""))
    assert outcome.code == 0
    assert "cannot read" in outcome.err
    assert "csv answers, but has no close of QQQ" in outcome.out
    assert load_settings().settings.price_file == anywhere / "prices.csv"


def test_typing_errors_and_empty_answers_are_asked_again(alpha_monday: CommandLine) -> None:
    outcome = alpha_monday("setup", stdin=typed("tingo", "", "csv", "", "simulated"))
    assert outcome.code == 1
    assert outcome.err.count("Please type one of the names.") == 2
    assert outcome.err.count("Please give an answer.") == 1
    assert "there is no more input" in outcome.err
    assert not user_settings_file().exists()


@pytest.mark.parametrize("lines", [(), ("tiingo",), ("tiingo", KEY), ("simulated", "file")])
def test_without_more_input_nothing_is_written(tiingo: Loopback, alpha_monday: CommandLine, lines: list[str]) -> None:
    outcome = alpha_monday("setup", stdin=typed(*lines))
    assert outcome.code == 1
    assert "Setup needs answers and there is no more input." in outcome.err
    assert not user_settings_file().exists()


def test_a_second_run_offers_what_is_in_force(tiingo: Loopback, alpha_monday: CommandLine, anywhere: Path) -> None:
    assert alpha_monday("setup", stdin=typed("tiingo", KEY, "file", "mine.csv")).code == 0
    before = user_settings_file().read_text()
    outcome = alpha_monday("setup", stdin=typed("", "", "", ""))
    assert outcome.code == 0
    assert f"[{anywhere / 'mine.csv'}]" in outcome.out
    assert "[the present one]" in outcome.out
    assert sorted(user_settings_file().read_text().splitlines()) == sorted(before.splitlines())


def test_a_chain_is_asked_for_all_that_it_needs_and_stays_one(
    tiingo: Loopback, alpha_monday: CommandLine, anywhere: Path
) -> None:
    (anywhere / "prices.csv").write_text("date,symbol,close\n2024-01-02,SPY,1\n")
    outcome = alpha_monday("setup", stdin=typed("tiingo, oops", "tiingo, csv,tiingo", KEY, "prices.csv", "manual"))
    assert outcome.code == 0
    assert outcome.err == "Please type one of the names.\n"
    assert "Asking tiingo, csv ..." in outcome.out
    assert "tiingo: SPY closed at 467.28 on " in outcome.out
    assert "csv answers, but has no close of SPY" in outcome.out
    settings = load_settings().settings
    assert (settings.price_source, settings.pick_source) == (("tiingo", "csv"), "manual")
    before = user_settings_file().read_text()
    again = alpha_monday("setup", stdin=typed("", "", "", "file,manual", ""))
    assert f"{PRICE_SOURCES} [tiingo,csv]: " in again.out
    assert again.err == "Please type one of the names.\n", "picks come from one source"
    assert sorted(user_settings_file().read_text().splitlines()) == sorted(before.splitlines())


def test_a_model_is_asked_for_by_name_key_and_address(alpha_monday: CommandLine) -> None:
    url = "https://models.test/v1"
    outcome = alpha_monday("setup", stdin=typed("simulated", "llm", "", "llama", "marker-key", "models.test", url))
    assert outcome.code == 0
    assert outcome.err == "Please give an answer.\nPlease give an https address, or http on loopback.\n"
    assert "marker" not in outcome.out
    settings = load_settings().settings
    assert (settings.llm_model, settings.provider("llm", "KEY")) == ("llama", "marker-key")
    assert settings.provider("llm", "URL") == url
    before = user_settings_file().read_text()
    again = alpha_monday("setup", stdin=typed("", "", "", "", ""))
    assert (again.code, again.err) == (0, "")
    assert "Model (its name, as the server calls it) [llama]: " in again.out
    assert "Address (of a server that speaks OpenAI's protocol; empty: OpenAI's own) [the present one]: " in again.out
    assert "marker" not in again.out
    assert sorted(user_settings_file().read_text().splitlines()) == sorted(before.splitlines())


def test_a_missing_extra_is_told_with_what_installs_it(
    alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    outcome = alpha_monday("setup", stdin=typed("yahoo", "manual"))
    assert outcome.code == 1
    assert "pip install --require-hashes -r locks/yahoo.lock" in outcome.err
    assert not user_settings_file().exists()


def test_a_key_of_the_environment_stays_there(
    tiingo: Loopback, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", KEY)
    assert alpha_monday("setup", stdin=typed("tiingo", "", "file", "")).code == 0
    assert KEY not in user_settings_file().read_text()


def test_what_wins_over_the_file_is_told(alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "csv")
    outcome = alpha_monday("setup", stdin=typed("simulated", "file", ""))
    assert outcome.code == 0
    assert "ALPHA_MONDAY_PRICE_SOURCE (environment)" in outcome.err


def test_what_the_provider_says_is_shown_literally(tiingo: Loopback, alpha_monday: CommandLine) -> None:
    tiingo.answer = lambda _: json_reply({"detail": "run over \x1b]52;c;eA==\x07\u202e limit"})
    outcome = alpha_monday("setup", stdin=typed("tiingo", KEY, "file", ""))  # the fixture looks for escapes
    assert "run over" in outcome.err


class Terminal:
    """`alpha-monday setup` in a terminal of its own."""

    def __init__(self) -> None:
        self.shown = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execv(PROGRAM[0], [*PROGRAM, "setup"])  # noqa: S606 - the program itself, in a child that becomes it

    def until(self, words: str) -> None:
        """Reads what is shown until `words` stand in it."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.shown:
            self.shown += self._read(deadline)

    def interrupt(self) -> None:
        """Types Ctrl-C once the program waits: a signal between a prompt and the reading would wait with it."""
        deadline = time.monotonic() + PATIENCE_S
        while not subprocess.check_output(["ps", "-o", "stat=", "-p", str(self.pid)]).startswith(b"S"):
            assert time.monotonic() < deadline, self.shown
        self.type("\x03")

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def answer_all(self) -> None:
        """Answers each question once it is asked: what is typed ahead of a hidden one is thrown away."""
        for question, answer in (
            (f"{PRICE_SOURCES}: ", "tiingo"),
            ("hidden: ", KEY),
            ("Pick source (file, llm, manual, momentum): ", "file"),
            ("Picks file (", ""),
        ):
            self.until(question)
            self.type(f"{answer}\n")

    def exit_code(self) -> int:
        deadline = time.monotonic() + PATIENCE_S
        while piece := self._read(deadline):
            self.shown += piece
        _, status = os.waitpid(self.pid, 0)
        os.close(self._terminal)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self._terminal)

    def _read(self, deadline: float) -> str:
        ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, self.shown
        try:
            return os.read(self._terminal, 65536).decode()
        except OSError:  # Linux's way to say that the other side is closed
            return ""


@pytest.fixture
def terminal(tiingo: Loopback) -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.end()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestInATerminal:
    def test_the_key_is_not_shown(self, terminal: Terminal) -> None:
        terminal.answer_all()
        assert terminal.exit_code() == 0
        assert "SPY closed at 467.28" in terminal.shown
        assert "Next: alpha-monday" in terminal.shown
        assert KEY not in terminal.shown

    @pytest.mark.parametrize("question", ["yahoo): ", "hidden: "])
    def test_ctrl_c_leaves_at_once(self, terminal: Terminal, question: str) -> None:
        terminal.until("yahoo): ")
        if question == "hidden: ":
            terminal.type("tiingo\n")
        terminal.until(question)
        terminal.interrupt()
        assert terminal.exit_code() == 130
        assert "Traceback" not in terminal.shown
        assert not user_settings_file().exists()

    def test_ctrl_c_leaves_while_the_provider_is_silent(self, tiingo: Loopback, terminal: Terminal) -> None:
        asked = threading.Event()
        tiingo.answer = lambda _: asked.set()
        terminal.answer_all()
        assert asked.wait(PATIENCE_S)
        terminal.interrupt()
        assert terminal.exit_code() == 130
        assert not user_settings_file().exists()


def test_an_outage_while_trying(tiingo: Loopback, alpha_monday: CommandLine) -> None:
    tiingo.answer = lambda _: reply(503)
    outcome = alpha_monday("setup", stdin=typed("tiingo", KEY, "file", ""))
    assert outcome.code == 1
    assert "tiingo at 127.0.0.1 cannot be reached: it answered with HTTP 503." in outcome.err
