"""Every command of the parser where its output or its messages cannot be written: done, or told in a sentence."""

import argparse
import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.tui.shell.conftest import PROGRAM, WEEKS, Market
from tui.cli import build_parser
from tui.output import print_table
from tui.streams import end_streams, prepare_streams, write_output

FULL = "alpha-monday: The output cannot be written: No space left on device."
CLOSED = "alpha-monday: The output cannot be written: standard output is closed."
WEEK = WEEKS[-1].isoformat()
# What follows each command, where it needs something. A command that is not here is run as it is.
ARGUMENTS = {
    "open": (WEEK, "--late", "--dry-run"),
    "backfill": ("--picks", "picks.csv"),
    "fail": ("2020-02-03", "--reason", "Wrong."),
    "accept": (WEEK, "--dry-run"),
    "show": (WEEK,),
    "notify": ("--test",),
    "db backup": ("backup.sql",),
    "db restore": ("absent.sql",),
    "db move": ("postgresql://nobody@localhost/nothing",),
}


def commands() -> Iterator[tuple[str, bool]]:
    """Every command of the parser, and whether its output is all its work."""

    def below(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
        nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for action in nested:
            for name, command in action.choices.items():
                yield from below(command, (*words, name))
        if not nested:
            yield " ".join(words), parser.get_default("only_prints")

    yield from below(build_parser(), ())
    yield from (("--headless --once", False), ("", False), ("--version", True), ("--help", True), ("nonsense", False))


def run(command: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    """The real program, its streams redirected as a shell does it."""
    words = [*PROGRAM, *command.split(), *ARGUMENTS.get(command, ())]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(params=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write fails at the end, or where it happens."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if request.param == "unbuffered" else "")


# Imports the program once, and forks a process for each way in which its streams are lost: each is set up as the
# interpreter does it at its start, and ends as the interpreter ends.
LAUNCHER = """
import io, json, os, sys, tempfile
from tui.cli import main
import tui.shell.run, tui.output, tui.literal, psycopg, rich.table, core.services

def stream(number, mode):
    try:
        os.fstat(number)
    except OSError:
        return None
    return open(number, mode, buffering=1 if number == 2 else -1, closefd=False)

def child(words, targets, out, err):
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for number, target in ((1, targets[0]), (2, targets[1])):
        if target == "closed":
            os.close(number)
        else:
            opened = (out, err)[number - 1] if target == "kept" else os.open("/dev/full", os.O_WRONLY)
            os.dup2(opened, number)
    sys.stdin, sys.stdout, sys.stderr = stream(0, "r"), stream(1, "w"), stream(2, "w")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.exit(main(words))

commands, ways = json.loads(sys.argv[1])
found = {}
for command, words, name, targets in ((*each, *way) for each in commands.items() for way in ways.items()):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if (pid := os.fork()) == 0:
            child(words, targets, out.fileno(), err.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        found.setdefault(command, {})[name] = (code, *texts)
    if os.path.exists("backup.sql"):
        os.unlink("backup.sql")
print(json.dumps(found))
"""
# What stdout and stderr are.
WAYS = {
    "kept": ("kept", "kept"),
    "stdout closed": ("closed", "kept"),
    "both closed": ("closed", "closed"),
    "stdout full": ("full", "kept"),
    "both full": ("full", "full"),
    "stderr closed": ("kept", "closed"),
    "stderr full": ("kept", "full"),
}


@pytest.mark.slow
def test_every_command_works_or_says_what_cannot_be_written(replayed: Market) -> None:
    """Its own exit code, and no traceback, whichever stream is lost."""
    only_prints = dict(commands())
    words = {command: [*command.split(), *ARGUMENTS.get(command, ())] for command in only_prints}
    launched = subprocess.run(
        [PROGRAM[0], "-c", LAUNCHER, json.dumps([words, WAYS])], capture_output=True, text=True, timeout=540, check=True
    )
    for command, found in json.loads(launched.stdout).items():
        code, plain, _ = found["kept"]
        for way, (out, err) in WAYS.items():
            found_code, shown, told = found[way]
            case = (command, way, found[way], code)
            for word in ("Traceback", "Exception ignored", "Internal error", "Logging error"):
                assert word not in shown + told, case
            is_all_its_work = only_prints[command] or "--dry-run" in words[command]
            is_lost = plain != "" and (out == "full" or (out == "closed" and is_all_its_work))
            assert found_code == ((code or 1) if is_lost else code), case
            if err == "kept":
                assert ("cannot be written" in told) == is_lost, case
                assert not is_lost or {"full": FULL, "closed": CLOSED}[out] in told, case


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--version", "--help", "config", "batches", "latest", "db status", "events"])
@pytest.mark.usefixtures("buffering")
def test_a_full_disk_fails_what_only_prints(replayed: Market, command: str) -> None:
    found = run(command, ">/dev/full")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.splitlines()[-2:] == [FULL, "  Make room, or send it to another place."]


@pytest.mark.usefixtures("buffering")
def test_work_that_is_done_is_done_without_its_report(market: Market) -> None:
    closed = run("backfill", ">&-")
    assert closed.returncode == 0
    assert "cannot be written" not in closed.stderr
    full = run("backfill", ">/dev/full")
    assert full.returncode == 1
    assert FULL in full.stderr
    assert "The command has done its work; only its report is missing." in full.stderr
    assert "already there 3" in run("backfill").stdout


def test_an_error_that_programs_cannot_read_is_told_to_people(market: Market) -> None:
    found = run("show 2020-01-07 --json", ">&-")
    assert found.returncode == 1
    assert "alpha-monday: There is no batch" in found.stderr or "not a Monday" in found.stderr
    assert CLOSED in found.stderr


def test_setup_asks_nothing_where_no_question_is_seen(market: Market) -> None:
    for redirection, said in ((">&-", CLOSED), (">/dev/full", FULL)):
        found = run("setup", redirection)
        assert found.returncode == 1
        assert found.stderr.count(said) == 1


@pytest.mark.parametrize(
    ("environment", "is_bold"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"COLUMNS": "20", "LINES": "5"}, False),
        ({"FORCE_COLOR": "1", "COLUMNS": "20"}, True),
        ({"TERM": "dumb"}, False),
        ({"TTY_COMPATIBLE": "1", "COLUMNS": "20"}, False),
    ],
)
def test_nothing_is_cut_in_a_pipe_coloured_or_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_bold: bool
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    prepare_streams()
    print_table(("week", "about"), [("2026-11-23", "x" * 9_000)])
    assert end_streams(0, only_prints=True) == 0
    shown = capsys.readouterr().out
    assert "x" * 9_000 in shown
    assert "2026-11-23" in shown
    assert "…" not in shown
    assert ("\x1b[1m" in shown) == is_bold


def test_help_is_as_wide_as_it_is_whatever_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    usual = run("--help").stdout
    monkeypatch.setenv("COLUMNS", "30")
    assert run("--help").stdout == usual


def test_a_closed_stream_is_taken_by_no_connection() -> None:
    """What the program opens next must not become the standard output of the programs that it calls."""
    code = (
        "import os, sys\n"
        "from tui.streams import prepare_streams\n"
        "prepare_streams()\n"
        "opened = os.open('/dev/zero', os.O_RDONLY)\n"
        "assert opened > 2, opened\n"
        "assert all(os.get_inheritable(number) for number in range(3))\n"
    )
    for redirection in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        found = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", PROGRAM[0], "-c", code],
            capture_output=True,
            check=False,
        )
        assert found.returncode == 0, (redirection, found.stderr)


def test_a_reader_that_exits_takes_nothing_from_a_command_that_works(market: Market) -> None:
    for command, code in (("backfill", 0), ("config", 1)):
        reading, writing = os.pipe()
        os.close(reading)
        words = [*PROGRAM, *command.split(), *ARGUMENTS.get(command, ())]
        found = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        assert found.returncode == code
        assert b"written" not in found.stderr
        assert b"Broken" not in found.stderr
    assert "already there 3" in run("backfill").stdout


def test_the_first_failure_is_the_one_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    prepare_streams()
    write_output("")
    assert end_streams(3, only_prints=False) == 3
    assert capsys.readouterr().err == ""
    assert os.get_inheritable(1)
