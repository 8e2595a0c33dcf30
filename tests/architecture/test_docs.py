"""The pages that repeat what the code says are held against the code."""

import re
import tomllib
from pathlib import Path

from db.events import PAYLOAD_KEYS, EventType

ROOT = Path(__file__).parents[2]


def test_every_event_type_and_payload_key_is_documented() -> None:
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    documented = {name: tuple(re.findall(r"`(\w+)`", keys)) for name, keys in rows}
    assert documented == {event_type.value: keys for event_type, keys in PAYLOAD_KEYS.items()}
    assert set(PAYLOAD_KEYS) == set(EventType)


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    """`.ci/run` reads the classifiers, so what is named is what is checked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"]))
    minors = [int(minor) for minor in named]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert project["requires-python"] == f">=3.{minors[0]},<3.{minors[-1] + 1}"
    *others, newest = [f"3.{minor}" for minor in minors]
    assert f"Python {', '.join(others)} or {newest}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_test_drives_apps_as_they_run() -> None:
    """`App.run_test` alone leaves tasks to start late, which hid a crash at every start on Python 3.12."""
    callers = [path for path in (ROOT / "tests").rglob("*.py") if ".run_test(" in path.read_text(encoding="utf-8")]
    assert [path.name for path in callers if path != Path(__file__)] == ["driving.py"]
