"""The week under the cursor: figures of a day, the days around it, and the reasoning."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll

from tui.batch_view import BatchView
from tui.commands import CommandSet, Situation
from tui.literal import literal
from tui.widgets import batch_parts as parts
from tui.widgets import figures
from tui.widgets.chart import excess_chart
from tui.widgets.columns import fit, heading, line
from tui.widgets.day_columns import day_columns, why_spanned
from tui.widgets.drawn import Drawn
from tui.words import opening_words, reason_words

if TYPE_CHECKING:
    from core.week_list import WeekRow

_HIGH_ENOUGH_FOR_PROSE = 34
_WIDE = 170
Draw = Callable[[int], Text]


class Part(Drawn):
    """One part, drawn by the function it was given last."""

    def __init__(self, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._draw: Draw | None = None

    def show(self, draw: Draw | None) -> None:
        """Draws with `draw` from now on; nothing for None."""
        self._draw = draw
        self.set_class(draw is None, "-empty")
        self.changed()

    def draw(self, width: int) -> Text:
        return self._draw(width) if self._draw else Text()


class Preview(Container):
    """The parts of a preview; which stands beside which is for the style sheet."""

    def __init__(self, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.view: BatchView | None = None

    def compose(self) -> ComposeResult:
        yield Part("preview-rule")
        with Vertical(id="preview-body"):
            with Vertical(id="preview-top"):
                yield Part("preview-figures")
                yield Part("preview-strip")
                yield Part("preview-waiting")
            with Container(id="preview-days"):
                yield Part("preview-list")
            yield Part("preview-chart")
            with VerticalScroll(id="preview-reasoning", can_focus=False):
                yield Part("preview-words")

    def show(self, view: BatchView | None) -> None:
        """Shows a batch; nothing for None."""
        self.view = view
        if view is None:
            self._draw({})
            return
        in_full = self.app.size.height >= _HIGH_ENOUGH_FOR_PROSE
        draws: dict[str, Draw] = {}
        rows, console = self._notable_rows, self.app.console
        if parts.notable_lines(view, 80, rows, console):
            draws["preview-waiting"] = lambda width: Text("\n").join(parts.notable_lines(view, width, rows, console))
        self._draw(
            draws
            | {
                "preview-rule": lambda width: parts.batch_rule(view, width),
                "preview-figures": lambda width: parts.figures_table(view, width),
                "preview-strip": lambda width: parts.day_strip(view, width),
                "preview-words": lambda _: parts.reasoning(view, in_full=in_full),
                "preview-list": lambda width: _days(view, width),
                "preview-chart": lambda width: excess_chart(view, width, self._chart_height),
            }
        )

    def show_week(
        self, row: "WeekRow | None", now: datetime, situation: Situation, commands: CommandSet, *, is_paused: bool
    ) -> None:
        """Shows a week without a batch: why it was missed or what is staged, and the keys that help."""
        self.view = None
        if row is None:
            self._draw({})
            return
        any_row: Any = row
        heading_words, words = _missed(any_row) if situation.is_missed else _staged(any_row, now, is_paused=is_paused)
        if situation.may_write:
            words.append_text(_keys(commands, situation))
        self._draw(
            {
                "preview-rule": lambda width: parts.rule(heading_words, width),
                "preview-words": lambda _: words,
            }
        )

    @property
    def _notable_rows(self) -> int:
        """The lines for what stands out: reasoning and chart need the others."""
        if self.app.size.height < _HIGH_ENOUGH_FOR_PROSE:
            return 2
        return 8 if self.app.size.width >= _WIDE else 4

    @property
    def _chart_height(self) -> int:
        return 18 if self.app.size.width >= _WIDE else 14

    def _draw(self, draws: dict[str, Draw]) -> None:
        for part in self.query(Part):
            part.show(draws.get(part.id or ""))


def _missed(row: Any) -> tuple[Text, Text]:
    monday = row.run_date.isoformat()
    heading_words = Text.assemble((monday, "strong"), " · ", ("missed", "caution"))
    words = Text("No batch was opened: " if row.count == 1 else f"No batch was opened on {row.count} Mondays, ")
    if row.count > 1:
        words.append(f"from {row.oldest} to {monday}: ")
    words.append(reason_words(row.cause))
    words.append(".")
    if row.detail:
        words.append("\n").append_text(literal(row.detail, limit=300, style="quiet"))
    return heading_words, words


def _staged(row: Any, now: datetime, *, is_paused: bool) -> tuple[Text, Text]:
    heading_words = Text.assemble((row.run_date.isoformat(), "strong"), " · ", ("staged", "name"))
    opens = opening_words(row.opens_at, now, is_paused=is_paused)
    words = Text(f"The week {opens}, with these picks, at the last closes before it.")
    for draft in row.drafts:
        words.append("\n\n").append_text(figures.pick(draft.action, draft.ticker, in_words=True)).append("  ")
        words.append_text(literal(draft.reasoning.strip(), limit=parts.REASONING_LIMIT, lines=True))
    return heading_words, words


def _keys(commands: CommandSet, situation: Situation) -> Text:
    words = Text("\n\n")
    offered = ("new_batch",) if situation.is_missed else ("edit_staged", "unstage")
    for command_id in offered:
        command = commands[command_id]
        label = "open it late" if situation.is_missed else command.label
        words.append_text(Text.assemble((command.keys[0], "key"), f" {label}   "))
    return words


def _days(view: BatchView, width: int) -> Text:
    fitted = fit(day_columns(view), width, 1)
    spanned = why_spanned(view)
    lines = [heading(fitted, 1)]
    for day in view.days:
        text = line(fitted, day, 1, spanned(day), width)
        if day is view.day:
            text.pad_right(max(0, width - text.cell_len))
            text.stylize("chosen")
        lines.append(text)
    return Text("\n").join(lines)
