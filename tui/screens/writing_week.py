"""The last question before a week is written: what would be, and Enter to have it so."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from enum import Enum, auto
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from core.batches import open_week
from core.mixing import SIMULATED
from core.opening_preview import OpeningPreview, preview_opening
from core.picks.source import PickDraft
from core.picks.staged_file import MANUAL_PICKS, staging_file
from core.services import Services
from core.staging import stage
from db.errors import AlphaMondayError
from tui import format as formats
from tui.batch_draft import Outlook
from tui.command_list import COMMANDS
from tui.commands import Command, Scope
from tui.literal import clean, literal
from tui.messages import OpeningPreviewed, WeekWritten, WritingRefused
from tui.screens.dialog import Dialog
from tui.words import basis_words

_LABEL_WIDTH = 11
_TICKER_WIDTH = 10
_PRICE_WIDTH = 16


class _State(Enum):
    ASKING = auto()
    READY = auto()
    WRITING = auto()
    REFUSED = auto()


class WritingScreen(Dialog[WeekWritten], inherit_bindings=False):
    """Enter writes, once; Esc goes back to the form, ending whatever is waited for.

    ^s is not heard: whoever presses it twice in the form has not read what stands here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [b for b in COMMANDS.bindings(Scope.FORM) if b.id == "cancel"]

    def __init__(self, services: Services, run_date: date, drafts: Sequence[PickDraft], outlook: Outlook) -> None:
        super().__init__()
        self._opened_with = services
        self._run_date = run_date
        self._drafts = tuple(drafts)
        self._outlook = outlook
        self._state = _State.READY
        self.heading = f"{outlook.doing.value.capitalize()} {run_date}"

    @property
    def _services(self) -> Services:
        """Those that are open now: set-up, or a server that was restarted, opens others."""
        return self.house.services or self._opened_with

    def compose_fields(self) -> Iterable[Widget]:
        yield Static(self.words(), id="words", markup=False)

    def words(self) -> Text:
        """What Enter would do."""
        raise NotImplementedError

    def show_words(self) -> None:
        """Draws the words again."""
        self.query_one("#words", Static).update(self.words())

    def applicable(self) -> list[Command]:
        submit = replace(self.house.commands["submit"], key="enter", label=self._outlook.doing.value)
        if self._state is _State.REFUSED:
            submit = replace(submit, label="try again")
        elif self._state is not _State.READY:
            submit = replace(submit, unavailable=lambda _: "It is still under way.")
        return [submit, replace(self.house.commands["cancel"], label="back to the form")]

    def enter(self, state: _State) -> None:
        """Goes into another state and shows so."""
        self._state = state
        self.query_one("KeyLine").refresh()
        self.show_words()

    def key_enter(self) -> None:
        """Enter is the yes."""
        self.perform_submit()

    def perform_submit(self) -> None:
        """Writes, where that is what stands here to be done."""
        if self._state is _State.READY:
            self.complain("")
            self.enter(_State.WRITING)
            self._write()
        elif self._state is _State.REFUSED:
            self.complain("")
            self.prepare()

    def prepare(self) -> None:
        """Gets ready to write."""
        self.enter(_State.READY)

    @work(group="writing", exclusive=True)
    async def _write(self) -> None:
        try:
            words = await self.write()
        except AlphaMondayError as exc:
            self.post_message(WritingRefused(exc))
        else:
            self.post_message(WeekWritten(self._run_date, words))

    async def write(self) -> str:
        """Writes the week and says that it is written."""
        raise NotImplementedError

    def on_week_written(self, message: WeekWritten) -> None:
        self.dismiss(message)

    def on_writing_refused(self, message: WritingRefused) -> None:
        self.enter(_State.REFUSED)
        self.complain(message.problem)


class StagingScreen(WritingScreen):
    """Says where the picks are to stand and what opens them."""

    def words(self) -> Text:
        picks = Text("\n").join(_pick_words(pick) for pick in self._drafts)
        path = clean(staging_file(self._services.settings), limit=120)
        return Text.assemble(
            self._outlook.words,
            "\n\n",
            picks,
            "\n\n",
            (f"Until then they stand in {path} and can be changed.", "quiet"),
        )

    async def write(self) -> str:
        await stage(self._services, self._run_date, self._drafts)
        return f"The picks for {self._run_date} are staged; Monday's job opens them."


class OpeningScreen(WritingScreen):
    """Shows the prices that the batch would begin with."""

    _preview: OpeningPreview | None = None

    def on_mount(self) -> None:
        self.prepare()

    def prepare(self) -> None:
        """Asks for the prices."""
        self.enter(_State.ASKING)
        self._ask()

    @work(group="asking", exclusive=True)
    async def _ask(self) -> None:
        try:
            preview = await preview_opening(self._services, self._run_date, self._drafts, late=True)
        except AlphaMondayError as exc:
            self.post_message(WritingRefused(exc))
        else:
            self.post_message(OpeningPreviewed(preview))

    def on_opening_previewed(self, message: OpeningPreviewed) -> None:
        self._preview = message.preview
        self.enter(_State.READY)

    async def write(self) -> str:
        is_late = self._preview is not None and self._preview.is_late
        report = await open_week(self._services, self._run_date, self._drafts, MANUAL_PICKS, late=is_late)
        if report.already_there:
            return f"Another process has opened {self._run_date} with the same picks."
        return f"The batch of {self._run_date} is open{', late' if is_late else ''}."

    def words(self) -> Text:
        preview = self._preview
        if preview is None:
            picks = Text("\n").join(_pick_words(pick) for pick in self._drafts)
            names = ", ".join(clean(source.name, limit=20) for source in self._services.sources)
            state = "no prices" if self._state is _State.REFUSED else f"asking {names} for the baseline's closes…"
            return Text.assemble(picks, "\n\n", (state, "quiet"))
        base = formats.day_and_month(preview.baseline_date)
        rows = [
            _pick_words(pick).append(f"{formats.price(preview.prices[pick.ticker]):>{_PRICE_WIDTH}}")
            for pick in self._drafts
        ]
        return Text("\n").join(
            [
                _labelled("How", Text(self._outlook.words, style="caution" if preview.is_late else "")),
                _labelled("Baseline", Text(f"the close of {base} {preview.baseline_date.year}")),
                _labelled("Prices", self._source_words(preview)),
                Text(),
                Text.assemble(
                    f"{'':6}",
                    literal(f"{clean(preview.benchmark, limit=_TICKER_WIDTH):{_TICKER_WIDTH}}"),
                    f"{formats.price(preview.benchmark_price):>{_PRICE_WIDTH}}",
                    ("  benchmark", "quiet"),
                ),
                *rows,
                Text(),
                Text(self._state_words, style="quiet"),
            ]
        )

    @property
    def _state_words(self) -> str:
        if self._state is _State.WRITING:
            return "Writing…"
        return "Nothing is written yet. Once it is, picks and prices are never changed."

    def _source_words(self, preview: OpeningPreview) -> Text:
        if preview.source == SIMULATED:
            return Text(" SIMULATED PRICES ", style="simulated")
        return Text.assemble(literal(preview.source, limit=20), (f" · {basis_words(preview.basis)}", "quiet"))


def _labelled(label: str, words: Text) -> Text:
    return Text.assemble((f"{label:{_LABEL_WIDTH}}", "quiet"), words)


def _pick_words(pick: PickDraft) -> Text:
    return Text.assemble(
        f"{pick.action.value:6}", (f"{clean(pick.ticker, limit=_TICKER_WIDTH):{_TICKER_WIDTH}}", "strong")
    )
