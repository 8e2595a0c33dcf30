"""A chain of price sources as one, for whoever needs closes and not their evidence: the first whole answer is taken."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from core.prices.query import query_each
from core.prices.source import Answer, Basis, PriceSource, PriceSourceError, is_taken_at_its_word


class FirstAnswer:
    """Asks one source after another until one answers. Whole answers are taken, so bases never mix."""

    def __init__(self, sources: Sequence[PriceSource], benchmark: str = "") -> None:
        """A source that has no usable response for `benchmark` alone has failed. Raises ValueError without sources."""
        if not sources:
            raise ValueError("a chain of no sources")
        self._sources = tuple(sources)
        self._benchmark = benchmark

    @property
    def name(self) -> str:
        return ",".join(source.name for source in self._sources)

    @property
    def basis(self) -> Basis:
        """The first source's; an answer says its own."""
        return self._sources[0].basis

    @property
    def settle_delay(self) -> timedelta:
        return max(source.settle_delay for source in self._sources)

    @property
    def is_taken_at_its_word(self) -> bool:
        """Whether every source's closes are the operator's own."""
        return all(is_taken_at_its_word(source) for source in self._sources)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """The first answer in which no symbol failed, or else the one with the fewest that did.

        Raises the first source's error where each source has failed.
        """
        wanted = tuple(symbols)
        failures: list[PriceSourceError] = []
        answers: list[Answer] = []
        for source in self._sources:
            try:
                answer = await query_each(source, wanted, {self._benchmark}, first, last)
            except PriceSourceError as failure:
                failures.append(failure)
                continue
            if not answer.failed:
                return answer
            answers.append(answer)
        if not answers:
            raise failures[0]
        return min(answers, key=lambda answer: len(answer.failed))
