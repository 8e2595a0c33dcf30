"""As root, the whole way to a directory is looked at: whoever can change a part of it could plant a directory there."""

import os
import tempfile
from pathlib import Path

import pytest

from db.embedded import EmbeddedServer
from db.embedded_upgrade import kept_clusters
from db.errors import EmbeddedServerError
from db.trusted_path import weakness
from tests.planting import NOBODY, acting_as

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def place(reachable_directory: Path) -> Path:
    """An empty directory that every user can reach."""
    place = Path(tempfile.mkdtemp(dir=reachable_directory))
    place.chmod(0o755)
    return place


def made(directory: Path, owner: int = 0, mode: int = 0o755) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(mode)
    os.chown(directory, owner, owner)
    return directory


@root_only
@pytest.mark.parametrize(
    ("owner", "mode", "commands"),
    [
        (NOBODY, 0o755, ["chown root"]),
        (0, 0o775, ["chmod go-w"]),
        (0, 0o757, ["chmod go-w"]),
        (NOBODY, 0o777, ["chown root", "chmod go-w"]),
    ],
)
def test_a_directory_above_that_others_can_write_in_is_refused(
    place: Path, owner: int, mode: int, commands: list[str]
) -> None:
    weak = made(place / "it's weak", owner, mode)
    data = weak / "data"
    data.mkdir()
    with pytest.raises(EmbeddedServerError, match="others than root can write") as caught:
        EmbeddedServer.start(data / "postgres")
    assert f"{weak}, on the way to {data / 'postgres'}" in caught.value.message
    assert (f"run alpha-monday as user {NOBODY}" in caught.value.remedy) == (owner == NOBODY)
    quoted = str(weak).replace("'", "'\"'\"'")
    for command in commands:
        assert f"{command} '{quoted}'" in caught.value.remedy
    assert list(data.iterdir()) == []
    assert list(weak.iterdir()) == [data]


@root_only
def test_a_directory_exchanged_by_another_user_is_what_this_is_against(place: Path) -> None:
    """What nobody puts in the place of root's directory is neither started nor written to."""
    weak = made(place / "weak", NOBODY)
    mine = made(weak / "data" / "postgres")
    (mine / "gate.lock").touch()
    planted = place / "planted"
    with acting_as(NOBODY):
        (weak / "data").rename(weak / "aside")
        (weak / "data").symlink_to(planted)
    made(planted)
    for use in (EmbeddedServer.start, kept_clusters):
        with pytest.raises(EmbeddedServerError, match="others than root can write"):
            use(weak / "data" / "postgres")
    assert list(planted.iterdir()) == []


@root_only
def test_both_the_place_of_a_link_and_what_it_names_are_looked_at(place: Path) -> None:
    real, weak = made(place / "real"), made(place / "weak", NOBODY)
    made(weak / "target")
    (place / "good").symlink_to(real)
    (place / "relative").symlink_to("weak/../good")
    (weak / "link").symlink_to(real)
    (place / "to weak").symlink_to(weak / "target")
    assert weakness(place / "good" / "data") is None
    assert weakness(place / "good") is None
    for path in (weak / "link" / "data", place / "to weak" / "data", place / "relative", weak / ".." / "real"):
        found = weakness(path)
        assert found is not None
        assert f"{weak}" in found.message, path
    with pytest.raises(EmbeddedServerError, match="others than root can write"):
        EmbeddedServer.start(weak / "link" / "postgres")
    assert list(real.iterdir()) == []


@root_only
def test_a_sticky_directory_is_no_weakness_above_and_one_as_the_directory_itself(place: Path) -> None:
    sticky = made(place / "sticky", mode=0o1777)
    assert weakness(sticky / "missing" / "postgres") is None
    assert weakness(made(sticky / "mine") / "postgres") is None
    itself = weakness(sticky)
    assert itself is not None
    assert itself.mend == "", "what is meant for everybody is not to be closed"
    theirs = weakness(made(sticky / "theirs", NOBODY) / "postgres")
    assert theirs is not None
    with acting_as(NOBODY):
        (sticky / "link").symlink_to(sticky / "mine")
    led = weakness(sticky / "link" / "postgres")
    assert led is not None
    assert f"user {NOBODY} can change where the link {sticky / 'link'} leads" in led.message
    assert led.mend == f"chown -h root {sticky / 'link'}"
    # The look relies on this: nobody else can exchange what is root's there.
    with acting_as(NOBODY), pytest.raises(PermissionError):
        (sticky / "mine").rename(sticky / "aside")


@root_only
def test_links_that_lead_round_are_told(place: Path) -> None:
    (place / "first").symlink_to("second")
    (place / "second").symlink_to("first")
    found = weakness(place / "first" / "postgres")
    assert found is not None
    assert "lead back to themselves" in found.message


@root_only
def test_the_usual_places_pass() -> None:
    """Among them what systemd makes for StateDirectory= and a container's bind mounts, which are root's."""
    for path in ("/", "/var/lib/alpha-monday/postgres", "/run/alpha-monday", "/data", "/srv/alpha-monday/postgres"):
        assert weakness(Path(path)) is None, path


def test_other_users_use_what_directories_they_like(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    place.chmod(0o777)
    assert weakness(place / "data") is None
