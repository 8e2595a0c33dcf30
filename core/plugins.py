"""Sources by name: the house's own, then those of installed packages; only the chosen one is imported."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from core.daemon_thread import BlockedError, call_within
from db.errors import AlphaMondayError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# An import may read much from a slow disk; a source that needs longer would hold up every start.
LOADED_WITHIN = timedelta(minutes=1)

Options = TypeVar("Options")
Source = TypeVar("Source")
Value = TypeVar("Value")


class UnknownSourceError(AlphaMondayError):
    """No source of that name is built in or installed."""

    code = "unknown_source"


class BrokenSourceError(AlphaMondayError):
    """An installed package offers the source, but it cannot be loaded."""

    code = "broken_source"


class MissingSettingError(AlphaMondayError):
    """The chosen source needs a setting that is not there."""

    code = "missing_setting"


class MissingExtraError(AlphaMondayError):
    """The chosen feature needs packages of an extra that are not installed, or not whole."""

    code = "missing_extra"


def needed(value: Value | None, source: str, setting: str) -> Value:
    """`value`, which `source` cannot be made without. Raises `MissingSettingError` naming the setting."""
    if value is None:
        raise MissingSettingError(f"{source} needs {setting}, which is not set", f"Set {setting}.")
    return value


def require_extra(module: str, extra: str, what: str) -> ModuleType:
    """`module`, imported; `what` is the feature as an operator knows it, such as "price source yahoo".

    Raises `MissingExtraError`, whose remedy installs `extra`. The import takes seconds: call it in a thread.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise MissingExtraError(
            f"{what} needs the package {module}, which cannot be imported: {str(exc)[:200]}",
            f"Run in a clone: pip install --require-hashes -r locks/{extra}.lock",
        ) from exc


@dataclass(frozen=True, slots=True)
class Registry(Generic[Options, Source]):
    """The sources of one kind.

    `built_in` maps a name to "module:factory"; an entry point of `group` names the same for a third party.
    A factory takes the options and returns the source. Built-in names win.
    """

    kind: str
    setting: str
    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """Every name that `make` accepts: built in first, then installed ones in alphabetical order."""
        offered = {entry.name for entry in self._offered()}
        return [*self.built_in, *sorted(offered - self.built_in.keys())]

    def make(self, name: str, options: Options, around: Callable[[Source], Source] | None = None) -> Source:
        """The source called `name`; a third party's as `around` gives it.

        Raises `UnknownSourceError`, `BrokenSourceError` for a third party's that fails or hangs, or what the factory
        itself says to the operator (`MissingSettingError`).
        """
        if (address := self.built_in.get(name)) is not None:
            module, _, attribute = address.partition(":")
            factory = cast("Callable[[Options], Source]", attrgetter(attribute)(importlib.import_module(module)))
            return factory(options)
        return self._make_offered(name, options, around)

    def _offered(self) -> "list[EntryPoint]":
        # Reading the metadata of every installed package takes time that a built-in name need not spend.
        from importlib.metadata import entry_points

        return list(entry_points(group=self.group))

    def _make_offered(self, name: str, options: Options, around: Callable[[Source], Source] | None) -> Source:
        entries = [entry for entry in self._offered() if entry.name == name]
        if not entries:
            raise UnknownSourceError(
                f"no {self.kind} is called {name[:40]!r}",
                f"Set {self.setting} to one of: {', '.join(self.names())}.",
            )
        if len(entries) > 1:
            raise BrokenSourceError(
                f"several packages offer a {self.kind} called {name!r}: {', '.join(map(_origin, entries))}",
                "Uninstall all but one of them.",
            )
        [entry] = entries
        remedy = f"Repair or uninstall {_origin(entry)}, or set {self.setting} to another source."
        thread = f"{self.kind} {name}"
        try:
            factory = cast("Callable[[Options], Source]", call_within(LOADED_WITHIN, thread, entry.load))
        except Exception as exc:
            raise BrokenSourceError(
                f"{self.kind} {name!r} cannot be loaded: {type(exc).__name__}: {str(exc)[:200]}", remedy
            ) from exc

        def make() -> Source:
            made = factory(options)
            return made if around is None else around(made)

        try:
            return call_within(LOADED_WITHIN, thread, make)
        except AlphaMondayError:
            raise
        except Exception as exc:  # its text may repeat a key from the options, so the type alone is told
            why = str(exc) if isinstance(exc, BlockedError) else type(exc).__name__
            raise BrokenSourceError(f"{self.kind} {name!r} cannot be made: {why}", remedy) from exc

    def refuse_namesake(self, name: str, calls_itself: str) -> None:
        """Raises BrokenSourceError where the third party's source `name` passes for one that is built in.

        What it answers would be stored under that name.
        """
        if calls_itself in self.built_in:
            raise BrokenSourceError(
                f"{self.kind} {name!r} calls itself {calls_itself!r}, which is one of the product's own",
                f"Correct its name or uninstall it, or set {self.setting} to another source.",
            )


def _origin(entry: "EntryPoint") -> str:
    return entry.dist.name if entry.dist else entry.value
