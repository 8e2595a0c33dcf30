"""A hostile server in the place of the embedded one: it is sent no password and no proof of one."""

import hashlib
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from db import dbmate, migrate
from db.client_programs import client_environment, run_client
from db.embedded import conninfo_of
from db.errors import DatabaseError
from db.sessions import session_address
from tests.databases import OWNER

PASSWORD = "only-for-another-server"  # noqa: S105 - nobody's
CLEARTEXT, MD5, SASL = 3, 5, 10
SALT = b"salt"
ASKING = {
    "cleartext": struct.pack("!i", CLEARTEXT),
    "md5": struct.pack("!i4s", MD5, SALT),
    "scram": struct.pack("!i", SASL) + b"SCRAM-SHA-256\0\0",
}


class Thief:
    """A server that lets nobody in without a password, of the kind `asking`, and keeps all that it is sent."""

    def __init__(self, directory: Path, asking: bytes) -> None:
        self._heard: list[bytes] = []
        self._asking = asking
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / ".s.PGSQL.5432"))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def heard(self) -> list[bytes]:
        """What each client sent when it was asked; nobody is let in any more."""
        self.close()
        assert self._heard, "nobody came"
        return self._heard

    def close(self) -> None:
        if self._thread.is_alive():
            self._listening.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    client.recv(4096)  # who comes to which database
                    client.sendall(b"R" + struct.pack("!i", 4 + len(self._asking)) + self._asking)
                    self._heard.append(client.recv(4096))
                except OSError:
                    self._heard.append(b"")


@pytest.fixture(params=ASKING)
def thief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Thief]]:
    """The server's directory, and the server; the passwords of other servers stand where libpq takes them from."""
    with tempfile.TemporaryDirectory(prefix="am-", dir="/tmp") as directory:
        home = Path(directory, "home")
        home.mkdir()
        for name in (".pgpass", "passwords"):
            (home / name).write_text(f"*:*:*:*:{PASSWORD}\n")
            (home / name).chmod(0o600)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        monkeypatch.setenv("PGPASSFILE", str(home / "passwords"))
        monkeypatch.setenv("PGREQUIREAUTH", request.param.replace("cleartext", "password"))
        server = Thief(Path(directory), ASKING[request.param])
        yield Path(directory), server
        server.close()


def assert_nothing_was_given(thief: Thief) -> None:
    # A client that will not go on may say that it ends.
    assert set(thief.heard()) <= {b"", b"X\0\0\0\x04"}


def test_the_driver_gives_it_nothing(thief: tuple[Path, Thief]) -> None:
    directory, server = thief
    with pytest.raises(psycopg.OperationalError, match='"none" failed'):
        psycopg.connect(session_address(conninfo_of(directory, "alpha_monday"), "test"))
    assert_nothing_was_given(server)


async def test_the_client_programs_give_it_nothing(thief: tuple[Path, Thief]) -> None:
    directory, server = thief
    conninfo = conninfo_of(directory, "alpha_monday")
    assert client_environment(conninfo)[b"PGREQUIREAUTH"] == b"none"
    for program, arguments in (("psql", ["--command=select 1"]), ("pg_dump", [])):
        with pytest.raises(DatabaseError, match='"none" failed'):
            await run_client(program, ["--no-password", *arguments], conninfo, "")
    assert_nothing_was_given(server)


def test_the_program_that_migrates_gives_it_nothing(
    thief: tuple[Path, Thief], bare_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has been let in when it starts, by a server whose place the thief takes just then."""
    directory, server = thief
    build = dbmate.database_url

    def to_the_thief(info: psycopg.ConnectionInfo, options: str = "") -> str:
        return build(info, options).replace(quote(info.host, safe=""), quote(str(directory), safe=""))

    monkeypatch.setattr(dbmate, "database_url", to_the_thief)
    with pytest.raises(DatabaseError):
        migrate.up(bare_conninfo)
    heard = b"".join(server.heard())
    hashed = hashlib.md5(PASSWORD.encode() + OWNER.encode(), usedforsecurity=False).hexdigest()
    proof = hashlib.md5(hashed.encode() + SALT, usedforsecurity=False).hexdigest()
    for secret in (PASSWORD, proof):
        assert secret.encode() not in heard
