"""The account that root's embedded server runs as: its own where it can, or the one that made the cluster."""

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from core.diagnosis import account_finding
from core.settings import Settings
from db.embedded import EmbeddedServer
from db.embedded_user import USERADD
from db.errors import EmbeddedServerError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

Accounts = dict[str, pwd.struct_passwd]


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """The accounts called postgres and alpha-monday, by name; none is made on this machine.

    PostgreSQL looks up its user, so that accounts which every system has stand for them.
    """
    accounts: Accounts = {}
    monkeypatch.setattr(pwd, "getpwnam", accounts.__getitem__)
    return accounts


def account(name: str, stand_in: str) -> Accounts:
    found = next(each for each in pwd.getpwall() if each.pw_name == stand_in)
    return {name: pwd.struct_passwd((name, "x", found.pw_uid, found.pw_gid, "", "/nonexistent", "/bin/false"))}


POSTGRES, OWN = account("postgres", "daemon"), account("alpha-monday", "nobody")


@pytest.fixture
def settings(reachable_directory: Path) -> Settings:
    data = Path(tempfile.mkdtemp(dir=reachable_directory))
    data.chmod(0o755)
    return Settings(data_dir=data)


def uid_of_server(server: EmbeddedServer) -> int:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        return Path("/proc", str(connection.info.backend_pid)).stat().st_uid


def test_a_new_cluster_gets_the_account_that_runs_nothing_else(settings: Settings, accounts: Accounts) -> None:
    accounts |= POSTGRES | OWN
    with EmbeddedServer.start(settings.data_dir / "postgres", {"fsync": "off"}) as server:
        assert uid_of_server(server) == OWN["alpha-monday"].pw_uid
    found = account_finding(settings)
    assert found is not None
    assert (found.ok, found.remedy) == (True, "")


def test_a_cluster_of_postgres_goes_on_as_it_is_and_can_be_given_away(settings: Settings, accounts: Accounts) -> None:
    accounts |= POSTGRES
    directory = settings.data_dir / "postgres"
    with (
        EmbeddedServer.start(directory, {"fsync": "off"}) as server,
        psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection,
    ):
        assert uid_of_server(server) == POSTGRES["postgres"].pw_uid
        connection.execute("create table kept as select 42 as answer")
    found = account_finding(settings)
    assert found is not None
    assert not found.ok
    assert USERADD in found.remedy

    accounts |= OWN
    with EmbeddedServer.start(directory) as server:
        assert uid_of_server(server) == POSTGRES["postgres"].pw_uid
    found = account_finding(settings)
    assert found is not None
    assert not found.ok
    assert "postgres" in found.message
    assert USERADD not in found.remedy

    command = found.remedy[found.remedy.index("chown ") :]
    assert "--from=postgres alpha-monday: " in command
    numbers = f"--from={POSTGRES['postgres'].pw_uid} {OWN['alpha-monday'].pw_uid}:{OWN['alpha-monday'].pw_gid} "
    subprocess.run(command.replace("--from=postgres alpha-monday: ", numbers), shell=True, check=True)  # noqa: S602 - ours
    with EmbeddedServer.start(directory) as server, psycopg.connect(server.conninfo("postgres")) as connection:
        assert uid_of_server(server) == OWN["alpha-monday"].pw_uid
        assert connection.execute("select answer from kept").fetchone() == (42,)
    found = account_finding(settings)
    assert found is not None
    assert found.ok


def test_where_only_postgres_exists_the_account_to_create_is_named(settings: Settings, accounts: Accounts) -> None:
    accounts |= POSTGRES
    found = account_finding(settings)
    assert found is not None
    assert (found.ok, found.remedy) == (False, f"Create one of its own: {USERADD}.")


def test_a_cluster_of_neither_is_told_and_a_server_elsewhere_has_no_account_here(
    settings: Settings, accounts: Accounts
) -> None:
    accounts |= POSTGRES
    cluster = settings.data_dir / "postgres" / "postgresql"
    cluster.mkdir(parents=True)
    os.chown(cluster, 12345, 12345)
    with pytest.raises(EmbeddedServerError, match="belongs to user 12345"):
        account_finding(settings)
    elsewhere = settings.model_copy(update={"database_url": SecretStr("host=db.test")})
    assert account_finding(elsewhere) is None
