"""The last look is kept for each database by itself, and nothing that befalls its file stops anything."""

import json
import os
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core import last_look
from core.last_look import LastLookError
from core.settings import Settings
from db.database import Database
from tests.fakes import exchange
from tests.planting import NOBODY, acting_as, plant, within

LOOKED = exchange("2026-11-13", "17:45")
URL = "postgresql://ann:s3cret@db.test:5432/main"
EMBEDDED = Database("dbname=alpha_monday host=/run/alpha-monday/abc")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the file will stand."""
    directory = tmp_path / "state" / "alpha-monday"
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: tmp_path / "state" / name)
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    return directory


def at(url: str) -> tuple[Settings, Database]:
    return Settings.model_construct(database_url=SecretStr(url)), Database(url)


def in_directory(directory: str) -> Settings:
    return Settings.model_construct(database_url=None, data_dir=Path(directory))


def test_it_is_kept_to_the_microsecond_in_a_file_of_the_users_own(state: Path) -> None:
    assert last_look.read(*at(URL)) is None
    assert not state.exists(), "reading makes nothing"
    last_look.write(*at(URL), LOOKED + timedelta(microseconds=1))
    last_look.write(*at(URL), LOOKED)
    assert last_look.read(*at(URL)) == LOOKED
    assert [path.name for path in state.iterdir()] == ["last-look.json"]
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "last-look.json").stat().st_mode) == 0o600


def test_each_database_has_its_own_and_a_password_is_no_part_of_it(state: Path) -> None:
    others = [
        at("postgresql://ann@db.test:5433/main"),
        at("postgresql://bob@db.test/main"),
        at("postgresql://ann@db.test/other"),
        at("postgresql://ann@elsewhere.test/main"),
        (in_directory("/var/lib/alpha-monday"), EMBEDDED),
        (in_directory("/elsewhere"), EMBEDDED),
        (in_directory("/var/lib/alpha-monday"), Database("dbname=alpha_monday_demo host=/run/alpha-monday/abc")),
    ]
    last_look.write(*at(URL), LOOKED)
    assert [last_look.read(*other) for other in others] == [None] * len(others)
    for number, other in enumerate(others):
        last_look.write(*other, LOOKED + timedelta(hours=1 + number))
    assert last_look.read(*at(URL)) == LOOKED
    for same in (URL.replace("s3cret", "changed"), "host=db.test user=ann dbname=main sslmode=require"):
        assert last_look.read(*at(same)) == LOOKED, "the same database in other words"
    assert [last_look.read(*other) for other in others] == [
        LOOKED + timedelta(hours=1 + number) for number in range(len(others))
    ]
    assert not {"s3cret", "ann", "db.test"} & set(json.loads((state / "last-look.json").read_text()))
    assert "s3cret" not in (state / "last-look.json").read_text()


def test_what_the_environment_says_about_the_address_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    last_look.write(*at("dbname=main"), LOOKED)
    monkeypatch.setenv("PGHOST", "other.test")
    assert last_look.read(*at("dbname=main")) is None
    last_look.write(*at("dbname=main"), LOOKED)
    monkeypatch.delenv("PGHOST")
    assert last_look.read(*at("dbname=main host=other.test")) == LOOKED


def test_the_embedded_server_is_told_by_its_directory_wherever_its_socket_is() -> None:
    last_look.write(in_directory("/data"), EMBEDDED, LOOKED)
    moved = Database("dbname=alpha_monday host=/tmp/alpha-monday-xyz")
    assert last_look.read(in_directory("/data"), moved) == LOOKED


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '{"%s": 7}',
        '{"%s": null}',
        '{"%s": "2026-11-13T17:45:00"}',
        '{"%s": "0001-01-01T00:00:00+14:00"}',
        '{"%s": "yesterday"}',
        "\x00\xff",
        "[" * 60_000,
        '{"%s": "2026-11-13T17:45:00+00:00"' + " " * 100_000 + "}",
    ],
)
def test_a_damaged_file_reads_as_none_and_is_written_anew(state: Path, content: str) -> None:
    last_look.write(*at(URL), LOOKED)
    file = state / "last-look.json"
    [key] = json.loads(file.read_text())
    file.write_bytes(content.replace("%s", key).encode("latin-1"))
    assert last_look.read(*at(URL)) is None
    last_look.write(*at(URL), LOOKED)
    assert last_look.read(*at(URL)) == LOOKED


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60))
def test_no_content_takes_anything_down(state: Path, content: bytes) -> None:
    state.mkdir(parents=True, exist_ok=True)
    (state / "last-look.json").write_bytes(content)
    assert last_look.read(*at(URL)) is None


@pytest.mark.parametrize("barred", ["state", "state/alpha-monday", "state/alpha-monday/last-look.json"])
def test_a_place_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path, barred: str) -> None:
    """A file stands where a directory is needed, or a directory where the file is: not even root gets past."""
    obstacle = tmp_path / barred
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    if barred.endswith("json"):
        obstacle.mkdir()
    else:
        obstacle.touch()
    assert last_look.read(*at(URL)) is None
    with pytest.raises(LastLookError, match=r"cannot be kept in .*last-look\.json"):
        last_look.write(*at(URL), LOOKED)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ([] if obstacle.is_dir() else [obstacle]), "nothing half-written"


def test_a_write_that_fails_half_way_leaves_the_former_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_look.write(*at(URL), LOOKED)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(LastLookError, match="No space left"):
        last_look.write(*at(URL), LOOKED + timedelta(days=1))
    assert [path.name for path in state.iterdir()] == ["last-look.json"]
    assert last_look.read(*at(URL)) == LOOKED


def test_the_file_stays_small_and_readable_whatever_was_looked_at(state: Path) -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(300):
        last_look.write(*at(f"postgresql://ann@db.test/main{number}"), first + timedelta(days=number))
    last_look.write(*at(URL), first)
    assert last_look.read(*at(URL)) == first, "what was just written is kept, even if it is the oldest"
    assert last_look.read(*at("postgresql://ann@db.test/main299")) == first + timedelta(days=299)
    assert last_look.read(*at("postgresql://ann@db.test/main0")) is None
    assert (state / "last-look.json").stat().st_size < 64 << 10


@pytest.mark.parametrize("kind", ["a link", "a FIFO"])
def test_nothing_is_read_through_what_stands_in_the_files_place(state: Path, kind: str) -> None:
    last_look.write(*at(URL), LOOKED)
    file = state / "last-look.json"
    file.rename(state / "kept")
    plant(file, kind, state / "kept")
    with within(10):
        assert last_look.read(*at(URL)) is None
        last_look.write(*at(URL), LOOKED)
    assert last_look.read(*at(URL)) == LOOKED
    assert not file.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_keeps_nothing_where_others_can_exchange_the_directory(
    reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with sudo -E, which leaves the user's home to root."""
    home = Path(tempfile.mkdtemp(dir=reachable_directory))
    os.chown(home, NOBODY, NOBODY)
    target = Path(tempfile.mkdtemp(dir=reachable_directory))
    with acting_as(NOBODY):
        (home / "alpha-monday").symlink_to(target)
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: home / name)
    with pytest.raises(LastLookError, match="others than root can write"):
        last_look.write(*at(URL), LOOKED)
    assert list(target.iterdir()) == []
