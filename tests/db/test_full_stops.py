"""What a driver or a program said ends with a full stop, because a remedy follows it."""

import psycopg
import pytest

from db.client_programs import run_client
from db.driver_errors import translate
from db.embedded import EmbeddedServer
from db.errors import AlphaMondayError, DatabaseError, EmbeddedServerError
from db.text import sentence


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no route", "no route."),
        ("Try again!", "Try again!"),
        ('on "db".', 'on "db".'),
        ('(see "log.")', '(see "log.")'),
    ],
)
def test_a_sentence_ends_once(said: str, told: str) -> None:
    assert sentence(said) == told


def test_a_remedy_on_the_same_line_follows_a_sentence() -> None:
    assert AlphaMondayError("cannot read 'x': No such file or directory", "Name another file.").in_one_line == (
        "cannot read 'x': No such file or directory. Name another file."
    )


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection failed: FATAL:  password authentication failed for user x"),
        psycopg.OperationalError("connection failed: No route to host\n\tIs the server running?"),
        psycopg.OperationalError('connection failed: FATAL:  database "x" does not exist'),
        psycopg.OperationalError(""),
        psycopg.ProgrammingError("the query is empty"),
        *(
            psycopg.errors.lookup(state)("as the server says")
            for state in ("25006", "53100", "23505", "40P01", "42501", "3D000", "28000", "42P01", "57P01")
        ),
    ],
    ids=repr,
)
def test_a_driver_s_words_end_before_the_remedy(error: psycopg.Error) -> None:
    assert_ends(translate(error))


async def test_a_program_s_words_end_before_the_remedy(server: EmbeddedServer) -> None:
    with pytest.raises(DatabaseError) as caught:
        await run_client("psql", ["--no-psqlrc", "-c", "nonsense"], server.conninfo("postgres"), "Try again.")
    assert_ends(caught.value)


def test_the_embedded_server_s_do_too() -> None:
    assert_ends(EmbeddedServerError("PostgreSQL did not start:\nFATAL:  no room", "Make room."))


def assert_ends(error: AlphaMondayError) -> None:
    assert error.message.endswith(".")
    assert not error.message.endswith("..")
    assert error.remedy.endswith(".")
