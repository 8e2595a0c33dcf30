"""The tables are the schema document's, and `schema.sql` is what the migrations make."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from db import migrate
from db.errors import DatabaseError
from db.schema_dump import dump_schema

SCHEMA = Path(migrate.__file__).parent / "schema.sql"

# The five tables of the schema document: columns as (name, type, nullable, default), and indexes.
DOCUMENT: dict[str, tuple[list[tuple[str, str, bool, str | None]], set[str]]] = {
    "batches": (
        [
            ("id", "uuid", False, None),
            ("created_at", "timestamp with time zone", False, "now()"),
            ("run_date", "date", False, None),
            ("benchmark_symbol", "text", False, "'SPY'::text"),
            ("benchmark_initial_price", "numeric", False, None),
            ("status", "text", False, None),
        ],
        {"unique (id)", "unique (run_date)"},
    ),
    "picks": (
        [
            ("id", "uuid", False, None),
            ("batch_id", "uuid", False, None),
            ("ticker", "text", False, None),
            ("action", "text", False, None),
            ("reasoning", "text", False, None),
            ("initial_price", "numeric", False, None),
        ],
        {"unique (id)", "index (batch_id)", "unique (batch_id, ticker)"},
    ),
    "checkpoints": (
        [
            ("id", "uuid", False, None),
            ("batch_id", "uuid", False, None),
            ("checkpoint_date", "date", False, None),
            ("status", "text", False, None),
            ("benchmark_price", "numeric", True, None),
            ("benchmark_return_pct", "numeric", True, None),
        ],
        {"unique (id)", "index (batch_id)", "unique (batch_id, checkpoint_date)"},
    ),
    "pick_checkpoint_metrics": (
        [
            ("id", "uuid", False, None),
            ("checkpoint_id", "uuid", False, None),
            ("pick_id", "uuid", False, None),
            ("current_price", "numeric", False, None),
            ("absolute_return_pct", "numeric", False, None),
            ("vs_benchmark_pct", "numeric", False, None),
        ],
        {"unique (id)", "index (checkpoint_id)", "index (pick_id)", "unique (checkpoint_id, pick_id)"},
    ),
    "events": (
        [
            ("id", "uuid", False, None),
            ("created_at", "timestamp with time zone", False, "now()"),
            ("batch_id", "uuid", True, None),
            ("event_type", "text", False, None),
            ("payload", "jsonb", False, None),
        ],
        {"unique (id)", "index (batch_id)", "index (event_type)"},
    ),
}
REFERENCES = {
    ("picks", "batch_id", "batches"),
    ("checkpoints", "batch_id", "batches"),
    ("pick_checkpoint_metrics", "checkpoint_id", "checkpoints"),
    ("pick_checkpoint_metrics", "pick_id", "picks"),
    ("events", "batch_id", "batches"),
}


@pytest.mark.parametrize("table", DOCUMENT)
def test_the_document_s_tables_have_its_columns_and_indexes_and_no_others(migrated: str, table: str) -> None:
    columns, indexes = DOCUMENT[table]
    with psycopg.connect(migrated) as connection:
        found_columns = connection.execute(
            """
            select attname::text, format_type(atttypid, atttypmod), not attnotnull, pg_get_expr(adbin, adrelid)
            from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
            where attrelid = %s::regclass and attnum > 0
            order by attnum
            """,
            (table,),
        ).fetchall()
        found_indexes = connection.execute(
            """
            select case when indisunique then 'unique' else 'index' end
                || substring(pg_get_indexdef(indexrelid) from ' \\(.*')
            from pg_index where indrelid = %s::regclass
            """,
            (table,),
        ).fetchall()
    assert found_columns == columns
    assert {index for (index,) in found_indexes} == indexes
    assert len(found_indexes) == len(indexes)


def test_the_document_s_tables_refer_to_each_other_as_it_says(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        found = connection.execute("""
            select conrelid::regclass::text, attname::text, confrelid::regclass::text
            from pg_constraint join pg_attribute on attrelid = conrelid and array[attnum] = conkey
            where contype = 'f' and conrelid <> 'waiting_days'::regclass
        """).fetchall()
    assert set(found) == REFERENCES


def test_replaying_the_migrations_gives_exactly_schema_sql(missing: str) -> None:
    migrate.up(missing)
    assert dump_schema(missing) == SCHEMA.read_text(), "see db/schema_dump.py for how to write schema.sql anew"


def test_all_the_way_down_leaves_nothing_and_up_again_gives_the_same(missing: str) -> None:
    steps = [migration.version for migration in migrate.up(missing)]
    taken_back = []
    while (migration := migrate.down(missing)) is not None:
        taken_back.append(migration.version)
    assert taken_back == steps[::-1]
    with psycopg.connect(missing) as connection:
        left = connection.execute("""
            select relname::text from pg_class where relnamespace = 'public'::regnamespace
            union all select proname::text from pg_proc where pronamespace = 'public'::regnamespace
        """).fetchall()
    assert {name for (name,) in left} == {"schema_migrations", "schema_migrations_pkey"}
    assert [migration.version for migration in migrate.up(missing)] == steps
    assert dump_schema(missing) == SCHEMA.read_text()


def test_schema_sql_makes_a_database_by_itself(missing: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(missing)["dbname"]
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(str(name))))
    statements = SCHEMA.read_bytes().replace(b"SET transaction_timeout = 0;\n", b"")  # PostgreSQL 15 has none
    with psycopg.connect(missing, autocommit=True) as connection:
        connection.execute(statements)
    assert dump_schema(missing) == SCHEMA.read_text()


def test_dumping_as_a_program_reads_the_address_from_the_environment(conninfo: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "db.schema_dump"],
        env={**os.environ, "DATABASE_URL": conninfo},
        cwd=SCHEMA.parent.parent,
        capture_output=True,
        check=True,
        text=True,
    )
    assert finished.stdout == SCHEMA.read_text()


def test_a_dump_keeps_the_password_off_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$*" > "{tmp_path}/arguments"\necho "$PGPASSWORD" > "{tmp_path}/password"\n')
    program.chmod(0o755)
    monkeypatch.setattr("db.client_programs.client_tools", lambda: tmp_path)
    dump_schema("postgresql://somebody:hidden%20word@127.0.0.1/somewhere")
    assert (tmp_path / "password").read_text() == "hidden word\n"
    assert "hidden" not in (tmp_path / "arguments").read_text()


def test_a_dump_that_fails_says_why(bare_conninfo: str) -> None:
    with pytest.raises(DatabaseError, match=r"pg_dump failed: .*does not exist"):
        dump_schema(bare_conninfo + " dbname=elsewhere")
