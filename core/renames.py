"""The closes of a company whose ticker was renamed, joined from those of its names. Pure.

Two series are joined only with evidence that they belong to one company: closes of shared sessions that agree or keep
one ratio, or an old name that ends at the change where the new one begins. Without evidence, the first close after the
change waits for an operator.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core import metrics
from core.prices.source import ONE, Close
from core.symbol_changes import SymbolChange, names_of

Closes = Mapping[date, Close]
Prices = Mapping[date, Decimal]
# With closes that move by 2 % a session, two companies keep one ratio over three sessions once in 40,000 times.
_FEWEST_IN_PROPORTION = 3


@dataclass(frozen=True, slots=True)
class JoinedCloses:
    """One company's closes, and the name under which each is quoted.

    `changes` are the dates of its renames, `unproven` those of them that no evidence bridges.
    """

    closes: Closes
    names: Mapping[date, str]
    changes: tuple[date, ...]
    unproven: frozenset[date]


def join(
    symbol: str,
    changes: Sequence[SymbolChange],
    closes: Mapping[str, Closes],
    *,
    baseline_date: date,
    stored: Prices,
    sessions: Collection[date],
    is_operators_own: bool = False,
) -> JoinedCloses:
    """The closes of the company that `symbol` named on `baseline_date`, through each of `changes`.

    `closes` holds those of every name, `stored` the prices by day that its batch stored, on the baseline's share basis,
    and `sessions` the days on which the source has any close. Closes that are the operator's own need no evidence.
    """
    names = names_of(symbol, {symbol: tuple(changes)})
    spans = list(
        zip(names, [date.min, *(c.date for c in changes)], [*(c.date for c in changes), date.max], strict=True)
    )
    found = {day: (symbol, close) for day, close in closes.get(symbol, {}).items() if day < spans[0][2]}
    unproven: set[date] = set()
    for number, (name, begin, _) in enumerate(spans[1:], 1):
        earlier_uses = [span for span in spans[:number] if span[0] == name]
        # Where a company takes an earlier name back, that time's closes prove nothing about the time in between.
        new = {day: close for day, close in closes.get(name, {}).items() if not _is_within(day, earlier_uses)}
        quoted = {day: (name, close) for day, close in new.items()}
        before = {day: entry for day, entry in found.items() if day < begin}
        old = {day: close for day, (quoted_as, close) in before.items() if quoted_as != name}
        carried = {day: close for day, close in new.items() if day < begin}
        if old.keys() & carried.keys():
            ratio = _ratio(_prices(old), _prices(carried)) if _have_same_splits(old, carried) else None
        else:
            # The source has dropped the old name: what was stored under it is all there is to compare with.
            known = {day: price for day, price in stored.items() if day in carried}
            ratio = _ratio(known, _on_basis_of(baseline_date, closes.get(name, {})))
        found = {**before, **{day: entry for day, entry in quoted.items() if day >= begin}}
        if ratio == ONE:
            found = {**before, **quoted}
        elif ratio is not None:
            found = {day: (name, close) for day, close in closes[name].items()}  # on another share basis than `old`
        elif not any(day >= baseline_date for day in before):
            # Without a baseline nothing is computed; before there is a batch, an operator's own file may name it.
            if is_operators_own and not stored:
                found = {**before, **quoted}
        elif len(new) > len(carried):
            later_uses = [span for span in spans[number:] if span[0] == names[number - 1]]
            left = {
                day: close
                for day, close in closes.get(names[number - 1], {}).items()
                if day >= begin and not _is_within(day, later_uses)
            }
            is_over = left.keys() <= new.keys() and _agree(_prices(left), _prices(new))
            if carried or not is_over or not _meet(before, new, begin, sessions):
                unproven.add(begin)
    return JoinedCloses(
        {day: close for day, (_, close) in found.items()},
        {day: name for day, (name, _) in found.items()},
        tuple(begin for _, begin, _ in spans[1:]),
        frozenset(unproven),
    )


def _is_within(day: date, spans: Collection[tuple[str, date, date]]) -> bool:
    return any(begin <= day < end for _, begin, end in spans)


def _meet(before: Collection[date], new: Collection[date], begin: date, sessions: Collection[date]) -> bool:
    """Whether the old closes end with the last session before `begin`, and the new ones start with the first after."""
    last = max(day for day in sessions if day < begin)
    first = min(day for day in sessions if day >= begin)
    return max(before) == last and min(new) == first


def _prices(closes: Closes) -> Prices:
    return {day: close.price for day, close in closes.items()}


def _on_basis_of(baseline_date: date, closes: Closes) -> Prices:
    """The prices from the baseline on, on its share basis."""
    factor, found = ONE, {}
    for day in sorted(day for day in closes if day >= baseline_date):
        factor = metrics.CONTEXT.multiply(factor, closes[day].split_factor) if day > baseline_date else ONE
        found[day] = metrics.CONTEXT.multiply(closes[day].price, factor)
    return found


def _have_same_splits(old: Closes, new: Closes) -> bool:
    return all(old[day].split_factor == new[day].split_factor for day in old.keys() & new.keys())


def _ratio(old: Prices, new: Prices) -> Decimal | None:
    """The old prices per new one over the shared sessions: 1 where they agree, None without one that holds for all."""
    shared = sorted(old.keys() & new.keys())
    if not shared:
        return None
    if _agree(old, new):
        return ONE
    ratio = metrics.CONTEXT.divide(old[shared[0]], new[shared[0]])
    scaled = {day: metrics.CONTEXT.multiply(new[day], ratio) for day in shared}
    return ratio if len(shared) >= _FEWEST_IN_PROPORTION and _agree(old, scaled) else None


def _agree(old: Prices, new: Prices) -> bool:
    return all(metrics.is_same_close(old[day], new[day]) for day in old.keys() & new.keys())
