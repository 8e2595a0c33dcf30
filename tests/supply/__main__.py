"""Makes `locks/` anew from pyproject.toml: hashed locks for pip, and the bill of materials that goes into the wheel.

Run it as `python3 -m tests.supply`. Versions stay as they are locked while pyproject.toml allows them; with `--upgrade`
the newest that it allows are taken. It works in virtual environments of its own, which it removes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from tests.supply.bill import PRODUCT, make_bill
from tests.supply.licences import normal
from tests.supply.locks import BASE, BILL, DEV, LOCKS, ROOT, extras, lock_file, project

UV = "uv>=0.13.9,<0.14"
# The oldest Python that every distribution of every extra still supports.
OLDEST = "3.11.5"
HEADER = """\
# Made by `python3 -m tests.supply`: every file of every distribution by its hash, and nothing that has to be built.
--only-binary :all:
"""
# What pyproject.toml's tool.uv.environments adds to every line.
_EVERYWHERE = "python_full_version < '3.14' and (sys_platform == 'darwin' or sys_platform == 'linux')"


def main() -> None:
    """Resolves, writes the locks, installs them, and writes the bill."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.supply", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory(prefix="alpha-monday-supply-") as scratch:
        directory = Path(scratch)
        pip = _environment(directory / "uv")
        _run(*pip, "install", "--quiet", UV)
        asked_by = _write_locks(directory, directory / "uv" / "bin" / "uv", upgrade=upgrade)
        pip = _environment(directory / "installed")
        _run(*pip, "install", "--quiet", "--require-hashes", "-r", lock_file(DEV))
        [packages] = (directory / "installed").glob("lib/python*/site-packages")
        installed = {normal(each.name): each for each in distributions(path=[str(packages)])}
        bill = json.dumps(make_bill(installed, asked_by), indent=1)
    BILL.write_text(f"{bill}\n", encoding="utf-8")


def _write_locks(directory: Path, uv: Path, *, upgrade: bool) -> dict[str, tuple[str, ...]]:
    """Writes every lock; gives for each distribution the names of those that ask for it."""
    build = directory / "build.in"
    build.write_text("\n".join(project()["build-system"]["requires"]), encoding="utf-8")
    before = directory / "before.txt"
    before.write_text("" if upgrade else "".join(_locked()), encoding="utf-8")

    def resolve(given: Path, *chosen: str) -> list[str]:
        """What `chosen` extras take, the build's own requirements included; `given` constrains it."""
        made = directory / "made.txt"
        made.unlink(missing_ok=True)
        options = ["--universal", "--generate-hashes", "--only-binary", ":all:", "--no-header", "--quiet"]
        options += ["--fork-strategy", "fewest", "--annotation-style", "line", "--python-version", OLDEST]
        options += [f"--extra={extra}" for extra in chosen]
        _run(uv, "pip", "compile", *options, "-c", given, "-o", made, "pyproject.toml", build)
        text = made.read_text(encoding="utf-8").replace(f" ; {_EVERYWHERE}", "")
        return re.findall(r"^\S+==.*\n(?: .*\n)*", text, re.MULTILINE)

    whole = resolve(before, *extras(), DEV)
    given = directory / "given.txt"
    given.write_text("".join(whole), encoding="utf-8")
    base = _pins(resolve(given))
    LOCKS.mkdir(exist_ok=True)
    known = set(base)
    _write(BASE, (), base)
    for extra in extras():
        added = [pin for pin in _pins(resolve(given, extra)) if pin not in base]
        _write(extra, (BASE,), added)
        known.update(added)
    _write(DEV, extras(), [pin for pin in _pins(whole) if pin not in known])
    return {_name(block): _askers(block) for block in whole}


def _locked() -> list[str]:
    """What the locks hold so far, without hashes."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(LOCKS.glob("*.lock"))]
    return [f"{pin}\n" for text in texts for pin in re.findall(r"^[a-z0-9-]+==[^ \n]+", text, re.MULTILINE)]


def _pins(blocks: Sequence[str]) -> list[str]:
    """Each pin without the note on what asks for it."""
    return [re.sub(r"^ *#.*\n", "", block, flags=re.MULTILINE) for block in blocks]


def _name(block: str) -> str:
    return block.partition("==")[0]


def _askers(block: str) -> tuple[str, ...]:
    """The distributions after `# via`; the project itself is one of them."""
    noted = re.search(r"# via (.*)", block)
    names = noted[1].split(", ") if noted else []
    askers = {
        PRODUCT if name.startswith(PRODUCT) else name for name in names if re.fullmatch(r"[a-z0-9-]+( \(.*\))?", name)
    }
    return tuple(sorted(askers))


def _write(name: str, others: Sequence[str], blocks: Sequence[str]) -> None:
    includes = "".join(f"-r {other}.lock\n" for other in others)
    lock_file(name).write_text(HEADER + includes + "".join(blocks), encoding="utf-8")


def _environment(directory: Path) -> list[str | Path]:
    """A new virtual environment's pip."""
    _run(sys.executable, "-m", "venv", directory)
    return [directory / "bin" / "python", "-m", "pip"]


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
