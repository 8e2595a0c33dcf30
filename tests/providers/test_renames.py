"""A pick's ticker is renamed in mid-batch: whatever providers make of it, its closes are those of its company."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from core.accepting import accept
from tests.fakes import exchange
from tests.providers import truth
from tests.providers.fortnight import OVER, RUN, SESSIONS, living, quiet_market, spell
from tests.providers.market import (
    ALWAYS,
    Distortion,
    Series,
    Spell,
    quotes_of,
    split_on,
    unknown,
)
from tests.providers.playing import adjusted

CHANGE = SESSIONS[4]
RENAMED = f"AAA,ZZZ,{CHANGE}\n"


def renamed_market(how: str) -> dict[str, Series]:
    """A market in which AAA is called ZZZ from a day on, as different providers tell it."""
    market = quiet_market()
    company = market["AAA"]
    other = quotes_of(["", "OTHER"], date(2024, 8, 26), date(2024, 10, 18), seed=7)[
        "OTHER"
    ]  # at prices much like AAA's
    early = {day: quote for day, quote in company.items() if day < CHANGE}
    late = {day: quote for day, quote in company.items() if day >= CHANGE}
    market["AAA"], market["ZZZ"] = {
        "whole history under the new name": (early, company),
        "whole history under both names": (company, company),
        "split in time": (early, late),
        "the new name was another security": (early, {**{d: q for d, q in other.items() if d < CHANGE}, **late}),
        "the old name is another security now": (
            {**early, **{d: q for d, q in other.items() if d >= CHANGE}}, company
        ),
        "both at once": (
            {**early, **{d: q for d, q in other.items() if d >= CHANGE}},
            {**{d: q for d, q in other.items() if d < CHANGE}, **late},
        ),
    }[how]  # fmt: skip
    return market


WITHOUT_PROOF = ("the new name was another security", "both at once")


@pytest.mark.parametrize("name", ["tiingo", "alpaca"])
@pytest.mark.parametrize(
    "how",
    [
        "whole history under the new name", "whole history under both names", "split in time",
        "the new name was another security", "the old name is another security now", "both at once",
    ],
)  # fmt: skip
async def test_a_ticker_that_is_renamed(conninfo: str, tmp_path: Path, how: str, name: str) -> None:
    market, truly = renamed_market(how), quiet_market()
    async with living(conninfo, tmp_path, [name], market, changes=RENAMED) as fortnight:
        if how == "whole history under the new name":
            moved = Spell(exchange(CHANGE.isoformat(), "06:00"), ALWAYS.last)
            fortnight.provider.distortions.append(Distortion(unknown(["AAA"]), moved))
        if how in WITHOUT_PROOF:
            await fortnight.until(SESSIONS[5])
            assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[4:6], "doubtful_move")
            [accepted] = await accept(fortnight.services, RUN, "an operator")
            assert (accepted.symbol, accepted.session, accepted.successor) == ("AAA", CHANGE, "ZZZ")
        await fortnight.until(OVER)
        fortnight.check(told=dict.fromkeys(SESSIONS, truly), opened=truly)
        assert fortnight.told("symbol_renamed") == [{"symbol": "AAA", "successor": "ZZZ", "source": name}]
        assert not fortnight.told("baseline_revised")
        quoted = {
            payload["checkpoint_date"]: payload["closes"]["AAA"].get("quoted_as")
            for payload in truth.events(conninfo, RUN, "checkpoint_computed")
        }
        assert {day for day, quoted_as in quoted.items() if quoted_as} == {str(day) for day in SESSIONS[4:]}


@pytest.mark.parametrize("factor", [Decimal("1.5"), Decimal(2), Decimal("0.1")])
@pytest.mark.parametrize("drops_old_name", [True, False])
async def test_a_rename_with_a_split_where_the_old_name_stays_as_it_was(
    conninfo: str, tmp_path: Path, factor: Decimal, drops_old_name: bool
) -> None:
    """The provider adjusts the new name's closes for the split and leaves the old name's unadjusted."""
    truly = quiet_market()
    truly["AAA"] = split_on(truly["AAA"], CHANGE, factor)
    new = adjusted(truly)["AAA"]
    market = {**truly, "AAA": {day: quote for day, quote in truly["AAA"].items() if day < CHANGE}, "ZZZ": new}
    async with living(conninfo, tmp_path, ["alpaca"], market, changes=RENAMED) as fortnight:
        renamed = Spell(exchange(CHANGE.isoformat(), "06:00"), ALWAYS.last)
        fortnight.provider.distortions.append(
            Distortion(unknown(["ZZZ"]), Spell(ALWAYS.first, exchange(CHANGE.isoformat(), "06:00")))
        )
        if drops_old_name:
            fortnight.provider.distortions.append(Distortion(unknown(["AAA"]), renamed))
        await fortnight.until(OVER)
        after = {**truly, "AAA": new}
        fortnight.check(told=dict.fromkeys(SESSIONS[4:], after) | dict.fromkeys(SESSIONS[:4], truly), opened=truly)


async def test_a_new_name_whose_old_closes_are_of_another_security_is_not_believed(
    conninfo: str, tmp_path: Path
) -> None:
    """The provider has dropped the old name and not carried its closes over: nothing it has is the baseline."""
    truly, market = quiet_market(), renamed_market("the new name was another security")
    async with living(conninfo, tmp_path, ["tiingo"], market, changes=RENAMED) as fortnight:
        spelt = spell(CHANGE, "06:00", SESSIONS[7], "09:00")
        fortnight.provider.distortions.append(Distortion(unknown(["AAA"]), spelt))
        await fortnight.until(SESSIONS[7], "12:00")
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[4:7], "doubtful_move"), "the old name is back"
        await accept(fortnight.services, RUN, "an operator")
        await fortnight.until(OVER)
        fortnight.check(told=dict.fromkeys(SESSIONS, truly), opened=truly)
