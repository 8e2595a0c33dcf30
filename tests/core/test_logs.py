"""A log line: one JSON object in ASCII, with a stable event and no secret."""

import json
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest

from core.logs import JsonFormatter, mask_also, redacted


def line_of(secrets: tuple[str, ...] = (), **extra: Any) -> Any:
    """What one record becomes, read back."""
    record = logging.makeLogRecord({"msg": "hello %s", "args": ("wörld\x1b\n",), "levelname": "INFO", **extra})
    text = JsonFormatter(secrets).format(record)
    assert "\n" not in text
    assert text.isascii()
    return json.loads(text)


def test_a_line_is_one_object_with_an_event() -> None:
    line = line_of(event="tick", opened=1, sources=["csv"], when=timedelta(0))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "tick",
        "message": "hello wörld\x1b\n",
        "opened": 1,
        "sources": ["csv"],
        "when": "0:00:00",
    }


def test_no_value_holds_a_secret() -> None:
    hidden = 'se"cret-é'
    line = line_of(
        (hidden, "abc"), msg=f"key {hidden}", args=(), detail={"url": [f"https://x/?k={hidden}", None, True]}
    )
    assert line["message"] == "key ***"
    assert line["detail"] == {"url": ["https://x/?k=***", None, True]}
    assert redacted("abc abcd", ("abc", "abcd")) == "abc ***", "three letters would leave no text readable"


def test_a_key_typed_later_is_masked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler(StringIO())
    handler.setFormatter(JsonFormatter(["first-key"]))
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler, logging.NullHandler()])
    mask_also(["later-key"])
    logging.getLogger("somewhere").error("first-key, later-key")
    assert json.loads(handler.stream.getvalue())["message"] == "***, ***"
