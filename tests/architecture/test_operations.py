"""What the pages for operators tell to type or to copy is what the product and systemd understand."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tui.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/operations.md", "docs/security.md")
UNITS = sorted((ROOT / "docs" / "operations").glob("*.[st]*er*"))
# systemd tells of programs that are not installed here; everything else it has to say is about the unit.
_NOT_INSTALLED = re.compile(r"Command .* is not executable: No such file or directory")


def commands_of(page: str) -> list[str]:
    """Every command line of the page's shell blocks that begins with the program's name, without its comment."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [line.partition("alpha-monday ")[2] for line in lines if re.match(r"(\S*/)?alpha-monday( |$)", line)]
    return [re.split(r" [#<|] | [<|]|\s{2,}#|$", line)[0].strip() for line in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_can_be_typed(page: str) -> None:
    found = commands_of(page)
    assert found
    for line in found:
        build_parser().parse_args(shlex.split(re.sub(r"\$\(.*?\)", "substituted", line)))


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS] == [
        "alpha-monday-once.service",
        "alpha-monday-once.timer",
        "alpha-monday.service",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_each_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not _NOT_INSTALLED.search(line)]
    assert said == []
