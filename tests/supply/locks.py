"""The locks: which file holds what, and how one is read."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "locks"
BILL = LOCKS / "alpha-monday.cdx.json"
# What an operator installs, what each extra adds to it, and what development adds to all of them.
BASE, DEV = "base", "dev"
_PIN = re.compile(
    r"([a-z0-9]+(?:-[a-z0-9]+)*)==([a-z0-9.]+)(?: ; ([^\\]+?))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution at one version, with the hashes of all its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def project() -> Mapping[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def extras() -> list[str]:
    """The extras for operators, as pyproject.toml names them."""
    return [extra for extra in project()["project"]["optional-dependencies"] if extra != DEV]


def lock_file(name: str) -> Path:
    """The file of `name`, which is BASE, an extra or DEV."""
    return LOCKS / f"{name}.lock"


def pins_in(text: str) -> Iterator[Pin]:
    """The pins of a lock's text. Raises ValueError at whatever is neither a pin, a comment nor another lock's name."""
    rest = re.sub(r"^(#[^\n]*|-r [a-z]+\.lock|--only-binary :all:)\n", "", text, flags=re.MULTILINE)
    place = 0
    while place < len(rest):
        found = _PIN.match(rest, place)
        if found is None:
            raise ValueError(f"no pin with hashes: {rest[place : place + 80]!r}")
        name, version, marker, hashes = found.groups()
        yield Pin(name, version, marker or "", tuple(re.findall(r"sha256:\w+", hashes)))
        place = found.end()


def pins(name: str) -> dict[str, Pin]:
    """What the lock of `name` itself adds, by name."""
    return {pin.name: pin for pin in pins_in(lock_file(name).read_text(encoding="utf-8"))}


def every_pin() -> dict[str, Pin]:
    """What all locks hold, by name."""
    return {name: pin for lock in (BASE, *extras(), DEV) for name, pin in pins(lock).items()}
