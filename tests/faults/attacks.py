"""The attacks that the tests make, run and counted by who makes them."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

_PROJECT = Path(__file__).parents[2]
# Each attack is a test of its own: what the attacker does succeeds, and nothing comes of it.
ATTACKERS: Mapping[str, tuple[str, ...]] = {
    "another user of the machine": (
        "tests/db/test_planted_files.py",
        "tests/db/test_trusted_path.py",
        "tests/tui/shell/test_planted_settings.py",
    ),
    "a reader of the database": ("tests/core/test_reader_attacks.py", "tests/db/test_role_refusals.py"),
    "a hostile file": ("tests/db/test_archives.py", "tests/faults/test_malformed.py"),
    "a hostile server": ("tests/core/test_trickling.py", "tests/db/test_hostile_server.py"),
    "a third party's source": ("tests/core/test_hostile_plugins.py",),
}


@dataclass(frozen=True, slots=True)
class AttackFigures:
    """How many attacks each attacker made, how many of them cannot be made on this machine, and which succeeded."""

    made: Mapping[str, int]
    skipped: int = 0
    broken: tuple[str, ...] = ()


def attacks(number: int, directory: Path) -> AttackFigures:
    """Makes the attacks of the first `number` attackers, and notes them in `directory`."""
    made, skipped, broken = {}, 0, []
    for attacker, files in list(ATTACKERS.items())[:number]:
        report = directory / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", f"--junitxml={report}"]
        subprocess.run([*command, *files], cwd=_PROJECT, stdout=subprocess.DEVNULL, check=False)
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - our own report
        left_out = [case for case in cases if case.find("skipped") is not None]
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        made[attacker] = len(cases) - len(left_out)
        skipped += len(left_out)
        broken += [f"{attacker}: {case.get('classname')}.{case.get('name')}" for case in failed]
        if not made[attacker]:
            broken.append(f"{attacker}: no attack was made")
        report.unlink(missing_ok=True)
    return AttackFigures(made, skipped, tuple(broken))
