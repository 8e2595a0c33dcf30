"""Days that are valued: whatever a source sends, a value is one that can be stored, or an error."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

from hypothesis import example, given
from hypothesis import strategies as st

from core import metrics
from core.price_history import History
from core.prices.source import Answer, Basis, Close, MalformedError, is_price
from core.valuation import ComputedDay, value_day
from db.records import Action, Batch, BatchStatus, Pick
from tests.fakes import exchange

BASELINE, DAY = date(2020, 1, 3), date(2020, 1, 6)
LARGEST, SMALLEST = Decimal("999999999999.999999999999"), Decimal("1e-12")
prices = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(1, 10**12 - 1),
    st.integers(0, 12),
)


@given(initial=prices, baseline=prices, close=prices, factor=prices)
@example(Decimal(100), Decimal(100), Decimal("0.4"), SMALLEST)
@example(Decimal(100), Decimal(100), LARGEST, LARGEST)
@example(SMALLEST, LARGEST, SMALLEST, SMALLEST)
@example(LARGEST, SMALLEST, LARGEST, LARGEST)
@example(Decimal(1), LARGEST, Decimal("0.5"), Decimal(1))
def test_a_value_can_be_stored_or_is_an_error(
    initial: Decimal, baseline: Decimal, close: Decimal, factor: Decimal
) -> None:
    batch = Batch(uuid4(), exchange("2020-01-06", "09:00"), DAY, "SPY", Decimal(300), BatchStatus.ACTIVE)
    pick = Pick(uuid4(), batch.id, "AAA", Action.BUY, "Because.", initial)
    closes = {
        "SPY": {BASELINE: Close(Decimal(300)), DAY: Close(Decimal(303))},
        "AAA": {BASELINE: Close(baseline), DAY: Close(close, factor)},
    }
    history = History(Answer("scripted", Basis.PRICE, closes), DAY)
    exact = metrics.current_price(initial, baseline, close, factor)
    try:
        valued = value_day(history, batch, [pick], BASELINE, DAY)
    except MalformedError as exc:
        assert "AAA" in exc.message  # noqa: PT017 - an error is one of two right outcomes
        assert not SMALLEST < exact < LARGEST
        return
    assert isinstance(valued, ComputedDay)
    [row] = valued.metrics
    assert is_price(row.current_price)
    assert abs(row.current_price - exact) <= SMALLEST / 2
    assert row.absolute_return_pct.is_finite()
    assert row.vs_benchmark_pct.is_finite()
