"""Whatever text comes from outside, in short; and what strange rows do to those who read them."""

import asyncio
import json
import random
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from core.due_work import run_due_work
from core.performance import performance
from core.problems import problems
from core.reading import batch_detail, batch_page, event_page
from core.schedule_view import schedule_view
from core.week_list import WeekQuery, week_page
from db.embedded import EmbeddedServer
from db.errors import AlphaMondayError
from db.events import EventType
from tests.core.world import World
from tests.databases import cloned
from tests.fakes import exchange
from tests.faults import hostile
from tests.faults.malformed import malformed
from tests.faults.parsers import cases

_CANNOT_BE_STORED = re.compile(r"\\u0000|\\ud[89a-f]|NaN|Infinity", re.IGNORECASE)
_PAYLOAD_KEYS = (
    "run_date", "cause", "detail", "checkpoint_date", "reason", "symbols", "source", "basis", "closes", "symbol",
    "stored", "answered", "paused_since", "resumed_at", "paused_by",
)  # fmt: skip
_FACT_NAMES = ("leader", "ticks", "standby:x", "job:opening", "source:prices:scripted", "opening", "term", "backup")
_FACT_KEYS = (
    "who",
    "since",
    "at",
    "took_s",
    "outcome",
    "last_at",
    "idle",
    "run_date",
    "next_try_at",
    "attempts",
    "number",
)


def test_every_input_is_a_value_or_a_documented_error(tmp_path: Path) -> None:
    figures = malformed(1_000, random.getrandbits(32))
    assert figures.is_clean, "\n".join(figures.broken)
    assert figures.inputs.total() >= 1_000
    assert min(figures.inputs.values()) >= 1_000 // len(cases(tmp_path))


def _can_be_stored(value: object) -> bool:
    return not _CANNOT_BE_STORED.search(json.dumps(value))


_payloads = hostile.facts(_PAYLOAD_KEYS).filter(_can_be_stored)
_facts = st.one_of(hostile.facts(_FACT_KEYS), hostile.json_values).filter(_can_be_stored)


async def read_everything(world: World) -> None:
    """What each screen reads, and a tick; each may say why it cannot, and none may fail otherwise."""
    async with world.services() as services:
        for read in (
            lambda: batch_page(services),
            lambda: batch_detail(services),
            lambda: event_page(services),
            lambda: problems(services, None),
            lambda: schedule_view(services),
            lambda: performance(services),
            lambda: week_page(services, WeekQuery()),
            lambda: run_due_work(services),
        ):
            with suppress(AlphaMondayError):
                await read()


def test_strange_rows_are_read_or_refused_in_words(server: EmbeddedServer, template: str) -> None:
    """Rows that another version, or another program with the writer's rights, may have left."""

    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # each example makes a database; to shrink one takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.tuples(st.sampled_from(EventType), st.booleans(), _payloads), max_size=3),
        st.dictionaries(st.sampled_from(_FACT_NAMES), _facts, max_size=4),
    )
    def one(events: list[tuple[EventType, bool, dict[str, Any]]], facts: dict[str, Any]) -> None:
        with cloned(server, template) as conninfo:
            world = World(conninfo)
            asyncio.run(read_everything(world))
            with psycopg.connect(conninfo) as connection:
                for event_type, has_batch, payload in events:
                    connection.execute(
                        "insert into events (id, batch_id, event_type, payload)"
                        " values (%s, (select id from batches where %s), %s, %s)",
                        (uuid7(), has_batch, event_type.value, Jsonb({**payload, "run_date": "2020-01-13"})),
                    )
                for name, value in facts.items():
                    connection.execute(
                        "insert into scheduler_state (name, value) values (%s, %s)"
                        " on conflict (name) do update set value = excluded.value",
                        (name, Jsonb(value)),
                    )
            world.clock.instant = exchange("2020-01-14", "10:00")
            asyncio.run(read_everything(world))

    one()
