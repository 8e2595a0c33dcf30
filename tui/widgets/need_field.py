"""One thing to fill in: its label, the line to type in, and below it what is expected and how it looks."""

from collections.abc import Iterable

from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from tui.literal import literal
from tui.widgets.printable_input import printable_input


class NeedField(Horizontal):
    """A labelled line to type in. What is secret shows as dots, and is never filled in from what is in force."""

    DEFAULT_CSS = """
    NeedField { height: auto; }
    NeedField .label { width: auto; min-width: 12; max-width: 24; height: 1; }
    NeedField > Vertical { height: auto; }
    NeedField .hint { height: auto; padding-left: 2; }
    """

    def __init__(
        self, label: str, hint: str, *, value: str = "", is_secret: bool = False, is_set: bool = False
    ) -> None:
        """`is_set` says of a secret that one is in force already."""
        super().__init__()
        self._label = label
        self._hint = hint
        self._is_wanted = is_secret and not is_set
        self.input = printable_input(
            value, placeholder="set; leave empty to keep it" if is_set else "", password=is_secret
        )
        self._below = Static(self._words(Text()), classes="hint", markup=False)

    def compose(self) -> Iterable[Widget]:
        yield Static(literal(self._label, limit=40), classes="label", markup=False)
        yield Vertical(self.input, self._below)

    @property
    def text(self) -> str:
        """What is filled in."""
        return self.input.value.strip()

    @property
    def is_missing(self) -> bool:
        """Whether it is a secret that nobody has given yet."""
        return self._is_wanted and not self.text

    def judge(self, verdict: Text) -> None:
        """Says before the hint how what is typed looks; nothing for an empty text."""
        self._below.update(self._words(verdict))

    def _words(self, verdict: Text) -> Text:
        return Text(" · ", style="quiet").join(filter(None, [verdict, literal(self._hint, limit=120, style="quiet")]))
