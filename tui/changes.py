"""What is out of date on the screens: values to be added up until somebody looks again."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Changes:
    """Weeks that were written (run dates); `recent`: the newest may have changed; `everything`: anything may."""

    run_dates: frozenset[date] = frozenset()
    recent: bool = False
    everything: bool = False

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(
            self.run_dates | other.run_dates, self.recent or other.recent, self.everything or other.everything
        )

    def __bool__(self) -> bool:
        return bool(self.run_dates or self.recent or self.everything)

    def touches(self, run_date: date) -> bool:
        """Whether the week may have changed."""
        return self.everything or self.recent or run_date in self.run_dates


NOTHING = Changes()
RECENT = Changes(recent=True)
EVERYTHING = Changes(everything=True)
