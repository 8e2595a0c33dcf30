"""A dump from somebody else: whatever it holds, nothing but rows of our tables comes out of it."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from db import archives, migrate
from db.backup import BackupError, backup, restore
from db.client_programs import run_client
from db.dumps import connected
from db.errors import DatabaseError
from db.moving import carry_over
from tests.databases import as_superuser
from tests.db.rows import MONDAY, every_row, fill, insert

pytestmark = pytest.mark.usefixtures("scratch")


@pytest.fixture
def marker() -> Path:
    """A file that a program started by whichever server's user could make."""
    path = Path("/tmp/alpha-monday-test-was-here")  # noqa: S108 - any user must be able to make it
    path.unlink(missing_ok=True)
    return path


def plant(conninfo: str, marker: Path) -> None:
    """What an attacker who made the dump has put beside the rows."""
    run = (
        "if current_setting('is_superuser') = 'on' then"
        f" execute format('copy (select 1) to program %L', 'touch {marker}'); end if;"
    )
    statements = [
        f"create function run() returns bool language plpgsql as $$ begin {run} return true; end $$",
        "create function run_later() returns trigger language plpgsql as $$ begin perform run(); return new; end $$",
        "create function run_first() returns event_trigger language plpgsql as $$ begin perform run(); end $$",
        "create table notes (id int)",
        "create view looked_at as select run() as ran",
        "create domain checked as text check (value is null or run())",
        "create table trapped (id int, trap checked)",
        "create trigger later after insert on batches for each row execute function run_later()",
        "create index slow on picks (ticker) where ticker <> '!'",
        "create rule rewritten as on insert to events do also select run()",
        "grant all on batches to public",
        "select lo_from_bytea(4711, 'a large object')",
        "comment on table batches is $$\n\\! touch " + str(marker) + "\n$$",
        "alter table picks add constraint trapped check (run())",
    ]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def described(conninfo: str) -> list[object]:
    """Everything that a database has beside rows: tables and columns, functions, triggers, rules, checks, rights."""
    queries = (
        "select relname::text, relkind, relacl::text from pg_class where relnamespace = 'public'::regnamespace",
        "select c.table_name::text, column_name::text, udt_name::text from information_schema.columns c",
        "select proname::text, prosrc from pg_proc where pronamespace = 'public'::regnamespace",
        "select tgname::text, tgenabled::text from pg_trigger where not tgisinternal",
        "select evtname::text from pg_event_trigger",
        "select conname::text, pg_get_constraintdef(oid) from pg_constraint where conrelid <> 0",
        "select rulename::text from pg_rewrite where ev_class::regclass::text !~ '^(pg_|information_schema)'",
        "select typname::text from pg_type where typnamespace = 'public'::regnamespace",
        "select lomowner from pg_largeobject_metadata",
        "select objoid::regclass::text, description from pg_description where objoid::regclass::text = 'batches'",
    )
    with psycopg.connect(conninfo) as connection:
        return [sorted(map(str, connection.execute(query.encode()).fetchall())) for query in queries]


async def test_only_rows_come_out_of_a_hostile_dump(
    filled: str, bare_conninfo: str, tmp_path: Path, marker: Path
) -> None:
    before = every_row(filled)
    plant(as_superuser(filled), marker)
    file = tmp_path / "hostile"
    await run_client("pg_dump", ["--format=custom", f"--file={file}"], as_superuser(filled), "")
    marker.unlink(missing_ok=True)  # a check is run where it is made
    migrate.up(bare_conninfo)
    clean = described(bare_conninfo)
    restored = await restore(as_superuser(bare_conninfo), file)
    assert not marker.exists()
    found = every_row(bare_conninfo)
    assert found["waiting_days"]
    assert found == before
    assert described(bare_conninfo) == clean
    assert restored.left_out == ("public.notes", "public.trapped")


def instead_of_copy(text: str) -> Callable[[bytes], bytes]:
    """Puts `text` in the place of the statement by which the rows of picks arrive, as long as that is."""

    def forge(content: bytes) -> bytes:
        found = re.search(rb"COPY public\.picks \([a-z_, ]+\) FROM stdin;\n", content)
        assert found is not None
        forged = text.encode().ljust(len(found[0]) - 1)[: len(found[0]) - 1] + b"\n"
        return content.replace(found[0], forged)

    return forge


