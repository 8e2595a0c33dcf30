"""A log line: one JSON object in ASCII, with a stable event and no secret."""

import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from core import logs
from core.logs import JsonFormatter, log_file_in, log_to_file, mask_also, redacted
from db.errors import EmbeddedServerError
from db.regular_files import NotRegularFileError
from tests.planting import NOBODY, acting_as, plant, within


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


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The logger that everything is handed up to; its handlers are put back."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def reachable(reachable_directory: Path) -> Path:
    """An empty directory that every user can reach."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    return directory


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_log_is_its_owners_alone_before_and_after_a_rotation(
    tmp_path: Path, root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    monkeypatch.setattr(logs, "_BYTES", 200)
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    file = log_file_in(data)
    for name in (file, *(file.with_name(f"{file.name}.{number}") for number in (1, 2, 3))):
        name.touch()
        name.chmod(0o664)
    before = os.umask(umask)
    try:
        log_to_file(data)
        assert set(modes(data / "logs").values()) == {0o600}, "those that were there"
        for number in range(9):
            root_logger.info("x" * 150, extra={"event": f"event {number}"})
            assert set(modes(data / "logs").values()) == {0o600}
    finally:
        os.umask(before)
    assert len(modes(data / "logs")) == 4
    assert "event 8" in file.read_text()
    assert "event 7" in file.with_name(f"{file.name}.1").read_text()


@pytest.mark.parametrize("name", ["alpha-monday.log", "alpha-monday.log.2"])
@pytest.mark.parametrize("kind", ["a link", "a FIFO"])
def test_what_is_no_file_in_a_logs_place_is_named_and_not_written_through(
    tmp_path: Path, root_logger: logging.Logger, name: str, kind: str
) -> None:
    (tmp_path / "logs").mkdir()
    target, planted = tmp_path / "target", tmp_path / "logs" / name
    target.touch(mode=0o644)
    plant(planted, kind, target)
    with within(10), pytest.raises(NotRegularFileError, match=kind) as caught:
        log_to_file(tmp_path)
    root_logger.error("for the log alone")
    assert caught.value.filename == str(planted)
    assert f"mv {planted}" in caught.value.remedy
    assert target.read_text() == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.usefixtures("root_logger")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_root_logs_through_no_link_and_in_no_directory_that_others_can_exchange(reachable: Path, owner: int) -> None:
    """Where another user owns the data directory he plants the link himself; in root's own, root did."""
    data, elsewhere = reachable / "data", reachable / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    os.chown(data, owner, owner)
    with acting_as(owner):
        (data / "logs").symlink_to(elsewhere)
    with pytest.raises(EmbeddedServerError, match="is a link" if owner == 0 else "others than root can write"):
        log_to_file(data)
    assert list(elsewhere.iterdir()) == []
