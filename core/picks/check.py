"""What makes three picks a week's batch, whichever source named them."""

from collections.abc import Sequence

from core.picks.source import PickDraft, PicksMalformedError
from core.tickers import canonical_ticker, parse_ticker
from db.records import Action

PICKS_PER_BATCH = 3
REASONING_LIMIT = 4_000
_REMEDY = "Correct the picks, or have the pick source asked again."


def check_reasoning(text: str) -> str:
    """`text` unchanged. Raises ValueError if it is blank, over 4,000 characters, or cannot be stored."""
    if not text.strip():
        raise ValueError("the reasoning is empty")
    if len(text) > REASONING_LIMIT:
        raise ValueError(f"a reasoning of {len(text):,} characters, at most {REASONING_LIMIT:,}: {text[:40]!r}")
    if "\0" in text:
        raise ValueError(f"a NUL character in the reasoning: {text[:40]!r}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"half a surrogate pair in the reasoning: {text[:40]!r}") from None
    return text


def check_picks(drafts: Sequence[PickDraft], benchmark: str) -> tuple[PickDraft, PickDraft, PickDraft]:
    """The three picks in the order given, tickers in the one spelling.

    Raises `PicksMalformedError` unless there are exactly three, of distinct tickers, none of them the
    benchmark, each with an action and a reasoning that `check_reasoning` accepts.
    """
    if len(drafts) != PICKS_PER_BATCH:
        raise PicksMalformedError(f"{len(drafts)} picks instead of {PICKS_PER_BATCH}", _REMEDY)
    first, second, third = (_checked(draft, benchmark) for draft in drafts)
    for earlier, later in ((first, second), (first, third), (second, third)):
        if earlier.ticker == later.ticker:
            given = [draft.ticker for draft in drafts]
            raise PicksMalformedError(f"{later.ticker} is picked twice{spelled_as(later.ticker, given)}", _REMEDY)
    return first, second, third


def spelled_as(ticker: str, given: Sequence[str]) -> str:
    """The other spellings of `ticker` among `given`, to be added to a message: ` (as BRK-B and BRK.B)`, or nothing."""
    spellings = {text.strip().upper() for text in given if parse_ticker(text) == ticker}
    return f" (as {' and '.join(sorted(spellings))})" if len(spellings) > 1 else ""


def _checked(draft: PickDraft, benchmark: str) -> PickDraft:
    try:
        ticker = parse_ticker(draft.ticker)
    except ValueError as exc:
        raise PicksMalformedError(str(exc), _REMEDY) from exc
    if ticker == canonical_ticker(benchmark):
        raise PicksMalformedError(f"{ticker} is the benchmark and cannot be picked", _REMEDY)
    try:
        return PickDraft(ticker, Action(draft.action), check_reasoning(draft.reasoning))
    except ValueError as exc:
        raise PicksMalformedError(f"{ticker}: {str(exc)[:200]}", _REMEDY) from exc
