"""The line of tabs."""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from tui.widgets.drawn import Drawn


class TabLine(Drawn):
    """Labels of tabs, given as (id, label); a click runs the screen's action `open_tab`."""

    DEFAULT_CSS = "TabLine { height: 1; padding: 0 1; }"

    def __init__(self, tabs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._tabs = tabs
        self._open = tabs[0][0]

    def show(self, open_tab: str) -> None:
        """Marks a tab as open."""
        self._open = open_tab
        self.refresh()

    def draw(self, width: int) -> Text:
        text = Text()
        for tab, label in self._tabs:
            is_open = tab == self._open
            part = Text(f"▸ {label} " if is_open else f"  {label} ", style="strong" if is_open else "quiet")
            part.stylize(Style.from_meta({"@click": f"screen.open_tab('{tab}')"}))
            text.append_text(part)
        return text
