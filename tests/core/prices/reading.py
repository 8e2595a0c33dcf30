"""What tests of providers read out of bytes and errors."""

import traceback
from decimal import Decimal

from core.prices.source import PriceSourceError


def numbers_in(text: str) -> list[str]:
    """Every run of characters in `text` that spells a decimal."""
    runs = "".join(character if character in "0123456789+-.eE" else " " for character in text).split()
    return [run for run in runs if _spells(run)]


def _spells(text: str) -> bool:
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True


def told(error: PriceSourceError) -> str:
    """Everything that may reach somebody's eyes."""
    return error.message + error.remedy + "".join(traceback.format_exception(error))
