"""The figures over all batches as a file holds them: a row each, unrounded, with the numbers behind it. Pure."""

from core.performance import Performance
from tui.outgoing import Export

HEADER = ("measure", "of", "value", "batches", "picks", "above_benchmark", "run_date")


def figures_of(found: Performance) -> Export:
    """Excess by day and final excess in percentage points, batting averages in percent."""
    rows: list[tuple[object, ...]] = [
        ("mean_excess_pct", f"day {day.day}", day.mean_excess_pct, day.batches, None, day.positive, None)
        for day in found.days
    ]
    for of, batting in (("all", found.all_picks), ("BUY", found.buys), ("SELL", found.sells)):
        rows.append(
            ("batting_average_pct", of, batting.average_pct, batting.batches, batting.picks, batting.positive, None)
        )
    measured = found.finals
    rows.append(("final_excess_pct", "mean", measured.mean_pct, measured.batches, None, None, None))
    for of, final in (("best", measured.best), ("worst", measured.worst)):
        if final is not None:
            rows.append(("final_excess_pct", of, final.excess_pct, 1, None, None, final.run_date))
    for status, count in (("active", found.active), ("completed", found.completed), ("failed", found.failed)):
        rows.append(("batches", status, None, count, None, None, None))
    return Export("alpha-monday-performance", HEADER, rows)
