"""The command palette: every command that applies here, found by its name."""

from collections.abc import Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.commands import Command
from tui.screens.house import HouseScreen

_NOT_NOW = "not now: "


class CommandProvider(Provider):
    """Offers the registry's commands; an unavailable one says why instead of what it does."""

    @property
    def _house_screen(self) -> HouseScreen:
        assert isinstance(self.screen, HouseScreen)  # the palette opens from no other
        return self.screen

    def _offered(self) -> list[tuple[str, Command, str]]:
        situation = self._house_screen.situation()
        offered = []
        for command in self._house_screen.applicable():
            reason = command.unavailable(situation)
            words = f"{_NOT_NOW}{reason}" if reason else command.sentence
            keys = f"  ({', '.join(command.keys)})" if command.keys else ""
            offered.append((f"{command.label.capitalize()}{keys}", command, words))
        return sorted(offered, key=lambda each: each[2].startswith(_NOT_NOW))  # what can be done stands first

    def _run(self, command: Command) -> Callable[[], object]:
        return partial(self._house_screen.action_perform, command.id)

    async def discover(self) -> Hits:
        """Everything that applies, while nothing is typed."""
        for name, command, words in self._offered():
            yield DiscoveryHit(name, self._run(command), help=words)

    async def search(self, query: str) -> Hits:
        """What matches the letters typed, in its name or in what it does."""
        matcher = self.matcher(query)
        for name, command, words in self._offered():
            # A command that is called so stands before one that merely speaks of it.
            if (score := max(matcher.match(name), matcher.match(command.sentence) / 2)) > 0:
                yield Hit(score, matcher.highlight(name), self._run(command), help=words)
