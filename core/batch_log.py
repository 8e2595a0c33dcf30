"""What a batch's log tells beside its rows: who served its prices, and which symbols stopped trading. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from core.facts import text_in
from db.events import EventType
from db.records import Event


@dataclass(frozen=True, slots=True)
class ServedSpell:
    """Computed days in a row whose prices one source served, from `first` on; None from the baseline on."""

    source: str
    first: date | None


@dataclass(frozen=True, slots=True)
class StoppedSymbol:
    """A symbol that trades no more, and the last session for which a source has a close of it."""

    symbol: str
    last_session: date


def served_spells(opened_by: str | None, computed: Iterable[tuple[date, str | None]]) -> tuple[ServedSpell, ...]:
    """Who served a batch's prices, in order: its baseline's source, and every change on the computed days after."""
    spells = [ServedSpell(opened_by, None)] if opened_by else []
    for day, source in computed:
        if source and (not spells or spells[-1].source != source):
            spells.append(ServedSpell(source, day))
    return tuple(spells)


def stopped_symbols(log: Iterable[Event], last_computed: date | None) -> tuple[StoppedSymbol, ...]:
    """The symbols that a batch's log says have stopped, less those that a later computed day proves to trade still."""
    found: dict[str, StoppedSymbol] = {}
    for event in log:
        if event.event_type != EventType.SYMBOL_STOPPED:
            continue
        symbol, told = text_in(event.payload, "symbol"), text_in(event.payload, "last_session")
        if symbol and (last_session := _date(told)) and (last_computed is None or last_computed <= last_session):
            found[symbol] = StoppedSymbol(symbol, last_session)
    return tuple(found.values())


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None  # an event of another form must not take the screens down
