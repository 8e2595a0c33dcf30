"""The house rules that an import contract cannot keep."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_FILES = sorted(path for folder in ("tui", "core", "db") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE = 400


def modules_after(statement: str) -> set[str]:
    """The modules that are loaded once `statement` has run in a process of its own."""
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(finished.stdout.split())


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_is_a_hall(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_it_owns(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith('"""')


@pytest.mark.parametrize(
    "module",
    [
        "tui.shell.reading",
        "tui.shell.writing",
        "tui.shell.database",
        "tui.shell.doctor",
        "tui.shell.config",
        "tui.shell.operating",
        "tui.shell.accepting",
        "tui.shell.alerts",
    ],
)
def test_commands_leave_textual_unloaded(module: str) -> None:
    assert "textual" not in modules_after(f"import tui.shell.run, {module}")


def test_the_version_needs_neither_driver_nor_settings_nor_screens() -> None:
    statement = "from tui.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass"
    loaded = modules_after(statement)
    assert not loaded & {"textual", "rich", "psycopg", "pydantic", "asyncio", "holidays"}


def test_the_calendar_is_not_read_on_import() -> None:
    assert "holidays" not in modules_after("import core.services, core.scheduler")


def test_only_the_chosen_source_is_imported() -> None:
    assert "core.prices.simulated" not in modules_after("import core.services")
