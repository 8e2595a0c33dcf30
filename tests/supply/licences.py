"""The licences of what is installed along: the kinds that are allowed, and what is known where metadata is silent."""

import re
from collections.abc import Mapping
from importlib.metadata import Distribution

# SPDX identifiers that were looked at: all may be used and passed on beside a program of any licence.
_PERMISSIVE = "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 CNRI-Python ISC MIT MIT-0 PSF-2.0 Zlib"
# These ask that changes to them be published, and that users may replace them, as Python's import lets them.
_WEAK_COPYLEFT = "LGPL-3.0-only MPL-2.0"
ALLOWED = frozenset(f"{_PERMISSIVE} {_WEAK_COPYLEFT}".split())

# Metadata that names a licence in other words than SPDX's.
_SPELLINGS: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

# Metadata that does not say which: the licence, and where it was read.
UNSTATED: Mapping[str, tuple[str, str]] = {
    "jinja2": ("BSD-3-Clause", "its LICENSE.txt; the classifier says BSD alone"),
    "peewee": ("MIT", "its LICENSE; the metadata says nothing"),
    "pyperclip": ("BSD-3-Clause", "its LICENSE.txt; the metadata says BSD alone"),
    "python-dateutil": ("Apache-2.0 OR BSD-3-Clause", "its LICENSE; the metadata says Dual License"),
    "tiktoken": ("MIT", "its LICENSE; the metadata holds the whole text"),
}


class LicenceError(Exception):
    """A distribution says no licence that is known, or one that is not allowed."""


def normal(name: str) -> str:
    """A distribution's name as locks spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(distribution: Distribution) -> str:
    """The SPDX expression of what `distribution` may be used under. Raises LicenceError."""
    name = normal(distribution.name)
    expression = UNSTATED[name][0] if name in UNSTATED else _stated(distribution)
    if expression is None:
        raise LicenceError(f"{name}: its metadata names no licence; read it and add it to UNSTATED")
    if unknown := kinds_of(expression) - ALLOWED:
        raise LicenceError(f"{name}: {', '.join(sorted(unknown))} is not allowed; read it before adding it to ALLOWED")
    return expression


def kinds_of(expression: str) -> set[str]:
    """The identifiers in an SPDX expression."""
    return set(re.split(r" (?:AND|OR|WITH) ", re.sub(r"[()]", "", expression)))


def _stated(distribution: Distribution) -> str | None:
    """What the metadata says: its SPDX expression, else its words or classifiers where they are unambiguous."""
    metadata = distribution.metadata
    for expression in metadata.get_all("License-Expression", []):
        return str(expression)
    classifiers = {str(each) for each in metadata.get_all("Classifier", []) if str(each).startswith("License ::")}
    said = [str(each).strip() for each in metadata.get_all("License", [])]
    if len(classifiers) == 1:
        said += [each.rpartition(" :: ")[2] for each in classifiers]
    spelt = [_SPELLINGS.get(each, each) for each in said]
    return next((each for each in spelt if kinds_of(each) <= ALLOWED), next(iter(spelt), None))
