"""Picks of a language model, asked at any OpenAI-compatible endpoint. What it answers is data, never followed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.daemon_thread import DaemonThread
from core.picks.check import check_picks
from core.picks.llm_prompt import OWN_WORDS, AnswerError, prompt_for, read_own_words
from core.picks.source import (
    AccountedPicks,
    PickDraft,
    PickOptions,
    PicksGivenUpError,
    PicksMalformedError,
    PicksTimedOutError,
    PicksUnavailableError,
)
from core.plugins import needed, require_extra
from core.prices.provider_errors import checked_key
from core.prices.source import PriceSource, PriceSourceError
from core.settings import SettingsError

if TYPE_CHECKING:
    from core.picks.llm_endpoint import Patience
    from core.trading_calendar import TradingCalendar

ADDRESS = "https://api.openai.com/v1"
LONGEST_MODEL = 200
_READ_WITHIN = timedelta(minutes=1)
_SOURCE = "pick source 'llm'"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Market:
    """What the picks are held against."""

    prices: PriceSource
    calendar: "TradingCalendar"
    benchmark: str


class LlmPicks:
    """A pick source that asks a language model, once for each week while this object lives."""

    name = "llm"

    def __init__(
        self,
        model: str,
        key: str | None,
        market: Market,
        *,
        address: str = ADDRESS,
        prompt: Path | None = None,
        patience: "Patience | None" = None,
    ) -> None:
        """Takes seconds the first time, for it imports pydantic-ai.

        Raises `MissingExtraError`, or SettingsError for a model, a key or an address that cannot be one.
        """
        if not model.isprintable() or not model.strip() or len(model) > LONGEST_MODEL:
            raise SettingsError(
                f"ALPHA_MONDAY_LLM_MODEL is not a name of 1 to {LONGEST_MODEL} printable characters.",
                "Copy the model's name from its provider.",
            )
        require_extra("pydantic_ai.models.openai", "llm", _SOURCE)
        from core.picks.llm_endpoint import Endpoint, Patience

        self._patience = patience or Patience()
        key = None if key is None else checked_key(self.name, key)
        self._endpoint = Endpoint(address, key, model, self._patience)
        self._model = model
        self._market = market
        self._prompt = prompt
        self._reading = DaemonThread("reading the prompt")
        self._answered: dict[date, AccountedPicks] = {}
        self._turn = asyncio.Lock()

    @classmethod
    def from_options(cls, options: PickOptions) -> "LlmPicks":
        """Raises `MissingSettingError` without a model, without a price source, or without a key for another host."""
        model = needed(options.llm_model, _SOURCE, "ALPHA_MONDAY_LLM_MODEL")
        prices = needed(options.prices, _SOURCE, "ALPHA_MONDAY_PRICE_SOURCE")
        address = options.url or ADDRESS
        if urlsplit(address).hostname not in _LOOPBACK:  # servers of one's own take none
            needed(options.key, _SOURCE, "ALPHA_MONDAY_LLM_KEY")
        market = Market(prices, options.calendar, options.benchmark)
        return cls(model, options.key, market, address=address, prompt=options.llm_prompt)

    async def picks(self, run_date: date) -> AccountedPicks:
        """Three picks whose tickers the price source knows. A week's valid answer is remembered: it was paid for.

        Raises `PicksUnavailableError`, or `PicksGivenUpError` with the account when every answer was invalid.
        """
        async with self._turn:
            if run_date not in self._answered:
                self._answered[run_date] = await self._asked(run_date)
            return self._answered[run_date]

    async def _asked(self, run_date: date) -> AccountedPicks:
        from core.picks.llm_conversation import Conversation, NoValidAnswerError

        baseline = self._baseline(run_date)
        benchmark = self._market.benchmark
        await self._closing(frozenset({benchmark}), baseline)  # no answer is paid for that could not be looked at
        own_words = OWN_WORDS
        if self._prompt is not None:
            own_words = await self._reading.run(_READ_WITHIN, read_own_words, self._prompt)
        prompt = prompt_for(run_date, baseline, benchmark, own_words)

        async def check(drafts: Sequence[PickDraft]) -> Sequence[PickDraft]:
            return await self._checked(drafts, baseline)

        conversation = Conversation(self._endpoint, self._model, prompt, check)
        try:
            async with asyncio.timeout(self._patience.whole) as deadline:
                drafts = await conversation.picks()
        except TimeoutError:
            if not deadline.expired():
                raise
            raise PicksTimedOutError(
                f"The language model {self._model!r} gave no valid picks within {self._patience.whole:g} s.",
                "It is asked again until the opening ends; if it lasts, choose a faster model.",
            ) from None
        except NoValidAnswerError as exc:
            account = conversation.account
            raise PicksGivenUpError(
                f"The language model {self._model!r} gave no valid picks for the week of {run_date.isoformat()}"
                f" in {account.attempts} answers. The last one: {str(exc)[:300]!r}",
                "Read the answers in the event; correct ALPHA_MONDAY_LLM_PROMPT or choose another model, and"
                f" open the week late: alpha-monday open {run_date.isoformat()} --source llm --late.",
                account,
            ) from None
        return AccountedPicks(drafts, conversation.account)

    def _baseline(self, run_date: date) -> date:
        try:
            return self._market.calendar.previous_session(run_date)
        except ValueError as exc:
            raise PicksUnavailableError(str(exc), "Choose a later week.") from exc

    async def _checked(self, drafts: Sequence[PickDraft], baseline: date) -> Sequence[PickDraft]:
        """Raises AnswerError for picks that are not three, or of tickers without a close on `baseline`."""
        try:
            checked = check_picks(drafts, self._market.benchmark)
        except PicksMalformedError as exc:
            raise AnswerError(f"{exc.message}.") from None
        tickers = [draft.ticker for draft in checked]
        known = await self._closing(frozenset({self._market.benchmark, *tickers}), baseline)
        if unknown := [ticker for ticker in tickers if ticker not in known]:
            raise AnswerError(
                f"No close on {baseline.isoformat()} is known of: {', '.join(unknown)}. Choose other tickers."
            )
        return checked

    async def _closing(self, symbols: frozenset[str], baseline: date) -> frozenset[str]:
        """Those of `symbols` with a close on `baseline`. Raises PicksUnavailableError if the benchmark has none."""
        try:
            answer = await self._market.prices.closes(sorted(symbols), baseline, baseline)
        except PriceSourceError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        if (problem := answer.failed.get(self._market.benchmark)) is not None:
            raise PicksUnavailableError(problem.message, problem.remedy)
        if baseline not in answer.closes.get(self._market.benchmark, {}):
            raise PicksUnavailableError(
                f"{answer.source} has no close of {self._market.benchmark} on {baseline.isoformat()} yet, so that no"
                " answer of the language model could be looked at.",
                "It is asked again until the opening ends; if it lasts, check the price source.",
            )
        known = frozenset(symbol for symbol in symbols if baseline in answer.closes.get(symbol, {}))
        if not answer.is_complete and known != frozenset(symbols):
            raise PicksUnavailableError(
                f"{answer.source} may be unfinished and has no close of {', '.join(sorted({*symbols} - known))}"
                f" on {baseline.isoformat()}",
                "The week is tried again until its opening ends.",
            )
        return known
