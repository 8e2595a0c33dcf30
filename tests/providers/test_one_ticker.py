"""A ticker that a provider refuses, or has nothing but nonsense about, holds up its own weeks and no other."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.fakes import exchange
from tests.providers import truth
from tests.providers.fortnight import OVER, RUN, SESSIONS, SYMBOLS, living
from tests.providers.market import Spell, quotes_of
from tests.providers.playing import Failure, Fault, instead, status

SECOND = RUN + timedelta(days=7)
PICKS = [
    *((RUN, ticker, "BUY") for ticker in SYMBOLS[1:]),
    *((SECOND, ticker, "SELL") for ticker in ("DDD", "BBB", "CCC")),
]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (status(403), "unauthorised"),
        (instead(b'{"detail": "You do not have permission to access AAA"}', 403), "unauthorised"),
        (instead(b"gone fishing"), "malformed"),
    ],
    ids=["403", "403 in words", "nonsense"],
)
async def test_one_ticker_delays_its_own_week(conninfo: str, tmp_path: Path, failure: Failure, cause: str) -> None:
    market = quotes_of((*SYMBOLS, "DDD"), date(2024, 8, 26), date(2024, 10, 18))
    async with living(conninfo, tmp_path, ["tiingo"], market, picks=PICKS) as fortnight:
        begin = exchange(SESSIONS[5].isoformat(), "12:00")
        end = exchange(SESSIONS[8].isoformat(), "12:00")
        fortnight.provider.faults.append(Fault(failure, Spell(begin, end), "/AAA/"))
        await fortnight.until(SESSIONS[7])
        assert set(truth.stored_days(conninfo, SECOND)) >= set(SESSIONS[5:8])
        assert not set(truth.stored_days(conninfo, RUN)) & set(SESSIONS[5:8])
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[5:8], cause)
        await fortnight.until(OVER)
        fortnight.check()


async def test_a_ticker_that_one_provider_refuses_is_priced_by_the_next(conninfo: str, tmp_path: Path) -> None:
    async with living(conninfo, tmp_path, ["tiingo", "alpaca"]) as fortnight:
        always = Spell(exchange(RUN.isoformat(), "12:00"), exchange(OVER.isoformat(), "23:00"))
        fortnight.provider.faults.append(Fault(status(403), always, "/AAA/"))
        await fortnight.until(OVER)
        fortnight.check()
        assert set(fortnight.sources().values()) == {"alpaca"}
