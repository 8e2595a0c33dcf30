"""The first paint waits for nothing that it does not need."""

import subprocess
import sys

SLOW = ("psycopg", "psycopg_pool", "pydantic", "pydantic_settings", "holidays", "schedule", "core.services")


def test_the_app_is_imported_without_the_core_behind_it() -> None:
    script = f"import sys, tui.app; print([name for name in {SLOW!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
