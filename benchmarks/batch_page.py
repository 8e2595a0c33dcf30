"""How many times as long a page in the middle of 5,000 batches takes as the first one."""

import asyncio
import sys
import time
from datetime import date, timedelta

from benchmarks.measuring import (
    QUIET_DAY,
    Pairs,
    embedded_server,
    fill,
    migrated,
    settings_for,
    tell_machine,
    turns,
)
from core.reading import batch_page
from core.services import Access, Services, open_services

COMPLETED = 5000
ROWS = 50
MIDDLE = QUIET_DAY - timedelta(weeks=COMPLETED // 2)


async def page(services: Services, cursor: date | None) -> float:
    """Seconds that one page takes, from asking for a connection to the records."""
    start = time.perf_counter()
    found = await batch_page(services, cursor=cursor, limit=ROWS)
    elapsed = time.perf_counter() - start
    assert len(found.batches) == ROWS
    return elapsed


async def measure(conninfo: str, number: int) -> None:
    pairs = Pairs()
    async with open_services(settings_for(conninfo), Access.READ) as services:
        for _ in range(20):  # the calendar is imported and knows the years, the statements are prepared
            await page(services, None)
            await page(services, MIDDLE)
        for _ in range(number):
            pairs.add(await page(services, MIDDLE), await page(services, None))
    pairs.tell(f"page of {ROWS} before {MIDDLE}", "first page")


def main() -> None:
    tell_machine()
    with embedded_server() as server:
        conninfo = migrated(server, "pages")
        fill(conninfo, COMPLETED)
        asyncio.run(measure(conninfo, turns(sys.argv, 100)))


if __name__ == "__main__":
    main()
