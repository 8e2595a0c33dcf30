"""A line to fill in that takes nothing that would command a terminal."""

from textual.widgets import Input

from tui.literal import clean

# What a terminal would obey or hide stands in no value, however it was set.
_PRINTABLE = (
    "[^\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    "\ufeff\uffa0]*"
)
# A field that allows less says so; nothing that fits in a line is longer.
_LONGEST = 20_000


class PrintableInput(Input):
    """What is typed or pasted is made visible as everywhere; in a secret, which shows as dots, it is left out."""

    def replace(self, text: str, start: int, end: int) -> None:
        """Every insertion and replacement passes here."""
        if self.password:
            shown = "".join(each for each in text if each.isprintable())
        else:
            shown = clean(text.replace("\t", " "), limit=_LONGEST)
        super().replace(shown, start, end)


class CapitalsInput(PrintableInput):
    """Whatever is typed or pasted stands in capitals, from the moment on that it stands there."""

    def replace(self, text: str, start: int, end: int) -> None:
        """Every insertion and replacement passes here."""
        super().replace(text.upper() if text.isascii() else text, start, end)


def printable_input(
    value: str = "",
    *,
    placeholder: str = "",
    id: str | None = None,  # noqa: A002 - Textual's own name for it
    password: bool = False,
    in_capitals: bool = False,
) -> Input:
    """An input of one line, with the cursor at the end of `value`."""
    kind = CapitalsInput if in_capitals else PrintableInput
    field = kind(value, placeholder=placeholder, id=id, password=password, restrict=_PRINTABLE, select_on_focus=False)
    field.cursor_blink = False  # a screen that is looked at for hours holds still
    return field
