"""The week under the cursor: figures of a day, the days around it, and the reasoning."""

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll

from db.records import MissedWeek
from tui.batch_view import BatchView
from tui.literal import literal
from tui.widgets import batch_parts as parts
from tui.widgets.columns import fit, heading, line
from tui.widgets.day_columns import day_columns, why_spanned
from tui.widgets.drawn import Drawn
from tui.words import reason_words

_HIGH_ENOUGH_FOR_PROSE = 34
_WIDE_ENOUGH_FOR_PICKS = 68
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
        if view.detail.waiting:
            draws["preview-waiting"] = lambda width: Text("\n").join(parts.waiting_lines(view, width))
        self._draw(
            draws
            | {
                "preview-rule": lambda width: parts.batch_rule(view, width),
                "preview-figures": lambda width: parts.figures_table(view, width),
                "preview-strip": lambda width: parts.day_strip(view, width),
                "preview-words": lambda _: parts.reasoning(view, in_full=in_full),
                "preview-list": lambda width: _days(view, width),
            }
        )

    def show_missed(self, week: MissedWeek, *, may_write: bool) -> None:
        """Shows why a Monday passed without a batch, and how it can still be opened."""
        self.view = None
        words = Text.assemble(
            "No batch was opened: ",
            reason_words(week.cause),
            ".\n",
            literal(week.detail, limit=300, style="quiet"),
        )
        words.rstrip()
        if may_write:
            words.append_text(
                Text.assemble("\n\nIt can still be opened: ", (f"alpha-monday open {week.run_date} --late", "key"))
            )
        heading_words = Text.assemble((week.run_date.isoformat(), "strong"), " · ", ("missed", "caution"))
        self._draw(
            {
                "preview-rule": lambda width: parts.rule(heading_words, width),
                "preview-figures": lambda _: words,
            }
        )

    def _draw(self, draws: dict[str, Draw]) -> None:
        for part in self.query(Part):
            part.show(draws.get(part.id or ""))


def _days(view: BatchView, width: int) -> Text:
    fitted = fit(day_columns(view, with_picks=width >= _WIDE_ENOUGH_FOR_PICKS), width, 1)
    spanned = why_spanned(view.now)
    lines = [heading(fitted, 1)]
    for day in view.days:
        text = line(fitted, day, 1, spanned(day), width)
        if day is view.day:
            text.pad_right(max(0, width - text.cell_len))
            text.stylize("chosen")
        lines.append(text)
    return Text("\n").join(lines)