@pytest.mark.parametrize(
    "text",
    ["\\! touch {marker}", "COPY batches TO PROGRAM 'touch {marker}';", "COPY picks (id); select 1; --) FROM stdin;"],
)
async def test_no_statement_of_a_dump_is_run(
    filled: str, bare_conninfo: str, tmp_path: Path, marker: Path, text: str
) -> None:
    file = tmp_path / "forged"
    await backup(filled, file)
    file.write_bytes(instead_of_copy(text.format(marker=marker))(file.read_bytes()))
    with pytest.raises(BackupError, match="lacks the rows of the table picks"):
        await restore(bare_conninfo, file)
    assert every_row(bare_conninfo) == {}
    assert not marker.exists()


async def test_a_file_that_is_swapped_after_it_was_looked_at_changes_nothing(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"
    await backup(filled, file)
    up_to = migrate.up_to

    def swapping(conninfo: str, applied: Mapping[str, str | None]) -> None:
        file.write_bytes(b"something else")
        up_to(conninfo, applied)

    monkeypatch.setattr(migrate, "up_to", swapping)
    await restore(bare_conninfo, file)
    assert every_row(bare_conninfo) == every_row(filled)


async def test_a_column_that_no_table_of_ours_has_is_refused(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    with psycopg.connect(as_superuser(filled), autocommit=True) as connection:
        connection.execute("alter table waiting_days add column trap text")
    file = tmp_path / "wide"
    await run_client("pg_dump", ["--format=custom", f"--file={file}"], as_superuser(filled), "")
    with pytest.raises(DatabaseError, match='column "trap" of relation "waiting_days" does not exist'):
        await restore(bare_conninfo, file)
    assert every_row(bare_conninfo) == {}


async def test_rows_that_would_break_a_rule_are_refused(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    """The record's own rules judge them, whatever the tables that they come from allowed."""
    with psycopg.connect(as_superuser(filled), autocommit=True) as connection:
        connection.execute("alter table batches drop constraint batches_run_date_is_monday, disable trigger user")
        connection.execute("update batches set run_date = run_date + 1")
    file = tmp_path / "false"
    await run_client("pg_dump", ["--format=custom", f"--file={file}"], as_superuser(filled), "")
    with pytest.raises(Exception, match="batches_run_date_is_monday"):
        await restore(bare_conninfo, file)
    assert every_row(bare_conninfo) == {}


async def test_a_backup_of_an_earlier_version_is_brought_to_this_one(
    missing: str, bare_conninfo: str, tmp_path: Path
) -> None:
    versions = [migration.version for migration in migrate.shipped()]
    await asyncio.to_thread(migrate.up_to, missing, dict.fromkeys(versions[:9]))
    fill(missing)
    await backup(missing, tmp_path / "backup")
    await restore(bare_conninfo, tmp_path / "backup")
    before, found = every_row(missing), every_row(bare_conninfo)
    for name in ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events", "scheduler_state"):
        assert found[name] == before[name]
    assert len(found["waiting_days"]) == 1
    assert [version for (version,) in found["schema_migrations"]] == [f"({version})" for version in versions]


HOSTILE = (
    "\\.", "\\.\n\\! touch /tmp/x", "\\N", "\\\\N\t\\t", "\x1b]0;title\x07\x1b[2J", "'; drop table batches; --",
    "$$ $1 %s {0}",
    "COPY public.batches (id) FROM stdin;\n1\n\\.\n", "\u202e\u2028\ufeff\U0010ffff", "\r\n\r", "\x01\x7f\x85", " " * 3,
)  # fmt: skip


@pytest.mark.parametrize("way", ["backup", "move"])
async def test_hostile_text_arrives_as_it_was(migrated: str, bare_conninfo: str, tmp_path: Path, way: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        for week, text in enumerate(HOSTILE):
            batch = insert(connection, "batches", run_date=MONDAY + timedelta(weeks=week))
            insert(connection, "picks", batch_id=batch, reasoning=text)
            insert(connection, "events", payload=json.dumps({"said": text}))
    if way == "backup":
        await backup(migrated, tmp_path / "backup")
        await restore(bare_conninfo, tmp_path / "backup")
    else:
        await asyncio.to_thread(migrate.up, bare_conninfo)
        async with connected(migrated) as source, connected(bare_conninfo) as target:
            await carry_over(source, target)
    for name in ("picks", "events"):
        assert every_row(bare_conninfo)[name] == every_row(migrated)[name]
    with psycopg.connect(bare_conninfo) as connection:
        found = connection.execute("select reasoning from picks join batches b on b.id = batch_id order by run_date")
        assert [text for (text,) in found] == list(HOSTILE)


@pytest.mark.parametrize("cut", [b"", b"no end"])
def test_rows_without_their_end_are_damaged(tmp_path: Path, cut: bytes) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"1\t2\n" + cut)
    with script.open("rb") as file, pytest.raises(BackupError, match="a row has no end"):
        list(archives._rows(file))
