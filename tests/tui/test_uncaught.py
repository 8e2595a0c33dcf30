"""Errors that nothing catches: a sentence, and a traceback with --debug alone."""

import subprocess
import sys
from pathlib import Path

import pytest

RAISES = 'raise RuntimeError("it holds geheimnis")'
# What a command does instead of its work.
PROGRAMS = {
    "in a thread": f"""
import threading
def fails():
    {RAISES}
async def config(args, loaded):
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    return 0
""",
    "in a task": f"""
import asyncio, gc
async def fails():
    {RAISES}
async def config(args, loaded):
    task = asyncio.create_task(fails())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    return 0
""",
    "in a finalizer": f"""
class Fails:
    def __del__(self):
        {RAISES}
async def config(args, loaded):
    Fails()
    return 0
""",
    "in a library's log": f"""
import logging
async def config(args, loaded):
    try:
        {RAISES}
    except RuntimeError:
        logging.getLogger("library").exception("a call failed")
    return 0
""",
    "in the command": f"""
async def config(args, loaded):
    {RAISES}
""",
}
BEFORE = """
import sys
import tui.shell.config
from tui.cli import main
{program}
tui.shell.config.config = config
sys.exit(main(sys.argv[1:]))
"""


def run(code: str, *typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *typed], capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALPHA_MONDAY_CSV_KEY", "geheimnis")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("where", PROGRAMS)
def test_only_debug_shows_a_traceback(where: str) -> None:
    code = BEFORE.format(program=PROGRAMS[where])
    for typed in ((), ("--json",)):
        found = run(code, "config", *typed)
        told = found.stdout + found.stderr
        assert "Traceback" not in told
        assert "RuntimeError" in told
        assert "geheimnis" not in told
        assert len(found.stderr.splitlines()) <= 2
        debugged = run(code, "config", *typed, "--debug")
        assert "Traceback" in debugged.stderr
        assert "geheimnis" not in debugged.stderr
        assert debugged.returncode == found.returncode == (1 if where == "in the command" else 0)


def test_an_error_before_any_command_runs_is_a_sentence_too() -> None:
    code = "import sys\nsys.modules['tui.shell.run'] = None\nfrom tui.cli import main\nsys.exit(main(sys.argv[1:]))"
    for typed in (("latest",), ("latest", "--json")):
        found = run(code, *typed)
        assert found.returncode == 1
        assert "alpha-monday: Internal error: ModuleNotFoundError" in found.stderr
        assert "Traceback" not in found.stderr
        assert "Traceback" in run(code, *typed, "--debug").stderr
