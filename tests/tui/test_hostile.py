"""Whatever stands in the database is shown as it stands, and does nothing to the terminal or the app."""

import unicodedata
from datetime import date

import psycopg
import pytest

from core.settings import Settings
from tests.databases import as_superuser
from tests.tui.driving import app_for, has_arrived, home, running, shown, until
from tests.tui.history import NEWEST_WEEK
from tests.tui.test_literal import HOSTILE
from tui.mode import Mode

TEXTS = {
    # PostgreSQL stores no half pair.
    "tricks": " ".join(text for name, text in HOSTILE.items() if name != "surrogate"),
    "escapes first": HOSTILE["clipboard"] + HOSTILE["title"],
    "long and wide": "🚀👩‍👩‍👧‍👦 漢字で書かれた理由" * 500,
}


def poison(conninfo: str, text: str) -> None:
    """Puts `text` into every column and payload that comes from outside, behind the guards' back."""
    with psycopg.connect(as_superuser(conninfo)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update picks set reasoning = %s", (text,))
        connection.execute("update picks set ticker = left(%s, 60) || id::text", (text,))
        connection.execute("update batches set benchmark_symbol = %s", (text,))
        connection.execute("update waiting_days set cause = %s, detail = %s", (text, text))
        connection.execute(
            """
            update events set payload = payload || jsonb_build_object(
                'source', %(text)s::text, 'basis', %(text)s::text, 'reason', %(text)s::text,
                'pick_source', %(text)s::text,
                'cause', %(text)s::text, 'detail', %(text)s::text, 'symbols', jsonb_build_array(%(text)s::text)
            )
            """,
            {"text": text},
        )
        connection.execute("update events set event_type = %s where event_type = 'batch_completed'", (text,))


# Everywhere that shows what stands in the database: keys, and words by which each place is known.
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "list": ((), str(NEWEST_WEEK)),
    "missed": (("j", "j"), "No batch was opened"),
    "picks": (("enter",), "▸ Picks"),
    "checkpoints": (("enter", "tab"), "▸ Checkpoints"),
    "checkpoint": (("enter", "tab", "j", "j", "enter"), "tried"),
    "heat map": (("enter", "tab", "tab"), "▸ Heat map"),
    "chart": (("enter", "tab", "tab", "tab"), "▸ Chart"),
    "log": (("enter", "shift+tab"), "▸ Events"),
    "payload": (("enter", "shift+tab", "enter"), "─ "),
    "problems": (("exclamation_mark",), "Problems"),
    "performance": (("2",), "Batting average"),
    "scheduler": (("3",), "Leadership"),
    "events": (("4",), "Exchange time"),
    "palette": (("colon",), "Search"),
    "help": (("question_mark",), "Keys"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_hostile_text_is_shown_and_nothing_more(settings: Settings, filled: str, text: str, place: str) -> None:
    poison(filled, text)
    keys, words = PLACES[place]
    # With sources, prices of the poisoned database would be refused: they are not simulated, but of no source at all.
    async with running(app_for(settings, Mode.READ_ONLY), size=(200, 60)) as pilot:
        app = pilot.app
        for key in keys:
            await until(pilot, lambda: has_arrived(app), "what the key before opens")
            await pilot.press(key)
        await until(pilot, lambda: has_arrived(app) and words in shown(app), words)
        await pilot.pause()
        assert app.is_running
        for character in shown(app):
            assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


async def test_markup_is_literal_everywhere(settings: Settings, filled: str) -> None:
    poison(filled, HOSTILE["markup"])
    async with running(app_for(settings, Mode.READ_ONLY), size=(200, 60)) as pilot:
        assert "[@click=app.quit]quit[/]" in shown(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.pause()
        text = shown(pilot.app)
        assert HOSTILE["markup"] in text
        row = next(number for number, line in enumerate(text.splitlines()) if "quit[/]" in line)
        await pilot.click(offset=(text.splitlines()[row].index("quit[/]"), row))
        await pilot.pause()
        assert pilot.app.is_running


async def test_an_error_with_markup_is_literal(settings: Settings) -> None:
    broken = settings.model_copy(update={"price_source": ("[/x][@click=app.quit]q",)})
    async with running(app_for(broken)) as pilot:
        assert "[/x][@click=app.quit]q" in shown(pilot.app)
        assert home(pilot.app).table.rows
        home(pilot.app).house.say(HOSTILE["markup"])
        await until(pilot, lambda: "[/x] [b]bold[/b]" in shown(pilot.app), "the notification")


def test_the_poison_reaches_the_database(settings: Settings, filled: str) -> None:
    poison(filled, "poison")
    with psycopg.connect(filled) as connection:
        row = connection.execute(
            "select reasoning from picks p join batches b on b.id = p.batch_id where run_date = %s",
            (date(2024, 11, 18),),
        ).fetchone()
    assert row == ("poison",)
