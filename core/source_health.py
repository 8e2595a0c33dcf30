"""How the sources fare: when each answered and failed last, seen by this process and noted for every screen."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection

from core.clock import Clock, is_from_future
from core.facts import TEXT_LIMIT, count_in, instant_in, text_in
from core.logs import redacted
from core.picks.source import PickSource, PicksTimedOutError
from core.prices.source import PriceSource, SourceTimedOutError
from db import leadership
from db.errors import AlphaMondayError
from db.records import SchedulerFact

SOURCE_PREFIX = "source:"
_LARGEST_QUOTA = 10**12  # a third party's may be too long to be written down

log = logging.getLogger(__name__)


class SourceKind(StrEnum):
    """What a source gives."""

    PRICES = "prices"
    PICKS = "picks"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """When a source answered and failed last, whichever process asked it; `quota_left` is None where it is unknown.

    `is_failing` tells of the last question; the failure's words outlive a recovery.
    """

    kind: SourceKind
    name: str
    is_failing: bool = False
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    failure_code: str | None = None
    failure: str | None = None
    quota_left: int | None = None

    @property
    def has_timed_out(self) -> bool:
        """Whether the last query of it had no response in time."""
        return self.is_failing and self.failure_code in (SourceTimedOutError.code, PicksTimedOutError.code)


class HealthLog:
    """What this process saw its sources do and has not noted in the database yet."""

    def __init__(self, clock: Clock, secrets: Callable[[], Iterable[str]]) -> None:
        self._clock = clock
        self._secrets = secrets
        self._pending: dict[str, dict[str, Any]] = {}

    def succeeded(self, kind: SourceKind, source: PriceSource | PickSource) -> None:
        """Notes that `source` answered."""
        self._note(kind, source, {"is_failing": False, "succeeded_at": self._clock.now().isoformat()})

    def failed(self, kind: SourceKind, source: PriceSource | PickSource, code: str, message: str) -> None:
        """Notes that `source` failed; what is secret in `message` is masked."""
        self._note(
            kind,
            source,
            {
                "is_failing": True,
                "failed_at": self._clock.now().isoformat(),
                "failure_code": code,
                "failure": redacted(message, self._secrets())[:TEXT_LIMIT],
            },
        )

    def raised(self, kind: SourceKind, source: PriceSource | PickSource, problem: AlphaMondayError) -> None:
        """Notes that `source` failed with `problem`."""
        self.failed(kind, source, problem.code, problem.message)

    def pending(self) -> Mapping[str, Mapping[str, Any]]:
        """What is still to be noted, by the fact's name."""
        return dict(self._pending)

    def noted(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Drops what has been written, unless there is news meanwhile."""
        self._pending = {name: value for name, value in self._pending.items() if facts.get(name) is not value}

    async def flush(self, connection: AsyncConnection[Any]) -> None:
        """Notes what is pending, if anything is."""
        if news := self.pending():
            await leadership.merge(connection, news)
            self.noted(news)

    def _note(self, kind: SourceKind, source: PriceSource | PickSource, news: dict[str, Any]) -> None:
        name = _fact_name(kind, source.name)
        # A new dict each time: `noted` tells by identity whether there is news.
        self._pending[name] = {**self._pending.get(name, {}), **news, "quota_left": _quota_left(source)}


def _quota_left(source: PriceSource | PickSource) -> int | None:
    try:
        quota = getattr(source, "quota_left", None)
    except Exception:
        # A defect in a source's optional property must not keep its closes from being used.
        log.warning("source defect", exc_info=True, extra={"event": "source_defect", "source": source.name})
        return None
    if not isinstance(quota, int) or isinstance(quota, bool):
        return None
    return quota if abs(quota) <= _LARGEST_QUOTA else None


def _fact_name(kind: SourceKind, name: str) -> str:
    return f"{SOURCE_PREFIX}{kind}:{name}"


def health_in(
    facts: Mapping[str, SchedulerFact], sources: Iterable[PriceSource], pick_source: PickSource | None, now: datetime
) -> tuple[SourceHealth, ...]:
    """The chain in its order and the pick source; for a session without either, every source ever noted.

    What is dated in the future, as of `now`, is discarded.
    """
    asked = [(SourceKind.PRICES, source.name) for source in sources]
    if pick_source is not None:
        asked.append((SourceKind.PICKS, pick_source.name))
    if not asked:
        asked = [
            (kind, name.removeprefix(prefix))
            for kind in SourceKind
            for name in sorted(facts)
            if name.startswith(prefix := _fact_name(kind, ""))
        ]
    return tuple(_health(kind, name, facts.get(_fact_name(kind, name)), now) for kind, name in asked)


def _health(kind: SourceKind, name: str, fact: SchedulerFact | None, now: datetime) -> SourceHealth:
    if fact is None:
        return SourceHealth(kind, name)

    def instant(key: str) -> datetime | None:
        found = instant_in(fact.value, key)
        return None if found is None or is_from_future(found, now) else found

    return SourceHealth(
        kind=kind,
        name=name,
        is_failing=fact.value.get("is_failing") is True,
        succeeded_at=instant("succeeded_at"),
        failed_at=instant("failed_at"),
        failure_code=text_in(fact.value, "failure_code"),
        failure=text_in(fact.value, "failure"),
        quota_left=count_in(fact.value, "quota_left"),
    )
