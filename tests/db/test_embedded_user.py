"""Which account PostgreSQL runs as, and how its programs are run."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from db import embedded_user
from db.embedded_user import ServerUser, printable
from db.errors import EmbeddedServerError

OURSELVES = ServerUser("me", os.geteuid(), os.getegid(), is_another=False)


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The machine's accounts, name to uid, as root sees them; a user called nobody is always there."""
    accounts = {"root": 0, "nobody": 65534}

    def getpwnam(name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", accounts[name], accounts[name], "", "/nonexistent", "/bin/false"))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    return accounts


@pytest.fixture
def useradd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of useradd."""

    def install(script: str) -> None:
        (tmp_path / "useradd").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "useradd").chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: str(tmp_path / "useradd"))

    return install


@pytest.mark.skipif(os.geteuid() == 0, reason="for users other than root")
def test_a_user_runs_it_as_itself(tmp_path: Path) -> None:
    user = ServerUser.of(tmp_path)
    assert (user.uid, user.is_another) == (os.geteuid(), False)


def test_root_prefers_an_account_that_runs_nothing_else(tmp_path: Path, accounts: dict[str, int]) -> None:
    accounts["postgres"] = 999
    assert ServerUser.of(tmp_path / "absent").name == "postgres"
    accounts["alpha-monday"] = 998
    assert ServerUser.of(tmp_path / "absent") == ServerUser("alpha-monday", 998, 998, is_another=True)


def test_a_cluster_keeps_its_user(tmp_path: Path, accounts: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    accounts |= {"postgres": tmp_path.stat().st_uid, "alpha-monday": 888888}
    assert ServerUser.of(tmp_path).name == "postgres"
    accounts |= {"postgres": 999999, "alpha-monday": tmp_path.stat().st_uid}
    assert ServerUser.of(tmp_path).name == "alpha-monday"
    accounts["alpha-monday"] = 888888
    with pytest.raises(EmbeddedServerError, match="not to alpha-monday or postgres"):
        ServerUser.of(tmp_path)


def test_an_account_that_runs_other_servers_too_is_told(tmp_path: Path, accounts: dict[str, int]) -> None:
    absent = tmp_path / "absent"
    assert ServerUser.shared_with(absent) is None, "its own is created"
    accounts["postgres"] = tmp_path.stat().st_uid
    shared = ServerUser("postgres", accounts["postgres"], accounts["postgres"], is_another=True)
    assert ServerUser.shared_with(absent) == (shared, False)
    accounts["alpha-monday"] = 888888
    assert ServerUser.shared_with(absent) is None
    assert ServerUser.shared_with(tmp_path) == (shared, True)


@pytest.mark.usefixtures("accounts")
def test_nobody_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    with pytest.raises(EmbeddedServerError, match="there is no useradd here") as caught:
        ServerUser.of(tmp_path / "absent")
    assert "(useradd --system " in caught.value.remedy


@pytest.mark.usefixtures("accounts")
def test_a_refused_useradd_is_shown(tmp_path: Path, useradd: Callable[[str], None]) -> None:
    useradd("printf 'cannot lock \\033[31m/etc/passwd' >&2; exit 1")
    with pytest.raises(EmbeddedServerError, match=r"cannot lock \?\[31m/etc/passwd"):
        ServerUser.of(tmp_path / "absent")


def test_a_missing_account_is_created_as_a_system_user(
    tmp_path: Path, accounts: dict[str, int], useradd: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    useradd(f'echo "$@" > {tmp_path}/arguments')
    run = subprocess.run

    def run_and_add(*args: object, **kwargs: object) -> object:
        accounts["alpha-monday"] = 997
        return run(*args, **kwargs)  # type: ignore[call-overload]  # handed on as they came

    monkeypatch.setattr(subprocess, "run", run_and_add)
    assert ServerUser.of(tmp_path / "absent") == ServerUser("alpha-monday", 997, 997, is_another=True)
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[0] == "--system"
    assert arguments[-1] == "alpha-monday"


def test_programs_get_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", "secret")
    monkeypatch.setenv("PGPORT", "1")
    ours, theirs = os.pipe()
    program = (
        "import os\n"
        f"print(*os.environ, os.getsid(0) != {os.getsid(0)}, os.getcwd())\n"
        f"for number in ({ours}, {theirs}):\n"
        "    try: os.fstat(number); print('open')\n"
        "    except OSError: print('closed')\n"
    )
    try:
        done = OURSELVES.run(
            [sys.executable, "-I", "-c", program],
            data_directory=tmp_path,
            stdout=subprocess.PIPE,
            keep=(theirs,),
        )
    finally:
        os.close(ours)
        os.close(theirs)
    first, *descriptors = done.stdout.decode().splitlines()
    *names, is_new_session, working_directory = first.split()
    assert set(names) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == {"LC_ALL", "PATH", "PGDATA"}
    assert (is_new_session, working_directory) == ("True", "/")
    assert descriptors == ["closed", "open"]


def test_the_first_barred_path_is_found(tmp_path: Path) -> None:
    (tmp_path / "a 'file\"").touch()
    missing = tmp_path / "missing"
    assert OURSELVES.first_barred([tmp_path, tmp_path / "a 'file\""]) is None
    assert OURSELVES.first_barred([tmp_path, missing, tmp_path / "other"]) == missing


def test_a_failing_shell_is_not_taken_for_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_user, "_FIRST_BARRED", "echo broken >&2; exit 7")
    with pytest.raises(EmbeddedServerError, match="broken"):
        OURSELVES.first_barred([tmp_path])


def test_what_counts_as_private(tmp_path: Path) -> None:
    private, link = tmp_path / "private", tmp_path / "link"
    private.mkdir(mode=0o700)
    link.symlink_to(private)
    (tmp_path / "file").touch(mode=0o600)
    assert OURSELVES.owns_privately(private)
    assert not OURSELVES.owns_privately(link)
    assert not OURSELVES.owns_privately(tmp_path / "missing")
    assert not OURSELVES.owns_privately(tmp_path / "file")
    assert not OURSELVES.owns_privately(tmp_path / "file" / "below")
    assert not ServerUser("other", os.geteuid() + 1, 0, is_another=True).owns_privately(private)
    for mode in (0o750, 0o701):
        private.chmod(mode)
        assert not OURSELVES.owns_privately(private)


def test_output_is_cut_and_tamed() -> None:
    assert printable(b"  two\nlines\x1b[0m\xff ") == "two\nlines?[0m\ufffd"
    assert printable(b"x" * 5000) == "x" * 2000
