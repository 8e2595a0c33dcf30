"""Several lines to fill in, which take nothing that would command a terminal."""

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult

from tui.literal import clean

# What is pasted beyond this is cut, with the ellipsis; a reader of the text may allow less.
PASTE_LIMIT = 20_000
_NEW_LINE_KEYS = frozenset({"ctrl+j", "shift+enter", "alt+enter"})


def printable(text: str) -> str:
    """`text` as it may stand in a field of several lines: line breaks kept, a tab as one space, the rest `clean`."""
    return clean(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "), limit=PASTE_LIMIT, lines=True)


class PrintableArea(TextArea):
    """Enter goes on, as it does in a line; ^j breaks the line, and so do Shift and Alt with Enter where they are told.

    Whatever way text comes in, typed, pasted or loaded, only `printable` text is ever held, and so drawn.
    """

    @dataclass
    class Submitted(Message):
        """Enter was pressed."""

        area: "PrintableArea"

        @property
        def control(self) -> "PrintableArea":
            """Where."""
            return self.area

    def __init__(self, *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(placeholder=placeholder, id=id, highlight_cursor_line=False, compact=True)

    def edit(self, edit: Edit) -> EditResult:
        """Every insertion and replacement passes here."""
        edit.text = printable(edit.text)
        return super().edit(edit)

    def load_text(self, text: str) -> None:
        """Takes another text, whole; what was done before cannot be undone."""
        super().load_text(printable(text))
        self.move_cursor(self.document.end)  # where whoever goes on writing does

    def on_key(self, event: events.Key) -> None:
        """Before the area's own meaning of Enter."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted(self))
        elif event.key in _NEW_LINE_KEYS:
            event.stop()
            event.prevent_default()
            self.replace("\n", *self.selection, maintain_selection_offset=False)
