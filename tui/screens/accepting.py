"""Taking moves that are hard to believe at their word: each is shown first, with room for a reason."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual.app import App
from textual.widgets import Input

from db.errors import AlphaMondayError, DatabaseUnavailableError
from tui.changes import RECENT, Changes
from tui.screens.ask import AskScreen
from tui.surroundings import House
from tui.words import move_words

if TYPE_CHECKING:
    from core.moves import Move
    from core.services import Services

log = logging.getLogger(__name__)


class AcceptScreen(AskScreen):
    """Asks for the reason, which may be left empty."""

    going_on = "accept"

    def perform_submit(self) -> None:
        """Accepts, for the reason that is typed if one is."""
        if not self._is_taking and self._take is not None:
            self.complain("")
            self._is_taking = True
            self._have_it_taken(self._take, self.query_one("#answer", Input).value.strip())


def ask_to_accept(app: App[Any], run_date: date) -> None:
    """Shows the moves of the batch of `run_date` that wait for a word, and takes them at theirs once that is said."""
    app.run_worker(_ask(app, run_date), group="doubts", exclusive=True)


async def _ask(app: App[Any], run_date: date) -> None:
    from core.accepting import doubtful_moves  # the driver is imported once the first screen is painted

    house = cast("House", app)
    moves = await house.top_screen.ask(lambda services: doubtful_moves(services, run_date))
    if moves is None:
        return
    if not moves:
        when = "once the schedulers go on" if house.status.is_paused else "by itself"
        house.say(f"No move of {run_date} waits for a word; what was accepted is tried again {when}.")
        return

    async def take(reason: str) -> None:
        from core.accepting import accept
        from core.operators import operator_name

        services = house.services
        if services is None:
            raise DatabaseUnavailableError("The database is not open.", "Wait until it answers again.")
        await accept(services, run_date, operator_name(), moves=moves, reason=reason)
        _after_accepting(app, run_date, services)

    words = _question(run_date, moves)
    app.push_screen(AcceptScreen("Accept at its word", words, placeholder="why, if you like", take=take))


def _question(run_date: date, moves: Sequence["Move"]) -> Text:
    count = "this close" if len(moves) == 1 else f"these {len(moves)} closes"
    words = Text(f"The batch of {run_date} waits for your word on {count}:\n\n")
    words.append_text(Text("\n\n").join(map(move_words, moves)))
    words.append("\n\nA split that the source does not flag, or an error? Then leave it: ", style="quiet")
    words.append("the days wait until a source has it right. ", style="quiet")
    words.append("Accepted, it counts as it stands, and nothing takes that back.", style="caution")
    return words.append(" Your reason is kept in the log.", style="quiet")


def _after_accepting(app: App[Any], run_date: date, services: "Services") -> None:
    """Has the days tried again: at once where this process leads, elsewhere by whoever leads."""
    house = cast("House", app)
    house.note_change(Changes(frozenset({run_date})))
    scheduler = house.status.scheduler
    if house.status.is_paused:
        house.say("Accepted; the days are tried again once the schedulers go on.")
    elif scheduler is not None and str(scheduler.phase) == "leading":
        house.say("Accepted; the days are tried again now.")
        app.run_worker(_try_again(house, services), group="retrying", exclusive=True)
    else:
        house.say("Accepted; the days are tried again at the next tick of the scheduler that leads.")


async def _try_again(house: House, services: "Services") -> None:
    from core.due_work import run_due_work
    from core.job_history import Job
    from tui.schedule_words import report_words

    try:
        report, _ = await run_due_work(services)
    except AlphaMondayError as exc:
        house.say(f"{exc.message} {exc.remedy}")
    except Exception as exc:
        # Whatever it is, it must not take the screen away; its text may hold a key and is not told.
        log.warning("job failed", exc_info=True, extra={"event": "job_failed", "job": str(Job.RETRIES)})
        house.say(f"Something unforeseen happened: {type(exc).__name__}. The log has the details.")
    else:
        house.say(f"Accepted: {report_words(report)}.")
    house.note_change(RECENT)
