"""The bill of materials: CycloneDX 1.6 with every locked distribution, its licence and what asks for it."""

from collections.abc import Mapping
from importlib.metadata import Distribution
from typing import Any

from tests.supply.licences import licence_of
from tests.supply.locks import BASE, DEV, Pin, extras, pins

PRODUCT = "alpha-monday"
# By lock: what every installation has, what an extra adds, what only development uses.
SCOPES = {BASE: "required", DEV: "excluded"}


def make_bill(installed: Mapping[str, Distribution], asked_by: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The bill of what the locks hold; `asked_by` names for each distribution those that depend on it.

    It holds no time and no random number, so that the same locks make the same file. Raises LicenceError, and KeyError
    for a locked distribution that is not installed here.
    """
    locked = {name: (pin, lock) for lock in (BASE, *extras(), DEV) for name, pin in pins(lock).items()}
    reference = {name: _reference(pin) for name, (pin, _) in locked.items()} | {PRODUCT: PRODUCT}
    depends_on: dict[str, list[str]] = {reference[name]: [] for name in sorted(reference)}
    for name in sorted(locked):
        for asker in asked_by.get(name, ()):
            depends_on[reference[asker]].append(reference[name])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": PRODUCT, "name": PRODUCT}},
        "components": [
            {
                "type": "library",
                "bom-ref": reference[name],
                "name": name,
                "version": pin.version,
                "scope": SCOPES.get(lock, "optional"),
                "licenses": [{"expression": licence_of(installed[name])}],
                "purl": reference[name],
            }
            for name, (pin, lock) in sorted(locked.items())
        ],
        "dependencies": [{"ref": each, "dependsOn": others} for each, others in depends_on.items()],
    }


def _reference(pin: Pin) -> str:
    """The package's URL, which names it and its version without any host."""
    return f"pkg:pypi/{pin.name}@{pin.version}"
