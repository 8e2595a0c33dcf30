"""A line to fill in that takes nothing that would command a terminal."""

from textual.widgets import Input

# What a terminal would obey or hide is taken neither from a keyboard nor from a paste.
_PRINTABLE = "[^\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]*"


def printable_input(
    value: str = "",
    *,
    placeholder: str = "",
    id: str | None = None,  # noqa: A002 - Textual's own name for it
    password: bool = False,
) -> Input:
    """An input of one line, with the cursor at the end of `value`."""
    field = Input(value, placeholder=placeholder, id=id, password=password, restrict=_PRINTABLE, select_on_focus=False)
    field.cursor_blink = False  # a screen that is looked at for hours holds still
    return field
