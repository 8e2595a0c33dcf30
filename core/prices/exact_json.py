"""JSON whose numbers are decimals, digit for digit, and which can be read in one way only."""

import json
from decimal import Decimal
from typing import Any


def parse_json(body: bytes) -> Any:
    """The JSON value in `body`, its numbers decimals digit for digit.

    Raises ValueError for anything that is not UTF-8 and JSON, NaN and Infinity included, and for a name that stands
    twice in one object, of which either could be meant.
    """
    try:
        return json.loads(
            body.decode(),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number is out of all bounds") from None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return held
