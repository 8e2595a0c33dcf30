"""Carrying the embedded cluster across a major version of PostgreSQL, row by row from one server to the next."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from db import migrate
from db.blocking import in_thread, to_its_end
from db.driver_errors import translated
from db.dumps import connected
from db.embedded import conninfo_of
from db.embedded_cluster import Cluster
from db.embedded_files import explained, locked, make_directory, settled_path, sync_directory, try_lock
from db.embedded_programs import find_programs, program_major, server_tools
from db.embedded_user import ServerUser
from db.errors import EmbeddedServerError
from db.moving import WITH_STATE, carry_over, own_tables
from db.table_digests import tables as all_tables

_DATABASES = "select datname::text from pg_database where datallowconn and not datistemplate order by 1"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What became of a cluster: which majors it came from and went to, and where the old one is kept.

    `tables` and `rows` were carried and compared; the databases and tables `left` are not ours: the old one has them.
    """

    old_major: int
    new_major: int
    kept: Path
    tables: int
    rows: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Servers:
    """The old cluster's server and the new one's, both running."""

    old: Cluster
    new: Cluster
    old_sockets: Path
    new_sockets: Path
    old_major: int
    new_major: int

    def swap(self, on: date) -> Path:
        """Puts the new cluster in the old one's place, and says where the old one is kept."""
        directory = self.old.directory
        for cluster in (self.new, self.old):
            cluster.stop()
        if self.old.is_running():
            raise EmbeddedServerError(
                f"a server that alpha-monday did not start runs in {self.old.path}", "stop it, and try again"
            )
        kept = _free_name(directory / f"postgresql-{self.old_major}.kept-{on.isoformat()}")
        # Killed before the second step, the old one is in its place; after it, the next start takes the third,
        # because a whole new one stands ready under a name that nothing else has.
        self.new.path.rename(self.old.upgraded)
        sync_directory(directory)
        self.old.path.rename(kept)
        sync_directory(directory)
        self.old.finish_upgrade()
        return kept


async def upgrade(
    directory: Path, databases: Sequence[str], *, on: date, old_programs: Path | None = None, otherwise: str = ""
) -> Upgraded | None:
    """Brings the cluster of `directory` to the installed major version, with those of `databases` that it has.

    None if it is of that version already. Every table is compared before the old cluster is put aside; until then
    it stays in its place. Cancelled while the two change places, it brings that to its end first, and `kept_clusters`
    tells where the old one is. `old_programs` is where the old major's programs are, `otherwise` what else can be done
    where there are none. Raises EmbeddedServerError if the cluster is in use, newer than the installed version or its
    programs are missing, SchemaError for tables of a newer version, DatabaseError if a copy or its comparison fails.
    """
    async with in_thread(_both(directory, old_programs, otherwise)) as servers:
        if servers is None:
            return None
        tables = rows = 0
        async with connected(conninfo_of(servers.old_sockets, "postgres")) as connection:
            cursor = await connection.execute(_DATABASES)
            found = [name for (name,) in await cursor.fetchall()]
        left = [name for name in found if name not in {*databases, "postgres"}]
        for name in (name for name in databases if name in found):
            old, new = (conninfo_of(sockets, name) for sockets in (servers.old_sockets, servers.new_sockets))
            async with connected(old) as source:
                status = await migrate.check(source)
                migrate.raise_unless_current(status, may_be_behind=True)
                ours = await own_tables(source, (*WITH_STATE, *migrate.TABLES))
                left += [f"{name}.{table}" for table in await all_tables(source) if table not in ours]
                await source.rollback()  # no transaction stays idle while the tables are made
                await to_its_end(migrate.up_to, new, dict.fromkeys(status.applied))
                names = [table.name for table in ours if table.name in WITH_STATE]
                async with connected(new) as target:
                    with translated():
                        held = await carry_over(source, target, names) if names else {}
            tables, rows = tables + len(held), rows + sum(table.rows for table in held.values())
        kept = await to_its_end(servers.swap, on)
    return Upgraded(servers.old_major, servers.new_major, kept, tables, rows, tuple(left))


