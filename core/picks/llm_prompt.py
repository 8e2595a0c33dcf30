"""What a language model is asked, and the one form in which its answer is read."""

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError

from core.picks.check import PICKS_PER_BATCH, REASONING_LIMIT, check_reasoning
from core.picks.source import PickDraft, PicksUnavailableError
from core.tickers import parse_ticker
from db.records import Action
from db.regular_files import read_regular

LONGEST_PROMPT = 20_000
LONGEST_ANSWER = 100_000  # three reasonings of 4,000 characters, each written as a JSON escape of six, and the rest
_FAULTS_TOLD = 10

INSTRUCTIONS = f"""\
You name stock picks for a public record. Each Monday before trading starts you name exactly {PICKS_PER_BATCH}, and \
each is measured for 14 calendar days against a benchmark.

- A ticker is a share or fund that is listed in the United States and trades now, written as \
^[A-Z][A-Z0-9.-]{{0,9}}$, its class after a point (BRK.B). The {PICKS_PER_BATCH} differ, and none is the benchmark.
- The action is BUY if you expect it to do better than the benchmark, or SELL if worse. There is no other.
- The reasoning says why, in plain text of 1 to {REASONING_LIMIT:,} characters.
- The question says what day it is. Use nothing that became known later.
"""
OWN_WORDS = f"""\
Name the {PICKS_PER_BATCH} picks that you expect to differ most from the benchmark, and say why.
"""
FORM = """\
Answer with exactly one JSON object in this form, and nothing else:

{"picks": [{"ticker": "...", "action": "BUY", "reasoning": "..."}, {"ticker": "...", "action": "SELL", "reasoning": \
"..."}, {"ticker": "...", "action": "BUY", "reasoning": "..."}]}
"""


class AnswerError(ValueError):
    """An answer that is not three valid picks. Its text is for the model, which is asked again with it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent first: the fixed instructions, and the question."""

    instructions: str
    question: str

    @property
    def sha256(self) -> str:
        """In hex, of the instructions and the question, one right after the other, in UTF-8."""
        return sha256((self.instructions + self.question).encode()).hexdigest()


def prompt_for(run_date: date, baseline: date, benchmark: str, own_words: str) -> Prompt:
    """The prompt for one week; `own_words` stand between the dates and the form of the answer."""
    today = (
        f"Today is Monday, {run_date.isoformat()}, before trading starts. The last session was"
        f" {baseline.isoformat()}. The benchmark is {benchmark}. The picks are for the 14 days from today."
    )
    return Prompt(INSTRUCTIONS.strip(), f"{today}\n\n{own_words.strip()}\n\n{FORM.strip()}")


def read_own_words(file: Path) -> str:
    """The operator's own words in `file`. Blocks; raises `PicksUnavailableError`."""
    try:
        if not file.is_file():
            raise _unusable(file, "there is no such file")
        raw = read_regular(file, LONGEST_PROMPT * 4 + 4, follow=True)  # a character takes at most four bytes
        text = raw.decode("utf-8-sig")
    except OSError as exc:
        raise _unusable(file, f"it cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError:
        # A text that was cut may end within a character; it is too long either way.
        raise _unusable(file, "it is not UTF-8" if len(raw) <= LONGEST_PROMPT * 4 else "it is too long") from None
    if not text.strip():
        raise _unusable(file, "it is empty")
    if len(text) > LONGEST_PROMPT:
        raise _unusable(file, "it is too long")
    if "\0" in text:
        raise _unusable(file, "it holds a NUL character")
    return text


def _unusable(file: Path, why: str) -> PicksUnavailableError:
    return PicksUnavailableError(
        f"The prompt {str(file)!r} cannot be used: {why}.",
        f"Mend the file (UTF-8, at most {LONGEST_PROMPT:,} characters), or leave ALPHA_MONDAY_LLM_PROMPT unset.",
    )


def read_answer(text: str) -> list[PickDraft]:
    """The picks in `text`, each whole and well-formed; whether they are three that fit is for `check_picks`.

    Raises `AnswerError` with every fault. Words around the one JSON object are passed over; a second brace is not,
    for then it would be a guess which object is meant.
    """
    try:
        answer = _Answer.model_validate(_only_object(text))
    except ValidationError as exc:
        raise AnswerError(_faults(exc)) from None
    return [PickDraft(pick.ticker, pick.action, pick.reasoning) for pick in answer.picks]


def _only_object(text: str) -> dict[str, Any]:
    if (begins := text.find("{")) < 0:
        raise AnswerError("There is no JSON object in the answer.")
    try:
        found, ends = _DECODER.raw_decode(text, begins)
    except (ValueError, RecursionError) as exc:
        raise AnswerError(f"The JSON object in the answer cannot be read: {exc}.") from None
    if "{" in text[ends:]:
        raise AnswerError("There is more than one JSON object in the answer.")
    assert isinstance(found, dict)  # what begins with a brace is nothing else
    return found


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return held


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_one_of_each, parse_constant=_no_constant)


def _action(value: object) -> Action:
    try:
        return Action(str(value).strip().upper())
    except ValueError:
        raise ValueError(f"not BUY or SELL: {str(value)[:40]!r}") from None


class _Pick(BaseModel):
    ticker: Annotated[str, AfterValidator(parse_ticker)]
    action: Annotated[Action, BeforeValidator(_action)]
    reasoning: Annotated[str, AfterValidator(check_reasoning)]


class _Answer(BaseModel):
    picks: list[_Pick]


def _faults(exc: ValidationError) -> str:
    """One a line, the first ten; what they quote is short already."""
    problems = exc.errors(include_url=False, include_input=False, include_context=False)[:_FAULTS_TOLD]
    return "\n".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}" for problem in problems
    )
