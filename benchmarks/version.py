"""How many times as long `alpha-monday --version` takes as an empty Python, and what it leaves alone."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Pairs, program_environment, tell_machine, temporary_directory, turns

LEFT_ALONE = ("textual", "rich", "psycopg", "pydantic", "holidays")


def program() -> list[str]:
    """The installed console script, or the same command from the checkout."""
    script = Path(sys.executable).with_name("alpha-monday")
    return [str(script)] if script.exists() else [sys.executable, "-m", "tui"]


def run(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds from starting `command` to its end."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def imported(environment: dict[str, str]) -> list[str]:
    """Every module that `--version` imports, as the interpreter itself tells."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tui", "--version"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if "|" in line]


def main() -> None:
    tell_machine()
    version = [*program(), "--version"]
    nothing = [sys.executable, "-c", "pass"]
    with temporary_directory() as directory:
        data_dir = directory / "data"
        environment = program_environment(data_dir)
        run(version, environment)
        modules = imported(environment)
        pairs = Pairs()
        for _ in range(turns(sys.argv, 40)):
            pairs.add(run(version, environment), run(nothing, environment))
        assert not data_dir.exists(), "a data directory was made"
    heavy = [name for name in modules if name.partition(".")[0] in LEFT_ALONE]
    assert not heavy, heavy
    print(f"{len(modules)} modules, none of {', '.join(LEFT_ALONE)}; no data directory was made")
    pairs.tell(" ".join(["alpha-monday" if len(version) == 2 else "python -m tui", "--version"]), "python -c pass")


if __name__ == "__main__":
    main()