def kept_clusters(directory: Path) -> list[Path]:
    """The clusters that upgrades have put aside in `directory`, by name. Raises EmbeddedServerError."""
    directory = settled_path(directory)
    with explained(directory):
        return Cluster(directory).kept()


@contextmanager
def _both(directory: Path, old_programs: Path | None, otherwise: str) -> Iterator[_Servers | None]:
    """Runs the old cluster and an empty new one beside it; nobody else can start or join a server meanwhile."""
    directory = settled_path(directory)
    if not directory.is_dir():
        raise EmbeddedServerError(f"there is no embedded PostgreSQL in {directory}", "nothing is to be upgraded")
    with explained(directory), locked(directory / "gate.lock"):
        if (users := try_lock(directory / "users.lock")) is None:
            raise EmbeddedServerError(
                f"other processes use the embedded PostgreSQL in {directory}", "end every alpha-monday, and try again"
            )
        try:
            old = Cluster(directory)
            old.finish_upgrade()
            if (majors := _majors(old)) is None:
                yield None
                return
            aside = directory / "upgrade"
            for leftover in (directory, aside):  # servers whose users were all killed
                if leftover.exists():
                    Cluster(leftover).stop()
            for remains in (aside, old.upgraded):  # of an upgrade that did not come to its end
                if os.path.lexists(remains):
                    shutil.rmtree(remains)
            old = Cluster(directory, _programs(majors[0], old.user, old_programs, otherwise))
            make_directory(aside, for_all=old.user.is_another)
            new = Cluster(aside)
            try:
                yield _Servers(old, new, old.ensure_running({}), new.ensure_running({}), *majors)
            finally:
                old.stop()
                new.stop()
                shutil.rmtree(aside)
        finally:
            os.close(users)


def _majors(old: Cluster) -> tuple[int, int] | None:
    """The cluster's major version and the installed one; None if they are the same."""
    if not os.path.lexists(old.path / "PG_VERSION"):
        raise EmbeddedServerError(f"there is no embedded PostgreSQL in {old.directory}", "nothing is to be upgraded")
    theirs, ours = old.version(), program_major(server_tools(old.user), old.user)
    if not theirs.isdecimal():
        raise EmbeddedServerError(
            f"{old.path} does not tell which PostgreSQL made it: {theirs!r}", "see whether it is damaged"
        )
    if int(theirs) > ours:
        raise EmbeddedServerError(
            f"{old.path} was made by PostgreSQL {theirs}, and the installed one is older: {ours}",
            f"upgrade alpha-monday to a version that brings PostgreSQL {theirs}; there is no way back",
        )
    return None if int(theirs) == ours else (int(theirs), ours)


def _programs(major: int, user: ServerUser, given: Path | None, otherwise: str) -> Path:
    package = f"install PostgreSQL {major} (Debian: apt install postgresql-{major})"
    if given is not None:
        tools = given.absolute()
        try:
            found = program_major(tools, user)
        except OSError as exc:
            raise EmbeddedServerError(
                f"{user.name} finds no PostgreSQL to run in {tools}: {exc.strerror}",
                "name the directory of its programs postgres, initdb and pg_ctl",
            ) from exc
        if found != major:
            raise EmbeddedServerError(
                f"the programs in {tools} are of PostgreSQL {found}; the cluster was made by {major}", package
            )
        return tools
    if (kept := find_programs(major, user)) is None:
        raise EmbeddedServerError(
            f"PostgreSQL {major}'s own programs, which are needed once to read the cluster, are not on this machine",
            f"{package}, or name its programs by --old-programs{otherwise}",
        )
    return kept


def _free_name(path: Path) -> Path:
    count = 2
    found = path
    while os.path.lexists(found):
        found = path.with_name(f"{path.name}-{count}")
        count += 1
    return found
