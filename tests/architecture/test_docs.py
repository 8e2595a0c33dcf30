"""The pages that repeat what the code says are held against the code."""

import re
from pathlib import Path

from db.events import PAYLOAD_KEYS, EventType

ROOT = Path(__file__).parents[2]


def test_every_event_type_and_payload_key_is_documented() -> None:
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    documented = {name: tuple(re.findall(r"`(\w+)`", keys)) for name, keys in rows}
    assert documented == {event_type.value: keys for event_type, keys in PAYLOAD_KEYS.items()}
    assert set(PAYLOAD_KEYS) == set(EventType)
