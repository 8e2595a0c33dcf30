"""One thing that `doctor` looked at, and what it found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `remedy` is empty where nothing is to be done."""

    name: str
    ok: bool
    message: str
    remedy: str = ""
